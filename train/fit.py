"""Train one model from photos and a recipe; write weights, curves and a contact sheet."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

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
from torch import Tensor

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, WeightsError, printable
from colorzoo.hub.checkpoint import BUNDLED_CARD_FILE, METRICS_FILE
from colorzoo.hub.mixin import save_weights
from train.checkpoints import (
    RunCheckpoints,
    SaveByTime,
    check_resumable,
    check_targets,
    checkpoints_in,
    state_of,
)
from train.data.loaders import PhotoData
from train.initial_weights import initialise
from train.interrupt import StopOnInterrupt, Stopped
from train.progress import Progress, quiet_lightning, scores
from train.recipe import Recipe
from train.report import draw_curves, draw_sheet
from train.run_settings import Device, Run
from train.upkeep.ratings import EYE_FILE

_CHECKPOINT_EVERY = timedelta(minutes=5)


@quiet_lightning()
def fit(recipe: Recipe, run: Run) -> Path:
    """Train, then export the weights that ``recipe.keep`` selects.

    Args:
        recipe: The recipe.
        run: The settings of this run.

    Returns:
        The export folder: fp16 model.safetensors (of the moving average) and config.json.

    Raises:
        FileNotFoundError: If there are no photos, or nothing to resume.
        ValueError: If no photo has colour, or the checkpoint to resume is damaged or does not fit.
        WeightsError: If the initial weights are missing or do not fit.
        ConfigError: If the run folder has checkpoints and the run may neither resume nor overwrite
            them, if a file or the log in it is a link, or if Lightning does not find the device,
            or cannot use it with these settings.
        Stopped: On Ctrl-C. What was trained until then is exported, and can be resumed.
    """
    check_targets(run.folder)
    last = run.folder / "last.ckpt"
    old = [] if run.resume else checkpoints_in(run.folder)
    if old and not run.overwrite:
        raise ConfigError(
            f"{run.folder} has checkpoints of an earlier run: pass --resume to continue it, "
            "--overwrite to replace it, or --folder to use another folder"
        )
    data = PhotoData(run.data, recipe, limit=run.limit_photos, memory=run.memory)
    data.open()  # a wrong path should fail first
    pl.seed_everything(recipe.seed, verbose=False)
    timer = Timer(timedelta(seconds=run.limit_seconds)) if run.limit_seconds else None
    module = recipe.objective.build(recipe, timer=timer)
    if run.resume:
        check_resumable(last, module)
    else:
        print(printable(f"{recipe.model} {initialise(module.model, recipe.start)}"))
        old += (run.folder / "log").glob("version_*")
    if run.compile:
        module.model.compile()
    best, interrupt = _best(recipe, run.folder), StopOnInterrupt(last)
    described = json.dumps(recipe.describe(), indent=2) + "\n"
    checkpoints = RunCheckpoints(
        old, lambda: (run.folder / "config.json").write_text(described, encoding="utf-8")
    )
    with configuring():
        callbacks = [best, interrupt, Progress(), *([timer] if timer else [])]
        trainer = _trainer(recipe, run, callbacks, last, checkpoints)
    started = time.monotonic()
    try:
        with interrupt:
            trainer.fit(module, data, ckpt_path=last if run.resume else None)
    except Stopped as stopped:
        if not stopped.args:
            raise Stopped(_nothing_saved(last)) from None
        if trainer.is_global_zero:
            # Before the first validation, there is no best checkpoint.
            kept = Path((recipe.keep != "last" and best.best_model_path) or last)
            module.load_state_dict(state_of(kept), strict=True)
            _export(module.model, run, data.validation)
        raise Stopped(
            f"{stopped}; exported {run.export}. To continue, run the same command with --resume "
            "--overwrite."
        ) from None
    seconds = time.monotonic() - started
    speed = float(trainer.logged_metrics.get("images_per_second", 0.0))
    steps = trainer.fit_loop.total_batch_idx + 1
    kept = Path(last if recipe.keep == "last" else best.best_model_path)
    state: dict[str, Tensor] = {}
    if trainer.is_global_zero:  # other nodes may not have access to this disk
        state = state_of(kept)
    module.load_state_dict(trainer.strategy.broadcast(state), strict=True)
    if len(data.test):
        trainer.test(module, data, verbose=False)
        if trainer.is_global_zero:
            print(f"test photos: {', '.join(scores(trainer.callback_metrics, stage='test'))}")
    if trainer.is_global_zero:
        print(
            f"{steps} steps in {seconds:.0f} s, reading included; {speed:.0f} images/s in the "
            f"last epoch; kept {kept.name}"
        )
        _export(module.model, run, data.validation)
        print(printable(f"wrote {run.export}"))
    return run.export


def _export(model: Colorizer, run: Run, validation: Tensor) -> None:
    """Write the weights, the curves and the contact sheet."""
    save_weights(model, run.export, dtype=torch.float16)
    for file in (METRICS_FILE, BUNDLED_CARD_FILE, EYE_FILE):  # about older weights
        (run.export / file).unlink(missing_ok=True)
    draw_curves(run.folder)
    try:
        sheet = draw_sheet(model.cpu().eval(), validation.cpu())
    except WeightsError as error:  # the numbers of a run that diverged are still useful
        (run.folder / "sheet.png").unlink(missing_ok=True)
        print(f"no sheet was drawn: {error} Try a lower --learning-rate.")
    else:
        sheet.save(run.folder / "sheet.png")


def _nothing_saved(last: Path) -> str:
    if last.is_file():
        return f"nothing more was saved. To continue from {last}, pass --resume."
    return "nothing was trained yet"


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


def _best(recipe: Recipe, folder: Path) -> ModelCheckpoint:
    monitor = "val_loss" if recipe.keep == "val_loss" else "val_psnr"
    mode = "min" if monitor == "val_loss" else "max"
    return ModelCheckpoint(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False)


def _trainer(
    recipe: Recipe, run: Run, callbacks: list[Callback], last: Path, checkpoints: RunCheckpoints
) -> pl.Trainer:
    # A separate callback: save_last=True would only write it when the best one changes.
    # By time too, because an epoch can take half an hour on a CPU.
    latest = [
        ModelCheckpoint(run.folder, last.stem, enable_version_counter=False),
        SaveByTime(run.folder, last.name, _CHECKPOINT_EVERY),
    ]
    if run.keep_every is not None:
        interval = timedelta(minutes=run.keep_every)
        latest.append(SaveByTime(run.folder, "step-{step:06d}.ckpt", interval))
    stopping = [EarlyStopping("val_loss", patience=recipe.patience)] if recipe.patience else []
    several = run.devices * run.nodes > 1
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(run.device, run.device),
        devices=run.devices,
        num_nodes=run.nodes,
        strategy=recipe.objective.strategy if several else "auto",
        use_distributed_sampler=False,  # each process reads its own photos
        precision=fast_precision(run.device) if run.precision == "auto" else run.precision,
        plugins=[checkpoints],
        max_epochs=recipe.epochs,
        callbacks=[*callbacks, *stopping, *latest, moving_average(recipe.ema_decay)],
        logger=CSVLogger(run.folder, name="log"),  # a new version each time the run is resumed
        log_every_n_steps=10,
        enable_model_summary=False,
        enable_progress_bar=False,
    )


def fast_precision(device: Device) -> Literal["32-true", "bf16-mixed"]:
    """Return bf16 if the hardware supports it natively, otherwise float32."""
    if device != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.8 has none
    return "bf16-mixed" if capabilities.get("avx512_bf16") else "32-true"
