"""Get the weights that a method's authors published: once, checked, as safetensors in the cache."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout
from huggingface_hub import constants, try_to_load_from_cache

from colorzoo.errors import NO_SPACE, HubError, WeightsError
from colorzoo.hub.convert import Converted, convert, write
from colorzoo.hub.download import download
from colorzoo.hub.foreign import read_checkpoint
from colorzoo.hub.hashes import sha256_of
from colorzoo.hub.published import PublishedWeights, converted_folder, is_converted
from colorzoo.registry import ModelInfo, model_info

_SPARE = 20_000_000  # bytes that are left free on the disk
_MODEL = "model"  # the folder that is then moved to its place


def obtain(
    info: ModelInfo,
    *,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """Return the folder with the converted weights; download and convert them if it is not there.

    A checkpoint that huggingface_hub has already is used and left there; one that is downloaded
    here is deleted once it is converted. Other processes that want the same weights wait.

    Args:
        info: A registered model with ``published`` weights.
        cache_dir: Folder for downloads; a folder next to huggingface_hub's downloads if None.
        local_files_only: Never access the network.
        token: Hub token; that of the logged-in user if None.

    Returns:
        A folder with config.json, model.safetensors and source.json.

    Raises:
        HubError: If they are not here and must not or cannot be downloaded, or the disk is full.
        WeightsError: If the file is the pinned one, but does not fit the model.
    """
    base = model_info(info.weights_of) if info.weights_of else info
    published = base.published
    if published is None:
        raise WeightsError(f"The authors of {info.name} published no weights that colorzoo knows.")
    folder = converted_folder(base.name, published, cache_dir)
    if is_converted(folder):
        return folder
    stage = folder.with_name(f".{folder.name}.part")
    there = _hub_cache(published, cache_dir)
    if there is None:
        _check_allowed(info.name, published, local_files_only=local_files_only)
    with _disk_errors(base.name, published, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(folder, base.name):
            if is_converted(folder):  # another process was faster
                return folder
            stage.mkdir(exist_ok=True)
            try:
                _fill(stage, base, published, there, token)
                if folder.is_dir():  # somebody deleted a file of it
                    shutil.rmtree(folder)
                (stage / _MODEL).replace(folder)
            except (HubError, KeyboardInterrupt):
                _keep_only_the_part(stage, published)
                raise
            except BaseException:
                shutil.rmtree(stage, ignore_errors=True)
                raise
            shutil.rmtree(stage, ignore_errors=True)
    return folder


def _fill(
    stage: Path,
    info: ModelInfo,
    published: PublishedWeights,
    there: Path | None,
    token: str | bool | None,
) -> None:
    """Download, check and convert in a folder of its own."""
    source = there or _part(stage, published)
    _check_room(stage, info.name, published, to_download=there is None)
    if there is None:
        download(info.name, published, source, token=token)
    try:
        state = read_checkpoint(source)
    except WeightsError as error:
        raise WeightsError(str(error).replace(str(source), published.address)) from error
    config, state = convert(state, info, {}, what=published.address)
    converted = Converted(info, config, state, published.sha256, info)
    shutil.rmtree(stage / _MODEL, ignore_errors=True)
    write(stage / _MODEL, converted, source={"model": info.name, **published.about()})


def _part(stage: Path, published: PublishedWeights) -> Path:
    """Return the file that is downloaded; its suffix tells what it is."""
    return stage / PurePosixPath(published.file).name


def _hub_cache(published: PublishedWeights, cache_dir: str | Path | None) -> Path | None:
    """Find the checkpoint in the cache of huggingface_hub: of this commit, or of any with it."""
    if not published.repo_id:
        return None
    root = Path(constants.HF_HUB_CACHE if cache_dir is None else cache_dir)
    # Large files are kept by their SHA-256, whichever commits they belong to.
    blob = root / f"models--{published.repo_id.replace('/', '--')}" / "blobs" / published.sha256
    if blob.is_file() and sha256_of(blob) == published.sha256:
        return blob
    found = try_to_load_from_cache(
        published.repo_id, published.file, revision=published.revision, cache_dir=cache_dir
    )
    path = Path(found) if isinstance(found, str) else None
    return path if path and sha256_of(path) == published.sha256 else None


def _check_allowed(name: str, published: PublishedWeights, *, local_files_only: bool) -> None:
    size = f"its weights ({published.megabytes}, {published.licence}) have to be downloaded once"
    if local_files_only:
        raise HubError(
            f"{name} is not on this machine: {size}, from {published.address}. Allow it by leaving "
            "out local_files_only (--no-download on the command line)."
        )
    if constants.HF_HUB_OFFLINE:
        raise HubError(
            f"{name} is not on this machine: {size}, and HF_HUB_OFFLINE is set. Unset it once."
        )


def _check_room(stage: Path, name: str, published: PublishedWeights, *, to_download: bool) -> None:
    part = _part(stage, published)
    missing = published.size - (part.stat().st_size if part.is_file() else 0)
    needed = published.size + (missing if to_download else 0) + _SPARE
    free = shutil.disk_usage(stage).free
    if free < needed:
        raise HubError(
            f"There is no room for {name} in {stage.parent}: it takes {needed / 1e6:,.0f} MB while "
            f"it is converted, and {free / 1e6:,.0f} MB are free. Make room, or pass another "
            "cache_dir."
        )


def _keep_only_the_part(stage: Path, published: PublishedWeights) -> None:
    """Keep what was downloaded, so that the next call continues it, and nothing else."""
    part = _part(stage, published)
    if part.is_file() and part.stat().st_size:
        shutil.rmtree(stage / _MODEL, ignore_errors=True)
    else:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _only_one(folder: Path, name: str) -> Iterator[None]:
    """Let one process or thread at a time prepare a folder."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0.5)
    except Timeout:
        if sys.stderr.isatty():
            sys.stderr.write(f"Waiting for another process that downloads {name}\n")
        lock.acquire()
    except NotImplementedError:  # the disk has no locks
        pass
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(name: str, published: PublishedWeights, folder: Path) -> Iterator[None]:
    try:
        yield
    except HubError:
        raise
    except OSError as error:
        full = error.errno in NO_SPACE
        reason = "there is no space left" if full else error.strerror or str(error)
        raise HubError(
            f"{name} ({published.megabytes}) cannot be kept in {folder.parent}: {reason}. Pass "
            "another cache_dir, or set HF_HOME to a folder that can be written to."
        ) from error
