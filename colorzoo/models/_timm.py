"""Shared code of the models with a timm encoder."""

import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ConfigError


def build_encoder(
    name: str, reductions: Sequence[int], *, same_padding: bool = False
) -> tuple[nn.Module, list[int]]:
    """Build a timm encoder with random weights, without the stages that are not needed.

    Args:
        name: A timm model that supports ``features_only``.
        reductions: Strides of the feature maps to return, ascending.
        same_padding: Pad as TensorFlow does, for weights that were trained there; MobileNet and
            EfficientNet only.

    Returns:
        The encoder, which maps (N, 3, H, W) to a list of feature maps, and their channels.

    Raises:
        ConfigError: If timm has no such model, or it has no features at these strides.
    """
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
        with torch.device("meta"):
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
            encoder.set_submodule(key, _SamePadding(layer))
    return encoder, encoder.feature_info.channels()


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
        # None: timm has no weights for this encoder
        known = _import("timm.models").get_pretrained_cfg(name)
        mean, std = (known.mean, known.std) if known else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, lightness: Tensor) -> Tensor:
        """Convert (N, 1, H, W), L in [0, 100], to (N, 3, H, W)."""
        return (lightness / 100 - self.mean) / self.std


class _SamePadding(nn.Conv2d):
    """A convolution with TensorFlow's padding, for inputs with sides that the stride divides.

    The inputs of a Colorizer are padded to such sizes. timm computes the padding from the size of
    each input, which PyTorch's exporter cannot do for dynamic sizes. Here it is a constant with the
    same value.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        (high, wide), (down, along) = layer.kernel_size, layer.stride
        (apart_y, apart_x) = layer.dilation
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            (high, wide),
            (down, along),
            dilation=(apart_y, apart_x),
            groups=layer.groups,
            bias=False,
            device="meta",
        )
        self.weight, self.bias = layer.weight, layer.bias
        y = max((high - 1) * apart_y + 1 - down, 0)
        x = max((wide - 1) * apart_x + 1 - along, 0)
        self.margins = (x // 2, x - x // 2, y // 2, y - y // 2)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.margins))
