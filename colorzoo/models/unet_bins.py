"""U-Net that classifies every pixel into the 313 ab bins of Zhang et al. 2016.

"Colorful Image Colorization", https://arxiv.org/abs/1603.08511. Regression predicts the mean of all
colours that an object can have, which is nearly gray. A distribution keeps these colours apart, and
the annealed mean then picks a colour near its peak. Difference from the paper: the U-Net of this
zoo instead of a VGG-like network. Class rebalancing, which gives rare colours more weight, is part
of the training loss.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from colorzoo.ab_bins import COUNT
from colorzoo.errors import ConfigError
from colorzoo.models._bins import BinsColorizer
from colorzoo.models.unet import UNet
from colorzoo.registry import register_model

_DIAL = ((1.0, 0.7, 0.3), (1.0, 0.7, 0.5), (1.0, 0.85, 1.0))


@register_model(
    "unet-bins",
    summary="U-Net over 313 colour bins, rebalanced cross-entropy",
    year=2016,
)
class UNetBins(BinsColorizer, UNet, paper_url="https://arxiv.org/abs/1603.08511"):
    """U-Net with a distribution over ab bins at every pixel; about 2M parameters at ``width=16``.

    Args:
        width: Channels of the first stage; each halving of the resolution doubles them.
        logits_stride: Stride of the classified pixels: 4 as in the paper, or 1, 2, 8. With 1, every
            pixel is classified, for 16 times the memory of 4.
        dial: Points of the dial from careful to vivid, (mix, temperature, gain, lift) each; see
            ``BinsColorizer``. The defaults were chosen on validation photos.
        vividness: Default position on the dial, 0 to 1.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 16

    def __init__(
        self,
        *,
        width: int = 16,
        logits_stride: int = 4,
        dial: Sequence[Sequence[float]] = _DIAL,
        vividness: float = 0.5,
        work_size: int = 128,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(width=width, work_size=work_size)
        if logits_stride not in (1, 2, 4, 8):
            raise ConfigError(f"logits_stride must be 1, 2, 4 or 8, got {logits_stride!r}")
        doublings = len(self.up) - int(math.log2(logits_stride))
        self.up, self.decoder = self.up[:doublings], self.decoder[:doublings]
        self.head = nn.Conv2d(width * logits_stride, COUNT, kernel_size=1)
        self.set_up_bins(dial, vividness)

    def forward(self, lightness: Tensor) -> Tensor:
        """Classify pixels.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 16.

        Returns:
            (N, 313, H / logits_stride, W / logits_stride), logits of the bins.
        """
        return self.head(self.features(lightness))
