"""Initialise weights before training: random, an ImageNet encoder, or another model."""

from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from colorzoo.colorizer import Colorizer
from colorzoo.errors import WeightsError
from colorzoo.loading import load
from colorzoo.models._timm import HINT_WEIGHT


def initialise(model: Colorizer, start: str) -> str:
    """Set a model's initial weights.

    Args:
        model: The model, with random weights.
        start: "random", "imagenet", the path of a safetensors file with the state of a timm
            encoder, or the name of a registered model or its folder. A network that gets hints can
            start from one that does not: they then have weights of 0.

    Returns:
        One line that says what was done, to follow the model's name.

    Raises:
        WeightsError: If the weights are missing or do not fit.
    """
    if start == "random":
        return "starts from random weights"
    if start == "imagenet" or start.endswith(".safetensors"):
        if "encoder" not in model.config:
            raise WeightsError(
                f"{start} is for timm encoders; {model.architecture} has none. Use --start random."
            )
        return _from_timm(model, start)
    return _from_model(model, start)


def _from_timm(model: Colorizer, start: str) -> str:
    encoder = model.get_submodule("encoder")
    count, new = load_imagenet(encoder, model.config["encoder"], start)
    note = f"; {', '.join(new)} are new and start as the identity" if new else ""
    return f"{count} tensors of the encoder start from {Path(start).name}{note}"


def load_imagenet(encoder: nn.Module, name: str, source: str) -> tuple[int, list[str]]:
    """Load ImageNet weights into an encoder from ``colorzoo.models._timm.build_encoder``.

    Args:
        encoder: The encoder.
        name: Its name in timm.
        source: "imagenet" for timm's own weights, or a safetensors file with them.

    Returns:
        The number of tensors that were loaded, and the blocks that were not in the file, which are
        the identity.

    Raises:
        WeightsError: If the weights are missing or do not fit.
    """
    if source != "imagenet":
        if not Path(source).is_file():
            raise WeightsError(f"{source} does not exist; give a safetensors file of {name}")
        try:
            state = load_file(source)
        except SafetensorError as error:
            raise WeightsError(f"{source} is not a complete safetensors file ({error})") from error
    else:
        try:
            state = timm.create_model(name, pretrained=True).state_dict()
        except (OSError, RuntimeError, ValueError) as error:
            raise WeightsError(
                f"timm's weights of {name} cannot be downloaded ({str(error).splitlines()[0]}). "
                "Pass a safetensors file with --start FILE, or --start random."
            ) from error
    network = encoder.get_submodule("model")
    own = network.state_dict()
    state = {**_hints_of_zero(own, state), **state}
    fitting = {key: value for key, value in state.items() if _fits(own, key, value)}
    missing = [
        key for key in own.keys() - fitting.keys() if not key.endswith("num_batches_tracked")
    ]
    # The file may be for a shallower ResNet, with fewer blocks per stage. Blocks that are not in
    # the file start as the identity, because timm zeroes the last batch norm of residual blocks.
    blocks = {key.rsplit(".", 2)[0] for key in state}
    wrong = [key for key in missing if not (_in_block(key) and key.rsplit(".", 2)[0] not in blocks)]
    if wrong:
        raise WeightsError(
            f"{source} does not fit {name}: {', '.join(sorted(wrong)[:3])} and "
            f"{max(0, len(wrong) - 3)} more are missing or have another shape."
        )
    network.load_state_dict({**own, **fitting}, strict=True)
    return len(fitting), sorted({key.rsplit(".", 2)[0] for key in missing})


def _in_block(key: str) -> bool:
    return key.startswith("layer") and key.count(".") >= 3


def _from_model(model: Colorizer, name: str) -> str:
    state, own = load(name).state_dict(), model.state_dict()
    for key, part in model.named_children():
        if getattr(part, "architecture", None) == name:  # a registered model inside this one
            _load_part(part, key, state, name)
            return f"takes {key} from {name}; the rest starts from random weights"
    new = _hints_of_zero(own, state)
    fitting = {key: value for key, value in state.items() if _fits(own, key, value)}
    if len(fitting) < len(own) / 2:
        raise WeightsError(
            f"the weights of {name} fit {len(fitting)} of {len(own)} tensors of "
            f"{model.architecture}: the models are too different"
        )
    model.load_state_dict({**own, **fitting, **new}, strict=True)
    note = ", with weights of 0 for the hints" if new else ""
    return f"{len(fitting)} of {len(own)} tensors start from {name}{note}"


def _hints_of_zero(own: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a network that its hints need, as 0, if a state has none of them."""
    names = [key for key in own if key.endswith(HINT_WEIGHT) and key not in state]
    return {key: torch.zeros_like(own[key]) for key in names}


def _load_part(part: nn.Module, key: str, state: dict[str, Tensor], name: str) -> None:
    try:
        part.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(
            f"the weights of {name} do not fit {key}, which has other keywords: leave them out, or "
            "pass --start random"
        ) from error


def _fits(own: dict[str, Tensor], key: str, value: Tensor) -> bool:
    return key in own and own[key].shape == value.shape
