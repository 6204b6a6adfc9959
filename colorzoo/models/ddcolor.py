"""DDColor: "Towards Photo-Realistic Image Colorization via Dual Decoders" (Kang et al., ICCV 2023).

A ConvNeXt encoder (Liu et al. 2022, https://arxiv.org/abs/2201.03545) recognises what is in the
photo. The first decoder brings its features back to full resolution, through skip connections and
pixel shuffling. In the second one, learned queries look at features of three resolutions and each
other in turn, as in a transformer, and become colours. A pixel gets the mixture of these colours
that its features select. Paper: https://arxiv.org/abs/2212.11613. The weights are those of the
authors, https://github.com/piddnad/DDColor (Apache-2.0).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import ConfigError
from colorzoo.hub.published import PublishedWeights
from colorzoo.models._published import (
    PublishedColorizer,
    renamed,
    with_batch_counts,
    without_spectral_norm,
)
from colorzoo.models._timm import build_encoder
from colorzoo.options import Options
from colorzoo.prediction import Output
from colorzoo.registry import register_model

_REDUCTIONS = (4, 8, 16, 32)
_HEADS = 8
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for the encoder
_AB_LEAST, _AB_MOST = -128.0, 127.0  # the range of 8-bit L*a*b*, in which it was trained

# The authors' names, and ours. Blocks of each stage, and channels of the first, by encoder.
_ENCODERS = {
    "convnext_tiny": ((3, 3, 9, 3), 96),
    "convnext_small": ((3, 3, 27, 3), 96),
    "convnext_base": ((3, 3, 27, 3), 128),
    "convnext_large": ((3, 3, 27, 3), 192),
}
_BLOCK = r"encoder\.arch\.stages\.(\d+)\.(\d+)\."
_COLORS = r"decoder\.color_decoder\."
_LAYER = rf"{_COLORS}transformer_%s_layers\.(\d+)\."
_LOOK, _TALK, _THINK = (_LAYER % part for part in ("cross_attention", "self_attention", "ffn"))
_NAMES = (
    (r"encoder\.arch\.downsample_layers\.0\.", r"encoder.model.stem."),
    (r"encoder\.arch\.downsample_layers\.(\d+)\.", r"encoder.model.stages.\1.downsample."),
    (rf"{_BLOCK}dwconv\.", r"encoder.model.stages.\1.blocks.\2.conv_dw."),
    (rf"{_BLOCK}pwconv(\d)\.", r"encoder.model.stages.\1.blocks.\2.mlp.fc\3."),
    (_BLOCK, r"encoder.model.stages.\1.blocks.\2."),
    (r"encoder\.arch\.norm(\d)\.", r"norms.\1."),
    (r"decoder\.layers\.(\d)\.shuf\.conv\.", r"up.\1.enlarge."),
    (r"decoder\.layers\.(\d)\.bn\.", r"up.\1.norm."),
    (r"decoder\.layers\.(\d)\.conv\.", r"up.\1.mix."),
    (r"decoder\.last_shuf\.conv\.", "last."),
    (rf"{_COLORS}query_feat\.weight", "colors.start"),
    (rf"{_COLORS}query_embed\.weight", "colors.identity"),
    (rf"{_COLORS}level_embed\.weight", "colors.level"),
    (rf"{_COLORS}input_proj\.", "colors.project."),
    (rf"{_LOOK}multihead_attn\.", r"colors.layers.\1.look."),
    (rf"{_LOOK}norm\.", r"colors.layers.\1.look_norm."),
    (rf"{_TALK}self_attn\.", r"colors.layers.\1.talk."),
    (rf"{_TALK}norm\.", r"colors.layers.\1.talk_norm."),
    (rf"{_THINK}linear1\.", r"colors.layers.\1.think.0."),
    (rf"{_THINK}linear2\.", r"colors.layers.\1.think.2."),
    (rf"{_THINK}norm\.", r"colors.layers.\1.think_norm."),
    (rf"{_COLORS}decoder_norm\.", "colors.norm."),
    (rf"{_COLORS}color_embed\.layers\.", "colors.embed."),
    (r"refine_net\.0\.0\.", "refine."),
)
# The head of the ImageNet classifier that the encoder was.
_TRAINING = ("encoder.arch.head_cls.", "encoder.arch.norm.")

_PAGE = "https://github.com/piddnad/DDColor"
_MEASURED = (
    "Kang et al. 2023, 5,000 photos of ImageNet's validation set stretched to 256x256; their code "
    "measures colourfulness with absolute differences"
)


@register_model(
    "ddcolor",
    summary="DDColor with a ConvNeXt-L encoder: colour queries as in a transformer",
    year=2023,
    config={"encoder": "convnext_large"},
    published=PublishedWeights(
        repo_id="piddnad/ddcolor_modelscope",
        revision="060f67494e31883a4b13cb27f889f3154847ada4",
        file="pytorch_model.bin",
        sha256="d81711971ec59200da26d5e8a1afae8dd3778d495ea8ad7a7dadc769f403f7e7",
        size=911_914_869,
        licence="Apache-2.0",
        page=_PAGE,
        numbers={"fid": 3.92, "cf": 38.3, "delta_cf": 0.05, "psnr": 23.85},
        numbers_source=(
            f"{_MEASURED}. They are those of ddcolor_paper. These weights, ddcolor_modelscope, are "
            "of the same network trained on cleaned photos; the authors prefer them, at a slightly "
            "worse FID"
        ),
    ),
)
@register_model(
    "ddcolor-tiny",
    summary="DDColor with a ConvNeXt-T encoder: colour queries as in a transformer",
    year=2023,
    published=PublishedWeights(
        repo_id="piddnad/ddcolor_paper_tiny",
        revision="cf9fd99c1d7472689ec7413441c1b799a51866a3",
        file="pytorch_model.bin",
        sha256="8a1277bc90a1bfbb6d2d83933a9a6bc821931879ca93e26e4fcec12165d41fce",
        size=220_372_845,
        licence="Apache-2.0",
        page=_PAGE,
        numbers={"fid": 4.38, "cf": 37.7, "delta_cf": 0.55, "psnr": 23.54},
        numbers_source=_MEASURED,
    ),
)
class DDColor(PublishedColorizer, paper_url="https://arxiv.org/abs/2212.11613"):
    """ConvNeXt, a decoder of pixels and a decoder of colours; 55M or 228M parameters.

    Spectral normalisation, which only training needs, is folded into the weights.

    Args:
        encoder: Name of a timm model with features at strides 4 to 32, such as "convnext_tiny" or
            "convnext_large".
        width: Channels of the pixel decoder, a multiple of 16; the queries have half as many.
        queries: Number of learned colours.
        layers: Number of layers of the colour decoder.
        exact: Follow the authors' code, see ``PublishedColorizer``; ab is not clamped then.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 32
    enlarging = "nearest"
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        encoder: str = "convnext_tiny",
        width: int = 512,
        queries: int = 100,
        layers: int = 9,
        exact: bool = False,
        work_size: int = 512,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        if width < 16 or width % 16:
            raise ConfigError(f"width must be a multiple of 16, got {width!r}")
        self.exact = exact
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).reshape(1, 3, 1, 1))
        self.encoder, channels = build_encoder(encoder, _REDUCTIONS)
        self.norms = nn.ModuleList(nn.LayerNorm(each, eps=1e-6) for each in channels)
        deepest, *skips = reversed(channels)
        widths = (width, width, width // 2)
        self.up = nn.ModuleList(
            _Up(below, skip, outputs)
            for below, skip, outputs in zip((deepest, *widths), skips, widths, strict=False)
        )
        self.last = nn.Sequential(
            nn.Conv2d(width // 2, width // 2 * 4**2, 1), nn.ReLU(inplace=True)
        )
        self.colors = _ColorDecoder(widths, width // 2, queries, layers)
        self.refine = nn.Conv2d(queries + 3, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 32.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        gray = (lightness_to_rgb(lightness) - self.mean) / self.std
        *skips, x = (
            norm(feature.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            for norm, feature in zip(self.norms, self.encoder(gray), strict=True)
        )
        scales = []
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(x, skip)
            scales.append(x)
        return self._mix(self.last(x), self.colors(scales), gray)

    def _mix(self, features: Tensor, colors: Tensor, gray: Tensor) -> Tensor:
        """Mix the colours at every pixel.

        In the paper, the features are shuffled to full resolution and blurred, multiplied with all
        colours, and a 1x1 convolution turns that and the gray picture into ab. All of this is
        linear, so here the convolution is applied to the colours first. The result is the same, and
        the largest tensors, with a channel per query or feature at full resolution, never exist.

        Args:
            features: (N, 16 C, H / 4, W / 4), before they are shuffled.
            colors: (N, Q, C).
            gray: (N, 3, H, W), normalised.
        """
        (kernel, rest) = self.refine.weight.split((colors.shape[1], 3), dim=1)
        ab = torch.einsum("kq,nqc->nkc", kernel[..., 0, 0], colors)
        # The same for each of the 16 pixels that a position is shuffled into.
        pixels = torch.eye(4**2, dtype=ab.dtype, device=ab.device)
        weights = torch.einsum("nkc,pq->nkpcq", ab, pixels).flatten(3).flatten(1, 2)
        mixed = (weights @ features.flatten(2)).unflatten(2, features.shape[2:])
        return _blurred(F.pixel_shuffle(mixed, 4)) + F.conv2d(gray, rest, self.refine.bias)

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Clamp ab to what 8-bit L*a*b* can hold: some photos make the network leave it."""
        ab = super().to_ab(output, **options)
        return ab if self.exact else ab.clamp(_AB_LEAST, _AB_MOST)

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of the authors' code, and drop those that only training needs."""
        ours = renamed(without_spectral_norm(state), _NAMES, dropped=_TRAINING)
        if ours.keys() != state.keys():  # some of the authors' checkpoints lack the constants
            for name, values in (("mean", _MEAN), ("std", _STD)):
                like = ours.get("refine.weight", torch.empty(0))
                constant = torch.tensor(values, dtype=torch.float32, device=like.device)
                ours.setdefault(name, constant.reshape(1, 3, 1, 1))
        return with_batch_counts(ours)

    @classmethod
    def keywords_of(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for tensors with the names of ``state_dict``."""
        blocks = tuple(
            _count(shapes, f"encoder.model.stages.{i}.blocks.{{}}.conv_dw.weight") for i in range(4)
        )
        built = blocks, shapes["encoder.model.stem.0.weight"][0]
        encoder = next((name for name, known in _ENCODERS.items() if known == built), None)
        ab, inputs = shapes["refine.weight"][:2]
        if encoder is None or ab != 2 or shapes["colors.level"][0] != 3:
            return None
        return {
            "encoder": encoder,
            "width": 2 * shapes["last.0.weight"][1],
            "queries": inputs - 3,
            "layers": _count(shapes, "colors.layers.{}.look_norm.weight"),
        }


class _Up(nn.Module):
    """Doubles the resolution and adds the encoder's features of that resolution."""

    def __init__(self, below: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.enlarge = nn.Sequential(
            nn.Conv2d(below, 2**2 * outputs, 1, bias=False),
            nn.BatchNorm2d(2**2 * outputs),
            nn.ReLU(inplace=True),
        )
        self.norm = nn.BatchNorm2d(skip)
        self.mix = nn.Sequential(
            nn.Conv2d(outputs + skip, outputs, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = _blurred(F.pixel_shuffle(self.enlarge(x), 2))
        return self.mix(F.relu(torch.cat((x, self.norm(skip)), dim=1)))


class _ColorDecoder(nn.Module):
    """Turns learned queries into colours, by what they find in features of several scales.

    Args:
        channels: Channels of each scale.
        width: Channels of the queries and colours.
        queries: Number of queries.
        layers: Number of layers; they take turns with the scales.
    """

    def __init__(self, channels: Sequence[int], width: int, queries: int, layers: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(queries, width))
        self.identity = nn.Parameter(torch.randn(queries, width))
        self.level = nn.Parameter(torch.randn(len(channels), width))
        self.project = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.layers = nn.ModuleList(_ColorLayer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.embed = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, scales: Sequence[Tensor]) -> Tensor:
        """Compute (N, Q, C) colours from (N, channels, h, w) features of each scale."""
        seen = []
        for features, project, level in zip(scales, self.project, self.level, strict=True):
            values = project(features).flatten(2).transpose(1, 2) + level
            seen.append((values, values + _positions(features, values.shape[-1])))
        colors = self.start.expand(scales[0].shape[0], -1, -1)
        for i, layer in enumerate(self.layers):
            colors = layer(colors, self.identity, *seen[i % len(seen)])
        colors = self.norm(colors)
        for layer in self.embed[:-1]:
            colors = F.relu(layer(colors))
        return self.embed[-1](colors)


class _ColorLayer(nn.Module):
    """Queries look at the features, then at each other, and think about it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.look_norm = nn.LayerNorm(width)
        self.talk = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.talk_norm = nn.LayerNorm(width)
        self.think = nn.Sequential(
            nn.Linear(width, 8 * width), nn.ReLU(inplace=True), nn.Linear(8 * width, width)
        )
        self.think_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, identity: Tensor, values: Tensor, keys: Tensor) -> Tensor:
        x = self.look_norm(x + self.look(x + identity, keys, values, need_weights=False)[0])
        named = x + identity
        x = self.talk_norm(x + self.talk(named, named, x, need_weights=False)[0])
        return self.think_norm(x + self.think(x))


def _blurred(picture: Tensor) -> Tensor:
    """Average each pixel with its neighbours above and to the left, against checkerboards."""
    return F.avg_pool2d(F.pad(picture, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


def _positions(features: Tensor, width: int) -> Tensor:
    """Encode the position of every pixel as sines and cosines (Vaswani et al. 2017), y before x.

    Args:
        features: (N, channels, h, w).
        width: Numbers per pixel, a multiple of 4.

    Returns:
        (h w, width).
    """
    half = width // 2
    place = {"dtype": torch.float32, "device": features.device}
    frequencies = 10_000 ** (-2 / half * torch.arange(half // 2, **place))
    waves = []
    for side in features.shape[2:]:
        share = torch.arange(1, side + 1, **place) / (side + 1e-6)
        angles = 2 * math.pi * share[:, None] * frequencies
        waves.append(torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1))
    down, across = waves
    height, wide = features.shape[2:]
    both = (down[:, None].expand(-1, wide, -1), across.expand(height, -1, -1))
    return torch.cat(both, dim=-1).flatten(0, 1).to(features.dtype)


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """Count the names that a pattern gives for 0, 1, 2 and so on."""
    return next(i for i in range(len(shapes) + 1) if pattern.format(i) not in shapes)
