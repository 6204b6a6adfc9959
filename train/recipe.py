"""Recipe: everything that decides how a model is trained, apart from the photos."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How one model is trained. A run's progress is its share of epochs or time, in [0, 1].

    Attributes:
        model: Registered name.
        loss: Objective on what the model's ``forward`` returns and the true ab.
        epochs: Passes over the training photos.
        batch_size: Photos a step.
        learning_rate: Its peak; AdamW warms up to it and follows a cosine down to a hundredth.
        weight_decay: AdamW's, decoupled.
        warmup: Share of the run that the learning rate rises in.
        sides: Training resolution: (progress from which it holds, side in pixels), ascending. A
            small start costs a quarter of the time and learns most of what there is.
        smallest_crop: Random crops take between this share of the photo's side and all of it.
        ema_decay: Decay of the exponential moving average of the weights, per step.
        validation_share: Share of the photos kept for validation where they are not split already.
        seed: Of everything random.
    """

    model: str
    loss: Loss
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.03
    sides: tuple[tuple[float, int], ...] = ((0.0, 64), (0.5, 96), (0.8, 128))
    smallest_crop: float = 0.7
    ema_decay: float = 0.999
    validation_share: float = 0.05
    seed: int = 0

    @property
    def largest_side(self) -> int:
        """The resolution at which photos are kept in memory, pixels."""
        return max(side for _, side in self.sides)

    def side_at(self, progress: float) -> int:
        """Training resolution at a point of the run, pixels."""
        return [side for start, side in self.sides if start <= progress][-1]

    def rate_at(self, progress: float) -> float:
        """Learning rate at a point of the run, as a factor on its peak."""
        if progress < self.warmup:
            return 0.01 + 0.99 * progress / self.warmup
        rest = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest))

    def describe(self) -> dict[str, Any]:
        """The recipe as JSON values, for a run's config.json."""
        return {**self.__dict__, "loss": self.loss.__name__}
