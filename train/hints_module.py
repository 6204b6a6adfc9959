"""The training steps of a network that gets hints."""

import numpy as np
from torch import Tensor

from colorzoo.models._timm import HINT_WEIGHT
from train.lightning_module import ColorizerModule, full_precision
from train.simulated_hints import simulate_hints

SHOWN = 10  # hints of each validation photo, beside none
# Factor on the learning rate of the weights for hints: they start from 0 in a network that is
# trained already, and few pixels have a hint.
FASTER = 20


class HintsModule(ColorizerModule):
    """A Colorizer that is trained with simulated hints.

    Each step of each process draws from a random stream of its own, so that a run that is resumed
    goes on as if it had not been interrupted, and no two processes draw the same hints.
    """

    def training_step(self, lab: Tensor, batch_idx: int) -> Tensor:
        """Compute the loss of a (N, 3, H, W) L*a*b* batch, with hints."""
        stream = np.random.default_rng((self.recipe.seed, self.global_rank, self.global_step))
        with full_precision(lab):
            hints = simulate_hints(lab, stream)
        loss = self._loss(lab, self.seen(lab[:, :1]), hints=hints)[0]
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(lab))
        return loss

    def factor_of(self, name: str) -> float:
        """Return the learning rate of a parameter, as a factor on that of the recipe."""
        return FASTER if name.endswith(HINT_WEIGHT) else super().factor_of(name)

    def scores(self, stage: str, lab: Tensor, **conditions: Tensor) -> dict[str, Tensor]:
        """Compute what is logged: scores without hints, and PSNR with ten of them.

        The loss is the mean of both, so that neither is given up for the other.
        """
        with full_precision(lab):  # the same hints after every epoch
            hints = simulate_hints(lab, np.random.default_rng(self.recipe.seed), count=SHOWN)
        plain = super().scores(stage, lab, **conditions)
        hinted = super().scores(stage, lab, hints=hints)
        loss = f"{stage}_loss"
        return {
            **plain,
            loss: (plain[loss] + hinted[loss]) / 2,
            f"{stage}_psnr_with_hints": hinted[f"{stage}_psnr"],
        }
