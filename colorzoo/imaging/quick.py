"""Merge a photo with colour on the CPU in a fraction of the time that L*a*b* takes per pixel.

ab is first enlarged along edges to three times the network's resolution, then linearly to full
size, in bytes; and gray, a and b are converted to sRGB by interpolation between grid points that
are computed for the colours of each photo. For large photos, all colours that occur are tabulated
first.
"""

import math

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, luminance_to_lightness, rgb_to_linear
from colorzoo.imaging.gray import gray_of, in_strips, lightness_of_levels, rows_at_a_time
from colorzoo.imaging.upsample import upsample

# Factor by which ab is enlarged along edges. A fourth step would take twice the time for a mean
# difference of 0.02.
_ZOOM = 3
# Pixels from which a table of all colours takes less time than interpolating each pixel
_TABLE_PIXELS = 2_000_000
# Grid points along gray; those along a and b are at most this far apart, in L*a*b* units, or as
# far as this many of them are.
_GRAYS, _APART, _MOST = 65, 4.0, 33
# Smallest quantisation step of a and b in a table, L*a*b* units; at most 255 steps
_TABLE_STEP = 0.5
_FLAT = 1e-3  # the step where all pixels have one colour


def merge_quickly(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Merge as ``recombine.merge_exactly`` does, to within 0.3 to 0.5 on average.

    Args:
        rgb: (H, W, 3) uint8 sRGB, the photo.
        small: (1, 1, h, w) float32, the lightness at the working size.
        ab: (1, 2, h, w) float32, the predicted colour, in L*a*b* units.

    Returns:
        (H, W, 3) uint8 sRGB. Colours outside sRGB are desaturated until they fit.
    """
    height, width = rgb.shape[:2]
    by_table = height * width > _TABLE_PIXELS
    gray = gray_of(rgb)
    coded, low, scale = code_ab(gray, small, ab, least=_TABLE_STEP if by_table else _FLAT)
    if coded.shape[-2:] != (height, width):
        # Antialiasing has no effect when enlarging, but its implementation is faster.
        coded = F.interpolate(coded, (height, width), mode="bilinear", antialias=True)
    pixels = coded[0].permute(1, 2, 0).numpy()
    work = _by_table if by_table else _by_grid
    return work(gray, pixels, low, scale)


def _by_grid(gray: np.ndarray, pixels: np.ndarray, low: Tensor, scale: Tensor) -> np.ndarray:
    """Convert (H, W) gray and (H, W, 4) codes of ab to (H, W, 3) sRGB, pixel by pixel."""
    height, width = gray.shape
    grid = _grid(low, scale * 255)
    out = np.empty((height, width, 3), np.uint8)

    def colour(rows: slice) -> None:
        strip = pixels[rows]
        strip[..., 0] = gray[rows]
        coded = Image.frombuffer("RGBX", strip.shape[1::-1], strip, "raw", "RGBX", 0, 1)
        out[rows] = _packed(coded.filter(grid))

    in_strips(colour, height, rows_at_a_time(height, width))
    return out


def _by_table(gray: np.ndarray, pixels: np.ndarray, low: Tensor, scale: Tensor) -> np.ndarray:
    """Do what ``_by_grid`` does, but convert every colour that occurs once."""
    height, width = gray.shape
    step = rows_at_a_time(height, width)
    packed = pixels.view("<u4")[..., 0]  # gray + 256 a + 65536 b; gray is still 0
    codes = pixels[..., 1:3].view("<u2")[..., 0]
    is_used = np.zeros(1 << 16, bool)

    def mark(rows: slice) -> None:
        is_used[codes[rows]] = True

    in_strips(mark, height, step)
    table = _table(np.flatnonzero(is_used), low, scale)
    out = np.empty((height, width, 3), np.uint8)

    def colour(rows: slice) -> None:
        pixels[rows, :, 0] = gray[rows]
        found = table.take(packed[rows])
        strip = Image.frombuffer("RGBX", found.shape[::-1], found, "raw", "RGBX", 0, 1)
        out[rows] = _packed(strip)

    in_strips(colour, height, step)
    return out


def _packed(image: Image.Image) -> np.ndarray:
    """Return an RGBX image as (H, W, 3) uint8; asarray() takes several times as long."""
    return np.frombuffer(image.tobytes("raw", "RGB"), np.uint8).reshape(*image.size[::-1], 3)


def code_ab(
    gray: np.ndarray, small: Tensor, ab: Tensor, *, least: float = _FLAT
) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge ab by ``_ZOOM`` along edges, or to full size if that is smaller, in bytes.

    Args:
        gray: (H, W) uint8.
        small: (1, 1, h, w), lightness at the working size.
        ab: (1, 2, h, w), colour at the working size.
        least: Smallest step per byte, L*a*b* units.

    Returns:
        (1, 4, h, w) uint8, channels last in memory, which torch enlarges fastest: zero (replaced by
        the gray level later), a, b and zero. Then (2,) the values of a and b at byte 0, and (2,)
        their step per byte.
    """
    height, width = (
        min(full, _ZOOM * side) for full, side in zip(gray.shape, small.shape[-2:], strict=True)
    )
    middle = gray
    if middle.shape != (height, width):
        middle = np.asarray(Image.fromarray(gray).resize((width, height), Image.Resampling.BOX))
    guide = torch.from_numpy(lightness_of_levels().take(middle))[None, None]
    ab = upsample(small, ab, guide)
    low, high = ab.amin(dim=(0, 2, 3)), ab.amax(dim=(0, 2, 3))
    scale = ((high - low) / 255).clamp(min=least)
    bytes_ = ab.sub_(low[:, None, None]).div_(scale[:, None, None]).round_().to(torch.uint8)
    empty = torch.zeros_like(bytes_[:, :1])
    coded = torch.cat((empty, bytes_, empty), dim=1)
    return coded.contiguous(memory_format=torch.channels_last), low, scale


def _grid(low: Tensor, span: Tensor) -> ImageFilter.Color3DLUT:
    """Compute sRGB at grid points, between which Pillow interpolates; see ``colours_at_grid``."""
    level, rgb = colours_at_grid(low, span)
    along_b, along_a, grays = level.shape
    colours = rgb.movedim(0, -1).contiguous().numpy().ravel()
    return ImageFilter.Color3DLUT((grays, along_a, along_b), colours)


def colours_at_grid(low: Tensor, span: Tensor) -> tuple[Tensor, Tensor]:
    """Compute sRGB at the points of a grid in a, b and gray, which Pillow's tables interpolate.

    Args:
        low: (2,) the smallest a and b.
        span: (2,) the range of a and b.

    Returns:
        (n_b, n_a, n_gray) gray levels, and (3, n_b, n_a, n_gray) sRGB, all in [0, 1]. Gray varies
        fastest, as in Pillow's tables.
    """
    along_a, along_b = (min(_MOST, max(2, math.ceil(each / _APART) + 1)) for each in span.tolist())
    b, a, level = torch.meshgrid(
        *(torch.linspace(0, 1, n, dtype=torch.float32) for n in (along_b, along_a, _GRAYS)),
        indexing="ij",
    )
    lightness = luminance_to_lightness(rgb_to_linear(level))
    lab = torch.stack((lightness, low[0] + a * span[0], low[1] + b * span[1]))
    # (3, b, a, gray) is a picture of b times a rows.
    rgb = lab_to_rgb(lab.flatten(1, 2), gamut="desaturate").unflatten(1, (along_b, along_a))
    return level, rgb


def _table(codes: np.ndarray, low: Tensor, scale: Tensor) -> np.ndarray:
    """Tabulate sRGB for every gray level and the given colours.

    Args:
        codes: (n,) the colours, as a + 256 b, where a and b are bytes of ``code_ab``.
        low: (2,) a and b at byte 0.
        scale: (2,) their step per byte.

    Returns:
        (2**24,) uint32, RGBX bytes at index gray + 256 code; not set for other codes.
    """
    code_a, code_b = codes & 255, codes >> 8
    most = [max(1, int(code_a.max())), max(1, int(code_b.max()))]
    grid = _grid(low, scale * torch.tensor(most))
    table = np.empty((1 << 16, 256), np.uint32)

    def stretch(values: np.ndarray, most: int) -> np.ndarray:
        return (values * (255 / most)).round().astype(np.uint8)

    def fill(part: slice) -> None:
        lines = np.empty((part.stop - part.start, 256, 3), np.uint8)
        lines[..., 0] = np.arange(256)
        lines[..., 1] = stretch(code_a, most[0])[part, None]
        lines[..., 2] = stretch(code_b, most[1])[part, None]
        rgbx = Image.fromarray(lines).filter(grid).tobytes("raw", "RGBX")
        table[codes[part]] = np.frombuffer(rgbx, "<u4").reshape(-1, 256)

    # Pillow copies all grid points again for each part, so there is only one part per thread.
    in_strips(fill, len(codes), -(-len(codes) // torch.get_num_threads()))
    return table.ravel()
