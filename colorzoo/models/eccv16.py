"""The network of "Colorful Image Colorization" (Zhang, Isola, Efros, ECCV 2016).

A VGG-like network without pooling classifies every fourth pixel into 313 ab bins; its training gave
rare colours more weight. The result is the mean of the distribution. Paper:
https://arxiv.org/abs/1603.08511. The weights are those of the authors' PyTorch release,
https://github.com/richzhang/colorization (BSD-2-Clause).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from colorzoo.ab_bins import COUNT
from colorzoo.hub.published import PublishedWeights
from colorzoo.models._bins import BinsColorizer
from colorzoo.models._published import PublishedColorizer, renamed, with_batch_counts
from colorzoo.models._zhang import AB_RANGE, L_CENTRE, L_RANGE, stage, trunk
from colorzoo.options import check_temperature
from colorzoo.registry import register_model

_NAMES = (*((rf"model{i}\.", f"encoder.{i - 1}.") for i in range(1, 8)), (r"model8\.", "decoder."))


@register_model(
    "eccv16",
    summary="Zhang et al. 2016: a VGG-like network over 313 colour bins",
    year=2016,
    published=PublishedWeights(
        url="https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",
        sha256="9b330a0bae53f4ded77b1e23defbf78beaa09c10ebc4c4999e8e4f4a160b93f9",
        size=128_976_165,
        licence="BSD-2-Clause",
        page="https://github.com/richzhang/colorization",
        numbers={"auc": 89.5},
        numbers_source=(
            "Zhang et al. 2016, table 1 (full method), 10,000 photos of ImageNet's validation set"
        ),
    ),
)
class ECCV16(PublishedColorizer, BinsColorizer, paper_url="https://arxiv.org/abs/1603.08511"):
    """Colour bins at a quarter of the resolution; 32M parameters at ``width=64``.

    The bins' centres are part of the published weights, and agree with those of this zoo. Nobody
    chose points of a dial for them, so there is ``temperature`` and no ``vividness``.

    Args:
        width: Channels of the first stage; the widest has eight times as many.
        temperature: Default T of the annealed mean: 1 is the mean, as in the authors' code.
        exact: Follow the authors' code; see ``PublishedColorizer``.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 8
    shrinking = "bicubic"
    render_options: ClassVar[frozenset[str]] = frozenset({"seed", "temperature"})

    def __init__(
        self,
        *,
        width: int = 64,
        temperature: float = 1.0,
        exact: bool = False,
        work_size: int = 256,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.exact = exact
        self.encoder = nn.Sequential(
            stage(1, width, width, stride=2),
            stage(width, 2 * width, 2 * width, stride=2),
            stage(2 * width, 4 * width, 4 * width, 4 * width, stride=2),
            *trunk(width),
        )
        wide = 4 * width
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(2 * wide, wide, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, COUNT, 1),
        )
        self.set_up_bins([(1.0, check_temperature(temperature), 1.0)], vividness=0.0)

    def forward(self, lightness: Tensor) -> Tensor:
        """Classify pixels.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 8.

        Returns:
            (N, 313, H / 4, W / 4), logits of the bins.
        """
        return self.decoder(self.encoder((lightness - L_CENTRE) / L_RANGE))

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of the authors' code.

        Their last layer, the mean over the bins, has the bins' centres as weights.
        """
        ours = with_batch_counts(renamed(state, _NAMES))
        mean = ours.get("model_out.weight")
        if mean is not None and mean.shape == (2, COUNT, 1, 1) and "centres" not in ours:
            centres = ours.pop("model_out.weight")[:, :, 0, 0].T.float()
            # Not on the meta device: PyTorch would import its compiler for that, for seconds.
            ours["centres"] = centres if centres.is_meta else centres * AB_RANGE
            ours["prior"] = torch.full((COUNT,), 1 / COUNT, device=mean.device)
        return ours

    @classmethod
    def keywords_of(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for tensors with the names of ``state_dict``."""
        width, inputs = shapes["encoder.0.0.weight"][:2]
        bins, wide = shapes["decoder.6.weight"][:2]
        fits = (inputs, bins, wide) == (1, COUNT, 4 * width) and shapes["centres"] == (COUNT, 2)
        return {"width": width} if fits else None
