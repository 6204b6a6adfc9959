"""The evaluation protocol: how close results are to the original photos, and how vivid.

Every photo is cropped to its central square and resized to 256x256. All numbers are computed from
8-bit RGB, so they measure what a person would see.
"""

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor

from colorzoo.ab_bins import COUNT, nearest_bin, smoothed_prior
from colorzoo.color import lightness_to_rgb, rgb_to_lab, to_uint8
from colorzoo.torch_state import on_cpu

SIDE = 256
AUC_LIMIT = 150.0
PSNR_CEILING = 100.0

PROTOCOL = (
    f"{SIDE}x{SIDE}, RGB uint8. PSNR: joint over channels, mean of per-photo values. SSIM: 11x11 "
    "Gaussian, sigma 1.5, on RGB. CF: Hasler-Suesstrunk colourfulness (signed rg, yb), mean over "
    "photos; dCF: |mean CF of predictions - mean CF of truth|. AuC: area under the cumulative "
    f"curve of per-pixel ab L2 error over 0..{AUC_LIMIT:.0f}, in percent, mean of per-photo "
    "values. Rebalanced AuC: over all pixels, each weighted by the inverse frequency of its true "
    "colour among these photos, in the 313 ab bins of Zhang et al. 2016, smoothed with sigma 5. "
    "MSE ab: squared ab error, mean over pixels and both channels, L*a*b* units squared. ms: mean "
    "time to colour one photo, after one that is not counted. LPIPS (AlexNet) and FID "
    "(Inception-v3, 2048 features), where given: torchmetrics. Gray: ab = 0."
)


@dataclass(frozen=True)
class Scores:
    """Means over a set of photos.

    Attributes:
        psnr: Peak signal-to-noise ratio, dB; higher is closer.
        ssim: Structural similarity, up to 1.
        cf: Colourfulness of the predictions.
        delta_cf: Difference between ``cf`` and the colourfulness of the originals.
        auc: Area under the cumulative curve of the ab error, percent.
        auc_rebalanced: The same with rare colours weighted as much as common ones, percent.
        mse_ab: Squared ab error, mean over pixels and both channels, L*a*b* units squared.
        lpips: Learned perceptual distance; 0 means equal. None if it was not measured.
        fid: Frechet inception distance; 0 means equal. None if it was not measured.
    """

    psnr: float
    ssim: float
    cf: float
    delta_cf: float
    auc: float
    auc_rebalanced: float
    mse_ab: float
    lpips: float | None = None
    fid: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """The result of ``evaluate``.

    Attributes:
        scores: Scores of the model.
        gray: Scores of its gray inputs.
        photos: Number of photos.
        milliseconds: Mean time per photo.
    """

    scores: Scores
    gray: Scores
    photos: int
    milliseconds: float


class Measure(Protocol):
    """A score that needs a network; see colorzoo/evaluation/perceptual.py."""

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add a result and the original photo, (H, W, 3) uint8."""
        ...

    def value(self) -> float | None:
        """The score of all pictures so far; None if there are too few."""
        ...


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
    return _auc(_ab_error(_ab(predicted), _ab(truth)).mean())


def auc_rebalanced(errors: Tensor, counts: Tensor) -> float:
    """Area under the cumulative curve with rebalanced colours (Zhang et al. 2016), percent.

    The weight of a pixel is the inverse of the smoothed frequency of its true colour's bin, as in
    equation 4 of the paper with lambda 0. Frequencies are counted over all photos of the set, and
    the mean is taken over all their pixels.

    Args:
        errors: (313,), for each bin, the sum of the L2 ab errors of its pixels, each at most 150.
        counts: (313,), the number of pixels in each bin; at least one must be above 0.
    """
    occurs = counts > 0
    weights = 1 / smoothed_prior(counts)[occurs]
    return _auc((weights * errors[occurs]).sum() / (weights * counts[occurs]).sum())


def mse_ab(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Squared ab error, mean over pixels and both channels, in L*a*b* units squared.

    Args:
        predicted: (H, W, 3) uint8.
        truth: (H, W, 3) uint8.
    """
    return float((_ab(predicted) - _ab(truth)).square().mean())


def gray(rgb: np.ndarray) -> np.ndarray:
    """Remove the colour (ab = 0), as the baseline of every table: (H, W, 3) uint8 to the same."""
    neutral = lightness_to_rgb(_lab(rgb)[:, :1])
    return to_uint8(neutral[0].permute(1, 2, 0)).numpy()


@on_cpu()
def evaluate(
    colorize: Callable[[np.ndarray], np.ndarray],
    photos: Iterable[np.ndarray],
    *,
    measures: Mapping[str, Measure] | None = None,
    watch: Callable[[np.ndarray, np.ndarray, np.ndarray], None] | None = None,
) -> Evaluation:
    """Measure a model and, on the same photos, the gray baseline.

    Photos are processed one at a time, and none is kept in memory.

    Args:
        colorize: Maps (256, 256, 3) uint8 gray pictures to (256, 256, 3) uint8 coloured ones. It is
            called once more than there are photos, because the first call is not timed.
        photos: Colour photos, (H, W, 3) uint8, any size.
        measures: Unused instances for "lpips" and "fid"; they are copied, not changed.
        watch: Called with the gray input, the result and the original of every photo.

    Returns:
        The scores of the model and of the gray pictures, the number of photos, and the time.

    Raises:
        ValueError: If there are no photos.
    """
    timed, truths = _Timed(colorize), _Truths()
    coloured, baseline = _Row(copy.deepcopy(measures or {})), _Row(copy.deepcopy(measures or {}))
    for photo in photos:
        truth = truths.add(prepare(photo))
        without = gray(truth.rgb)
        result = timed(without)
        coloured.add(result, truth)
        baseline.add(without, truth)
        if watch:
            watch(without, result, truth.rgb)
    if not timed.calls:
        raise ValueError("there is no photo to evaluate on")
    return Evaluation(
        scores=coloured.scores(truths),
        gray=baseline.scores(truths),
        photos=timed.calls,
        milliseconds=1000 * timed.seconds / timed.calls,
    )


@dataclass
class _Timed:
    """A function that is timed."""

    colorize: Callable[[np.ndarray], np.ndarray]
    seconds: float = 0.0
    calls: int = 0

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        if not self.calls:
            self.colorize(picture)  # warm-up, not timed: the first call is slower
        start = time.perf_counter()
        result = self.colorize(picture)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return result


class _Truth(NamedTuple):
    """An original photo: (H, W, 3) uint8, its (1, 2, H, W) ab, and their (1, H, W) bins."""

    rgb: np.ndarray
    ab: Tensor
    bins: Tensor


def _bin_zeros() -> Tensor:
    return torch.zeros(COUNT, dtype=torch.float64)


@dataclass
class _Truths:
    """Statistics of all originals so far: their colourfulness, and the pixels in each bin."""

    colour: list[float] = field(default_factory=list)
    counts: Tensor = field(default_factory=_bin_zeros)

    def add(self, rgb: np.ndarray) -> _Truth:
        ab = _ab(rgb)
        truth = _Truth(rgb, ab, nearest_bin(ab))
        self.colour.append(colorfulness(rgb))
        self.counts += torch.bincount(truth.bins.flatten(), minlength=COUNT)
        return truth


@dataclass
class _Row:
    """Statistics of all pictures so far for one row of the table."""

    measures: Mapping[str, Measure]
    values: list[tuple[float, ...]] = field(default_factory=list)
    errors: Tensor = field(default_factory=_bin_zeros)

    def add(self, picture: np.ndarray, truth: _Truth) -> None:
        ab = _ab(picture)
        error = _ab_error(ab, truth.ab)
        self.values.append(
            (
                psnr(picture, truth.rgb),
                ssim(picture, truth.rgb),
                colorfulness(picture),
                _auc(error.mean()),
                float((ab - truth.ab).square().mean()),
            )
        )
        self.errors += torch.bincount(truth.bins.flatten(), error.flatten().double(), COUNT)
        for measure in self.measures.values():
            measure.add(picture, truth.rgb)

    def scores(self, truths: _Truths) -> Scores:
        quality, structure, colour, area, squares = map(float, np.mean(self.values, axis=0))
        return Scores(
            psnr=quality,
            ssim=structure,
            cf=colour,
            delta_cf=abs(colour - float(np.mean(truths.colour))),
            auc=area,
            auc_rebalanced=auc_rebalanced(self.errors, truths.counts),
            mse_ab=squares,
            **{name: measure.value() for name, measure in self.measures.items()},
        )


def _lab(rgb: np.ndarray) -> Tensor:
    """Convert (H, W, 3) uint8 to (1, 3, H, W) L*a*b*."""
    return rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255)


def _ab(rgb: np.ndarray) -> Tensor:
    return _lab(rgb)[:, 1:]


def _ab_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """Compute the distance of two (N, 2, H, W) ab pictures for AuC: (N, H, W), at most 150."""
    return (predicted - truth).norm(dim=1).clamp(max=AUC_LIMIT)


def _auc(mean_error: Tensor) -> float:
    return float(100 * (1 - mean_error / AUC_LIMIT))
