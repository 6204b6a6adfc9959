"""Recipe: everything that decides how a model is trained, apart from the photos."""

import importlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, cast, get_args

LossName = Literal["l1", "mse", "huber", "ssim", "ssim-mse", "bins", "bins-hard", "bins-plain"]
TermName = Literal["colorfulness", "gradient", "perceptual"]

# Losses that can replace each other: on ab, and on the distribution over bins.
LOSS_FAMILIES: tuple[tuple[LossName, ...], ...] = (
    ("l1", "mse", "huber", "ssim", "ssim-mse"),
    ("bins", "bins-hard", "bins-plain"),
)


@dataclass(frozen=True)
class Objective:
    """What training minimises: a loss on the network's output, and terms on the coloured picture.

    Attributes:
        loss: Compares the return value of ``forward`` with the true ab; see ``train.losses``.
        terms: Terms that are added to the loss, with their weights; see ``train.losses``.
        term_weights: A safetensors file for the encoder of the perceptual term; timm's own ImageNet
            weights if None.
        module: The LightningModule for this objective, as "module:class". It is imported when
            training starts, because importing Lightning takes seconds.
        strategy: Lightning's strategy for several processes.
        schedules: Learning-rate schedules that can be used.
    """

    loss: LossName
    terms: tuple[tuple[TermName, float], ...] = ()
    term_weights: str | None = None
    module: ClassVar[str] = "train.lightning_module:ColorizerModule"
    strategy: ClassVar[str] = "ddp"
    schedules: ClassVar[tuple[str, ...]] = ("cosine", "plateau")

    @property
    def losses(self) -> tuple[LossName, ...]:
        """The losses that can replace this one, including itself."""
        return next(family for family in LOSS_FAMILIES if self.loss in family)

    def build(self, recipe: "Recipe", **arguments: Any) -> Any:
        """Build the LightningModule for a recipe with this objective.

        Args:
            recipe: The recipe.
            arguments: Further keywords of the LightningModule.
        """
        path, _, name = self.module.partition(":")
        return getattr(importlib.import_module(path), name)(recipe, **arguments)


@dataclass(frozen=True)
class WithHints(Objective):
    """The same, for a network that gets hints: they are simulated from the colours of the photo."""

    module: ClassVar[str] = "train.hints_module:HintsModule"


@dataclass(frozen=True)
class Adversarial(Objective):
    """A conditional GAN with an L1 term (Isola et al. 2017); ``loss`` is only logged.

    Attributes:
        variant: "bce" is Pix2Pix as published; "hinge", with spectral norm in the discriminator,
            is the stabilised variant (Miyato et al. 2018).
        l1_weight: Lambda: weight of the L1 term, with ab scaled to [-1, 1].
        r1_weight: Gamma: weight of the discriminator's squared gradient on real photos (Mescheder
            et al. 2018, https://arxiv.org/abs/1801.04406), halved as published; 0 disables it.
        learning_rate: Peak learning rate of the discriminator; it follows the recipe's schedule.
        width: Channels of the discriminator's first layer.
        discriminator_alone: Share of the run in which only the discriminator learns, before both
            do: NoGAN (Antic 2019, https://www.fast.ai/posts/2019-05-03-decrappify.html).
    """

    variant: Literal["bce", "hinge"] = "hinge"
    l1_weight: float = 100.0
    r1_weight: float = 0.0
    learning_rate: float = 2e-4
    width: int = 64
    discriminator_alone: float = 0.0
    module: ClassVar[str] = "train.gan_module:AdversarialModule"
    strategy: ClassVar[str] = "ddp_find_unused_parameters_true"  # one network at a time
    schedules: ClassVar[tuple[str, ...]] = ("cosine",)  # not by validation loss

    def __post_init__(self) -> None:
        """Check that the generator learns at all."""
        if not 0 <= self.discriminator_alone < 1:
            raise ValueError(
                "the discriminator can be alone for a share of the run from 0 to below 1, not "
                f"{self.discriminator_alone}"
            )

    @property
    def losses(self) -> tuple[LossName, ...]:
        """Only its own, which is not used for training."""
        return (self.loss,)


@dataclass(frozen=True)
class FlowMatching(Objective):
    """Conditional flow matching on straight paths (Lipman et al. 2023); ``loss`` is always "mse".

    It is the squared error of the velocity, in units of 20 in ab. The sampler's results are only
    measured.

    Attributes:
        dropout: Share of the paths whose condition is left out, for classifier-free guidance.
        draws: Paths for each photo of a batch. What the velocity depends on, the largest part of
            the work, is computed once for a photo.
    """

    dropout: float = 0.1
    draws: int = 2
    module: ClassVar[str] = "train.flow_module:FlowModule"

    def __post_init__(self) -> None:
        """Refuse terms, which compare pictures: there is none in a step of training."""
        if self.terms:
            raise ValueError("flow matching has no picture to add terms on: leave them out")

    @property
    def losses(self) -> tuple[LossName, ...]:
        """Only its own."""
        return (self.loss,)


@dataclass(frozen=True)
class Recipe:
    """How one model is trained. Progress is the share of a run's epochs or time, in [0, 1].

    Attributes:
        model: Registered name.
        keywords: Keywords of the model that replace its registered ones, such as
            ("attention", True).
        objective: What training minimises.
        start: Initial weights: "random"; "imagenet", timm's weights of the encoder, or a
            safetensors file with them; or a registered model, from which all tensors that fit are
            copied.
        keep: Which weights are exported: those with the best validation PSNR or loss, or the last.
        epochs: Passes over the training photos.
        batch_size: Photos per step and process.
        learning_rate: Peak learning rate.
        encoder_rate: Learning rate of the encoder, as a factor on that of the rest: a small one
            keeps more of what it learned on ImageNet.
        weight_decay: Decoupled weight decay of AdamW; 0 gives Adam.
        betas: Betas of AdamW.
        schedule: "cosine" warms up to the peak and falls to a hundredth of it; "plateau" halves the
            rate after every third epoch without a better validation loss.
        warmup: Share of the run in which the rate of the cosine schedule rises.
        patience: Stop after this many epochs without a better validation loss.
        sides: Training resolution: (progress at which it starts, side in pixels), ascending.
            Starting small takes a quarter of the time and learns most of the result.
        smallest_crop: Smallest random crop, as a share of the photo's side; the largest is 1.
        degraded: Share of the training photos that are made to look old: blurred, faded, grainy,
            compressed (train/degrade.py). The target colours are still those of the clean photo.
        ema_decay: Decay of the exponential moving average of the weights, per step.
        split: Shares for training, validation and test, for data without a validation split.
        seed: Seed of all random numbers.
        options: Options of ``python -m train fit`` in the run that made the bundled weights.
    """

    model: str
    objective: Objective
    keywords: tuple[tuple[str, Any], ...] = ()
    start: str = "random"
    keep: Literal["val_psnr", "val_loss", "last"] = "val_psnr"
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    encoder_rate: float = 1.0
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine", "plateau"] = "cosine"
    warmup: float = 0.03
    patience: int | None = None
    sides: tuple[tuple[float, int], ...] = ((0.0, 64), (0.5, 96), (0.8, 128))
    smallest_crop: float = 0.7
    degraded: float = 0.0
    ema_decay: float = 0.999
    split: tuple[float, float, float] = (0.95, 0.05, 0.0)
    seed: int = 0
    options: str = ""

    def __post_init__(self) -> None:
        """Check the schedule and the split."""
        if self.schedule not in self.objective.schedules:
            raise ValueError(
                f"{self.model} cannot be trained with the {self.schedule} schedule, only with "
                f"{' or '.join(self.objective.schedules)}"
            )
        if len(self.split) != 3 or min(self.split) < 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError(
                "a split is three shares, for training, validation and test, that add up to 1; "
                f"got {self.split}"
            )

    @property
    def resolutions(self) -> list[int]:
        """The training resolutions, ascending, pixels."""
        return sorted({side for _, side in self.sides})

    def side_at(self, progress: float) -> int:
        """Return the training resolution at a progress, pixels."""
        return [side for start, side in self.sides if start <= progress][-1]

    def rate_at(self, progress: float) -> float:
        """Return the learning rate of the cosine schedule, as a factor on its peak.

        Below a progress of 0, nothing is learned.
        """
        if progress < 0:
            return 0.0
        if progress < self.warmup:
            return 0.01 + 0.99 * progress / self.warmup
        rest = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest))

    def describe(self) -> dict[str, Any]:
        """Return the recipe as a flat dict of JSON values, for config.json and model cards."""
        values = asdict(self)
        objective = values.pop("objective")
        rate = (
            {"critic_learning_rate": objective.pop("learning_rate")}
            if "variant" in objective
            else {}
        )
        return {"model": values.pop("model"), **objective, **rate, **values}


def parse_split(text: str) -> tuple[float, float, float]:
    """Parse shares such as "70/15/15" or "0.7/0.15/0.15".

    Raises:
        ValueError: If they are not three numbers that add up to 1 or 100.
    """
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or min(parts) < 0 or sum(parts) <= 0:
        raise ValueError(f"a split looks like 70/15/15, got {text!r}")
    whole = 100.0 if sum(parts) > 2 else 1.0
    train, validation, test = (part / whole for part in parts)
    return train, validation, test


def parse_keywords(texts: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Parse keywords of a model such as "attention=true" or "encoder=resnet18"; values are JSON.

    Raises:
        ValueError: If a keyword has no name or no value.
    """
    keywords = []
    for text in texts:
        name, _, value = text.partition("=")
        if not (name.isidentifier() and value):
            raise ValueError(f"a model's keyword is NAME=VALUE, got {text!r}")
        try:
            keywords.append((name, json.loads(value)))
        except ValueError:  # a word without quotes
            keywords.append((name, value))
    return tuple(keywords)


def parse_terms(texts: Sequence[str]) -> tuple[tuple[TermName, float], ...]:
    """Parse terms such as "colorfulness=5".

    Raises:
        ValueError: If a term is not a known name and a number.
    """
    terms = []
    for text in texts:
        name, _, weight = text.partition("=")
        try:
            if name not in get_args(TermName):
                raise ValueError
            terms.append((cast(TermName, name), float(weight)))
        except ValueError:
            *others, last = get_args(TermName)
            raise ValueError(
                f"a term is NAME=WEIGHT, and NAME is {', '.join(others)} or {last}; got {text!r}"
            ) from None
    return tuple(terms)


def parse_sides(text: str) -> tuple[tuple[float, int], ...]:
    """Parse training resolutions such as "64" or "96,0.7:128": 128 px after 70 % of the run.

    Raises:
        ValueError: If the shares of the run do not ascend from 0, or a side is not a whole number
            from 16.
    """
    sides = []
    try:
        for part in text.split(","):
            start, _, side = part.rpartition(":")
            sides.append((float(start or 0), int(side)))
    except ValueError:
        sides = []
    starts = [start for start, _ in sides]
    rising = starts == sorted({*starts}) and starts[:1] == [0.0] and starts[-1] < 1
    if not rising or min(side for _, side in sides) < 16:
        raise ValueError(
            f"training resolutions look like 64 or 96,0.7:128, of at least 16 px, got {text!r}"
        )
    return tuple(sides)


def with_options(
    recipe: Recipe,
    *,
    keywords: tuple[tuple[str, Any], ...] | None = None,
    loss: str | None = None,
    terms: tuple[tuple[TermName, float], ...] | None = None,
    term_weights: str | None = None,
    start: str | None = None,
    sides: tuple[tuple[float, int], ...] | None = None,
    degraded: float | None = None,
    schedule: str | None = None,
    patience: int | None = None,
    split: tuple[float, float, float] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    encoder_rate: float | None = None,
) -> Recipe:
    """Return a recipe with the given options changed.

    Raises:
        ValueError: If an option does not fit the model.
    """
    objective = recipe.objective
    if loss is not None and loss not in objective.losses:
        names = " or ".join(objective.losses)
        raise ValueError(f"{recipe.model} can be trained with {names}, not {loss}")
    changes = {"loss": loss, "terms": terms, "term_weights": term_weights}
    options = {
        "objective": replace(objective, **_given(changes)),
        "keywords": keywords,
        "start": start,
        "sides": sides,
        "degraded": degraded,
        "schedule": schedule,
        "patience": patience,
        "split": split,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "encoder_rate": encoder_rate,
    }
    return replace(recipe, **_given(options))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}
