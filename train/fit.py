"""Train one model: photos and a recipe in; weights, curves and a contact sheet out."""

import csv
import json
import math
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import lightning as pl
import matplotlib
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, Timer, WeightAveraging
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from PIL import Image
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.colorizer import save_weights
from colorzoo.compare import contact_sheet
from colorzoo.registry import create_model
from train.data import PhotoData
from train.recipe import Recipe

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Run:
    """Where and how long a recipe is run.

    Attributes:
        data: Folder of photos, folder of tar shards, or a tar.
        folder: Where checkpoints, log, curves and contact sheet go.
        export: Where the weights go.
        device: "auto" takes the GPU when there is one.
        precision: "auto" takes what the device is fast at.
        epochs: Instead of the recipe's.
        batch_size: Instead of the recipe's.
        limit_seconds: Stop after so many seconds of training; the schedule fits itself to it.
        limit_photos: Use at most so many training photos.
        resume: Go on from the folder's last checkpoint.
    """

    data: Path
    folder: Path
    export: Path
    device: Device = "auto"
    precision: Precision = "auto"
    epochs: int | None = None
    batch_size: int | None = None
    limit_seconds: float | None = None
    limit_photos: int | None = None
    resume: bool = False


class ColorizerModule(pl.LightningModule):
    """A Colorizer, its recipe and the loop's bookkeeping.

    Args:
        recipe: What to train and how.
        timer: Measures training time, when the run is limited by it.
    """

    def __init__(self, recipe: Recipe, *, timer: Timer | None = None) -> None:
        """Build the model with random weights."""
        super().__init__()
        self.recipe, self._timer = recipe, timer
        self.model = create_model(recipe.model).train().to(memory_format=torch.channels_last)

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps or by time, whichever is further."""
        steps = self.trainer.estimated_stepping_batches
        done = self.global_step / steps if math.isfinite(steps) and steps else 0.0
        if self._timer is not None:
            elapsed, left = self._timer.time_elapsed(), self._timer.time_remaining()
            done = max(done, elapsed / max(elapsed + (left or 0.0), 1e-9))
        return min(done, 1.0)

    def training_step(self, lab: Tensor, batch_idx: int) -> Tensor:
        """Compute the loss of a (N, 3, H, W) L*a*b* batch."""
        loss = self._loss(lab)[0]
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(lab))
        return loss

    def validation_step(self, lab: Tensor, batch_idx: int) -> None:
        """Log loss, and PSNR of the 8-bit RGB pictures at the training resolution."""
        loss, ab = self._loss(lab)
        predicted = _to_bytes(torch.cat((lab[:, :1], ab), dim=1))
        error = (predicted.float() - _to_bytes(lab).float()).square().mean(dim=(1, 2, 3))
        psnr = (10 * torch.log10(255**2 / error.clamp(min=1e-5))).mean()
        self.log_dict({"val_loss": loss, "val_psnr": psnr}, batch_size=len(lab))

    def _loss(self, lab: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(lab[:, :1]).float()
        return self.recipe.loss(output, lab[:, 1:]), self.model.to_ab(output)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the rate follows the run's progress, so that a limit in seconds works too."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.recipe.learning_rate, weight_decay=self.recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda _: self.recipe.rate_at(self.progress if self._attached else 0.0)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    @property
    def _attached(self) -> bool:
        # The schedule asks for its first rate before the loaders exist.
        return self._trainer is not None and self.trainer.training and self.global_step > 0


def fit(recipe: Recipe, run: Run) -> Path:
    """Train, then export the best weights by validation PSNR.

    Args:
        recipe: What to train and how.
        run: Where and how long.

    Returns:
        The export folder: fp16 model.safetensors (of the moving average) and config.json.

    Raises:
        FileNotFoundError: If there are no photos, or nothing to resume.
        ValueError: If no photo has colour.
    """
    recipe = replace(
        recipe,
        epochs=run.epochs or recipe.epochs,
        batch_size=run.batch_size or recipe.batch_size,
    )
    last = run.folder / "last.ckpt"
    if run.resume and not last.is_file():
        raise FileNotFoundError(f"there is nothing to resume: {last} does not exist")
    if not run.resume:
        shutil.rmtree(run.folder / "log", ignore_errors=True)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "config.json").write_text(json.dumps(recipe.describe(), indent=2) + "\n")
    pl.seed_everything(recipe.seed)
    timer = Timer(timedelta(seconds=run.limit_seconds)) if run.limit_seconds else None
    best = ModelCheckpoint(
        run.folder, "best", monitor="val_psnr", mode="max", enable_version_counter=False
    )
    # A callback of its own: save_last=True would write it only when the best one changes.
    latest = ModelCheckpoint(run.folder, last.stem, enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator={"cuda": "gpu"}.get(run.device, run.device),
        devices=1,
        precision=_precision(run),
        max_epochs=recipe.epochs,
        callbacks=[best, latest, moving_average(recipe.ema_decay), *([timer] if timer else [])],
        logger=CSVLogger(run.folder, name="log"),  # a version for each time it goes on
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    module, data = (
        ColorizerModule(recipe, timer=timer),
        PhotoData(run.data, recipe, limit=run.limit_photos),
    )
    started = time.monotonic()
    trainer.fit(module, data, ckpt_path=last if run.resume else None)
    seconds = time.monotonic() - started
    print(
        f"{trainer.global_step} steps in {seconds:.0f} s, reading included; best validation "
        f"PSNR {float(best.best_model_score or 0):.2f} dB"
    )
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"], strict=True)
    save_weights(module.model, run.export, dtype=torch.float16)
    (run.export / "metrics.json").unlink(missing_ok=True)  # it told of other weights
    draw_curves(run.folder)
    draw_sheet(module.cpu().eval(), data.val_lab.cpu()).save(run.folder / "sheet.png")
    return run.export


def moving_average(decay: float) -> WeightAveraging:
    """Exponential moving average of the weights that starts short and grows to ``decay``.

    A fixed decay of 0.999 would leave a run of a few hundred steps with its first random weights.
    """

    def average(mean: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        n = int(count)
        return mean + (1 - min(decay, (1 + n) / (10 + n))) * (current - mean)

    return WeightAveraging(avg_fn=average)


def read_log(folder: Path) -> list[dict[str, str]]:
    """Read a run's log in order, over all the times it went on."""
    files = (folder / "log").glob("version_*/metrics.csv")
    rows = []
    for path in sorted(files, key=lambda path: int(path.parent.name.removeprefix("version_"))):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows


def draw_curves(folder: Path) -> Path:
    """Draw a run's loss and PSNR per epoch from its log; returns the picture's path."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_log(folder):
        for key in ("train_loss", "val_loss", "val_psnr"):
            if row.get(key):
                series[key].append((int(row["epoch"]) + 1, float(row[key])))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for key, axis in (("train_loss", axes[0]), ("val_loss", axes[0]), ("val_psnr", axes[1])):
        axis.plot(*zip(*series[key], strict=True), marker="o", markersize=3, label=key)
    for axis, title in zip(axes, ("loss", "PSNR, dB"), strict=True):
        axis.set(xlabel="epoch", title=title)
        axis.legend()
    path = folder / "curves.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def draw_sheet(module: ColorizerModule, photos: Tensor, *, count: int = 12) -> Image.Image:
    """Lay out truth, gray, predicted a and b, and result of (N, S, S, 3) L*a*b* photos."""
    lab = photos[:count].permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        ab = module.model.predict_ab(lab[:, :1])
    level = torch.full_like(ab[:, :1], 70.0)
    none = torch.zeros_like(level)
    columns = {
        "truth": lab,
        "gray": torch.cat((lab[:, :1], none, none), dim=1),
        "a": torch.cat((level, ab[:, :1], none), dim=1),
        "b": torch.cat((level, none, ab[:, 1:]), dim=1),
        "result": torch.cat((lab[:, :1], ab), dim=1),
    }
    pictures = {name: _to_bytes(value).permute(0, 2, 3, 1) for name, value in columns.items()}
    tiles = [
        (name if i == len(lab) - 1 else "", picture[i].numpy())
        for i in range(len(lab))
        for name, picture in pictures.items()
    ]
    return contact_sheet(tiles, columns=len(columns), tile=lab.shape[-1])


def _to_bytes(lab: Tensor) -> Tensor:
    return (lab_to_rgb(lab, gamut="desaturate") * 255).round().to(torch.uint8)


def _precision(run: Run) -> Literal["32-true", "bf16-mixed"]:
    """bf16 where the hardware multiplies it natively, float32 elsewhere."""
    if run.precision != "auto":
        return run.precision
    if run.device != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.8 has none
    return "bf16-mixed" if capabilities.get("avx512_bf16") else "32-true"
