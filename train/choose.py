"""Try answers of a trained model on validation photos: saturation, size, and T and lambda of bins.

All of these change what is made of the same weights, so a bolder or a more careful model costs no
training. Choose on validation photos only; what is chosen goes into the model's configuration.
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
from train.module import to_bytes


@dataclass(frozen=True)
class Answer:
    """What is made of a network's output; None is the model's own.

    Attributes:
        work_size: Short side, in pixels, at which the network looks.
        temperature: T of the annealed mean.
        mix: Lambda of the rebalancing.
        saturation: Factor on ab.
    """

    work_size: int | None = None
    temperature: float | None = None
    mix: float | None = None
    saturation: float = 1.0

    def __str__(self) -> str:
        """Name what differs from the model's own."""
        parts = {
            "size": self.work_size,
            "T": self.temperature,
            "lambda": self.mix,
            "saturation": self.saturation if self.saturation != 1 else None,
        }
        said = [f"{key} {value:g}" for key, value in parts.items() if value is not None]
        return ", ".join(said) or "as it is"


@dataclass(frozen=True)
class Outcome:
    """How an answer measures, as in metrics.json.

    Attributes:
        answer: What was tried.
        psnr: Over the gray picture's, dB, mean of the photos.
        auc: Over the gray picture's, percent, mean of the photos.
        cf: Colourfulness, mean of the photos.
        truth_cf: That of the truth.
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
    """List all combinations; where nothing is given, the model's own value is taken."""
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
    """Measure each answer on the same photos; the network runs once a size and photo.

    Args:
        model: The model.
        data: A folder of colour photos, or a tar archive of some.
        answers: What to try.
        limit: Take the first so many photos.
        aged: Make the photos look old first (see ``train.degrade``), each in one way always. Truth
            is then the old photo's lightness with the clean photo's colours.

    Returns:
        An outcome for each answer, in their order.

    Raises:
        ImageError: If there is no colour photo that can be read.
        ConfigError: If an answer does not suit the model.
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
        raise ImageError(f"{data} holds no colour photo that can be read; name a tar of some")
    means = [map(float, np.mean(row, axis=0)) for row in rows]
    return [Outcome(answer, *mean) for answer, mean in zip(answers, means, strict=True)]


def age(rgb: np.ndarray, *, seed: int) -> np.ndarray:
    """Make a (H, W, 3) uint8 photo look old; its colours stay, as far as they can be shown."""
    lab = rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1)[None] / 255)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lab = torch.cat((degrade(lab[:, :1], 1.0), lab[:, 1:]), dim=1)
    return to_bytes(lab)[0].permute(1, 2, 0).numpy()


def _sizes(answers: Iterable[Answer]) -> list[int | None]:
    return list(dict.fromkeys(answer.work_size for answer in answers))


def _variant(model: Colorizer, answer: Answer) -> Colorizer:
    """Give the model with another lambda, where one is asked for; T is an option of the call."""
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
