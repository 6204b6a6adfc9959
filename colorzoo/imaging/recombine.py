"""Merge a photo's own lightness with the network's colour at full size.

Tiny photos, and photos on a GPU, are merged in float32 L*a*b*, strip by strip. On the CPU this
takes many times as long as decoding, so larger photos use a faster method; see
:mod:`colorzoo.imaging.quick`. The difference is not visible: 0.3 to 0.5 on average (CIE 1976 colour
difference), most of which is rounding to 8 bits, and at most 0.5 in L.
"""

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import (
    lab_to_rgb,
    luminance_to_lightness,
    rgb_to_linear,
    to_uint8,
)
from colorzoo.imaging.border import WHOLE, Box, pixels_of
from colorzoo.imaging.gray import gray_of, levels
from colorzoo.imaging.quick import merge_quickly
from colorzoo.imaging.upsample import GuidedUpsampler
from colorzoo.srgb import LUMINANCE

# Pixels merged at a time: about 100 MB of float32 tensors, whatever the size of the photo.
_STRIP_PIXELS = 1_000_000
# Photos up to this size are merged exactly on the CPU, too: they take no time, and pictures of
# 256 x 256 pixels are what models are compared on.
_EXACT_PIXELS = 100_000


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
        return gray_of(rgb)[..., None].repeat(3, axis=2)
    with torch.inference_mode():
        is_large = rgb.shape[0] * rgb.shape[1] > _EXACT_PIXELS
        if is_large and ab.device.type == "cpu":
            return merge_quickly(rgb, small.float(), ab.float())
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
    linear = rgb_to_linear(levels())
    red, green, blue = (linear.new_tensor(LUMINANCE)[:, None] * linear).numpy()
    luminance = red[rgb[..., 0]] + green[rgb[..., 1]] + blue[rgb[..., 2]]
    return luminance_to_lightness(torch.from_numpy(luminance).to(device))[None, None]
