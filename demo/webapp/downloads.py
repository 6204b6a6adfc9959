"""The files that the page serves: in one folder, limited in size and age."""

import logging
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from webapp import jobs
from webapp.eviction import heaviest_first
from webapp.place import DISK_FULL, PLACE, is_disk_full
from webapp.theme import problem


@dataclass
class _File:
    size: int
    written: float  # time.monotonic
    owner: str
    job: jobs.Job | None

    @property
    def is_pinned(self) -> bool:
        return self.job is not None and self.job.is_pinned


class Shelf:
    """A folder of results; files are deleted when they expire or when it is full.

    If it is full, the oldest file of the visitor with the most bytes goes first. The files of a job
    stay while it runs and some time to fetch them; a job may write at most half of the total.

    Every file is in a subfolder with a random name, so nobody can guess its URL. Gradio serves the
    folder directly, without making other copies.

    Args:
        max_bytes: Largest total size of the files; the newest one is always kept.
        max_age: Seconds after which a file is deleted.
    """

    def __init__(self, *, max_bytes: int, max_age: float) -> None:
        """Create the folder; it is deleted when the program ends."""
        self.folder = PLACE.folder(f"results-{secrets.token_hex(4)}")
        self._max_bytes, self._max_age = max_bytes, max_age
        self._files: dict[Path, _File] = {}  # in the order in which they were written
        self._bytes = 0
        self._lock = threading.Lock()
        gr.set_static_paths([self.folder])

    def add(self, name: str, write: Callable[[Path], object]) -> str:
        """Write a file and return its path.

        Args:
            name: Name of the file, also for the visitor's download.
            write: Called with the path, to write the file.

        Raises:
            gr.Error: If the disk is full, or the job has taken too long or written too much; the
                message is for visitors.
        """
        jobs.check()
        path, job = self.folder / secrets.token_hex(16) / name, jobs.current()
        try:
            path.parent.mkdir()
            write(path)
            size = path.stat().st_size
            self.check_size(size)
        except BaseException as error:
            shutil.rmtree(path.parent, ignore_errors=True)
            if is_disk_full(error):
                logging.getLogger("colorzoo.demo").error("The disk is full: %s", error)
                raise problem(DISK_FULL) from error
            raise
        if job is not None:
            job.bytes += size
        with self._lock:
            self._files[path] = _File(size, time.monotonic(), jobs.owner(), job)
            self._bytes += size
        self.tidy()
        return str(path)

    def remove(self, path: Path) -> None:
        """Delete a file that its own job has written and needs no longer."""
        with self._lock:
            if path in self._files:
                file = self._files[path]
                if file.job is not None:
                    file.job.bytes -= file.size
                self._delete(path)

    def check_size(self, size: int) -> None:
        """Check that the current job may write so many more bytes.

        Raises:
            gr.Error: If not.
        """
        job = jobs.current()
        if job is not None and job.bytes + size > self._max_bytes / 2:
            raise problem(
                f"The results have more than {self._max_bytes / 2e9:.1f} GB together, which is the "
                "limit of this page. Try fewer models or samples, or a smaller photo."
            )

    def tidy(self) -> None:
        """Delete expired files, and as many others as there are too many."""
        with self._lock:
            now = time.monotonic()
            for path, file in list(self._files.items()):
                if now - file.written < self._max_age:
                    break  # the others are newer
                self._delete(path)
            if self._bytes > self._max_bytes:
                self._make_room()

    def _make_room(self) -> None:
        *older, _ = self._files.items()
        shares = Counter[str]()
        for file in self._files.values():
            shares[file.owner] += file.size
        # Pinned files count at most half of the limit: otherwise, large results of a running job
        # would drive out everybody else's.
        pinned = sum(file.size for file in self._files.values() if file.is_pinned)
        excess = self._bytes - pinned + min(pinned, self._max_bytes // 2) - self._max_bytes
        loose: dict[str, list[Path]] = {}  # by owner, the oldest last
        for path, file in reversed(older):
            if not file.is_pinned:
                loose.setdefault(file.owner, []).append(path)
        sizes = {path: file.size for path, file in self._files.items()}
        for path in heaviest_first(loose, shares, sizes, excess):
            self._delete(path)

    def _delete(self, path: Path) -> None:
        self._bytes -= self._files.pop(path).size
        shutil.rmtree(path.parent, ignore_errors=True)
