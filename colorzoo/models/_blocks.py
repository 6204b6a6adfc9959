"""Blocks that two or more models use."""

from torch import Tensor, nn
from torch.nn import functional as F


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


class SamePadding(nn.Conv2d):
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
