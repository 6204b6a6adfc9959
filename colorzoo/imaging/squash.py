"""Photos squashed to a square and enlarged again, as the code of many colorizers does it.

It distorts shapes, and colours bleed over edges or form blocks. It is here so that a model can be
compared with the code of its authors.
"""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorzoo.imaging.recombine import lightness_of

Shrinking = Literal["bilinear", "bicubic"]
Enlarging = Literal["nearest", "bilinear"]

_STRIP_PIXELS = 1_000_000  # merged at a time


def squashed_lightness(
    rgb: np.ndarray, side: int, method: Shrinking, device: torch.device
) -> Tensor:
    """Squash a photo to a square.

    Args:
        rgb: (H, W, 3) uint8.
        side: Side of the square, pixels.
        method: "bilinear" is that of OpenCV: without antialiasing and in floating point. "bicubic"
            is that of Pillow: with antialiasing and rounded to 8 bits.
        device: Where the result is.

    Returns:
        (1, 1, side, side), L in [0, 100].
    """
    if method == "bicubic":
        small = Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC)
        return lightness_of(np.asarray(small), device)
    whole = torch.tensor(rgb, device=device).permute(2, 0, 1)[None].float() / 255
    square = F.interpolate(whole, (side, side), mode="bilinear", align_corners=False)
    return rgb_to_lab(square)[:, :1]


def merge_squashed(rgb: np.ndarray, ab: Tensor, method: Enlarging) -> np.ndarray:
    """Give a photo the colour that was predicted for its square.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        ab: (1, 2, h, w), in L*a*b* units.
        method: How ab is enlarged.

    Returns:
        (H, W, 3) uint8. Colours outside sRGB are clipped.
    """
    height, width = rgb.shape[:2]
    corners = None if method == "nearest" else False
    whole = F.interpolate(ab.float(), (height, width), mode=method, align_corners=corners)
    out = np.empty_like(rgb)
    step = max(1, _STRIP_PIXELS // width)
    for start in range(0, height, step):
        rows = slice(start, start + step)
        lab = torch.cat((lightness_of(rgb[rows], ab.device), whole[..., rows, :]), dim=1)
        out[rows] = to_uint8(lab_to_rgb(lab)[0].permute(1, 2, 0)).cpu().numpy()
    return out
