"""Try settings of a trained model on validation photos: saturation, size, T and lambda of bins.

All of these change the results of the same weights, so making a model bolder or more cautious needs
no training. Use validation photos only, and put the chosen values into the model's configuration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import read_photos
from colorzoo.imaging.read import read_photo
from colorzoo.options import Options
from colorzoo.registry import create_model
from train.degrade import degrade
from train.lightning_module import to_bytes


@dataclass(frozen=True)
class Answer:
    """Settings to try; None means the model's default.

    Attributes:
        work_size: Short side of the network's input, pixels.
        temperature: T of the annealed mean.
        mix: Lambda of the rebalancing.
        saturation: Factor on ab.
    """

    work_size: int | None = None
    temperature: float | None = None
    mix: float | None = None
    saturation: float = 1.0

    def __str__(self) -> str:
        """List the settings that differ from the model's defaults."""
        parts = {
            "size": self.work_size,
            "T": self.temperature,
            "lambda": self.mix,
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
    saturations: Sequence[float] = (),
) -> list[Answer]:
    """List all combinations; an empty sequence means the model's default."""
    axes = (work_sizes or [None], temperatures or [None], mixes or [None], saturations or [1.0])
    return [Answer(*values) for values in product(*axes)]


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
            options: Options = {"temperature": answer.temperature}
            result = np.asarray(
                variant.render(source, prediction, saturation=answer.saturation, **options)
            )
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


def _variant(model: Colorizer, answer: Answer) -> Colorizer:
    """Return the model with another lambda, if one is given; T is an option of ``render``."""
    options: Options = {"temperature": answer.temperature}
    model.check(**options)
    if answer.mix is None:
        return model
    if "mix" not in model.config:
        raise ConfigError(f"{model.architecture} has no lambda to choose; leave mix out")
    keywords = {key: value for key, value in model.config.items() if key != "architecture"}
    variant = create_model(model.architecture, **{**keywords, "mix": answer.mix})
    variant.load_state_dict(model.state_dict(), strict=True)
    return variant.to(model.device, model.dtype)
