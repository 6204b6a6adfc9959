"""The output of a network for a photo, before it is converted to colour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.imaging.border import WHOLE, Box

Output = Tensor | dict[str, Tensor]

# L*a*b* units. Colours of a screen are within 128; far beyond this, RGB could not be computed.
_MOST = 1e9


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's output for a photo: all that is needed to colour the photo at any size.

    Examples:
        >>> model, photo = colorzoo.load("unet-bins"), colorzoo.read_photo("photo.jpg")
        >>> prediction = model.predict(photo)  # the network runs once
        >>> images = [model.render(photo, prediction, vividness=v) for v in (0.0, 0.5, 1.0)]

    Attributes:
        lightness: (1, 1, h, w), L in [0, 100] at the working size.
        output: The return value of ``infer`` for ``lightness`` padded to the model's stride: a
            tensor or a flat dict of tensors, each with a batch dimension of 1.
        box: The part of the photo that the network got: left, top, right and bottom as fractions of
            width and height. A flat border outside it stays gray.
        size: Width and height of the photo, pixels, which the coordinates of hints refer to; those
            of ``lightness`` if None.
    """

    lightness: Tensor
    output: Output
    box: Box = WHOLE
    size: tuple[int, int] | None = None

    def to(self, device: str | torch.device) -> "Prediction":
        """Copy the tensors to a device."""
        output = each_part(lambda part: part.to(device), self.output)
        return Prediction(self.lightness.to(device), output, self.box, self.size)

    @property
    def nbytes(self) -> int:
        """Memory used by the tensors, bytes."""
        parts = self.output.values() if isinstance(self.output, dict) else (self.output,)
        return self.lightness.nbytes + sum(part.nbytes for part in parts)


class Plausible(NamedTuple):
    """How likely a network considers each of several colours.

    Attributes:
        colours: (K, 2), ab in L*a*b* units.
        shares: (N, K, h, w), from 0 to 1, with sum 1 over K.
    """

    colours: Tensor
    shares: Tensor


def each_part(change: Callable[[Tensor], Tensor], output: Output) -> Output:
    """Apply a function to every tensor of a network's output."""
    if isinstance(output, dict):
        return {name: change(part) for name, part in output.items()}
    return change(output)


def check_colours(ab: Tensor, name: str) -> Tensor:
    """Return a model's colours, unless they are no numbers, which would become black.

    Args:
        ab: Colours, in L*a*b* units.
        name: The model's name, for the message.

    Raises:
        WeightsError: If there is NaN, infinity, or a number that is as good as infinite.
    """
    if bool((ab.detach().abs() <= _MOST).all()):  # false for NaN
        return ab
    half = ab.dtype in (torch.float16, torch.bfloat16)
    more = f" It runs in {ab.dtype}: try torch.float32." if half else ""
    raise WeightsError(
        f"{name} predicts NaN or infinity instead of colours. Its weights are damaged, or its "
        f"training diverged: load it again, or use another model.{more}"
    )
