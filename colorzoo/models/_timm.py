"""Machinery of the families whose encoder is one of timm's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ConfigError


def build_encoder(
    name: str, reductions: Sequence[int], *, same_padding: bool = False
) -> tuple[nn.Module, list[int]]:
    """Build a timm encoder with random weights; stages that nobody asks for are left out.

    Args:
        name: A timm model that supports ``features_only``.
        reductions: Strides of the feature maps to give, ascending.
        same_padding: Pad as TensorFlow does, for weights that come from there; MobileNet and
            EfficientNet families only.

    Returns:
        The encoder, which maps (N, 3, H, W) to a list of feature maps, and their channels.

    Raises:
        ConfigError: If timm has no such model, or it does not give such features.
    """
    # They cost over a second, so only those who need them pay.
    import timm
    from timm.layers.conv2d_same import Conv2dSame

    if name not in timm.list_models():
        close = timm.list_models(f"*{name}*")[:3]
        hint = f"Did you mean {' or '.join(close)}?" if close else "See timm.list_models()."
        raise ConfigError(f"timm has no model called {name!r}. {hint}")
    padding: dict[str, Any] = {"pad_type": "same"} if same_padding else {}
    try:
        with torch.device("meta"):
            whole: Any = timm.create_model(name, features_only=True, **padding)
        found = whole.feature_info.reduction()
        # "getter" drops the stages below the last one asked for; the default keeps some of them.
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
            f"timm's {name!r} gives no features at stride {strides} ({error}). Convolutional "
            "families such as resnet, mobilenet, efficientnet and convnext do."
        ) from error
    for key, layer in list(encoder.named_modules()):
        if isinstance(layer, nn.Conv2d) and isinstance(layer, Conv2dSame):
            encoder.set_submodule(key, _SamePadding(layer))
    return encoder, encoder.feature_info.channels()


class Normalization(nn.Module):
    """Lightness as an encoder expects its pictures: gray in three channels, normalised.

    Mean and standard deviation are buffers, so they are saved with the weights: other ImageNet
    weights of the same encoder may want others.

    Args:
        name: The encoder's name in timm, whose configuration gives the values.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        """Look the values up."""
        from timm.models import get_pretrained_cfg

        super().__init__()
        known = get_pretrained_cfg(name)  # None is an encoder that timm has no weights for
        mean, std = (known.mean, known.std) if known else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, lightness: Tensor) -> Tensor:
        """Turn (N, 1, H, W), L in [0, 100], into (N, 3, H, W)."""
        return (lightness / 100 - self.mean) / self.std


class _SamePadding(nn.Conv2d):
    """TensorFlow's padding of a picture that the stride divides, as those of a Colorizer are.

    timm works the padding out from the size of each picture. PyTorch's exporter does not get to
    the end of that for pictures of any size; here it is known beforehand, and the same.
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
