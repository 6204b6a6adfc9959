"""Interpolate between the weights of two networks: ``python -m train interpolate``.

Wang et al. 2018, "ESRGAN" (https://arxiv.org/abs/1809.00219), section 3.4: a network that was
trained further with a discriminator, and the one from which that training started, lie close enough
for every network between them to work. It takes away part of what the discriminator made worse.
"""

from pathlib import Path

import torch

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.hub.mixin import save_weights
from train.mistakes import check_replaceable


def interpolate(
    first: Colorizer, second: Colorizer, share: float, output: Path, *, overwrite: bool = False
) -> None:
    """Write a model whose weights are a weighted mean of those of two models, in half precision.

    Args:
        first: The model from which the second one was trained further.
        second: The other model; the new one has its name and configuration.
        share: Share of the second one, from 0 to 1.
        output: The folder to write.
        overwrite: Replace weights that are there.

    Raises:
        ConfigError: If there are weights already, or the two are not the same network.
        ValueError: If the share is out of range.
        WeightsError: If the weights cannot be written.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share must be from 0 to 1, got {share}")
    check_replaceable(output, overwrite=overwrite)
    start, end = first.state_dict(), second.state_dict()
    shapes, others = ({k: v.shape for k, v in state.items()} for state in (start, end))
    if type(first) is not type(second) or shapes != others:
        raise ConfigError(
            f"{first.architecture} and {second.architecture} are not the same network with the "
            "same keywords, so there is nothing between them"
        )
    second.load_state_dict(
        {
            key: torch.lerp(start[key].float(), value.float(), share).to(value)
            for key, value in end.items()
        },
        strict=True,
    )
    save_weights(second, output, dtype=torch.float16)
