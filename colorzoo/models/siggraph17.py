"""The network of "Real-Time User-Guided Image Colorization with Learned Deep Priors".

Zhang, Zhu, Isola, Geng, Lin, Yu, Efros, SIGGRAPH 2017, https://arxiv.org/abs/1705.02999. A U-Net
with dilated convolutions that gets the lightness and any number of hints: points with their colour.
It spreads a hint over what belongs together, and guesses where there is none. The weights are those
of the authors' PyTorch release, https://github.com/richzhang/colorization (BSD-2-Clause).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from colorzoo.hub.published import PublishedWeights
from colorzoo.models._published import PublishedColorizer, renamed, with_batch_counts
from colorzoo.models._zhang import AB_RANGE, L_CENTRE, L_RANGE, stage, trunk
from colorzoo.registry import register_model

_NAMES = (
    *((rf"model{i}\.", f"encoder.{i - 1}.") for i in range(1, 8)),
    *((rf"model{8 + i}up\.0\.", f"enlarge.{i}.") for i in range(3)),
    *((rf"model{3 - i}short{8 + i}\.0\.", f"skip.{i}.") for i in range(3)),
    *((rf"model{8 + i}\.", f"decoder.{i}.") for i in range(3)),
    (r"model_out\.0\.", "head."),
)
_TRAINING = ("model_class.0.",)  # classifies into 529 colours, for a part of the training loss


@register_model(
    "siggraph17",
    summary="Zhang et al. 2017: U-Net with dilated convolutions that follows hints",
    year=2017,
    published=PublishedWeights(
        url="https://colorizers.s3.us-east-2.amazonaws.com/siggraph17-df00044c.pth",
        sha256="df00044c0a4d7c3edcecf6f75437ce346a66e7a42612d9b968e1a7e17dbc6f66",
        size=136_787_426,
        licence="BSD-2-Clause",
        page="https://github.com/richzhang/colorization",
        numbers={"psnr": 24.43},
        numbers_source="Zhang et al. 2017, without hints, 1,000 photos of ImageNet",
    ),
)
class SIGGRAPH17(PublishedColorizer, paper_url="https://arxiv.org/abs/1705.02999"):
    """A U-Net that follows hints; 34M parameters at ``width=64``.

    Args:
        width: Channels of the first stage; the widest has eight times as many.
        exact: Follow the authors' code; see ``PublishedColorizer``.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 8
    shrinking = "bicubic"
    network_options: ClassVar[frozenset[str]] = frozenset({"hints"})

    def __init__(self, *, width: int = 64, exact: bool = False, work_size: int = 256) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        self.exact = exact
        self.encoder = nn.ModuleList(
            (
                stage(4, width, width),
                stage(width, 2 * width, 2 * width),
                stage(2 * width, 4 * width, 4 * width, 4 * width),
                *trunk(width),
            )
        )
        w2, w4 = 2 * width, 4 * width
        steps = ((8 * width, w4, w4), (w4, w2, w2), (w2, width, w2))  # below, skip, output
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(below, outputs, 4, stride=2, padding=1)
            for below, _, outputs in steps
        )
        self.skip = nn.ModuleList(
            nn.Conv2d(skip, outputs, 3, padding=1) for _, skip, outputs in steps
        )
        last = (nn.ReLU(inplace=True), nn.Conv2d(w2, w2, 3, padding=1), nn.LeakyReLU(0.2))
        self.decoder = nn.ModuleList(
            (
                nn.Sequential(nn.ReLU(inplace=True), *stage(w4, w4, w4)),
                nn.Sequential(nn.ReLU(inplace=True), *stage(w2, w2)),
                nn.Sequential(*last),
            )
        )
        self.head = nn.Conv2d(w2, 2, 1)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 8.
            hints: (N, 3, H, W): a, b, and a mask that is 1 where there is a hint; 0 elsewhere.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        if hints is None:
            hints = torch.zeros_like(lightness).expand(-1, 3, -1, -1)
        known = (hints[:, :2] / AB_RANGE, hints[:, 2:])
        x = torch.cat(((lightness - L_CENTRE) / L_RANGE, *known), dim=1)
        skips = []
        for i, block in enumerate(self.encoder):
            x = block(x)
            if i < len(self.skip):
                skips.append(x)
                x = x[..., ::2, ::2]
        for enlarge, skip, block in zip(self.enlarge, self.skip, self.decoder, strict=True):
            x = block(enlarge(x) + skip(skips.pop()))
        return torch.tanh(self.head(x)) * AB_RANGE

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of the authors' code, and drop those that only training needs."""
        return with_batch_counts(renamed(state, _NAMES, dropped=_TRAINING))

    @classmethod
    def keywords_of(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for tensors with the names of ``state_dict``."""
        width, inputs = shapes["encoder.0.0.weight"][:2]
        fits = inputs == 4 and shapes["head.weight"] == (2, 2 * width, 1, 1)
        return {"width": width} if fits and "skip.2.weight" in shapes else None
