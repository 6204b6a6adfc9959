"""U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) that predicts ab from L.

Four downsampling stages, a bottleneck of two convolutions, and four upsampling stages, each joined
by a skip connection to the encoder stage of the same resolution. Differences from the paper: padded
convolutions, so the output has the input's size; batch norm after each convolution; a quarter of
the width.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.colorizer import Colorizer
from colorzoo.models._blocks import ConvBlock
from colorzoo.registry import register_model


@register_model("unet-gan", summary="U-Net as Pix2Pix generator, hinge GAN + L1 on ab", year=2017)
@register_model("unet", summary="U-Net with skip connections, L1 on ab", year=2015)
class UNet(Colorizer, paper_url="https://arxiv.org/abs/1505.04597"):
    """Encoder-decoder with skip connections; about 2M parameters at ``width=16``.

    Args:
        width: Channels of the first stage; each halving of the resolution doubles them.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 16

    def __init__(self, *, width: int = 16, work_size: int = 128) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        channels = [width * 2**i for i in range(5)]
        self.encoder = nn.ModuleList(
            ConvBlock(inputs, outputs)
            for inputs, outputs in zip([1, *channels[:3]], channels[:4], strict=True)
        )
        self.bottleneck = ConvBlock(channels[3], channels[4])
        steps = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(deep, shallow, kernel_size=2, stride=2) for deep, shallow in steps
        )
        self.decoder = nn.ModuleList(ConvBlock(2 * shallow, shallow) for _, shallow in steps)
        self.head = nn.Conv2d(width, 2, kernel_size=1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 16.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        return self.head(self.features(lightness)) * 128

    def features(self, lightness: Tensor) -> Tensor:
        """Run all but the head: (N, 1, H, W) L in [0, 100] to (N, width, H, W)."""
        x = lightness / 100
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat((skips.pop(), up(x)), dim=1))
        return x
