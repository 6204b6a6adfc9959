"""The checkpoints of a run: written atomically, checked before they are used, replaced late."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from colorzoo.errors import ConfigError
from colorzoo.files import refusal
from colorzoo.hub.foreign import read_pickle
from colorzoo.hub.saving import save_error

_REPORTS = ("config.json", "curves.png", "sheet.png")  # what a run writes besides
# What a run needs of a checkpoint to continue.
_KEYS = {"epoch", "global_step", "loops", "state_dict", "optimizer_states", "lr_schedulers"}


class RunCheckpoints(TorchCheckpointIO):
    """Writes checkpoints atomically, and clears away an older run once there is a first one.

    So a killed run still has its previous checkpoint, and a run that fails before its first
    checkpoint leaves the older run as it was.

    Args:
        old: Checkpoints and logs of the older run.
        begin: Called when the first checkpoint is written.
    """

    def __init__(self, old: Iterable[Path], begin: Callable[[], object]) -> None:
        """Store the arguments."""
        super().__init__()
        self._old, self._begin = list(old), begin
        self._is_first = True

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write one checkpoint.

        Raises:
            WeightsError: If it cannot be written; the one before is then kept.
        """
        part = Path(f"{path}.part")
        try:
            super().save_checkpoint(checkpoint, part, storage_options)
            with part.open("rb+") as written:
                # Without it, a power cut soon after the rename can leave an empty file.
                os.fsync(written.fileno())
            os.replace(part, path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise save_error("A checkpoint", Path(path), error) from error
        if self._is_first:
            self._is_first = False
            for old in self._old:
                if old.is_dir():
                    shutil.rmtree(old, ignore_errors=True)
                elif old.resolve() != Path(path).resolve():
                    old.unlink(missing_ok=True)
            self._begin()


class SaveByTime(Checkpoint):
    """Writes a checkpoint each time so much time has passed, also where an epoch takes hours.

    Lightning's ModelCheckpoint does not look at the time if a module optimises by itself, as those
    of GANs do.

    Args:
        folder: The run folder.
        name: File name, with ``{step}`` for the number of steps where each file is kept.
        interval: The time between two checkpoints.
    """

    def __init__(self, folder: Path, name: str, interval: timedelta) -> None:
        """Store the arguments."""
        self._folder, self._name, self._seconds = folder, name, interval.total_seconds()
        self._last = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to measure."""
        self._last = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save, if it is time to."""
        is_due = time.monotonic() - self._last >= self._seconds
        if trainer.strategy.broadcast(is_due):  # all processes have to take part
            trainer.save_checkpoint(self._folder / self._name.format(step=trainer.global_step))
            self._last = time.monotonic()


def check_targets(folder: Path) -> None:
    """Check that what a run writes to its folder cannot end up anywhere else.

    Raises:
        ConfigError: If something in the place of a file, or of the log's folder, is a link or no
            regular file.
    """
    parts = [f"{name}.ckpt.part" for name in ("last", "best")]
    kept = [path.name for path in folder.glob("*.ckpt*")]
    for name in ("last.ckpt", "best.ckpt", *parts, *kept, *_REPORTS, "log/metrics.csv"):
        said = refusal(folder / name, folder)
        if said is not None:
            raise ConfigError(said)


def checkpoints_in(folder: Path) -> list[Path]:
    """List the checkpoints in a run folder."""
    return sorted(folder.glob("*.ckpt"))


def state_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the LightningModule in a checkpoint.

    Raises:
        ValueError: If it is missing or damaged.
    """
    try:
        return _read(path)["state_dict"]
    except _Damaged as error:
        raise ValueError(
            f"{path} is missing or damaged, so its weights cannot be exported: continue the run "
            "with --resume --overwrite, which writes new checkpoints"
        ) from error


class _Damaged(Exception):
    """A file that is not a whole checkpoint of a run."""


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = read_pickle(path)
        missing = _KEYS - saved.keys()
        shapes = [value.shape for value in saved["state_dict"].values()]
    except Exception as error:  # PyTorch raises many kinds for damaged files
        raise _Damaged from error
    if missing or not shapes:
        raise _Damaged
    return saved


def _offer(path: Path) -> str:
    """Say which other checkpoint of the run is whole, the newest of them."""
    others = [each for each in checkpoints_in(path.parent) if each != path]
    for other in sorted(others, key=lambda each: each.stat().st_mtime, reverse=True):
        with suppress(_Damaged):
            _read(other)
            return f": copy {other.name} over it to continue from that one, or"
    return ":"


def check_resumable(path: Path, module: nn.Module) -> None:
    """Check that a run can continue from a checkpoint.

    Args:
        path: The checkpoint.
        module: The LightningModule of the run.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged, or does not fit the module.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is nothing to resume: {path} does not exist")
    try:
        state = _read(path)["state_dict"]
    except _Damaged as error:
        raise ValueError(
            f"{path} is damaged, or not a checkpoint of a run{_offer(path)} pass --overwrite "
            "instead of --resume to start again"
        ) from error
    found = {name: tuple(value.shape) for name, value in state.items()}
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if found != expected:
        names = sorted(set(found.items()) ^ set(expected.items()))
        raise ValueError(
            f"{path} is of another model or of other options ({names[0][0]} differs): resume with "
            f"the model and the options in {path.parent / 'config.json'}, or pass --overwrite "
            "instead of --resume to start again"
        )
