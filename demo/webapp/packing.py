"""The results of several photos in one ZIP."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import gradio as gr

from webapp import jobs, pictures
from webapp import session as sessions
from webapp.theme import problem, words_of

MAX_PHOTOS = 50  # in one ZIP


@dataclass(frozen=True)
class Packed:
    """How far a ZIP is.

    Attributes:
        done: Number of photos that are in it, or could not be read.
        total: Number of photos.
        seconds_left: An estimate; None before the first photo is done.
        failed: Why photos are missing.
        path: The file, once it is complete.
    """

    done: int
    total: int
    seconds_left: float | None = None
    failed: tuple[str, ...] = ()
    path: str | None = None


def archive(
    asks: Sequence[pictures.Asked], suffix: str, is_cancelled: Callable[[], bool]
) -> Iterator[Packed]:
    """Write a ZIP with the results of several photos; a photo that cannot be read is left out.

    Args:
        asks: The photos and how to colour each.
        suffix: Of the results.
        is_cancelled: Whether to stop, without a file.
    """
    if not 1 <= len(asks) <= MAX_PHOTOS:
        raise problem(f"A ZIP can have from 1 to {MAX_PHOTOS} photos, not {len(asks)}.")
    start, failed, names = time.monotonic(), list[str](), set[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "colorzoo.zip"
        yield Packed(0, len(asks))
        with ZipFile(whole, "w", ZIP_STORED) as file:  # photos are already compressed
            for done, ask in enumerate(asks, 1):
                if is_cancelled():
                    return
                jobs.check()
                try:
                    path = Path(pictures.save(ask, suffix))
                except gr.Error as error:
                    failed.append(words_of(error))
                else:
                    file.write(path, _unique(path.name, names))
                    sessions.SHELF.remove(path)
                    sessions.SHELF.check_size(whole.stat().st_size)
                left = (time.monotonic() - start) / done * (len(asks) - done)
                yield Packed(done, len(asks), left, tuple(failed))
        if is_cancelled():
            return
        if not names:
            raise problem("None of the photos could be coloured: " + " ".join(failed))
        path = sessions.SHELF.add("colorzoo.zip", lambda path: shutil.move(whole, path))
    yield Packed(len(asks), len(asks), 0.0, tuple(failed), path)


def _unique(name: str, names: set[str]) -> str:
    """Return a name that is not there yet, and add it."""
    stem, suffix, number = Path(name).stem, Path(name).suffix, 1
    while name.lower() in names:
        number += 1
        name = f"{stem}-{number}{suffix}"
    names.add(name.lower())
    return name
