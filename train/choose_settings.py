"""Try settings of a trained model on validation photos: saturation, size, T and lambda of bins.

All of these change the results of the same weights, so making a model bolder or more cautious needs
no training. Use validation photos only, and put the chosen values into the model's configuration.
``dial_of`` picks the points of a dial from careful to vivid among the outcomes.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import read_photos
from colorzoo.imaging.read import read_photo
from colorzoo.models._bins import BinsColorizer, DialPoint, check_point
from train.degrade import degrade
from train.lightning_module import to_bytes

# The ends of a dial: mean colourfulness of the results, as a share of that of the originals.
_CAREFUL, _VIVID = 0.5, 0.9
# Settings among which a dial is chosen: T, lambda, gain, lift.
DIAL_GRID = (
    (0.4, 0.5, 0.7),
    (1.0, 0.97, 0.93, 0.87),
    (1.0, 1.2, 1.5),
    (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0),
)


@dataclass(frozen=True)
class Answer:
    """Settings to try; None means the model's default.

    Attributes:
        work_size: Short side of the network's input, pixels.
        temperature: T of the annealed mean.
        mix: Lambda of the rebalancing.
        gain: Gain of the dial.
        lift: Lift of the dial, L*a*b* units.
        saturation: Factor on ab, for any model.
    """

    work_size: int | None = None
    temperature: float | None = None
    mix: float | None = None
    gain: float | None = None
    lift: float | None = None
    saturation: float = 1.0

    def __str__(self) -> str:
        """List the settings that differ from the model's defaults."""
        parts = {
            "size": self.work_size,
            "T": self.temperature,
            "lambda": self.mix,
            "gain": self.gain,
            "lift": self.lift,
            "saturation": self.saturation if self.saturation != 1 else None,
        }
        said = [f"{key} {value:g}" for key, value in parts.items() if value is not None]
        return ", ".join(said) or "defaults"


@dataclass(frozen=True)
class Outcome:
    """The scores of some settings, measured as for metrics.json.

    Attributes:
        answer: The settings.
        psnr: PSNR minus that of the gray picture, dB, mean over the photos.
        auc: AuC minus that of the gray picture, percent, mean over the photos.
        cf: Colourfulness, mean over the photos.
        truth_cf: Colourfulness of the originals.
    """

    answer: Answer
    psnr: float
    auc: float
    cf: float
    truth_cf: float


def combine(
    work_sizes: Sequence[int] = (),
    temperatures: Sequence[float] = (),
    mixes: Sequence[float] = (),
    gains: Sequence[float] = (),
    lifts: Sequence[float] = (),
    saturations: Sequence[float] = (),
) -> list[Answer]:
    """List all combinations; an empty sequence means the model's default."""
    values = product(
        work_sizes or [None],
        temperatures or [None],
        mixes or [None],
        gains or [None],
        lifts or [None],
        saturations or [1.0],
    )
    return [Answer(*each) for each in values]


def choose(
    model: Colorizer,
    data: Path,
    answers: Sequence[Answer],
    *,
    limit: int | None = None,
    aged: bool = False,
) -> list[Outcome]:
    """Measure all settings on the same photos; the network runs once per size and photo.

    Args:
        model: The model.
        data: A folder or tar archive of colour photos.
        answers: The settings to try.
        limit: Use only this many photos, from the first on.
        aged: Make the photos look old first (see ``train.degrade``), each always in the same way.
            They are then compared with the old photo's lightness and the clean photo's colours.

    Returns:
        One outcome per settings, in their order.

    Raises:
        ImageError: If there is no readable colour photo.
        ConfigError: If the model does not support the settings.
    """
    variants = [_variant(model, answer) for answer in answers]
    rows: list[list[tuple[float, ...]]] = [[] for _ in answers]
    for i, photo in enumerate(read_photos(data, [], coloured=True)):
        if i == limit:
            break
        truth = metrics.prepare(photo)
        if aged:
            truth = age(truth, seed=i)
        without = metrics.gray(truth)
        base = metrics.psnr(without, truth), metrics.auc(without, truth)
        truth_cf = metrics.colorfulness(truth)
        source = read_photo(without)
        said = {size: model.predict(source, work_size=size) for size in _sizes(answers)}
        for row, variant, answer in zip(rows, variants, answers, strict=True):
            prediction = said[answer.work_size]
            result = np.asarray(variant.render(source, prediction, saturation=answer.saturation))
            row.append(
                (
                    metrics.psnr(result, truth) - base[0],
                    metrics.auc(result, truth) - base[1],
                    metrics.colorfulness(result),
                    truth_cf,
                )
            )
    if not rows or not rows[0]:
        raise ImageError(f"{data} has no readable colour photo; give a folder or tar of photos")
    means = [map(float, np.mean(row, axis=0)) for row in rows]
    return [Outcome(answer, *mean) for answer, mean in zip(answers, means, strict=True)]


def age(rgb: np.ndarray, *, seed: int) -> np.ndarray:
    """Make a (H, W, 3) uint8 photo look old; its ab is kept as far as sRGB can show it."""
    lab = rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1)[None] / 255)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lab = torch.cat((degrade(lab[:, :1], 1.0), lab[:, 1:]), dim=1)
    return to_bytes(lab)[0].permute(1, 2, 0).numpy()


def _sizes(answers: Iterable[Answer]) -> list[int | None]:
    return list(dict.fromkeys(answer.work_size for answer in answers))


def dial_of(outcomes: Sequence[Outcome], *, points: int = 5) -> list[Outcome]:
    """Choose the points of a dial: at each level of colourfulness, the closest to the truth.

    The levels lie at equal distances, from half to nine tenths of the colourfulness of the
    originals. Close to the truth means the largest sum of PSNR and AuC.

    Args:
        outcomes: The outcomes of many settings on the same photos.
        points: Number of points, at least 2.

    Returns:
        One outcome per point, from careful to vivid.

    Raises:
        ConfigError: If no outcome is colourful enough for the vivid end.
    """
    dial = []
    for level in np.linspace(_CAREFUL, _VIVID, points):
        enough = [each for each in outcomes if each.cf >= level * each.truth_cf]
        if not enough:
            raise ConfigError(
                f"no setting reaches {level:.0%} of the originals' colourfulness; try smaller "
                "mixes or larger gains"
            )
        dial.append(max(enough, key=lambda each: each.psnr + each.auc))
    return dial


def _variant(model: Colorizer, answer: Answer) -> Colorizer:
    """Return the model with a dial of one point, if any of its numbers is given."""
    numbers = {name: getattr(answer, name) for name in DialPoint._fields}
    given = {name: value for name, value in numbers.items() if value is not None}
    if not given:
        return model
    if "dial" not in model.config:
        raise ConfigError(
            f"{model.architecture} has no {' or '.join(given)} to choose; only the -bins models "
            "have a dial"
        )
    variant = copy.copy(cast(BinsColorizer, model))  # it shares the weights
    variant.dial = (check_point(variant.dial_at(variant.vividness)._replace(**given)),)
    return variant
