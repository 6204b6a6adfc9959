"""How much hints help: PSNR against the number of hints, as in Zhang et al. 2017, section 4.2.

Hints are squares of 6x6 pixels at random places, with the mean colour of the original there. The
places are the same for every model, and the first hints of a larger number are those of a smaller.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.table import Table

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.evaluation.metrics import SIDE, gray, prepare, psnr
from colorzoo.guided.hints import Hint
from colorzoo.imaging.read import read_photo
from colorzoo.torch_state import on_cpu

COUNTS = (0, 1, 2, 5, 10, 20, 50, 100)
RADIUS = 3  # half a square, pixels
PROTOCOL = (
    f"Hints: squares of {2 * RADIUS}x{2 * RADIUS} pixels at seeded random places of the "
    f"{SIDE}x{SIDE} photo, with the original's mean ab; PSNR as above."
)
# On 1,000 photos of ImageNet, read from figure 6 of https://arxiv.org/abs/1705.02999: other photos,
# so only gains over no hints can be compared.
PUBLISHED: Mapping[str, tuple[float, ...]] = {
    "siggraph17, published": (24.43, 25.37, 26.20, 27.39, 28.42, 29.34, 30.42, 31.13),
}


@dataclass(frozen=True)
class HintCurve:
    """PSNR against the number of hints.

    Attributes:
        photos: Number of photos.
        psnr: dB, mean over photos, for each of ``COUNTS``.
    """

    photos: int
    psnr: tuple[float, ...]

    @property
    def gains(self) -> tuple[float, ...]:
        """The gain over no hints, dB."""
        return gains(self.psnr)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of metrics.json."""
        return {
            "photos": self.photos,
            "protocol": PROTOCOL,
            "counts": list(COUNTS),
            "psnr": [round(value, 4) for value in self.psnr],
        }


def gains(values: Sequence[float]) -> tuple[float, ...]:
    """Return the differences from the first value."""
    return tuple(value - values[0] for value in values)


@on_cpu()
def measure_hints(model: Colorizer, photos: Iterable[np.ndarray]) -> HintCurve:
    """Measure how much hints help a model.

    Args:
        model: The model.
        photos: Colour photos, (H, W, 3) uint8, any size.

    Returns:
        The curve.

    Raises:
        ValueError: If there are no photos.
    """
    rows = []
    for number, photo in enumerate(photos):
        truth = prepare(photo)
        source = read_photo(gray(truth))
        hints = draw_hints(truth, seed=number)
        prediction = model.predict(source)
        row = []
        for count in COUNTS:
            asked: Any = {"hints": hints[:count]} if count else {}
            if count and "hints" in model.network_options:
                prediction = model.predict(source, **asked)
            row.append(psnr(np.asarray(model.render(source, prediction, **asked)), truth))
        rows.append(row)
    if not rows:
        raise ValueError("there is no photo to evaluate on")
    return HintCurve(len(rows), tuple(float(value) for value in np.mean(rows, axis=0)))


def draw_hints(truth: np.ndarray, *, seed: int) -> list[Hint]:
    """Draw as many hints as are ever given for one photo, from its original.

    Args:
        truth: (H, W, 3) uint8.
        seed: Of the places.
    """
    lab = rgb_to_lab(torch.tensor(truth).permute(2, 0, 1)[None].float() / 255)[0]
    height, width = truth.shape[:2]
    random = np.random.default_rng(seed)
    hints = []
    for _ in range(max(COUNTS)):
        x = int(random.integers(RADIUS, width - RADIUS + 1))
        y = int(random.integers(RADIUS, height - RADIUS + 1))
        patch = lab[1:, y - RADIUS : y + RADIUS, x - RADIUS : x + RADIUS]
        a, b = patch.mean(dim=(1, 2)).tolist()
        hints.append(Hint(x, y, (a, b), RADIUS))
    return hints


def draw_curves(curves: Mapping[str, Sequence[float]]) -> bytes:
    """Plot gains over no hints as a PNG.

    Args:
        curves: PSNR for each of ``COUNTS``, dB, by the label.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    places = range(len(COUNTS))
    for label, values in {**curves, **PUBLISHED}.items():
        style = "--" if label in PUBLISHED else "-"
        axis.plot(places, gains(values), style, marker="o", markersize=3, label=label)
    axis.set_xticks(list(places), [str(count) for count in COUNTS])
    axis.set(xlabel="number of hints", ylabel="gain in PSNR over no hints, dB")
    axis.grid(alpha=0.3)
    axis.legend()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    return picture.getvalue()


def curve_table(name: str, curve: HintCurve) -> Table:
    """Make a table of PSNR and its gain for the terminal, beside the published gain."""
    table = Table("hints", box=None)
    for count in COUNTS:
        table.add_column(str(count), justify="right")
    table.add_row(f"{name}, dB", *(f"{value:.2f}" for value in curve.psnr))
    published = {f"{label}, gain": gains(values) for label, values in PUBLISHED.items()}
    for label, values in {"gain": curve.gains, **published}.items():
        table.add_row(label, *(f"{value:+.2f}" for value in values))
    return table
