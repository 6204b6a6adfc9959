"""Write a model to a folder so that there is a whole one at any moment, the old or the new one.

A model is two files, config.json and model.safetensors, and two files cannot be
renamed at the same moment. So the new config.json is first written under a hidden name that
contains the SHA-256 of the weights that it belongs to. Then the weights take their place: at that
moment, the folder changes from the old model to the new one. At last, config.json follows. If a run
is killed between the last two steps, ``current`` finds the config by its weights.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from colorzoo._version import __version__
from colorzoo.atomic import alone_in, remove_leftovers, write_whole
from colorzoo.errors import WeightsError
from colorzoo.hub.hashes import sha256_of

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

_PREFIX, _SUFFIX = ".colorzoo-", ".config.json"


def save_files(
    folder: Path, state: Mapping[str, Tensor], config: dict[str, Any], *, dtype: torch.dtype | None
) -> None:
    """Write config.json, with this version of colorzoo, and model.safetensors.

    Args:
        folder: The folder to write to; it is created if missing.
        state: The model's tensors.
        config: The name of the architecture and the keywords of the constructor.
        dtype: Floating-point type of the saved tensors; unchanged if None.

    Raises:
        WeightsError: If they cannot be written. The model that was there can still be loaded.
    """
    tensors = {
        name: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    text = json.dumps({**config, "colorzoo_version": __version__}, indent=2, sort_keys=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with alone_in(folder):
            for file in (CONFIG_FILE, WEIGHTS_FILE):
                if (folder / file).exists() and not (folder / file).is_file():
                    raise FileExistsError(None, f"{file} is not a regular file")
            weights = save(tensors, metadata={"format": "pt"})
            _replace(folder, weights, text.encode() + b"\n")
    except OSError as error:
        raise save_error("The model", folder, error) from error


def _replace(folder: Path, weights: bytes, config: bytes) -> None:
    before = _waiting(folder)
    waiting = folder / f"{_PREFIX}{hashlib.sha256(weights).hexdigest()}{_SUFFIX}"
    try:
        write_whole(waiting, config)
        _sync(folder)
        write_whole(folder / WEIGHTS_FILE, weights)
    except BaseException:
        if waiting not in before:
            waiting.unlink(missing_ok=True)
        raise
    _sync(folder)
    try:
        if (folder / CONFIG_FILE).exists():
            shutil.copymode(folder / CONFIG_FILE, waiting)
        waiting.replace(folder / CONFIG_FILE)
    except OSError as error:
        raise WeightsError(
            f"The model is saved in {folder} and colorzoo can load it, but other programs cannot: "
            f"{CONFIG_FILE} could not be replaced ({error.strerror or error}). Save it again."
        ) from error
    for each in before:
        if each != waiting:
            with suppress(OSError):
                each.unlink()


def current(folder: Path, file: str) -> Path:
    """Return the path of a file in a model's folder, whether or not it exists.

    For config.json, it is the one that belongs to the weights: if a save was interrupted, that
    file may still have a hidden name.
    """
    path = folder / file
    if file == CONFIG_FILE:
        waiting = _waiting(folder)
        with suppress(OSError):
            if waiting and (own := _waiting_for(folder / WEIGHTS_FILE)) in waiting:
                return own
    return path


def save_error(what: str, place: Path, error: OSError) -> WeightsError:
    """Return the error for something of a model that cannot be written."""
    return WeightsError(
        f"{what} cannot be saved in {place} ({error.strerror or error}); what was there before is "
        "kept. Free some space, check the permissions, or choose another place."
    )


def _waiting(folder: Path) -> list[Path]:
    """List the configs whose weights may not have taken their place, or that were left behind."""
    found = folder.glob(f"{_PREFIX}*{_SUFFIX}")
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _waiting_for(weights: Path) -> Path:
    """Return where the config of these weights waits, if it does."""
    return weights.with_name(f"{_PREFIX}{sha256_of(weights)}{_SUFFIX}")


def _sync(folder: Path) -> None:
    """Have the disk write the names of a folder's files in this order, if it can."""
    with suppress(OSError):  # Windows cannot open folders
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
