"""The folder for all temporary files of the app, and how long they stay there."""

import atexit
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from colorzoo.errors import NO_SPACE

PREFIX = "colorzoo-demo-"
EARLIER = "colorzoo-guests-"  # of earlier versions, like folders without a lock
LOCK = ".lock"
DAY = 86_400
EMPTY_SECONDS = 60  # an empty folder may be about to get its file
PART_SECONDS = 600  # a part of an upload to which nothing was added for so long was aborted
HURRY_SECONDS, HURRY_BYTES = 30, 200_000_000  # the same, if less of the disk is free

DISK_FULL = (
    "The disk of the machine that runs this page is full, so nothing can be saved at the moment. "
    "Try again later, or with a smaller photo."
)


class Place:
    """A new folder in the system's temporary folder; it is deleted when the program ends.

    A lock shows that its program is running. Folders of programs that crashed are deleted first.
    """

    def __init__(self) -> None:
        """Create the folder."""
        parent = Path(tempfile.gettempdir())
        remove_abandoned(parent)
        # The name that others look for comes after the lock.
        new = Path(tempfile.mkdtemp(prefix=".colorzoo-new-", dir=parent))
        self._lock = FileLock(new / LOCK, thread_local=False)
        with suppress(NotImplementedError):  # not on every file system
            self._lock.acquire(blocking=False)
        self.root = parent / (PREFIX + new.name.rpartition("-")[2])
        new.rename(self.root)
        self._process = os.getpid()
        atexit.register(self.remove)

    def folder(self, name: str) -> Path:
        """Return a subfolder; it is created if necessary."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    def take_over(self) -> None:
        """Let Gradio and everything else in this program put temporary files here."""
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder("uploads"))
        tempfile.tempdir = str(self.folder("parts"))

    def sweep(self, max_age: float, keep: Collection[str] = ()) -> None:
        """Delete what is too old, whoever wrote it, and aborted uploads.

        Args:
            max_age: Seconds since a file was written.
            keep: Files to keep at any age.
        """
        now, parts = time.time(), {self.root / "uploads", self.root / "parts"}
        is_urgent = shutil.disk_usage(self.root).free < HURRY_BYTES
        part_age = min(max_age, HURRY_SECONDS if is_urgent else PART_SECONDS)
        for name, folders, files in os.walk(self.root, topdown=False):
            folder = Path(name)
            for file in files:
                path = folder / file
                limit = part_age if folder in parts else max_age
                if path == self.root / LOCK or str(path) in keep:
                    continue
                with suppress(OSError):
                    if now - path.lstat().st_mtime > limit:
                        path.unlink()
            for each in folders:
                path = folder / each
                with suppress(OSError):  # most are not empty
                    if path.is_symlink() or folder == self.root:
                        continue
                    if now - path.stat().st_mtime > min(max_age, EMPTY_SECONDS):
                        path.rmdir()

    def remove(self) -> None:
        """Delete the folder, if this is the process that created it."""
        if os.getpid() != self._process:  # a forked child
            return
        shutil.rmtree(self.root, ignore_errors=True)
        with suppress(OSError):
            self._lock.release()


def remove_abandoned(parent: Path) -> None:
    """Delete the folders that earlier runs left behind because they crashed or were killed."""
    for path in [*parent.glob(PREFIX + "*"), *parent.glob(EARLIER + "*")]:
        try:
            _remove_if_abandoned(path)
        except Exception:
            logging.getLogger("colorzoo.demo").exception("%s cannot be deleted", path)


def _remove_if_abandoned(path: Path) -> None:
    if path.is_symlink() or not path.is_dir() or not _is_own(path):
        return
    if not (path / LOCK).exists():
        newest = max(each.lstat().st_mtime for each in [path, *path.rglob("*")])
        if time.time() - newest > DAY:
            shutil.rmtree(path, ignore_errors=True)
        return
    lock = FileLock(path / LOCK, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except (Timeout, NotImplementedError):
        return  # it is running
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        lock.release()


def _is_own(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def is_disk_full(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, is a full disk or quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return True
        error = error.__cause__ or error.__context__
    return False


PLACE = Place()
