"""How good and how varied the samples of a model are, for models that take a seed.

One sample can be plausible and still far from the original, so the closest of several is measured
too. Which one that is, only the original tells: it is an oracle, not something that a user gets.
"""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.table import Table

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.evaluation.metrics import Measure, auc, colorfulness, gray, prepare, psnr
from colorzoo.gallery import contact_sheet
from colorzoo.imaging.read import read_photo
from colorzoo.torch_state import on_cpu

COUNTS = (1, 5, 10)
STEPS = (1, 2, 4, 8, 16, 32)
PAIRED = 5  # samples whose pairs are compared
SHEET_SAMPLES, SHEET_PHOTOS = 6, 12
PROTOCOL = (
    f"Samples: seeds 0 to {max(COUNTS) - 1}, other options at their defaults. Best of N: for each "
    "photo the highest value of the first N samples, chosen by the original (an oracle). "
    f"Diversity: mean over the pairs of the first {PAIRED} samples of a photo of their per-pixel "
    "ab L2 distance, and of LPIPS where given. Steps: one sample, seed 0. The rest as above."
)


@dataclass(frozen=True)
class StepScores:
    """One sample with a number of steps: means over photos.

    Attributes:
        psnr: dB.
        auc: Percent.
        cf: Colourfulness.
        milliseconds: Mean time per photo.
    """

    psnr: float
    auc: float
    cf: float
    milliseconds: float


@dataclass(frozen=True, eq=False)
class SampleScores:
    """Means over photos.

    Attributes:
        photos: Number of photos.
        psnr: The best of each of ``COUNTS`` samples, dB.
        auc: The same for AuC, percent.
        cf: Colourfulness of one sample.
        delta_cf: Its difference from that of the originals.
        ab_distance: Diversity: distance between samples of a photo, L*a*b* units.
        lpips_distance: The same as LPIPS; None if it was not measured.
        steps: Scores by the number of steps; empty if the model has none.
        sheet: The first photos: black and white, samples, original.
    """

    photos: int
    psnr: tuple[float, ...]
    auc: tuple[float, ...]
    cf: float
    delta_cf: float
    ab_distance: float
    lpips_distance: float | None
    steps: dict[int, StepScores]
    sheet: Image.Image

    def as_json(self) -> dict[str, Any]:
        """Return the entry of metrics.json."""
        found: dict[str, Any] = {
            "photos": self.photos,
            "protocol": PROTOCOL,
            "counts": list(COUNTS),
            "psnr": [round(value, 4) for value in self.psnr],
            "auc": [round(value, 4) for value in self.auc],
            "cf": round(self.cf, 4),
            "delta_cf": round(self.delta_cf, 4),
            "ab_distance": round(self.ab_distance, 4),
        }
        if self.lpips_distance is not None:
            found["lpips_distance"] = round(self.lpips_distance, 4)
        if self.steps:
            found["steps"] = {
                str(count): {key: round(value, 4) for key, value in vars(each).items()}
                for count, each in self.steps.items()
            }
        return found


@on_cpu()
def measure_samples(
    model: Colorizer,
    photos: Iterable[np.ndarray],
    *,
    lpips: Measure | None = None,
    steps: Iterable[int] = STEPS,
) -> SampleScores:
    """Measure the samples of a model.

    Args:
        model: A model that takes a seed.
        photos: Colour photos, (H, W, 3) uint8, any size.
        lpips: An unused LPIPS measure from :func:`colorzoo.evaluation.perceptual.find_measures`;
            it is copied, not changed.
        steps: Numbers of steps to measure, for models that have steps.

    Returns:
        The scores.

    Raises:
        ConfigError: If the model does not take a seed.
        ValueError: If there are no photos.
    """
    model.check(seed=0)
    steps = [*steps] if "steps" in model.options else []
    apart, so_far = copy.deepcopy(lpips), _SoFar({count: [] for count in steps})
    for photo in photos:
        truth = prepare(photo)
        source = read_photo(gray(truth))
        samples = [np.asarray(each) for each in model.colorize_samples(source, max(COUNTS))]
        so_far.add(source.rgb, samples, truth)
        for one, other in combinations(samples[:PAIRED], 2):
            if apart is not None:
                apart.add(one, other)
        for count in steps:
            start = time.perf_counter()
            result = np.asarray(model.colorize_photo(source, seed=0, steps=count))
            seconds = time.perf_counter() - start
            so_far.steps[count].append((*_scores(result, truth), 1000 * seconds))
    if not so_far.best:
        raise ValueError("there is no photo to evaluate on")
    best = np.mean(so_far.best, axis=0)
    cf, true_cf, distance = np.mean(so_far.colour, axis=0)
    return SampleScores(
        photos=len(so_far.best),
        psnr=tuple(map(float, best[0])),
        auc=tuple(map(float, best[1])),
        cf=float(cf),
        delta_cf=float(abs(cf - true_cf)),
        ab_distance=float(distance),
        lpips_distance=None if apart is None else apart.value(),
        steps={
            count: StepScores(*map(float, np.mean(rows, axis=0)))
            for count, rows in so_far.steps.items()
        },
        sheet=so_far.draw(),
    )


@dataclass
class _SoFar:
    """What was measured of the photos so far."""

    steps: dict[int, list[tuple[float, ...]]]
    best: list[np.ndarray] = field(default_factory=list)
    colour: list[tuple[float, float, float]] = field(default_factory=list)
    rows: list[list[np.ndarray]] = field(default_factory=list)

    def add(self, without: np.ndarray, samples: list[np.ndarray], truth: np.ndarray) -> None:
        scores = np.array([_scores(each, truth)[:2] for each in samples])  # (samples, 2)
        self.best.append(np.stack([scores[:count].max(axis=0) for count in COUNTS], axis=1))
        colours = [_ab(each) for each in samples[:PAIRED]]
        distances = [(one - other).norm(dim=0).mean() for one, other in combinations(colours, 2)]
        self.colour.append(
            (colorfulness(samples[0]), colorfulness(truth), float(torch.stack(distances).mean()))
        )
        if len(self.rows) < SHEET_PHOTOS:
            self.rows.append([without, *samples[:SHEET_SAMPLES], truth])

    def draw(self) -> Image.Image:
        labels = ["black and white", *(f"seed {i}" for i in range(SHEET_SAMPLES)), "truth"]
        tiles = [
            (label if row is self.rows[-1] else "", picture)
            for row in self.rows
            for label, picture in zip(labels, row, strict=True)
        ]
        return contact_sheet(tiles, columns=len(labels), tile=160)


def _scores(picture: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Compute PSNR, AuC and CF of (H, W, 3) uint8 pictures."""
    return psnr(picture, truth), auc(picture, truth), colorfulness(picture)


def _ab(rgb: np.ndarray) -> torch.Tensor:
    """Convert (H, W, 3) uint8 to (2, H, W) ab."""
    return rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1).float() / 255)[1:]


def samples_tables(name: str, scores: SampleScores) -> list[Table]:
    """Make the tables of a measurement for the terminal: samples, and steps if there are any."""
    table = Table("samples", box=None)
    for count in COUNTS:
        table.add_column("one" if count == 1 else f"best of {count}", justify="right")
    table.add_row(f"{name}, PSNR dB", *(f"{value:.2f}" for value in scores.psnr))
    table.add_row(f"{name}, AuC %", *(f"{value:.2f}" for value in scores.auc))
    about = Table("CF", "ΔCF", "ab distance", "LPIPS distance", box=None)
    lpips = "-" if scores.lpips_distance is None else f"{scores.lpips_distance:.4f}"
    about.add_row(f"{scores.cf:.1f}", f"{scores.delta_cf:.1f}", f"{scores.ab_distance:.1f}", lpips)
    if not scores.steps:
        return [table, about]
    steps = Table("steps", "PSNR dB", "AuC %", "CF", "ms", box=None)
    for count, each in scores.steps.items():
        steps.add_row(
            str(count),
            f"{each.psnr:.2f}",
            f"{each.auc:.2f}",
            f"{each.cf:.1f}",
            f"{each.milliseconds:.0f}",
        )
    return [table, about, steps]
