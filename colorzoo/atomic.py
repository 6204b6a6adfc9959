"""Files that appear whole or not at all, and what killed runs leave behind."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from colorzoo.errors import ImageError

_PREFIX, _LOCK = ".colorzoo-", ".lock"


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Open a hidden file that takes the target's place once the block has ended without an error.

    Args:
        target: The name to appear; a file of that name is replaced and its permissions are kept.

    Yields:
        A binary stream to write to, and to read back. Its ``name`` is the hidden file's path, for
        libraries that want to write to a path.
    """
    path, lock = _claim(target.parent)
    try:
        stream = path.open("x+b")
        try:
            yield stream
            stream.flush()
            # Some network disks report only now that they are full.
            os.close(os.dup(stream.fileno()))
            if target.exists():
                shutil.copymode(target, path)
            stream.close()
            path.replace(target)
        finally:
            with suppress(OSError):
                stream.close()
            with suppress(OSError):
                path.unlink()
    finally:
        lock.release()
        with suppress(OSError):
            os.unlink(lock.lock_file)


def write_whole(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; a file of that name is replaced.

    Raises:
        OSError: If it cannot be written. What was there before is then still there.
    """
    with whole_file(target) as stream:
        stream.write(data)


def remove_leftovers(folder: Path) -> None:
    """Delete the hidden files of runs that were killed; those that are being written stay."""
    files = [*folder.glob(f"{_PREFIX}*.tmp"), *folder.glob(f"{_PREFIX}*.tmp{_LOCK}")]
    for path in {path.with_name(path.name.removesuffix(_LOCK)) for path in files}:
        with suppress(OSError, Timeout, NotImplementedError), _lock_of(path).acquire(timeout=0):
            path.unlink(missing_ok=True)
            os.unlink(f"{path}{_LOCK}")


def _claim(folder: Path) -> tuple[Path, FileLock]:
    """Choose a hidden file in the folder and lock it, so that ``remove_leftovers`` leaves it alone.

    The lock comes before the file: there is never a file without one.
    """
    folder.stat()  # FileLock would make a missing folder
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}.tmp"
        lock = _lock_of(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # another run is tidying up, and takes it for a leftover
            continue
        except NotImplementedError:  # on a disk without locks, leftovers stay
            return path, lock
        if os.path.exists(lock.lock_file):
            return path, lock
        lock.release()  # it was tidied up before it was locked


def _lock_of(path: Path) -> FileLock:
    return FileLock(f"{path}{_LOCK}")


def check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    """Refuse a target that is the input itself, or is there already.

    Raises:
        ImageError: If so.
    """
    if not os.path.exists(target):
        return
    # The same file under a name in other letters, on disks that do not tell them apart.
    if source.exists() and target.samefile(source):
        raise ImageError(f"{source.name}: {is_an_input(target)}")
    if not overwrite:
        raise ImageError(f"{source.name}: {target} exists. Pass --overwrite to replace it.")


def is_an_input(target: Path) -> str:
    """Word the refusal of a target that is one of the inputs."""
    return f"{target} is an input. Choose another output."
