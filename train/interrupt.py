"""Ctrl-C while training: the run saves its state and ends; a second time, it ends at once."""

import signal
import threading
from pathlib import Path
from typing import Any

import lightning as pl
from lightning.pytorch.callbacks import Callback


class Stopped(BaseException):
    """Ctrl-C ended the run. The message says what was kept and how to continue.

    Not an Exception, because the code that reads photos catches those. Not a KeyboardInterrupt,
    because Lightning would end the process.
    """


class StopOnInterrupt(Callback):
    """On Ctrl-C, saves a checkpoint after the current step, then raises ``Stopped``.

    Use it as a context manager around ``Trainer.fit``.

    Args:
        path: The checkpoint.
    """

    def __init__(self, path: Path) -> None:
        """Do not handle signals yet."""
        self._path = path
        self._is_asked = self._is_training = False
        self._before: Any = None

    def __enter__(self) -> "StopOnInterrupt":
        """Start handling Ctrl-C."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the previous handler."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _take(self, *_: object) -> None:
        if self._is_asked or not self._is_training:  # asked twice, or there is nothing to save
            raise Stopped
        self._is_asked = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From now on there is something to save."""
        self._is_training = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save and stop, in all processes after the same step, if one of them was asked to."""
        is_asked = self._is_asked
        if trainer.world_size > 1:
            is_asked = trainer.strategy.reduce_boolean_decision(is_asked, all=False)
        if is_asked:
            trainer.save_checkpoint(self._path)
            raise Stopped(
                f"after step {trainer.global_step}, in epoch {trainer.current_epoch + 1} of "
                f"{trainer.max_epochs}"
            )
