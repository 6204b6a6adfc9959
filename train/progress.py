"""What a training run prints: loss, PSNR and the time that is left, and nothing of Lightning."""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor

SECONDS_BETWEEN_LINES = 20.0  # within an epoch


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Let Lightning print neither adverts, nor notes and warnings that only its developers need."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


class Progress(Callback):
    """Prints a line after each epoch, and from time to time in between."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._started = self._told = time.monotonic()
        self._start = 0.0  # progress of the run when it was started or resumed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = self._told = time.monotonic()
        self._start = _progress(pl_module)
        if trainer.is_global_zero:
            print(f"training on {trainer.strategy.root_device}, {trainer.precision}", flush=True)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Print a line, if the last one was a while ago."""
        if time.monotonic() - self._told < SECONDS_BETWEEN_LINES or trainer.is_last_batch:
            return
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        told = f"loss {float(loss):.4g}" if isinstance(loss, Tensor) else ""
        self._tell(trainer, pl_module, f"step {batch_idx + 1}: ", [told])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the epoch's loss, and loss and PSNR of the validation photos."""
        self._tell(trainer, pl_module, "", scores(trainer.callback_metrics))

    def _tell(
        self, trainer: pl.Trainer, module: pl.LightningModule, place: str, told: list[str]
    ) -> None:
        self._told = time.monotonic()
        if trainer.is_global_zero:
            told = [part for part in (*told, self._left(module)) if part]
            print(
                f"epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}: {place}"
                f"{', '.join(told)}",
                flush=True,
            )

    def _left(self, module: pl.LightningModule) -> str:
        done, seconds = _progress(module), time.monotonic() - self._started
        if done <= self._start or done >= 1:
            return ""
        left = seconds * (1 - done) / (done - self._start)
        return f"{in_words(left)} left"


def in_words(seconds: float) -> str:
    """Return a time such as "40 s", "12 min" or "2 h 5 min"."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _progress(module: Any) -> float:
    return float(module.progress)


def scores(metrics: Mapping[str, Tensor], *, stage: str = "val") -> list[str]:
    """Return what is known of loss, PSNR and SSIM, in words."""
    kind = "validation " if stage == "val" else ""
    known = {
        "train_loss": "loss {:.4g}",
        "generator_loss": "generator's loss {:.4g}",
        "discriminator_loss": "discriminator's loss {:.4g}",
        f"{stage}_loss": f"{kind}loss {{:.4g}}",
        f"{stage}_psnr": "PSNR {:.2f} dB",
        f"{stage}_psnr_with_hints": "with hints {:.2f} dB",
        f"{stage}_ssim": "SSIM {:.3f}",
    }
    return [text.format(float(metrics[key])) for key, text in known.items() if key in metrics]
