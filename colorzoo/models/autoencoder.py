"""Convolutional encoder-decoder that predicts ab from L, one of the oldest designs in the field.

The encoder reduces the resolution to 1/8 and the decoder restores it. Everything passes through the
bottleneck, so the network has to recognise what is where before it predicts colour. ``skips=True``
adds U-Net-like skip connections. The output goes through tanh, as in Baldassarre et al. 2017, "Deep
Koalarization" (https://arxiv.org/abs/1712.03400), which limits ab to [-128, 128].
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.colorizer import Colorizer
from colorzoo.models._blocks import ConvBlock
from colorzoo.registry import register_model


@register_model(
    "autoencoder-ssim",
    summary="Encoder-decoder with U-Net-like skips, SSIM and MSE on ab",
    year=2017,
    config={"skips": True},
)
@register_model("autoencoder", summary="Encoder-decoder without skips, MSE on ab", year=2017)
class Autoencoder(Colorizer, paper_url="https://arxiv.org/abs/1712.03400"):
    """Strided encoder, bottleneck, upsampling decoder; about 2M parameters at ``width=32``.

    Args:
        width: Channels of the first stage; each further halving of the resolution doubles them.
        skips: Whether each decoder stage also gets the encoder stage of the same resolution.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 8

    def __init__(self, *, width: int = 32, skips: bool = False, work_size: int = 128) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.skips = skips
        half, quarter, eighth, deep = width, 2 * width, 4 * width, 8 * width
        self.encoder = nn.ModuleList(
            ConvBlock(inputs, outputs, stride=2)
            for inputs, outputs in ((1, half), (half, quarter), (quarter, eighth))
        )
        self.bottleneck = nn.Sequential(
            ConvBlock(eighth, deep, convs=3), ConvBlock(deep, eighth, convs=1)
        )
        # Channels that the skip adds to each decoder stage: encoder stages, and L for the last.
        brought = (quarter, half, 1) if skips else (0, 0, 0)
        stages = ((eighth, quarter), (quarter, half), (half, half // 2))
        self.decoder = nn.ModuleList(
            ConvBlock(inputs + extra, outputs)
            for (inputs, outputs), extra in zip(stages, brought, strict=True)
        )
        self.head = nn.Conv2d(half // 2, 2, kernel_size=3, padding=1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 8.

        Returns:
            (N, 2, H, W), ab in L*a*b* units, within [-128, 128].
        """
        x = lightness / 100
        skips = []
        for block in self.encoder:
            skips.append(x)
            x = block(x)
        x = self.bottleneck(x)
        for block in self.decoder:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            skip = skips.pop()
            x = block(torch.cat((x, skip), dim=1) if self.skips else x)
        return torch.tanh(self.head(x)) * 128
