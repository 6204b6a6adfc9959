"""Files that the page hands out: in a folder of their own, limited in bytes and in age."""

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import gradio as gr


class Shelf:
    """A folder of results; the oldest files go when it is full or when their time has come.

    Every file lies in a folder with a random name, so that who does not know its address cannot
    get at it. Gradio serves the folder as it is: nothing is copied or remembered anywhere else.

    Args:
        max_bytes: What all files together may take; the newest one is always kept.
        max_age: Seconds after which a file is deleted.
    """

    def __init__(self, *, max_bytes: int, max_age: float) -> None:
        """Make the folder; it is deleted when the program ends."""
        self._folder = tempfile.TemporaryDirectory(prefix="colorzoo-demo-")
        self._max_bytes, self._max_age = max_bytes, max_age
        self._files: OrderedDict[Path, tuple[int, float]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        gr.set_static_paths([self.folder])

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return Path(self._folder.name)

    def add(self, name: str, write: Callable[[Path], object]) -> str:
        """Write a file and give its path.

        Args:
            name: What it is called, and what the visitor's download will be called.
            write: Writes it at the path that it is given.
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
        """Delete what is too old or too much."""
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
