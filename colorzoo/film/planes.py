"""Merge the lightness of a frame with colour, directly as the planes of a film: Y', Cb and Cr.

Films store colour at half the resolution of lightness, so colours are only computed there, by
interpolation between grid points, as :mod:`colorzoo.imaging.quick` does for photos. At full size
there is one linear function of the gray level to compute: how luma follows from gray, near the
gray level and for the colour of the block of 2 x 2 pixels. That takes half the time of converting
the frame to RGB and then to a film's colour space, and is as exact.
"""

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from colorzoo.imaging.gray import CACHED_PIXELS, gray_of
from colorzoo.imaging.quick import code_ab, colours_at_grid

# Weights of luma in ITU-R BT.709; levels of luma and of chroma with 8 bits: from 16, around 128
_LUMA = (0.2126, 0.7152, 0.0722)
_BLACK, _LUMA_LEVELS, _NEUTRAL, _CHROMA_LEVELS = 16, 219, 128, 224
# How what luma is below that of gray, at most 75 levels, and its slope, -2 to 2, become bytes
_PER_LEVEL, _LEVEL, _PER_SLOPE = 3, 128, 64


def merge_planes(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Give a frame new colour and keep its lightness.

    Args:
        rgb: (H, W, 3) uint8 sRGB, the frame.
        small: (1, 1, h, w) float32, its lightness at the working size.
        ab: (1, 2, h, w) float32, the predicted colour, in L*a*b* units, on the CPU.

    Returns:
        (H * 3 / 2, W) uint8: the planes of an 8-bit 4:2:0 frame in BT.709 with limited range, one
        after the other, as PyAV reads them. An odd width or height is rounded up, and the edge is
        repeated. Colours outside sRGB are desaturated until they fit.
    """
    gray = gray_of(rgb)
    if gray.shape[0] % 2 or gray.shape[1] % 2:
        gray = np.pad(gray, [(0, side % 2) for side in gray.shape], "edge")
    height, width = gray.shape
    planes = np.empty((height * 3 // 2, width), np.uint8)
    luma, chroma = planes[:height], planes[height:].reshape(2, height // 2, width // 2)
    if not ab.any():  # for example with saturation=0: then nothing may be coloured at all
        luma[:] = _luma_of_levels().take(gray)
        chroma[:] = _NEUTRAL
        return planes
    with torch.inference_mode():
        half = np.asarray(Image.fromarray(gray).reduce(2))
        coded, low, scale = code_ab(half, small, ab)
        if coded.shape[-2:] != half.shape:
            coded = F.interpolate(coded, half.shape, mode="bilinear", antialias=True)
        pixels = coded[0].permute(1, 2, 0).numpy()
        pixels[..., 0] = half
        image = Image.frombuffer("RGBX", half.shape[::-1], pixels, "raw", "RGBX", 0, 1)
        found = image.filter(_grid(low, scale * 255)).tobytes("raw", "RGBX")
    below, chroma[0], chroma[1], slope = (
        np.frombuffer(found, np.uint8).reshape(*half.shape, 4).transpose(2, 0, 1)
    )
    _fill_luma(luma, gray, half, below, slope)
    return planes


def _fill_luma(
    luma: np.ndarray, gray: np.ndarray, half: np.ndarray, below: np.ndarray, slope: np.ndarray
) -> None:
    """Compute (H, W) luma from gray; the others are (H / 2, W / 2), the last two from the grid."""
    height, width = gray.shape
    blocks, out = (each.reshape(height // 2, 2, width // 2, 2) for each in (gray, luma))
    step = max(1, CACHED_PIXELS // (4 * width))
    for start in range(0, height // 2, step):
        rows = slice(start, start + step)
        more = slope[rows].astype(np.float32)
        more -= _LEVEL
        more *= 1 / _PER_SLOPE
        base = below[rows] * np.float32(-1 / _PER_LEVEL)
        base -= more * half[rows]
        base += _BLACK + 0.5  # conversion to integers rounds down
        more += _LUMA_LEVELS / 255
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            exact = more * blocks[rows, i, :, j]
            exact += base
            out[rows, i, :, j] = exact.clip(0, 255, out=exact)


def _luma_of_levels() -> np.ndarray:
    """Return luma of the gray levels 0 to 255."""
    return np.rint(_BLACK + np.arange(256) * (_LUMA_LEVELS / 255)).astype(np.uint8)


def _grid(low: Tensor, span: Tensor) -> ImageFilter.Color3DLUT:
    """Compute, at grid points, what a block of pixels needs; Pillow interpolates between them.

    It is, in bytes: how far luma is below that of gray with the same luminance, which it never
    exceeds; Cb; Cr; and by how much more luma rises with the gray level than it does for gray.

    Args:
        low: (2,) the smallest a and b.
        span: (2,) the range of a and b.
    """
    level, rgb = colours_at_grid(low, span)
    red, _, blue = rgb
    luma = torch.einsum("cbag,c->bag", rgb, rgb.new_tensor(_LUMA))
    more = (luma - level) * _LUMA_LEVELS
    (slope,) = torch.gradient(more, spacing=255 / (level.shape[-1] - 1), dim=-1)
    found = torch.stack(
        (
            more * -_PER_LEVEL,
            (blue - luma) * (_CHROMA_LEVELS / 2 / (1 - _LUMA[2])) + _NEUTRAL,
            (red - luma) * (_CHROMA_LEVELS / 2 / (1 - _LUMA[0])) + _NEUTRAL,
            slope * _PER_SLOPE + _LEVEL,
        ),
        dim=-1,
    )
    values = (found / 255).clamp(0, 1).contiguous().numpy().ravel()
    along_b, along_a, grays = level.shape
    return ImageFilter.Color3DLUT((grays, along_a, along_b), values, channels=4, target_mode="RGBX")
