"""The encoder of the zoo's own models, EfficientNet-Lite0, without timm.

timm has it too. But importing timm takes longer than everything else that colouring a photo does,
because it imports torchvision, which imports PyTorch's compiler. The tensors have the names that
timm gives them, so weights fit both.

EfficientNet: Tan & Le 2019, https://arxiv.org/abs/1905.11946. Lite leaves out
squeeze-and-excitation and uses ReLU6.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from colorzoo.models._blocks import SamePadding

NAME = "tf_efficientnet_lite0"  # as in timm
# Of the input, for timm's ImageNet weights.
MEAN = STD = (0.5, 0.5, 0.5)

_STEM = 32


class _Stage(NamedTuple):
    expansion: int
    channels: int
    blocks: int
    kernel: int
    stride: int


_STAGES = (
    _Stage(1, 16, 1, 3, 1),
    _Stage(6, 24, 2, 3, 2),
    _Stage(6, 40, 2, 5, 2),
    _Stage(6, 80, 3, 3, 2),
    _Stage(6, 112, 3, 5, 1),
    _Stage(6, 192, 4, 5, 2),
    _Stage(6, 320, 1, 3, 1),
)


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 up to the last stage that is needed, with TensorFlow's padding.

    Args:
        reductions: Strides of the feature maps to return, ascending: some of 2, 4, 8, 16 and 32.

    Attributes:
        channels: The channels of these feature maps.
    """

    def __init__(self, reductions: Sequence[int]) -> None:
        """Build the network with random weights."""
        super().__init__()
        strides = [2 * math.prod(each.stride for each in _STAGES[: i + 1]) for i in range(7)]
        last = {stride: i for i, stride in enumerate(strides)}  # of several, the deepest
        self._returned = [last[stride] for stride in reductions]
        self.channels = [_STAGES[i].channels for i in self._returned]
        self.model = _Layers(_STAGES[: max(self._returned) + 1])

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Compute feature maps of (N, 3, H, W), H and W multiples of the largest stride.

        Returns:
            (N, channels, H / stride, W / stride) for each stride.
        """
        x = self.model.act(self.model.bn1(self.model.conv_stem(picture)))
        found = []
        for i, stage in enumerate(self.model.blocks):
            x = stage(x)
            if i in self._returned:
                found.append(x)
        return found


class _Layers(nn.Module):
    """The layers by timm's names."""

    def __init__(self, stages: Sequence[_Stage]) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM, 3, stride=2)
        self.bn1 = _norm(_STEM)
        self.act = nn.ReLU6(inplace=True)
        inputs = [_STEM, *(stage.channels for stage in stages)]
        self.blocks = nn.Sequential(
            *(_stage(*each) for each in zip(inputs[:-1], stages, strict=True))
        )


def _stage(inputs: int, stage: _Stage) -> nn.Sequential:
    if stage.expansion == 1:
        return nn.Sequential(_Separable(inputs, stage))
    return nn.Sequential(
        *(
            _Inverted(inputs if i == 0 else stage.channels, stage, stage.stride if i == 0 else 1)
            for i in range(stage.blocks)
        )
    )


class _Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, inputs: int, stage: _Stage) -> None:
        super().__init__()
        self.conv_dw = _conv(inputs, inputs, stage.kernel, stride=stage.stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.act = nn.ReLU6(inplace=True)
        self.conv_pw = _conv(inputs, stage.channels, 1)
        self.bn2 = _norm(stage.channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.act(self.bn1(self.conv_dw(x)))))


class _Inverted(nn.Module):
    """An inverted residual block: more channels, a depthwise convolution, fewer channels."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        middle = inputs * stage.expansion
        self.conv_pw = _conv(inputs, middle, 1)
        self.bn1 = _norm(middle)
        self.conv_dw = _conv(middle, middle, stage.kernel, stride=stride, groups=middle)
        self.bn2 = _norm(middle)
        self.conv_pwl = _conv(middle, stage.channels, 1)
        self.bn3 = _norm(stage.channels)
        self.act = nn.ReLU6(inplace=True)
        self._has_skip = inputs == stage.channels and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv_pw(x)))
        y = self.act(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self._has_skip else y


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride,
        kernel // 2 if stride == 1 else 0,
        groups=groups,
        bias=False,
    )
    nn.init.normal_(layer.weight, 0, math.sqrt(2 * groups / (kernel**2 * outputs)))
    return layer if stride == 1 else SamePadding(layer)
