"""Train a velocity network by conditional flow matching on straight paths.

Lipman et al. 2023, "Flow Matching for Generative Modeling" (https://arxiv.org/abs/2210.02747); Liu
et al. 2023, "Flow Straight and Fast" (https://arxiv.org/abs/2209.03003). A path leads from noise,
at time 0, to the colours of a photo, at time 1. The network learns its velocity, which is their
difference, at a random time.
"""

from typing import cast

import torch
from lightning.pytorch.callbacks import Timer
from torch import Tensor
from torch.nn import functional as F

from colorzoo.models.flow import SCALE, Flow
from train.lightning_module import ColorizerModule, full_precision
from train.losses import colorfulness
from train.recipe import FlowMatching, Recipe

TIME_BINS = 4


class FlowModule(ColorizerModule):
    """A flow and its recipe as a LightningModule.

    It logs ``train_error_0`` to ``train_error_3``, the error of the velocity in the four quarters
    of a path, as it is: the mean over all times can fall while one of them gets worse. For the
    validation photos, it logs PSNR and colourfulness of one sample, because flows that were trained
    too briefly are muted.

    Args:
        recipe: The recipe, with an objective of ``FlowMatching``.
        timer: Measures training time, if the run is limited by it.
    """

    def __init__(self, recipe: Recipe, *, timer: Timer | None = None) -> None:
        """Build the model with random weights."""
        super().__init__(recipe, timer=timer)
        self.objective = cast(FlowMatching, recipe.objective)

    @property
    def flow(self) -> Flow:
        """The model, with its own methods."""
        return cast(Flow, self.model)

    def training_step(self, lab: Tensor, batch_idx: int) -> Tensor:
        """Compute the loss of a (N, 3, H, W) L*a*b* batch."""
        # From the step, so that a resumed run continues; each process has its own numbers.
        seed = (self.recipe.seed + 1) * 1_000_003 + self.global_step
        chance = torch.Generator().manual_seed(seed * self.trainer.world_size + self.global_rank)
        paths = len(lab) * self.objective.draws
        kept = torch.rand(paths, generator=chance) >= self.objective.dropout
        # Evenly spread over all paths, and over those of each photo.
        place = torch.arange(paths).reshape(self.objective.draws, len(lab)).T.flatten() / paths
        time = (torch.rand((), generator=chance) + place) % 1
        error = self.errors(lab, self.seen(lab[:, :1]), time, kept, chance)
        loss = error.mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(lab))
        quarter = (time * TIME_BINS).long().to(error.device)
        for i in range(TIME_BINS):
            inside = error.detach()[quarter == i]
            if len(inside):
                self.log(
                    f"train_error_{i}",
                    inside.mean(),
                    on_step=False,
                    on_epoch=True,
                    batch_size=len(inside),
                )
        return loss

    def errors(
        self, lab: Tensor, lightness: Tensor, time: Tensor, kept: Tensor, chance: torch.Generator
    ) -> Tensor:
        """Compute the mean squared error of the velocity for each path, in units of SCALE.

        Args:
            lab: (N, 3, H, W), the photos.
            lightness: (N, 1, H, W), what the network sees of them.
            time: (N * D,), from 0 to 1, for D paths of each photo, photo by photo.
            kept: (N * D,), whether the network gets the condition.
            chance: Draws the noise; on the CPU, so that it is the same for every device.

        Returns:
            (N * D,) float32.
        """
        draws = len(time) // len(lab)
        condition = self.flow.condition(lightness).repeat_interleave(draws, dim=0)
        with full_precision(lab):
            noise = torch.randn(condition[:, :2].shape, generator=chance).to(lab)
            start = self.flow.start(condition, noise)
            truth = F.interpolate(lab[:, 1:], start.shape[-2:], mode="area")
            truth = truth.repeat_interleave(draws, dim=0)
            time = time.to(start)
            share = time[:, None, None, None]
            state = (1 - share) * start + share * truth
        found = self.flow.velocity(condition, state, time, kept.to(start))
        with full_precision(lab):
            error = (found.float() - (truth - start)) / SCALE
            return error.square().mean(dim=(1, 2, 3))

    def _loss(self, lab: Tensor, lightness: Tensor, **conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the error for held-out photos, always with the same noise, and sample them."""
        chance = torch.Generator().manual_seed(self.recipe.seed)
        time = (torch.arange(len(lab)) + 0.5) / len(lab)
        kept = torch.ones(len(lab), dtype=torch.bool)
        error = self.errors(lab, lightness, time, kept, chance).mean()
        ab = self.flow.infer(lightness)
        return error, F.interpolate(ab, lab.shape[-2:], mode="bilinear", align_corners=False)

    def more_scores(self, lab: Tensor, ab: Tensor) -> dict[str, Tensor]:
        """Measure the colourfulness of the samples and of the photos."""
        sampled = torch.cat((lab[:, :1], ab), dim=1)
        return {"cf": colorfulness(sampled).mean(), "cf_truth": colorfulness(lab).mean()}
