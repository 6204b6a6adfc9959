"""Shared code of the models whose weights were published by their authors, in other code."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.imaging.read import ImageSource, Photo
from colorzoo.imaging.squash import Enlarging, Shrinking, merge_squashed, squashed_lightness
from colorzoo.imaging.working_size import check_work_size
from colorzoo.options import Options
from colorzoo.prediction import Prediction


class PublishedColorizer(Colorizer):
    """A Colorizer whose weights come from the code of its authors.

    By default it colours photos as all models here do: the aspect ratio is kept, a flat border
    stays gray, and colours are enlarged along the photo's edges. The short side gets the size of
    the square in which the network was trained. To fit the long side into that square instead and
    fill the rest with reflections would show everything smaller than in training, some of it twice,
    and spend as much time on what is cut off again. With ``exact=True`` it does what
    the code of its authors does, for comparison: the photo is squashed to a square of
    ``work_size``, colours are enlarged by interpolation, and those outside sRGB are clipped. This
    is for photos with 8 bits a channel; films and 16-bit results are merged along edges.

    Attributes:
        shrinking: How the authors' code squashes a photo.
        enlarging: How it enlarges the colours.
        exact: Whether to follow the authors' code.
    """

    shrinking: ClassVar[Shrinking] = "bilinear"
    enlarging: ClassVar[Enlarging] = "bilinear"
    exact: bool = False

    @classmethod
    def recognize(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for a checkpoint of this network.

        Args:
            shapes: The shapes of its tensors by name, the authors' names or ours.

        Returns:
            The keywords, or None if the checkpoint is of another network.
        """
        blank = {
            name: torch.empty(shape, dtype=torch.float32, device="meta")
            for name, shape in shapes.items()
        }
        try:
            ours = {name: tuple(each.shape) for name, each in cls.convert_state(blank).items()}
            return cls.keywords_of(ours)
        except (KeyError, IndexError, ValueError, RuntimeError):  # names or shapes are others
            return None

    @classmethod
    def keywords_of(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for tensors with the names of ``state_dict``.

        Raises:
            KeyError, IndexError, ValueError: If they are of another network.
        """
        raise TypeError(f"{cls.__name__} must implement keywords_of()")

    def predict_batch(
        self,
        photos: Sequence[Photo | ImageSource],
        *,
        work_size: int | None = None,
        find_border: bool = True,
        **options: Unpack[Options],
    ) -> list[Prediction]:
        """Run the network on photos; with ``exact``, borders are not searched for."""
        find_border = find_border and not self.exact
        return super().predict_batch(
            photos, work_size=work_size, find_border=find_border, **options
        )

    def _merge(self, rgb: np.ndarray, prediction: Prediction, ab: Tensor) -> np.ndarray:
        if not self.exact:
            return super()._merge(rgb, prediction, ab)
        return merge_squashed(rgb, ab, self.enlarging)

    def _shrink(self, rgb: np.ndarray, work_size: int | None) -> Tensor:
        if not self.exact:
            return super()._shrink(rgb, work_size)
        side = check_work_size(self.work_size if work_size is None else work_size, self.stride)
        return squashed_lightness(rgb, side, self.shrinking, self.device).to(self.dtype)


# Names of a spectrally normalised weight and its singular vectors, in PyTorch's two layouts.
_SPECTRAL = (
    ("weight_orig", "weight_u", "weight_v"),
    (
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ),
)


def renamed(
    state: Mapping[str, Tensor], rules: Iterable[tuple[str, str]], *, dropped: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint.

    Args:
        state: The tensors by name.
        rules: Regular expressions for the start of a name, and what replaces it. The first that
            matches is applied; other names stay as they are, so that strict loading reports them.
        dropped: Starts of the names of tensors that only training needs.

    Returns:
        The tensors by their new names.

    Raises:
        ValueError: If two tensors get the same name.
    """
    compiled = [(re.compile(pattern), target) for pattern, target in rules]
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(tuple(dropped)):
            continue
        matches = ((rule.match(name), target) for rule, target in compiled)
        match, target = next(((m, target) for m, target in matches if m), (None, ""))
        new = match.expand(target) + name[match.end() :] if match else name
        if new in result:
            raise ValueError(f"two tensors of the checkpoint are named {new}, one as {name}")
        result[new] = value
    return result


def without_spectral_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace spectrally normalised weights (Miyato et al. 2018) by plain ones, with equal results.

    PyTorch stores such a weight W with its singular vectors u and v, and computes W / (u W v) in
    every pass.

    Args:
        state: The tensors by name.

    Returns:
        The tensors with each such triple replaced by ``weight``, in float32 or the larger type of
        the weight.
    """
    result = dict(state)
    for weight, left, right in _SPECTRAL:
        for name in state:
            layer = name.removesuffix(weight)
            u, v = state.get(layer + left), state.get(layer + right)
            if layer == name or u is None or v is None:
                continue
            matrix = state[name].double()
            if not matrix.is_meta:  # PyTorch would import its compiler for that, which takes long
                matrix = matrix / (u.double() @ (matrix.flatten(1) @ v.double()))
            for part in (weight, left, right):
                del result[layer + part]
            larger = torch.promote_types(state[name].dtype, torch.float32)
            result[f"{layer}weight"] = matrix.to(larger)
    return result


def with_batch_counts(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add ``num_batches_tracked``, which PyTorch before 0.4.1 did not save with batch norm.

    It only matters for training without momentum.
    """
    result = dict(state)
    for name, value in state.items():
        layer = name.removesuffix("running_mean")
        if layer != name:
            count = torch.zeros((), dtype=torch.int64, device=value.device)
            result.setdefault(f"{layer}num_batches_tracked", count)
    return result
