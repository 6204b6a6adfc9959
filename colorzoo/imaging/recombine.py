"""Merge a photo's own lightness with the network's colour at full size.

Small photos, and photos on a GPU, are merged in float32 L*a*b*, strip by strip. On the CPU this
takes many times as long as decoding, so large photos use a faster method: ab is first enlarged
along edges to four times the network's resolution, then linearly to full size, in steps of half a
unit; and L*a*b* is converted to sRGB by a table that is computed for the colours of each photo. The
difference is not visible: 0.3 to 0.5 on average (CIE 1976 colour difference), at most 0.5 in L.
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
from colorzoo.imaging.border import WHOLE, Box, pixels_of
from colorzoo.imaging.upsample import GuidedUpsampler

# Pixels merged at a time: about 100 MB of float32 tensors, whatever the size of the photo.
_STRIP_PIXELS = 1_000_000
# The faster method: factor by which ab is enlarged along edges
_ZOOM = 4
# pixels processed at a time, few enough for the processor's cache
_CACHED_PIXELS = 250_000
# grid points of the table along gray, a and b; linear between them
_POINTS = (65, 33, 33)
# smallest quantisation step of a and b, L*a*b* units; at most 255 steps
_AB_STEP = 0.5


def merge_ab(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Give a photo new colour and keep its lightness.

    Memory that grows with the photo: the two 8-bit pictures and one byte per pixel.

    Args:
        rgb: (H, W, 3) uint8 sRGB, the photo.
        small: (1, 1, h, w), the lightness at the working size.
        ab: (1, 2, h, w), the predicted colour, in L*a*b* units.

    Returns:
        (H, W, 3) uint8 sRGB. Colours outside sRGB are desaturated until they fit.
    """
    if not ab.any():  # for example with saturation=0: all channels must be exactly equal
        return _gray(rgb)[..., None].repeat(3, axis=2)
    with torch.inference_mode():
        is_large = min(rgb.shape[:2]) > _ZOOM * min(small.shape[-2:])
        if is_large and ab.device.type == "cpu":
            return _merge_by_table(rgb, small.float(), ab.float())
        return merge_exactly(rgb, small.float(), ab.float())


def merge_deep(gray16: np.ndarray, small: Tensor, ab: Tensor, box: Box) -> np.ndarray:
    """Give a photo new colour with 16 bits a channel.

    Args:
        gray16: (H, W) uint16, sRGB gray levels with the lightness of the photo.
        small: (1, 1, h, w), L of the part to colour, at the working size.
        ab: (1, 2, h, w), its colour, in L*a*b* units.
        box: The part, as fractions of width and height; the rest becomes gray.

    Returns:
        (H, W, 3) uint16 sRGB. Colours outside sRGB are desaturated until they fit.
    """
    out = gray16[..., None].repeat(3, axis=2)
    rows, columns = pixels_of(box, (*gray16.shape, 3))[:2]
    inside = out[rows, columns]
    height, width = inside.shape[:2]
    step = max(1, _STRIP_PIXELS // width)
    with torch.inference_mode():
        if not ab.any():
            return out
        upsampler = GuidedUpsampler(small.float(), ab.float(), size=(height, width))
        for start in range(0, height, step):
            codes = torch.from_numpy(inside[start : start + step, :, 0].astype(np.float32) / 65535)
            lightness = luminance_to_lightness(rgb_to_linear(codes.to(ab.device)))[None, None]
            lab = torch.cat((lightness, upsampler.rows(start, lightness)), dim=1)
            pixels = lab_to_rgb(lab, gamut="desaturate")[0].permute(1, 2, 0) * 65535
            inside[start : start + step] = pixels.round().clamp(0, 65535).cpu().numpy()
    return out


def merge_in_box(rgb: np.ndarray, small: Tensor, ab: Tensor, box: Box) -> np.ndarray:
    """Colour only a part of a photo, as ``merge_ab`` does; the rest becomes gray.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        small: (1, 1, h, w), L of that part at the working size.
        ab: (1, 2, h, w), its colour.
        box: The part, as fractions of width and height.

    Returns:
        (H, W, 3) uint8.
    """
    if box == WHOLE:
        return merge_ab(rgb, small, ab)
    merged = without_colour(rgb)
    inside = pixels_of(box, rgb.shape)
    merged[inside] = merge_ab(np.ascontiguousarray(rgb[inside]), small, ab)
    return merged


def without_colour(rgb: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 in black and white, with the same lightness."""
    nothing = torch.zeros(1, 3, 4, 4, dtype=torch.float32, device="cpu")
    return merge_ab(rgb, nothing[:, :1], nothing[:, 1:])


def merge_exactly(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Merge as ``merge_ab`` does, but in float32 L*a*b* at every size."""
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
    """Convert (H, W, 3) uint8 sRGB to (1, 1, H, W) L in [0, 100]."""
    # With 256 levels per channel, a lookup table is several times faster than computing luminance.
    linear = rgb_to_linear(_levels())
    red, green, blue = (linear.new_tensor(LUMINANCE)[:, None] * linear).numpy()
    luminance = red[rgb[..., 0]] + green[rgb[..., 1]] + blue[rgb[..., 2]]
    return luminance_to_lightness(torch.from_numpy(luminance).to(device))[None, None]


def _merge_by_table(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    height, width = rgb.shape[:2]
    step = max(1, _CACHED_PIXELS // width)
    gray = _gray(rgb)
    coded, low, scale = _code(gray, small, ab)
    # Antialiasing has no effect when enlarging, but its implementation is faster.
    coded = F.interpolate(coded, (height, width), mode="bilinear", antialias=True)
    pixels = coded[0].permute(1, 2, 0).numpy()
    packed = pixels.view("<u4")[..., 0]  # gray + 256 a + 65536 b; gray is still 0
    is_used = np.zeros(1 << 24, bool)

    def mark(rows: slice) -> None:
        is_used[packed[rows]] = True

    _in_strips(mark, height, step)
    table = _table(np.flatnonzero(is_used[::256]), low, scale)
    out = np.empty_like(rgb)

    def colour(rows: slice) -> None:
        pixels[rows, :, 0] = gray[rows]
        found = table.take(packed[rows])
        strip = Image.frombuffer("RGBX", found.shape[::-1], found, "raw", "RGBX", 0, 1)
        out[rows] = np.asarray(strip.convert("RGB"))

    _in_strips(colour, height, step)
    return out


def _in_strips(work: Callable[[slice], None], height: int, step: int) -> None:
    """Process the rows of a picture in threads: NumPy and Pillow release the GIL."""
    strips = [slice(start, min(start + step, height)) for start in range(0, height, step)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(work, strips))


def _gray(rgb: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 to (H, W) uint8 gray of the same lightness."""
    height, width = rgb.shape[:2]
    gray = np.empty((height, width), np.uint8)

    def take(rows: slice) -> None:
        gray[rows] = _gray_levels(rgb[rows])

    _in_strips(take, height, max(1, _CACHED_PIXELS // width))
    return gray


def _code(gray: np.ndarray, small: Tensor, ab: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge ab by ``_ZOOM`` along edges, and quantise it to bytes.

    Returns:
        (1, 4, h, w) uint8, channels last in memory, which torch enlarges fastest: zero (replaced by
        the gray level later), a, b and zero. Then (2,) the values of a and b at byte 0, and (2,)
        their step per byte.
    """
    height, width = (_ZOOM * side for side in small.shape[-2:])
    middle = Image.fromarray(gray).resize((width, height), Image.Resampling.BOX)
    levels = torch.from_numpy(np.asarray(middle).astype(np.int64))
    guide = _lightness_of_levels()[levels][None, None]
    ab = GuidedUpsampler(small, ab, size=(height, width)).rows(0, guide)
    low, high = ab.amin(dim=(0, 2, 3)), ab.amax(dim=(0, 2, 3))
    scale = ((high - low) / 255).clamp(min=_AB_STEP)
    bytes_ = ((ab - low[:, None, None]) / scale[:, None, None]).round().to(torch.uint8)
    empty = torch.zeros_like(bytes_[:, :1])
    coded = torch.cat((empty, bytes_, empty), dim=1)
    return coded.contiguous(memory_format=torch.channels_last), low, scale


def _table(codes: np.ndarray, low: Tensor, scale: Tensor) -> np.ndarray:
    """Tabulate sRGB for every gray level and the given colours.

    Args:
        codes: (n,) the colours, as a + 256 b, where a and b are bytes of ``_code``.
        low: (2,) a and b at byte 0.
        scale: (2,) their step per byte.

    Returns:
        (2**24,) uint32, RGBX bytes at index gray + 256 code; not set for other codes.
    """
    # Computed at grid points; Pillow interpolates between them. Gray varies fastest in its tables.
    b, a, level = torch.meshgrid(
        *(torch.linspace(0, 1, points, dtype=torch.float32) for points in reversed(_POINTS)),
        indexing="ij",
    )
    lightness = luminance_to_lightness(rgb_to_linear(level))
    code_a, code_b = codes & 255, codes >> 8
    span = scale * torch.tensor([int(code_a.max()), int(code_b.max())])
    lab = torch.stack((lightness, low[0] + a * span[0], low[1] + b * span[1]))
    # (3, b, a, gray) is a picture of b times a rows.
    colours = lab_to_rgb(lab.flatten(1, 2), gamut="desaturate").permute(1, 2, 0)
    points = ImageFilter.Color3DLUT(_POINTS, colours.contiguous().numpy().ravel())
    table = np.empty((1 << 16, 256), np.uint32)

    def stretch(values: np.ndarray) -> np.ndarray:
        return (values * (255 / max(1, values.max()))).round().astype(np.uint8)

    def fill(part: slice) -> None:
        lines = np.empty((part.stop - part.start, 256, 3), np.uint8)
        lines[..., 0] = np.arange(256)
        lines[..., 1], lines[..., 2] = stretch(code_a)[part, None], stretch(code_b)[part, None]
        rgbx = Image.fromarray(lines).filter(points).tobytes("raw", "RGBX")
        table[codes[part]] = np.frombuffer(rgbx, "<u4").reshape(-1, 256)

    # Pillow copies all grid points again for each part, so there is only one part per thread.
    _in_strips(fill, len(codes), -(-len(codes) // torch.get_num_threads()))
    return table.ravel()


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
    """Tabulate each channel's share of luminance, times 65,535, and the gray level of the sum."""
    linear = rgb_to_linear(torch.arange(256, dtype=torch.float64) / 255)
    shares = torch.tensor(LUMINANCE, dtype=torch.float64)[:, None] * linear * 65535
    whole = torch.arange(65536, dtype=torch.float64) / 65535
    return shares.round().to(torch.uint16).numpy(), to_uint8(linear_to_rgb(whole)).numpy()


@lru_cache(maxsize=1)
def _lightness_of_levels() -> Tensor:
    return luminance_to_lightness(rgb_to_linear(_levels()))


def _levels() -> Tensor:
    return torch.arange(256, dtype=torch.float32, device="cpu") / 255
