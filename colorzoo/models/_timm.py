"""Shared code of the models with a timm encoder."""

import copy
import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ConfigError
from colorzoo.models import _efficientnet
from colorzoo.models._blocks import SamePadding
from colorzoo.torch_state import building_shapes

# How the names of the tensors end that only hints need.
HINT_WEIGHT = ".hints.weight"


def build_encoder(
    name: str, reductions: Sequence[int], *, same_padding: bool = False, hints: bool = False
) -> tuple[nn.Module, list[int]]:
    """Build a timm encoder with random weights, without the stages that are not needed.

    Args:
        name: A timm model that supports ``features_only``.
        reductions: Strides of the feature maps to return, ascending.
        same_padding: Pad as TensorFlow does, for weights that were trained there; MobileNet and
            EfficientNet only.
        hints: Whether it also takes (N, 6, H, W), with three channels of hints after its own three.
            Their weights are 0, so they change nothing until they are trained.

    Returns:
        The encoder, which maps (N, 3, H, W) to a list of feature maps, and their channels.

    Raises:
        ConfigError: If timm has no such model, or it has no features at these strides.
    """
    if name == _efficientnet.NAME:
        ours = _efficientnet.EfficientNetLite(reductions)
        if hints:
            _add_hints(ours, name)
        return ours, ours.channels
    timm = _import("timm")
    conv2d_same = _import("timm.layers.conv2d_same").Conv2dSame

    names = timm.list_models()
    if name not in names:
        # Not timm's own search, which takes seconds for some patterns from a stranger's config.
        close = [each for each in names if str(name) in each][:3]
        hint = f"Did you mean {' or '.join(close)}?" if close else "See timm.list_models()."
        raise ConfigError(f"timm has no model called {str(name)[:100]!r}. {hint}")
    padding: dict[str, Any] = {"pad_type": "same"} if same_padding else {}
    try:
        with building_shapes():
            whole: Any = timm.create_model(name, features_only=True, **padding)
        found = whole.feature_info.reduction()
        # "getter" drops the stages after the last one needed; the default keeps some of them.
        encoder: Any = timm.create_model(
            name,
            features_only=True,
            feature_cls="getter",
            out_indices=tuple(found.index(each) for each in reductions),
            **padding,
        )
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        strides = ", ".join(map(str, reductions))
        raise ConfigError(
            f"timm's {name!r} has no features at stride {strides} ({error}). Convolutional "
            "families such as resnet, mobilenet, efficientnet and convnext do."
        ) from error
    for key, layer in list(encoder.named_modules()):
        if isinstance(layer, nn.Conv2d) and isinstance(layer, conv2d_same):
            encoder.set_submodule(key, SamePadding(layer))
    if hints:
        _add_hints(encoder, name)
    return encoder, encoder.feature_info.channels()


def _add_hints(encoder: nn.Module, name: str) -> None:
    key, first = next(
        (key, each) for key, each in encoder.named_modules() if isinstance(each, nn.Conv2d)
    )
    if type(first) not in (nn.Conv2d, SamePadding):
        raise ConfigError(
            f"timm's {name!r} cannot get hints, because it begins with a {type(first).__name__}. "
            "Families such as resnet, mobilenet and efficientnet can."
        )
    encoder.set_submodule(key, _WithHints(first))


def _import(module: str) -> Any:
    """Import a module of timm, which takes over a second, so it is only done when needed.

    Models are also built on PyTorch's meta device, where PyTorch 2.8 cannot import its own compiler
    for timm. A new thread has no such setting.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(importlib.import_module, module).result()


class Normalization(nn.Module):
    """Converts lightness to the input of an encoder: gray in three channels, normalised.

    Mean and standard deviation are buffers, so they are saved with the weights: different ImageNet
    weights of the same encoder may need different values.

    Args:
        name: The encoder's name in timm, whose configuration contains the values.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        """Look up the values."""
        super().__init__()
        mean, std = _efficientnet.MEAN, _efficientnet.STD
        if name != _efficientnet.NAME:
            # None: timm has no weights for this encoder
            known = _import("timm.models").get_pretrained_cfg(name)
            mean, std = (known.mean, known.std) if known else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, lightness: Tensor) -> Tensor:
        """Convert (N, 1, H, W), L in [0, 100], to (N, 3, H, W)."""
        return (lightness / 100 - self.mean) / self.std


class _WithHints(nn.Conv2d):
    """The first convolution of an encoder, with as many channels of hints after its own.

    This is one convolution of all channels, but its weight is in two parts. So the tensors have the
    names and shapes of an encoder without hints, and without hints it computes the same to the bit.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        padding = layer.padding
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            (layer.kernel_size[0], layer.kernel_size[1]),
            (layer.stride[0], layer.stride[1]),
            padding if isinstance(padding, str) else (padding[0], padding[1]),
            (layer.dilation[0], layer.dilation[1]),
            layer.groups,
            bias=False,
            device="meta",
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.margins = layer.margins if isinstance(layer, SamePadding) else None
        self.hints = copy.deepcopy(layer)
        self.hints.bias = None
        nn.init.zeros_(self.hints.weight)

    def forward(self, input: Tensor) -> Tensor:
        own, *hints = input.split(self.in_channels, dim=1)
        output = super().forward(own if self.margins is None else F.pad(own, self.margins))
        return output + self.hints(*hints) if hints else output
