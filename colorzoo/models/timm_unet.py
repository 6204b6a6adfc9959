"""A U-Net with a timm encoder, which was pretrained on ImageNet.

The encoder recognises what is in the picture. A light decoder combines its feature maps, from
stride 32 up to stride 4 or 2, through skip connections (Ronneberger et al. 2015,
https://arxiv.org/abs/1505.04597). Colour is smoother than lightness, so it is predicted at that
stride and enlarged, for a quarter of the computation of a decoder to full size. MobileNetV2:
Sandler et al. 2018, https://arxiv.org/abs/1801.04381.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from colorzoo.ab_bins import COUNT, bin_centres, rebalancing
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.models._bins import BinsColorizer
from colorzoo.models._blocks import ConvBlock
from colorzoo.models._timm import Normalization, build_encoder
from colorzoo.options import Options, check_temperature
from colorzoo.prediction import Output
from colorzoo.registry import register_model

_REDUCTIONS = (2, 4, 8, 16, 32)


@register_model(
    "mobilenetv2-huber", summary="U-Net on a MobileNetV2 encoder, Huber loss on ab", year=2018
)
class TimmUNet(Colorizer, paper_url="https://arxiv.org/abs/1801.04381"):
    """Features of a timm encoder from stride 32 up, and a decoder with skip connections.

    Args:
        encoder: Name of a timm model with features at strides 2 to 32, such as "mobilenetv2_100" or
            "resnet18". Its weights are random until loaded or trained.
        same_padding: Whether the encoder pads as TensorFlow does. The ImageNet weights from which
            the zoo's own models were trained need it.
        width: Channels of the decoder at stride 4; twice as many at 16, half as many at 2.
        output_stride: Stride at which colour is predicted, 4 or 2.
        attention: Whether to add self-attention at stride 16, so that distant parts of one object
            get the same colour.
        mirror: Whether to average the predictions for the photo and its mirror image, except in
            training: slightly closer to the truth (0.05 dB and 0.1 % of AuC on validation photos)
            for twice the computation.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 32

    def __init__(
        self,
        *,
        encoder: str = "mobilenetv2_100",
        same_padding: bool = True,
        width: int = 32,
        output_stride: int = 4,
        attention: bool = False,
        mirror: bool = True,
        work_size: int = 128,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.mirror = mirror
        if output_stride not in (2, 4):
            raise ConfigError(f"output_stride must be 2 or 4, got {output_stride!r}")
        self.normalize = Normalization(encoder)
        self.encoder, channels = build_encoder(encoder, _REDUCTIONS, same_padding=same_padding)
        deepest, *skips = reversed(channels)
        widths = [2 * width, 3 * width // 2, width] + [width // 2] * (output_stride == 2)
        self.attention = SelfAttention(widths[0]) if attention else nn.Identity()
        inputs = (deepest, *widths[:-1])
        self.decoder = nn.ModuleList(
            ConvBlock(below + skip, width)
            for below, skip, width in zip(inputs, skips[: len(widths)], widths, strict=True)
        )
        self.head = nn.Conv2d(widths[-1], 2, kernel_size=3, padding=1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 32.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        answer = self._answer(lightness)
        if self.training or not self.mirror:
            return answer
        return (answer + self._answer(lightness.flip(-1)).flip(-1)) / 2

    def _answer(self, lightness: Tensor) -> Tensor:
        ab = self.head(self.features(lightness)) * 128
        return F.interpolate(ab, lightness.shape[-2:], mode="bilinear", align_corners=False)

    def features(self, lightness: Tensor) -> Tensor:
        """Compute the input of the head: (N, C, h, w) at the output stride."""
        x, *skips = reversed(self.encoder(self.normalize(lightness)))
        for i, block in enumerate(self.decoder):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat((x, skips[i]), dim=1))
            x = self.attention(x) if i == 0 else x
        return x


@register_model(
    "mobilenetv2-bins",
    summary="U-Net on a MobileNetV2 encoder over 313 colour bins",
    year=2018,
)
class TimmUNetBins(BinsColorizer, TimmUNet, paper_url="https://arxiv.org/abs/1603.08511"):
    """The same network with a distribution over ab bins (Zhang et al. 2016) at every pixel.

    It is trained without class rebalancing, so its distribution is calibrated. Rebalancing is
    applied later, in ``to_ab``, by raising the logits of rare colours (Menon et al. 2021,
    https://arxiv.org/abs/2007.07314), so the same network can be cautious or bold.

    Args:
        encoder: See ``TimmUNet``, also for the next five.
        same_padding: Whether the encoder pads as TensorFlow does.
        width: Channels of the decoder at stride 4.
        output_stride: Stride of the classified pixels, 4 or 2.
        attention: Whether to add self-attention at stride 16.
        mirror: Whether to average the predictions for the photo and its mirror image.
        temperature: T of the annealed mean, above 0.
        mix: Lambda of the paper's rebalancing, above 0 and at most 1: 1 leaves the distribution
            unchanged, small values favour rare colours. The defaults of ``temperature`` and ``mix``
            are the boldest that are still closer to the truth than gray, by 0.2 dB and 0.5 % of
            AuC, on validation photos. ``python -m train choose`` found them.
        work_size: Short side of the network's input, pixels.
    """

    prior: Tensor

    def __init__(
        self,
        *,
        encoder: str = "mobilenetv2_100",
        same_padding: bool = True,
        width: int = 32,
        output_stride: int = 4,
        attention: bool = False,
        mirror: bool = False,
        temperature: float = 0.5,
        mix: float = 0.86,
        work_size: int = 128,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(
            encoder=encoder,
            same_padding=same_padding,
            width=width,
            output_stride=output_stride,
            attention=attention,
            mirror=mirror,
            work_size=work_size,
        )
        self.temperature = check_temperature(temperature)
        self.head = nn.Conv2d(self.head.in_channels, COUNT, kernel_size=1)
        self.register_buffer("centres", bin_centres())
        self.register_buffer("prior", torch.full((COUNT,), 1 / COUNT))
        self.mix = _checked_mix(mix)

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Rebalance every distribution, then compute its annealed mean; see ``BinsColorizer``."""
        assert isinstance(output, Tensor)
        raised = rebalancing(self.prior.float(), self.mix).log()
        return super().to_ab(output.float() + raised[:, None, None], **options)

    def forward(self, lightness: Tensor) -> Tensor:
        """Classify pixels.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 32.

        Returns:
            (N, 313, H / output_stride, W / output_stride), logits of the bins.
        """
        return super().forward(lightness)

    def _answer(self, lightness: Tensor) -> Tensor:
        return self.head(self.features(lightness))


def _checked_mix(mix: float) -> float:
    if not 0 < mix <= 1:
        raise ConfigError(f"mix must be above 0 and at most 1, got {mix!r}")
    return mix


class SelfAttention(nn.Module):
    """Self-attention over all positions (Zhang et al. 2019, https://arxiv.org/abs/1805.08318).

    Its output is scaled by a factor that starts at 0, so it does not disturb a trained encoder.

    Args:
        channels: Input and output channels, a multiple of 4.
    """

    def __init__(self, channels: int) -> None:
        """Build the layer."""
        super().__init__()
        self.attend = nn.MultiheadAttention(channels, num_heads=4, batch_first=True)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Mix (N, C, H, W) features across positions, without changing the shape."""
        sequence = features.flatten(2).transpose(1, 2)
        mixed = self.attend(sequence, sequence, sequence, need_weights=False)[0]
        return features + self.share * mixed.transpose(1, 2).reshape(features.shape)
