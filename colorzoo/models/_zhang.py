"""Blocks of the two networks of Zhang et al., ``eccv16`` and ``siggraph17``."""

from torch import nn

L_CENTRE, L_RANGE, AB_RANGE = 50.0, 100.0, 110.0  # L*a*b* units


def stage(*channels: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Build 3x3 convolutions, each followed by ReLU, and batch norm at the end.

    Args:
        channels: Channels of the input and after each convolution.
        stride: Stride of the last convolution.
        dilation: Dilation of all convolutions.
    """
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False), start=1):
        step = stride if i == len(channels) - 1 else 1
        layers += [
            nn.Conv2d(inputs, outputs, 3, step, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]))


def trunk(width: int) -> list[nn.Sequential]:
    """Build the stages 4 to 7 of both networks, at stride 8: 4 to 8 times ``width`` channels.

    Two stages see further by dilation instead of a lower resolution.
    """
    wide = 8 * width
    return [
        stage(wide // 2, wide, wide, wide),
        stage(wide, wide, wide, wide, dilation=2),
        stage(wide, wide, wide, wide, dilation=2),
        stage(wide, wide, wide, wide),
    ]
