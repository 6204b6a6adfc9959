"""Tell whether a photo is black and white, toned, or in colour. Everything uses this definition."""

import math
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.color import rgb_to_lab

Kind = Literal["gray", "toned", "colour"]

# On 500 colour photos and their gray and toned copies (noise, JPEG of quality 75), these limits
# mistake 3.6 % of the colour photos for toned and at most 0.6 % of the toned ones for colour.
_SIDE = 128  # px; photos are reduced to this size to classify them
_GRAY_CHROMA = 6.0  # L*a*b* units; the chroma of gray scans stays below it after JPEG compression
_GRAY_SHARE = 0.99  # share of the pixels for which it does
_TONE, _TONE_ACROSS = 4.0, 2.0  # L*a*b* units; largest deviation from the tone, and from its hue


def is_gray(ab: Tensor) -> Tensor:
    """Tell whether photos have almost no chroma, apart from JPEG artefacts.

    Args:
        ab: (N, 2, H, W), L*a*b* units, with sides of about 128 pixels.

    Returns:
        (N,) bool.
    """
    chroma = ab.float().norm(dim=1).flatten(1)
    rank = math.ceil(_GRAY_SHARE * chroma.shape[1])
    return chroma.kthvalue(rank, dim=1).values < _GRAY_CHROMA


def kind_of(rgb: np.ndarray) -> Kind:
    """Tell whether a photo is gray, toned (sepia, cyanotype) or in colour.

    In a toned photo, all pixels of the same lightness have the same colour, apart from grain and
    compression.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
    """
    picture = Image.fromarray(rgb)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = torch.tensor(np.asarray(picture), dtype=torch.float32, device="cpu")
    lab = rgb_to_lab(pixels.permute(2, 0, 1)[None] / 255)
    if is_gray(lab[:, 1:])[0]:
        return "gray"
    lightness, ab = lab[0, 0].flatten().numpy(), lab[0, 1:].flatten(1).numpy()
    bins = (lightness / 4).astype(int)
    count = np.maximum(np.bincount(bins), 1)
    stray = ab - np.stack([(np.bincount(bins, channel) / count)[bins] for channel in ab])
    a, b = ab.mean(axis=1) / (np.hypot(*ab.mean(axis=1)) + 1e-9)
    across = a * stray[1] - b * stray[0]
    is_toned = _rms(np.hypot(*stray)) < _TONE and _rms(across) < _TONE_ACROSS
    return "toned" if is_toned else "colour"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
