"""Files that appear whole or not at all, and what killed runs leave of them."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":  # an open file can be neither deleted nor renamed there

    def _lock(stream: BinaryIO) -> None:
        """Do nothing: being open is lock enough."""

    def _remove_unused(path: Path) -> None:
        path.unlink()

else:
    import fcntl

    def _lock(stream: BinaryIO) -> None:
        """Claim a file until it is closed, which the end of the process does too.

        Raises:
            BlockingIOError: If somebody else has it.
            OSError: If the disk has no locks.
        """
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _remove_unused(path: Path) -> None:
        with path.open("r+b") as stream:
            _lock(stream)
            path.unlink()


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Open a hidden file that takes the target's place once the block has ended without an error.

    Args:
        target: The name to appear; what has that name is replaced and its permissions are kept.

    Yields:
        A binary stream to write to, and to read back.
    """
    path, stream = _create(target.parent)
    try:
        yield stream
        stream.flush()
        os.close(os.dup(stream.fileno()))  # some network disks tell only now that they are full
        if target.exists():
            shutil.copymode(target, path)
        if sys.platform == "win32":
            stream.close()
        path.replace(target)  # before the lock goes with the stream, so nobody takes it for unused
    finally:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Delete the hidden files of runs that were killed; those that are being written stay."""
    for path in folder.glob(".colorzoo-*.tmp"):
        with suppress(OSError):
            _remove_unused(path)


def _create(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f".colorzoo-{secrets.token_hex(8)}.tmp"
        stream = path.open("x+b")
        try:
            _lock(stream)
        except BlockingIOError:  # another run is just tidying up, and takes it for unused
            stream.close()
            continue
        except OSError:
            pass  # on a disk without locks nothing is tidied up
        if path.exists():
            return path, stream
        stream.close()
