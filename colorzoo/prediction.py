"""What a network predicts for a photo, before it is turned into colour."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Output = Tensor | dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The network's output for a photo: enough to colour it, at any size, without the network.

    Examples:
        >>> model, photo = colorzoo.load("unet-bins"), colorzoo.read_photo("photo.jpg")
        >>> said = model.predict(photo)  # the network runs once
        >>> pictures = [model.render(photo, said, temperature=t) for t in (0.3, 1.0)]

    Attributes:
        lightness: (1, 1, h, w), L in [0, 100] at the working size.
        output: What ``infer`` returned for it, padded to the model's stride: a tensor or a flat
            dict of tensors, each with a batch dimension of 1.
    """

    lightness: Tensor
    output: Output

    def to(self, device: str | torch.device) -> "Prediction":
        """Copy the tensors to a device."""
        return Prediction(
            self.lightness.to(device), each_part(lambda part: part.to(device), self.output)
        )

    @property
    def nbytes(self) -> int:
        """Memory the tensors take, bytes."""
        parts = self.output.values() if isinstance(self.output, dict) else (self.output,)
        return self.lightness.nbytes + sum(part.nbytes for part in parts)


def each_part(change: Callable[[Tensor], Tensor], output: Output) -> Output:
    """Change every tensor of a network's output."""
    if isinstance(output, dict):
        return {name: change(part) for name, part in output.items()}
    return change(output)
