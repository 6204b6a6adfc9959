"""A U-Net with a timm encoder that classifies pixels into colour bins.

The encoder, which was pretrained on ImageNet, recognises what is in the picture. A light decoder
combines its feature maps, from stride 32 up to stride 4 or 2, through skip connections (Ronneberger
et al. 2015, https://arxiv.org/abs/1505.04597). Colour is smoother than lightness, so it is
predicted at that stride and enlarged, for a quarter of the computation of a decoder to full size.
The bins are those of Zhang et al. 2016, https://arxiv.org/abs/1603.08511. EfficientNet-Lite is
EfficientNet (Tan & Le 2019, https://arxiv.org/abs/1905.11946) without squeeze-and-excitation.
Hints are three more channels of its input, as in Zhang et al. 2017, https://arxiv.org/abs/1705.02999.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.ab_bins import COUNT
from colorzoo.errors import ConfigError
from colorzoo.models._bins import BinsColorizer
from colorzoo.models._blocks import ConvBlock
from colorzoo.models._timm import Normalization, build_encoder
from colorzoo.registry import register_model

_REDUCTIONS = (2, 4, 8, 16, 32)
_AB_RANGE = 25.0  # of hints, L*a*b* units: on this scale, they spread as wide as the lightness
_DIAL = (
    (1.0, 0.6, 0.8, 3.2),
    (1.0, 0.5, 0.6, 8.0),
    (1.0, 0.45, 0.6, 9.9),
    (0.98, 0.46, 0.6, 11.8),
    (0.96, 0.48, 0.6, 13.0),
)


@register_model(
    "efficientnet-bins-hints",
    summary="The network of efficientnet-bins, trained to follow hints",
    year=2019,
    config={"hints": True},
)
@register_model(
    "efficientnet-bins.vivid",
    summary="The same weights as efficientnet-bins, at the vivid end of the dial",
    year=2019,
    config={"vividness": 1.0},
    weights_of="efficientnet-bins",
)
@register_model(
    "efficientnet-bins.careful",
    summary="The same weights as efficientnet-bins, at the careful end of the dial",
    year=2019,
    config={"vividness": 0.0},
    weights_of="efficientnet-bins",
    aliases={"mobilenetv2-huber": "1.0"},
)
@register_model(
    "efficientnet-bins",
    summary="U-Net on an EfficientNet-Lite0 encoder over 313 colour bins",
    year=2019,
    aliases={"mobilenetv2-bins": "1.0"},
)
class TimmUNet(BinsColorizer, paper_url="https://arxiv.org/abs/1603.08511"):
    """Features of a timm encoder from stride 32 up, and a decoder with skip connections.

    It is trained without class rebalancing, so its distribution is calibrated. Rare colours are
    favoured later, in ``to_ab``, so the same network can be careful or vivid.

    Args:
        encoder: Name of a timm model with features at strides 2 to 32, such as "resnet18" or
            "mobilenetv2_100". Its weights are random until loaded or trained.
        same_padding: Whether the encoder pads as TensorFlow does.
        width: Channels of the decoder at stride 4; twice as many at 16, half as many at 2.
        output_stride: Stride of the classified pixels, 4 or 2.
        attention: Whether to add self-attention at stride 16, so that distant parts of one object
            get the same colour.
        mirror: Whether to average the predictions for the photo and its mirror image, except in
            training: slightly closer to the truth (0.05 dB and 0.1 % of AuC on validation photos)
            for twice the computation.
        hints: Whether the network itself gets hints. Without any, it computes the same as one that
            does not get them.
        dial: Points of the dial from careful to vivid, (mix, temperature, gain, lift) each; see
            ``BinsColorizer``. The defaults were chosen on validation photos.
        vividness: Default position on the dial, 0 to 1.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 32
    render_options: ClassVar[frozenset[str]] = BinsColorizer.render_options | {"reference"}

    def __init__(
        self,
        *,
        encoder: str = "tf_efficientnet_lite0",
        same_padding: bool = False,
        width: int = 64,
        output_stride: int = 4,
        attention: bool = True,
        mirror: bool = False,
        hints: bool = False,
        dial: Sequence[Sequence[float]] = _DIAL,
        vividness: float = 0.5,
        work_size: int = 128,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.mirror = mirror
        if hints:
            self.declare_network_options("hints")
        if output_stride not in (2, 4):
            raise ConfigError(f"output_stride must be 2 or 4, got {output_stride!r}")
        self.normalize = Normalization(encoder)
        self.encoder, channels = build_encoder(
            encoder, _REDUCTIONS, same_padding=same_padding, hints=hints
        )
        deepest, *skips = reversed(channels)
        widths = [2 * width, 3 * width // 2, width] + [width // 2] * (output_stride == 2)
        self.attention = SelfAttention(widths[0]) if attention else nn.Identity()
        inputs = (deepest, *widths[:-1])
        self.decoder = nn.ModuleList(
            ConvBlock(below + skip, width)
            for below, skip, width in zip(inputs, skips[: len(widths)], widths, strict=True)
        )
        self.head = nn.Conv2d(widths[-1], COUNT, kernel_size=1)
        self.set_up_bins(dial, vividness)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Classify pixels.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 32.
            hints: (N, 3, H, W): a, b, and a mask that is 1 where there is a hint; 0 elsewhere.

        Returns:
            (N, 313, H / output_stride, W / output_stride), logits of the bins.

        Raises:
            ConfigError: If there are hints, and the network was built without ``hints=True``.
        """
        if hints is None and self.training and "hints" in self.network_options:
            # So that all weights have a gradient, which training on several GPUs needs.
            hints = torch.zeros_like(lightness).expand(-1, 3, -1, -1)
        logits = self.head(self.features(lightness, hints))
        if self.training or not self.mirror:
            return logits
        mirrored = self.features(lightness.flip(-1), None if hints is None else hints.flip(-1))
        return (logits + self.head(mirrored).flip(-1)) / 2

    def features(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Compute the input of the head: (N, C, h, w) at the output stride; see ``forward``."""
        picture = self.normalize(lightness)
        if hints is not None:
            if "hints" not in self.network_options:
                raise ConfigError(
                    "this network gets no hints; build it with hints=True and train it with them"
                )
            picture = torch.cat((picture, hints[:, :2] / _AB_RANGE, hints[:, 2:]), dim=1)
        x, *skips = reversed(self.encoder(picture))
        for i, block in enumerate(self.decoder):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat((x, skips[i]), dim=1))
            x = self.attention(x) if i == 0 else x
        return x

    def describe(self, lightness: Tensor) -> Tensor:
        """Compute features at stride 16 of an enlarged copy: (N, 1, H, W) to (N, C, h, w)."""
        down, across = (32 * max(1, round(2 * side / 32)) for side in lightness.shape[-2:])
        large = F.interpolate(lightness, (down, across), mode="bicubic", align_corners=False)
        features = self.encoder(self.normalize(large))[_REDUCTIONS.index(16)]
        return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


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
