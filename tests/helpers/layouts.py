"""Checkpoints with the tensor names and shapes of the published ones, and random values.

The layouts, ``tests/models/layouts/NAME.json``, list what is in the authors' files.
"""

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from colorzoo.ab_bins import bin_centres

LAYOUTS = Path(__file__).parent.parent / "models" / "layouts"
NAMES = ("ddcolor", "ddcolor-tiny", "eccv16", "siggraph17")


def layout(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a published checkpoint by tensor name."""
    shapes = json.loads((LAYOUTS / f"{name}.json").read_text(encoding="utf-8"))
    return {key: tuple(shape) for key, shape in shapes.items()}


def random_checkpoint(name: str, *, seed: int = 0, keep: str = "") -> dict[str, Tensor]:
    """A checkpoint whose network computes numbers of an ordinary size.

    Args:
        name: One of NAMES.
        seed: Of the random values.
        keep: If not "", only tensors whose name starts with it.
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = {key: shape for key, shape in layout(name).items() if key.startswith(keep)}
    state = {key: _value(key, shape, generator) for key, shape in shapes.items()}
    for key in state:
        if key.endswith("weight_orig"):  # singular vectors, as training finds them
            layer, matrix = key.removesuffix("orig"), state[key].flatten(1)
            u, v = state[f"{layer}u"], state[f"{layer}v"]
            for _ in range(3):
                torch.nn.functional.normalize(matrix.T @ u, dim=0, out=v)
                torch.nn.functional.normalize(matrix @ v, dim=0, out=u)
    return state


def _value(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if key in ("mean", "std"):
        values = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        return torch.tensor(values[key]).reshape(shape)
    if key == "model_out.weight":
        return (bin_centres() / 110).T.reshape(shape)
    noise = torch.randn(shape, generator=generator)
    if key.endswith(("running_var", "gamma")):
        return 0.5 + noise.abs()
    if len(shape) == 1:
        scale = key.endswith(".weight")  # of a norm
        return scale + 0.1 * noise
    return noise if len(shape) == 1 else noise / math.sqrt(math.prod(shape[1:]) / 2)
