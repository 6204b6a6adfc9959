"""A timm encoder and a small decoder that predicts ab from L.

The design is common in colorization tutorials: the first six children of a ResNet (stem and two
stages, stride 8, 128 channels in ResNet-34) recognise what is in the picture, and convolutions with
batch norm, ReLU and upsampling turn that into two channels. The gray input is repeated over the
three channels of the encoder. ``encoder`` can be any timm model that supports feature extraction
(https://huggingface.co/docs/timm/feature_extraction); ResNet: He et al. 2015,
https://arxiv.org/abs/1512.03385.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.colorizer import Colorizer
from colorzoo.imaging.working_size import pad
from colorzoo.models._blocks import ConvBlock
from colorzoo.models._timm import Normalization, build_encoder
from colorzoo.registry import register_model


@register_model("resnet34", summary="ResNet-34 encoder to stride 8, MSE on ab", year=2018)
class TimmEncoder(Colorizer, paper_url="https://arxiv.org/abs/1512.03385"):
    """Features of a timm encoder at stride 8, and a decoder without skip connections.

    Args:
        encoder: Name of a timm model that supports ``features_only``, such as "resnet18",
            "mobilenetv2_100" or "convnext_atto". Its weights are random until loaded or trained.
        width: Channels of the decoder's first stage; each doubling of the resolution halves them.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 8
    render_options: ClassVar[frozenset[str]] = frozenset({"reference"})
    half_alike: ClassVar[float] = 0.66  # features at stride 8 differ less between things

    def __init__(
        self, *, encoder: str = "resnet34", width: int = 128, work_size: int = 224
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.normalize = Normalization(encoder)
        self.encoder, (channels,) = build_encoder(encoder, [self.stride])
        self.decoder = nn.ModuleList(
            ConvBlock(inputs, outputs)
            for inputs, outputs in (
                (channels, width),
                (width, width // 2),
                (width // 2, width // 4),
            )
        )
        self.head = nn.Conv2d(width // 4, 2, kernel_size=3, padding=1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 8.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        x = self.encoder(self.normalize(lightness))[0]
        for block in self.decoder:
            x = F.interpolate(block(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(x) * 128

    def describe(self, lightness: Tensor) -> Tensor:
        """Compute features at stride 8: (N, 1, H, W) to (N, C, h, w)."""
        return self.encoder(self.normalize(pad(lightness, self.stride)))[0]
