"""Blocks that two or more models use."""

from torch import nn


class ConvBlock(nn.Sequential):
    """3x3 convolutions, each with batch norm and ReLU; the first may reduce the resolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        convs: Number of convolutions, at least 1.
        stride: Stride of the first convolution.
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
