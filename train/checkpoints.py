"""The checkpoints of a run: written atomically, checked before they are used, replaced late."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from colorzoo.hub.foreign import read_pickle


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
        """Write one checkpoint."""
        part = f"{path}.part"
        super().save_checkpoint(checkpoint, part, storage_options)
        os.replace(part, path)
        if self._is_first:
            self._is_first = False
            for old in self._old:
                if old.is_dir():
                    shutil.rmtree(old, ignore_errors=True)
                elif old.resolve() != Path(path).resolve():
                    old.unlink(missing_ok=True)
            self._begin()


def checkpoints_in(folder: Path) -> list[Path]:
    """List the checkpoints in a run folder."""
    return sorted(folder.glob("*.ckpt"))


def state_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the LightningModule in a checkpoint."""
    return read_pickle(path)["state_dict"]


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
        saved = read_pickle(path)
        _, state = saved["loops"], saved["state_dict"]
        found = {name: tuple(value.shape) for name, value in state.items()}
    except Exception as error:  # PyTorch raises many kinds for damaged files
        others = [each.name for each in checkpoints_in(path.parent) if each != path]
        other = f"copy {others[0]} over it to continue from that one, or " if others else ""
        raise ValueError(
            f"{path} is damaged, or not a checkpoint of a run: {other}pass --overwrite instead of "
            "--resume to start again"
        ) from error
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if found != expected:
        names = sorted(set(found.items()) ^ set(expected.items()))
        raise ValueError(
            f"{path} is of another model or of other options ({names[0][0]} differs): resume with "
            f"the model and the options in {path.parent / 'config.json'}, or pass --overwrite "
            "instead of --resume to start again"
        )
