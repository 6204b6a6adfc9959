"""The training steps of a Colorizer: loss, optimizer and logging."""

import math
import time
from typing import Any

import lightning as pl
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from colorzoo.color import lab_to_rgb, to_uint8
from colorzoo.prediction import each_part
from colorzoo.registry import create_model
from train.data.loaders import MemoryData
from train.degrade import degrade
from train.losses import LOSSES, BinsLoss, build_term
from train.recipe import Recipe

# For the frequencies of colours: photos per chunk, and the step between pixels (1 in 16 is enough).
_PRIOR_CHUNK, _PRIOR_STEP = 1_000, 4


class ColorizerModule(pl.LightningModule):
    """A Colorizer and its recipe as a LightningModule.

    Args:
        recipe: The recipe.
        timer: Measures training time, if the run is limited by it.
    """

    def __init__(self, recipe: Recipe, *, timer: Timer | None = None) -> None:
        """Build the model with random weights."""
        super().__init__()
        self.recipe, self._timer = recipe, timer
        self.model = (
            create_model(recipe.model, **dict(recipe.keywords))
            .train()
            .to(memory_format=torch.channels_last)
        )
        self.loss = LOSSES[recipe.objective.loss]()
        self.terms = nn.ModuleList(
            build_term(name, recipe.objective.term_weights) for name, _ in recipe.objective.terms
        )
        self._started = 0.0
        self._photos = 0

    @property
    def progress(self) -> float:
        """Progress of the run in [0, 1], by steps or by time, whichever is larger."""
        steps = self.trainer.estimated_stepping_batches
        done = self.trainer.fit_loop.total_batch_idx + 1
        share = done / steps if math.isfinite(steps) and steps else 0.0
        if self._timer is not None:
            elapsed, left = self._timer.time_elapsed(), self._timer.time_remaining()
            share = max(share, elapsed / max(elapsed + (left or 0.0), 1e-9))
            if self.trainer.world_size > 1:  # clocks differ, but learning rates must not
                share = self.trainer.strategy.broadcast(share)
        return min(max(share, 0.0), 1.0)

    def on_fit_start(self) -> None:
        """Measure the frequencies of colours, if the loss needs them."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(self.loss, BinsLoss) and isinstance(data, MemoryData):
            self.loss.measure_prior(
                part[:, ::_PRIOR_STEP, ::_PRIOR_STEP, 1:].permute(0, 3, 1, 2)
                for pool in data.photos.pools
                for part in pool.split(_PRIOR_CHUNK)
            )
            for name, buffer in self.model.named_buffers():
                if name == "prior":  # the model rebalances in to_ab()
                    buffer.copy_(self.loss.prior)

    def on_train_epoch_start(self) -> None:
        """Start measuring speed."""
        self._started, self._photos = time.monotonic(), 0

    def training_step(self, lab: Tensor, batch_idx: int) -> Tensor | None:
        """Compute the loss of a (N, 3, H, W) L*a*b* batch."""
        loss = self._loss(lab, self.seen(lab[:, :1]))[0]
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(lab))
        return loss

    def on_train_batch_end(self, outputs: object, batch: Tensor, batch_idx: int) -> None:
        """Count the photos; after the last step of an epoch, log the speed."""
        self._photos += len(batch)
        if self.trainer.is_last_batch:
            speed = self._photos * self.trainer.world_size / (time.monotonic() - self._started)
            self.log("images_per_second", speed, batch_size=1)

    def validation_step(self, lab: Tensor, batch_idx: int) -> None:
        """Log loss, and PSNR and SSIM of the 8-bit RGB pictures at the training resolution."""
        self._measure("val", lab)

    def test_step(self, lab: Tensor, batch_idx: int) -> None:
        """Log the same for the test photos."""
        self._measure("test", lab)

    def _measure(self, stage: str, lab: Tensor) -> None:
        values = self.scores(stage, lab)
        self.log_dict(values, batch_size=len(lab), sync_dist=self.trainer.world_size > 1)

    def scores(self, stage: str, lab: Tensor, **conditions: Tensor) -> dict[str, Tensor]:
        """Compute what is logged of (N, 3, H, W) photos that are held out."""
        loss, ab = self._loss(lab, lab[:, :1], **conditions)
        with full_precision(lab):
            truth = to_bytes(lab).float()
            predicted = to_bytes(torch.cat((lab[:, :1], ab), dim=1)).float()
            error = (predicted - truth).square().mean(dim=(1, 2, 3))
            similarity = structural_similarity_index_measure(predicted, truth, data_range=255.0)
        assert isinstance(similarity, Tensor)  # it returns a tuple only on request
        return {
            f"{stage}_loss": loss,
            f"{stage}_psnr": (10 * torch.log10(255**2 / error.clamp(min=1e-5))).mean(),
            f"{stage}_ssim": similarity,
            **{f"{stage}_{name}": value for name, value in self.more_scores(lab, ab).items()},
        }

    def more_scores(self, lab: Tensor, ab: Tensor) -> dict[str, Tensor]:
        """Measure more of (N, 2, H, W) results for (N, 3, H, W) photos; none by default."""
        return {}

    def seen(self, lightness: Tensor) -> Tensor:
        """Return the training input: (N, 1, H, W) L, partly degraded to look like old photos."""
        with full_precision(lightness):
            return degrade(lightness, self.recipe.degraded)

    def _loss(self, lab: Tensor, lightness: Tensor, **conditions: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(lightness, **conditions)
        with full_precision(lab):
            output = each_part(Tensor.float, output)
            ab = self.model.to_ab(output)
            if ab.shape[-2:] != lab.shape[-2:]:
                ab = F.interpolate(ab, lab.shape[-2:], mode="bilinear", align_corners=False)
            return self.loss(output, lab[:, 1:]) + self.extra(lab, ab), ab

    def extra(self, lab: Tensor, ab: Tensor) -> Tensor:
        """Compute the weighted sum of the terms for (N, 3, H, W) true L*a*b*, (N, 2, H, W) ab."""
        picture = torch.cat((lab[:, :1], ab), dim=1)
        weighed = [
            weight * term(picture, lab)
            for term, (_, weight) in zip(self.terms, self.recipe.objective.terms, strict=True)
        ]
        return torch.stack(weighed).sum() if weighed else lab.new_zeros(())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Create AdamW; the cosine schedule follows ``progress``, so it works with time limits."""
        recipe = self.recipe
        optimizer = torch.optim.AdamW(
            self.parameter_groups(),
            recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        if recipe.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
            }
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: self.rate())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Divide the model's parameters by their learning rates.

        Raises:
            ValueError: If the recipe has a rate for the encoder, and the model no encoder.
        """
        named = [*self.model.named_parameters()]
        if self.recipe.encoder_rate != 1 and not any(_in_encoder(name) for name, _ in named):
            raise ValueError(f"{self.recipe.model} has no encoder, so it takes no encoder rate")
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in named:
            groups.setdefault(self.factor_of(name), []).append(parameter)
        rate = self.recipe.learning_rate
        return [{"params": group, "lr": factor * rate} for factor, group in groups.items()]

    def factor_of(self, name: str) -> float:
        """Return the learning rate of a parameter, as a factor on that of the recipe."""
        return self.recipe.encoder_rate if _in_encoder(name) else 1.0

    def rate(self) -> float:
        """Return the current learning rate, as a factor on its peak."""
        # The scheduler calls this once before the loaders exist.
        running = self._trainer is not None and self.trainer.training and self.global_step > 0
        return self.recipe.rate_at(self.progress if running else 0.0)


def _in_encoder(name: str) -> bool:
    return name.startswith("encoder.")


def full_precision(like: Tensor) -> torch.autocast:
    """Disable autocast: in bfloat16, colour conversion and SSIM are off by whole levels."""
    return torch.autocast(like.device.type, enabled=False)


def to_bytes(lab: Tensor) -> Tensor:
    """Convert (N, 3, H, W) L*a*b* to uint8 sRGB; colours outside sRGB are desaturated."""
    return to_uint8(lab_to_rgb(lab, gamut="desaturate"))
