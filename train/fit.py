"""Train one model from photos and a recipe; write weights, curves and a contact sheet."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import lightning as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    Timer,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from colorzoo.errors import ConfigError
from colorzoo.hub.checkpoint import BUNDLED_CARD_FILE, METRICS_FILE
from colorzoo.hub.mixin import save_weights
from train.data.loaders import PhotoData
from train.initial_weights import initialise
from train.recipe import Recipe
from train.report import draw_curves, draw_sheet
from train.run_settings import Device, Run
from train.upkeep.ratings import EYE_FILE

_CHECKPOINT_EVERY = timedelta(minutes=5)


def fit(recipe: Recipe, run: Run) -> Path:
    """Train, then export the weights that ``recipe.keep`` selects.

    Args:
        recipe: The recipe.
        run: The settings of this run.

    Returns:
        The export folder: fp16 model.safetensors (of the moving average) and config.json.

    Raises:
        FileNotFoundError: If there are no photos, or nothing to resume.
        ValueError: If no photo has colour.
        WeightsError: If the initial weights are missing or do not fit.
        ConfigError: If Lightning does not find the device, or cannot use it with these settings.
    """
    last = run.folder / "last.ckpt"
    if run.resume and not last.is_file():
        raise FileNotFoundError(f"there is nothing to resume: {last} does not exist")
    pl.seed_everything(recipe.seed)
    timer = Timer(timedelta(seconds=run.limit_seconds)) if run.limit_seconds else None
    module = recipe.objective.build(recipe, timer=timer)
    if not run.resume:
        print(f"{recipe.model} {initialise(module.model, recipe.start)}")
    if run.compile:
        module.model.compile()
    best = _best(recipe, run.folder)
    with configuring():
        trainer = _trainer(recipe, run, [best, *([timer] if timer else [])], last)
    data = PhotoData(run.data, recipe, limit=run.limit_photos, memory=run.memory)
    if trainer.is_global_zero:
        if not run.resume:  # checkpoints of an older run must not be used
            shutil.rmtree(run.folder / "log", ignore_errors=True)
            for old in run.folder.glob("*.ckpt"):
                old.unlink()
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / "config.json").write_text(json.dumps(recipe.describe(), indent=2) + "\n")
    started = time.monotonic()
    trainer.fit(module, data, ckpt_path=last if run.resume else None)
    seconds = time.monotonic() - started
    speed = float(trainer.logged_metrics.get("images_per_second", 0.0))
    steps = trainer.fit_loop.total_batch_idx + 1
    kept = Path(last if recipe.keep == "last" else best.best_model_path)
    state: dict[str, Tensor] = {}
    if trainer.is_global_zero:  # other nodes may not have access to this disk
        state = torch.load(kept, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(trainer.strategy.broadcast(state), strict=True)
    if len(data.test):
        trainer.test(module, data, verbose=trainer.is_global_zero)
    if trainer.is_global_zero:
        print(
            f"{steps} steps in {seconds:.0f} s, reading included; {speed:.0f} images/s in the "
            f"last epoch; kept {kept.name}"
        )
        save_weights(module.model, run.export, dtype=torch.float16)
        for file in (METRICS_FILE, BUNDLED_CARD_FILE, EYE_FILE):  # about older weights
            (run.export / file).unlink(missing_ok=True)
        draw_curves(run.folder)
        sheet = draw_sheet(module.model.cpu().eval(), data.validation.cpu())
        sheet.save(run.folder / "sheet.png")
        print(f"wrote {run.export}")
    return run.export


@contextmanager
def configuring() -> Iterator[None]:
    """Turn Lightning's configuration errors, such as a missing device, into a ConfigError."""
    try:
        yield
    except MisconfigurationException as error:
        raise ConfigError(str(error)) from error


def moving_average(decay: float) -> WeightAveraging:
    """Return an exponential moving average of the weights whose decay grows up to ``decay``.

    With a fixed decay of 0.999, short runs would end with mostly the initial random weights.
    """

    def average(mean: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        n = int(count)
        return mean + (1 - min(decay, (1 + n) / (10 + n))) * (current - mean)

    return _AverageOnDevice(avg_fn=average)


class _AverageOnDevice(WeightAveraging):
    """Keeps the average on the training device, although the model is still on the CPU at setup."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)


class _AtomicCheckpoints(TorchCheckpointIO):
    """Writes checkpoints atomically, so that a killed run still has the previous one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        part = f"{path}.part"
        super().save_checkpoint(checkpoint, part, storage_options)
        os.replace(part, path)


def _best(recipe: Recipe, folder: Path) -> ModelCheckpoint:
    monitor = "val_loss" if recipe.keep == "val_loss" else "val_psnr"
    mode = "min" if monitor == "val_loss" else "max"
    return ModelCheckpoint(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False)


def _trainer(recipe: Recipe, run: Run, callbacks: list[Callback], last: Path) -> pl.Trainer:
    # A separate callback: save_last=True would only write it when the best one changes.
    # By time too, because an epoch can take half an hour on a CPU.
    latest = [
        ModelCheckpoint(
            run.folder, last.stem, enable_version_counter=False, train_time_interval=interval
        )
        for interval in (None, _CHECKPOINT_EVERY)  # None: at the end of each epoch
    ]
    stopping = [EarlyStopping("val_loss", patience=recipe.patience)] if recipe.patience else []
    several = run.devices * run.nodes > 1
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(run.device, run.device),
        devices=run.devices,
        num_nodes=run.nodes,
        strategy=recipe.objective.strategy if several else "auto",
        use_distributed_sampler=False,  # each process reads its own photos
        precision=fast_precision(run.device) if run.precision == "auto" else run.precision,
        plugins=[_AtomicCheckpoints()],
        max_epochs=recipe.epochs,
        callbacks=[*callbacks, *stopping, *latest, moving_average(recipe.ema_decay)],
        logger=CSVLogger(run.folder, name="log"),  # a new version each time the run is resumed
        log_every_n_steps=10,
        enable_model_summary=False,
    )


def fast_precision(device: Device) -> Literal["32-true", "bf16-mixed"]:
    """Return bf16 if the hardware supports it natively, otherwise float32."""
    if device != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.8 has none
    return "bf16-mixed" if capabilities.get("avx512_bf16") else "32-true"
