"""The evaluation protocol: how good and how vivid a coloured photo is, in one file.

Every photo is cropped to its central square and resized to 256x256; all numbers are taken from
8-bit RGB, so what is measured is what a person would see.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor

from colorzoo.color import lightness_to_rgb, rgb_to_lab

SIDE = 256
AUC_LIMIT = 150.0
PSNR_CEILING = 100.0

PROTOCOL = (
    f"{SIDE}x{SIDE}, RGB uint8. PSNR: joint over channels, mean of per-photo values. SSIM: 11x11 "
    "Gaussian, sigma 1.5, on RGB. CF: Hasler-Suesstrunk colourfulness (signed rg, yb), mean over "
    "photos; dCF: |mean CF of predictions - mean CF of truth|. AuC: area under the cumulative "
    f"curve of per-pixel ab L2 error over 0..{AUC_LIMIT:.0f}, in percent. Gray: ab = 0."
)


@dataclass(frozen=True)
class Scores:
    """Means over a set of photos.

    Attributes:
        psnr: Peak signal-to-noise ratio, dB; higher is closer.
        ssim: Structural similarity, up to 1.
        cf: Colourfulness of the predictions.
        delta_cf: Distance of that from the colourfulness of the truth.
        auc: Area under the cumulative curve of the ab error, percent.
    """

    psnr: float
    ssim: float
    cf: float
    delta_cf: float
    auc: float


def prepare(rgb: np.ndarray, *, side: int = SIDE) -> np.ndarray:
    """Crop a photo to its central square and resize it.

    Args:
        rgb: (H, W, 3) uint8.
        side: Side of the result, pixels.

    Returns:
        (side, side, 3) uint8.
    """
    height, width = rgb.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    picture = Image.fromarray(np.ascontiguousarray(rgb[top : top + square, left : left + square]))
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS))


def psnr(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, joint over channels; equal pictures count as 100.

    Args:
        predicted: (H, W, 3) uint8.
        truth: (H, W, 3) uint8.
    """
    mse = np.mean((predicted.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return PSNR_CEILING if mse == 0 else min(PSNR_CEILING, float(10 * np.log10(255**2 / mse)))


def ssim(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) on RGB, 11x11 Gaussian window, sigma 1.5.

    Args:
        predicted: (H, W, 3) uint8, sides of at least 11.
        truth: (H, W, 3) uint8.
    """
    similarity: Any = structural_similarity(
        predicted,
        truth,
        channel_axis=-1,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(similarity)


def colorfulness(rgb: np.ndarray) -> float:
    """Colourfulness of Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images".

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        0 for gray, about 15 slightly, 45 averagely, 80 highly colourful.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def auc(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Area under the cumulative curve of the per-pixel ab error (Zhang et al. 2016), percent.

    The area under the share of pixels with an L2 error of at most t, for t from 0 to 150, is
    exactly ``1 - mean(min(error, 150)) / 150``.

    Args:
        predicted: (H, W, 3) uint8.
        truth: (H, W, 3) uint8.
    """
    error = (_lab(predicted)[:, 1:] - _lab(truth)[:, 1:]).norm(dim=1)
    return float(100 * (1 - error.clamp(max=AUC_LIMIT).mean() / AUC_LIMIT))


def gray(rgb: np.ndarray) -> np.ndarray:
    """Take the colour out (ab = 0), the baseline of every table: (H, W, 3) uint8 both ways."""
    neutral = lightness_to_rgb(_lab(rgb)[:, :1])
    return (neutral[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def evaluate(
    colorize: Callable[[np.ndarray], np.ndarray], photos: Iterable[np.ndarray]
) -> tuple[Scores, Scores, int]:
    """Measure a colorizer and, on the same photos, the gray baseline.

    Args:
        colorize: Maps (256, 256, 3) uint8 gray pictures to (256, 256, 3) uint8 coloured ones.
        photos: Colour photos, (H, W, 3) uint8, any size.

    Returns:
        Scores of the colorizer, scores of the gray pictures, number of photos.

    Raises:
        ValueError: If there are no photos.
    """
    rows: list[list[float]] = []
    truths: list[float] = []
    for photo in photos:
        truth = prepare(photo)
        without = gray(truth)
        row: list[float] = []
        for picture in (colorize(without), without):
            row += [
                psnr(picture, truth),
                ssim(picture, truth),
                colorfulness(picture),
                auc(picture, truth),
            ]
        rows.append(row)
        truths.append(colorfulness(truth))
    if not rows:
        raise ValueError("there is no photo to evaluate on")
    means = np.mean(rows, axis=0)
    target = float(np.mean(truths))

    def scores(part: np.ndarray) -> Scores:
        quality, structure, colour, area = (float(value) for value in part)
        return Scores(quality, structure, colour, abs(colour - target), area)

    return scores(means[:4]), scores(means[4:]), len(rows)


def _lab(rgb: np.ndarray) -> Tensor:
    """Turn (H, W, 3) uint8 into (1, 3, H, W) L*a*b*."""
    return rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1)[None] / 255)
