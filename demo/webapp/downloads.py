"""The files that the page serves: in one folder, limited in size and age."""

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import gradio as gr


class Shelf:
    """A folder of results; the oldest files are deleted when it is full or when they expire.

    Every file is in a subfolder with a random name, so nobody can guess its URL. Gradio serves the
    folder directly, without making other copies.

    Args:
        max_bytes: Largest total size of the files; the newest one is always kept.
        max_age: Seconds after which a file is deleted.
    """

    def __init__(self, *, max_bytes: int, max_age: float) -> None:
        """Create the folder; it is deleted when the program ends."""
        self._folder = tempfile.TemporaryDirectory(prefix="colorzoo-demo-")
        self._max_bytes, self._max_age = max_bytes, max_age
        self._files: OrderedDict[Path, tuple[int, float]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        gr.set_static_paths([self.folder])

    @property
    def folder(self) -> Path:
        """The folder that contains the files."""
        return Path(self._folder.name)

    def add(self, name: str, write: Callable[[Path], object]) -> str:
        """Write a file and return its path.

        Args:
            name: Name of the file, also for the visitor's download.
            write: Called with the path, to write the file.
        """
        path = self.folder / secrets.token_hex(16) / name
        path.parent.mkdir()
        write(path)
        with self._lock:
            self._files[path] = (path.stat().st_size, time.monotonic())
            self._bytes += self._files[path][0]
        self.tidy()
        return str(path)

    def tidy(self) -> None:
        """Delete expired files, and the oldest ones if the folder is too large."""
        with self._lock:
            while self._files:
                path, (size, written) = next(iter(self._files.items()))
                is_too_much = self._bytes > self._max_bytes and len(self._files) > 1
                if not is_too_much and time.monotonic() - written < self._max_age:
                    return
                del self._files[path]
                self._bytes -= size
                path.unlink(missing_ok=True)
                path.parent.rmdir()
