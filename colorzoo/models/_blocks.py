"""Blocks that two or more families use."""

from torch import nn


class ConvBlock(nn.Sequential):
    """Convolutions of 3x3, each with batch norm and ReLU; the first may halve the resolution.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        convs: How many convolutions, at least 1.
        stride: Stride of the first one.
    """

    def __init__(self, inputs: int, outputs: int, *, convs: int = 2, stride: int = 1) -> None:
        """Build the block."""
        if inputs < 1 or outputs < 1:
            raise ValueError(f"a convolution needs at least one channel, got {inputs} to {outputs}")
        layers: list[nn.Module] = []
        for i in range(convs):
            layers += [
                nn.Conv2d(
                    inputs if i == 0 else outputs,
                    outputs,
                    kernel_size=3,
                    stride=stride if i == 0 else 1,
                    padding=1,
                    bias=False,
                ),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)
