"""A photo's own lightness and the network's colour, merged at full size.

Small photos, and those on a GPU, go through L*a*b* in float32, strip by strip. On the CPU that
costs many times what decoding does, so large photos take a shorter way: edges are followed at four
times the network's resolution, from where colour is enlarged linearly, and L*a*b* is turned to sRGB
by a table that is computed for each photo's own range of colours. The results differ by less than
one sees: by 0.1 to 0.4 in the mean (CIE 1976 colour difference), by 0.5 in L at most.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import (
    LUMINANCE,
    lab_to_rgb,
    linear_to_rgb,
    luminance_to_lightness,
    rgb_to_linear,
    to_uint8,
)
from colorzoo.upsample import GuidedUpsampler

# Pixels merged at a time: about 100 MB of float32 work, whatever the size of the photo.
_STRIP_PIXELS = 1_000_000
# The short way: how often the network's resolution edges are followed at, ...
_ZOOM = 4
# ... how many pixels' gray is taken at a time, few enough for a processor's cache, ...
_GRAY_STRIP_PIXELS = 250_000
# ... and the table's points along gray, a and b. Between them it is linear.
_POINTS = (65, 33, 33)


def merge_ab(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Give a photo new colour and leave its lightness alone.

    Memory does not grow with the photo beyond the two 8-bit pictures and a byte a pixel.

    Args:
        rgb: (H, W, 3) uint8 sRGB, the photo.
        small: (1, 1, h, w), the lightness that the network saw.
        ab: (1, 2, h, w), the colour for it, in L*a*b* units.

    Returns:
        (H, W, 3) uint8 sRGB. Colours outside sRGB are desaturated until they fit.
    """
    if not ab.any():  # as with saturation=0: all channels equal, to the last bit
        return _gray(rgb)[..., None].repeat(3, axis=2)
    with torch.inference_mode():
        is_large = min(rgb.shape[:2]) > _ZOOM * min(small.shape[-2:])
        if is_large and ab.device.type == "cpu":
            return _merge_by_table(rgb, small.float(), ab.float())
        return merge_exactly(rgb, small.float(), ab.float())


def merge_exactly(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Do what ``merge_ab`` does, at every size in float32 L*a*b*."""
    height, width = rgb.shape[:2]
    out = np.empty_like(rgb)
    step = max(1, _STRIP_PIXELS // width)
    upsampler = GuidedUpsampler(small, ab, size=(height, width))
    for start in range(0, height, step):
        lightness = lightness_of(rgb[start : start + step], ab.device)
        lab = torch.cat((lightness, upsampler.rows(start, lightness)), dim=1)
        pixels = lab_to_rgb(lab, gamut="desaturate")[0].permute(1, 2, 0)
        out[start : start + step] = to_uint8(pixels).cpu().numpy()
    return out


def lightness_of(rgb: np.ndarray, device: torch.device) -> Tensor:
    """Turn (H, W, 3) uint8 sRGB into (1, 1, H, W) L in [0, 100]."""
    # 256 levels a channel: looking their luminance up is several times faster than computing it.
    linear = rgb_to_linear(torch.arange(256) / 255)
    red, green, blue = (torch.tensor(LUMINANCE)[:, None] * linear).numpy()
    luminance = red[rgb[..., 0]] + green[rgb[..., 1]] + blue[rgb[..., 2]]
    return luminance_to_lightness(torch.from_numpy(luminance).to(device))[None, None]


def _merge_by_table(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    height, width = rgb.shape[:2]
    gray = _gray(rgb)
    coded, table = _code(gray, small, ab)
    out = F.interpolate(coded, (height, width), mode="bilinear")[0].permute(1, 2, 0).numpy()
    out[..., 0] = gray

    def colour(rows: slice) -> None:
        out[rows] = np.asarray(Image.fromarray(out[rows]).filter(table))

    # Pillow reads the whole table anew for each strip, so they are as large as can be.
    _in_strips(colour, height, -(-height // torch.get_num_threads()))
    return out


def _in_strips(work: Callable[[slice], None], height: int, step: int) -> None:
    """Do work on the rows of a picture in threads: NumPy and Pillow let go of the interpreter."""
    strips = [slice(start, min(start + step, height)) for start in range(0, height, step)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(work, strips))


def _gray(rgb: np.ndarray) -> np.ndarray:
    """Give the 8-bit gray of the same lightness: (H, W, 3) uint8 to (H, W) uint8."""
    height, width = rgb.shape[:2]
    gray = np.empty((height, width), np.uint8)

    def take(rows: slice) -> None:
        gray[rows] = _gray_levels(rgb[rows])

    _in_strips(take, height, max(1, _GRAY_STRIP_PIXELS // width))
    return gray


def _code(gray: np.ndarray, small: Tensor, ab: Tensor) -> tuple[Tensor, ImageFilter.Color3DLUT]:
    """Bring ab to the middle resolution as bytes.

    Returns:
        (1, 3, h, w) uint8, channels last in memory, as torch enlarges it fastest: a place for the
        gray level, then a and b; and the table that turns the three into sRGB.
    """
    height, width = (_ZOOM * side for side in small.shape[-2:])
    middle = Image.fromarray(gray).resize((width, height), Image.Resampling.BOX)
    levels = torch.from_numpy(np.asarray(middle).astype(np.int64))
    guide = _lightness_of_levels()[levels][None, None]
    ab = GuidedUpsampler(small, ab, size=(height, width)).rows(0, guide)
    low, high = ab.amin(dim=(0, 2, 3)), ab.amax(dim=(0, 2, 3))
    span = (high - low).clamp(min=1e-3)
    bytes_ = to_uint8((ab - low[:, None, None]) / span[:, None, None])
    coded = torch.cat((torch.zeros_like(bytes_[:, :1]), bytes_), dim=1)
    # Gray runs fastest in Pillow's tables, b slowest.
    b, a, level = torch.meshgrid(
        *(torch.linspace(0, 1, points) for points in reversed(_POINTS)), indexing="ij"
    )
    lightness = luminance_to_lightness(rgb_to_linear(level))
    lab = torch.stack((lightness, low[0] + a * span[0], low[1] + b * span[1]))
    # (3, b, a, gray) is a picture of b times a rows.
    colours = lab_to_rgb(lab.flatten(1, 2), gamut="desaturate").permute(1, 2, 0)
    table = ImageFilter.Color3DLUT(_POINTS, colours.contiguous().numpy().ravel())
    return coded.contiguous(memory_format=torch.channels_last), table


def _gray_levels(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    if (red == green).all() and (red == blue).all():
        return red
    shares, levels = _luminance_tables()
    luminance = shares[0].take(red)
    luminance += shares[1].take(green)
    luminance += shares[2].take(blue)
    return levels.take(luminance)


@lru_cache(maxsize=1)
def _luminance_tables() -> tuple[np.ndarray, np.ndarray]:
    """Tabulate each channel's share of luminance in 65,535ths, and the gray level of that sum."""
    linear = rgb_to_linear(torch.arange(256, dtype=torch.float64) / 255)
    shares = torch.tensor(LUMINANCE, dtype=torch.float64)[:, None] * linear * 65535
    whole = torch.arange(65536, dtype=torch.float64) / 65535
    return shares.round().to(torch.uint16).numpy(), to_uint8(linear_to_rgb(whole)).numpy()


@lru_cache(maxsize=1)
def _lightness_of_levels() -> Tensor:
    return luminance_to_lightness(rgb_to_linear(torch.arange(256) / 255))
