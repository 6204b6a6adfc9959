"""Write files atomically, and clean up the temporary files of runs that were killed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from colorzoo.errors import ImageError
from colorzoo.files import kind_of, open_folder, refusal

_PREFIX, _LOCK = ".colorzoo-", ".lock"


@contextmanager
def whole_file(target: Path, *, within: Path | None = None) -> Iterator[BinaryIO]:
    """Open a hidden file, which replaces the target when the block ends without an error.

    Args:
        target: The file to write. If it exists, it is replaced; its permissions are kept and, if
            the system allows that, its owner and group. A link is replaced, not followed.
        within: A folder above it, below which no link to a folder is followed. None to follow all.

    Yields:
        A binary stream to write to and read from. Its ``name`` is the path of the hidden file, for
        libraries that only write to paths.

    Raises:
        OSError: If the target is a folder, pipe or device, or cannot be written. An existing file
            is then left unchanged.
    """
    with open_folder(target.parent, within=within) as folder:
        path, lock = _claim(target.parent)
        try:
            # A hidden file should not show what the old one did not.
            is_new = folder.look(target.name) is None
            stream = folder.open(path.name, "x+b", permissions=0o666 if is_new else 0o600)
            try:
                yield stream
                stream.flush()
                # Without it, a power cut soon after the rename can leave an empty file.
                os.fsync(stream.fileno())
                # Some network disks report that they are full only when a file is closed.
                os.close(os.dup(stream.fileno()))
                stream.close()
                folder.replace(path.name, target.name)
            finally:
                with suppress(OSError):
                    stream.close()
                with suppress(OSError):
                    folder.unlink(path.name)
        finally:
            lock.release()
            with suppress(OSError):
                os.unlink(lock.lock_file)


def write_whole(target: Path, data: bytes | memoryview, *, within: Path | None = None) -> None:
    """Write a file atomically; an existing file is replaced. See ``whole_file``.

    Raises:
        OSError: If the file cannot be written. An existing file is then left unchanged.
    """
    with whole_file(target, within=within) as stream:
        stream.write(data)


def append_line(path: Path, line: bytes, *, within: Path | None = None) -> None:
    """Append a line to a file to which other runs, also on other machines, may append too.

    If a killed run left an incomplete last line, that line is ended first. If the file has other
    names (hard links), they keep what they have.

    Args:
        path: The file; it is created if missing. It may not be a link.
        line: The line, without a line break.
        within: See ``whole_file``.

    Raises:
        OSError: If it cannot be written; an incomplete line may then be in the file.
    """
    with open_folder(path.parent, within=within) as folder, alone_in(path.parent):
        found = folder.look(path.name)
        if found is not None and found.st_nlink > 1 and not kind_of(found):
            with folder.open(path.name, "rb") as stream:
                write_whole(path, stream.read(), within=within)
        with folder.open(path.name, "a+b") as stream:
            data = line + b"\n"
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                data = data if stream.read(1) == b"\n" else b"\n" + data
            while data:  # on a nearly full disk, a write may be partial
                data = data[stream.write(data) :]


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, if its disk has locks and no other run holds it for 10 s.

    ``remove_leftovers`` removes the lock if the run is killed.

    Args:
        folder: A folder that exists.
    """
    folder.stat()  # fails if the folder is missing; FileLock would create it
    lock = _lock_of(folder / f"{_PREFIX}append.tmp")
    try:
        lock.acquire(timeout=10, poll_interval=0.005)
        is_locked = True
    except (NotImplementedError, Timeout):
        is_locked = False  # local disks append a line atomically anyway
    try:
        yield
    finally:
        if is_locked:
            with suppress(OSError):  # before the release: those who wait then notice it
                os.unlink(lock.lock_file)
            lock.release()


def remove_leftovers(folder: Path, *, within: Path | None = None) -> None:
    """Delete hidden files of runs that were killed, but not those that are still being written.

    Args:
        folder: The folder; nothing happens if it is missing.
        within: A folder above it. If there is a link on the way from there, nothing happens.
    """
    if within is not None:
        try:
            open_folder(folder, within=within).close()
        except OSError:
            return
    files = [*folder.glob(f"{_PREFIX}*.tmp"), *folder.glob(f"{_PREFIX}*.tmp{_LOCK}")]
    for path in {path.with_name(path.name.removesuffix(_LOCK)) for path in files}:
        with suppress(OSError):
            if os.path.islink(f"{path}{_LOCK}"):  # of somebody else: it cannot be locked
                os.unlink(f"{path}{_LOCK}")
        with suppress(OSError, Timeout, NotImplementedError), _lock_of(path).acquire(timeout=0):
            path.unlink(missing_ok=True)
            os.unlink(f"{path}{_LOCK}")


def _claim(folder: Path) -> tuple[Path, FileLock]:
    """Choose a hidden file in the folder and lock it, so that ``remove_leftovers`` keeps it.

    The lock is taken before the file is created, so there is never an unlocked file.
    """
    folder.stat()  # fails if the folder is missing; FileLock would create it
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}.tmp"
        lock = _lock_of(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # another run is cleaning up and has locked it
            continue
        except NotImplementedError:  # the disk has no locks, so leftovers are never removed
            return path, lock
        if os.path.exists(lock.lock_file):
            return path, lock
        lock.release()  # another run removed the lock file before it was locked


def _lock_of(path: Path) -> FileLock:
    return FileLock(f"{path}{_LOCK}")


def check_target(
    source: Path, target: Path, *, overwrite: bool, within: Path | None = None
) -> None:
    """Check that an output is not the input itself, is no link or device, and does not exist.

    Args:
        source: The input.
        target: The output.
        overwrite: Accept a regular file in its place.
        within: The output folder, in which no link may lead to the target.

    Raises:
        ImageError: If it is the input, no regular file, behind a link, or exists and ``overwrite``
            is false.
    """
    # Not a comparison of names: on some disks, names that differ in case are the same file.
    if target.exists() and source.exists() and target.samefile(source):
        raise ImageError(f"{source.name}: {is_an_input(target)}")
    why = refusal(target, target.parent if within is None else within)
    if why is not None:
        raise ImageError(f"{source.name}: {why}")
    if os.path.lexists(target) and not overwrite:
        raise ImageError(f"{source.name}: {target} exists. Pass --overwrite to replace it.")


def is_an_input(target: Path) -> str:
    """Return the error message for an output that is one of the inputs."""
    return f"{target} is an input. Choose another output."
