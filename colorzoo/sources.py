"""What callers may give as photos: one of them in any form, or many, which are read one by one."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image

from colorzoo.caller import warn
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError, ImageError, as_given
from colorzoo.imaging.formats import photos_below
from colorzoo.imaging.read import ImageSource, Photo, read_file, read_photo


def as_photo(source: ImageSource | Photo, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photo, unless it is one already; its notes are warnings to the caller of colorzoo."""
    if isinstance(source, Photo):
        return source
    if _is_folder(source) or not _is_one(source):
        kind = "a folder" if _is_folder(source) else f"several ({type(source).__name__})"
        raise ImageError(
            f"expected one picture, got {kind}: colorize_batch() takes many and yields one result "
            "after another"
        )
    photo = read_photo(source, max_pixels=max_pixels)
    for note in photo.notes:
        warn(f"{photo.name}: {note}")
    return photo


def photos_in(
    sources: ImageSource | Photo | Iterable[ImageSource | Photo],
    *,
    max_pixels: int = MAX_PIXELS,
    check: Callable[[Photo], object] = bool,
) -> Iterator[tuple[Photo, str | None]]:
    """Read many photos, each when it is asked for.

    Args:
        sources: See ``Colorizer.colorize_batch``.
        max_pixels: Largest width * height to accept.
        check: Called with each photo; raises a ConfigError for those that cannot be coloured.

    Yields:
        The photos, and their paths if they are files.

    Raises:
        ImageError: If one cannot be read. In a folder, it is skipped with a warning.
        ConfigError: What ``check`` raised. In a folder, such a photo is skipped with a warning.
    """
    if not _is_one(sources):
        for each in _each_of(sources):
            yield from (
                photos_in(each, max_pixels=max_pixels, check=check)
                if _is_many(each)
                else (_read(each, max_pixels, check),)
            )
    elif _is_folder(sources):
        for path in photos_below(Path(sources).expanduser()):
            try:
                photo = read_file(path, max_pixels=max_pixels)
                check(photo)
            except (ImageError, ConfigError) as error:
                warn(f"skipped: {as_given(str(error), path)}")
                continue
            for note in photo.notes:
                warn(f"{path}: {note}")
            yield photo, str(path)
    else:
        yield _read(sources, max_pixels, check)


def _read(
    source: Any, max_pixels: int, check: Callable[[Photo], object]
) -> tuple[Photo, str | None]:
    path = os.fsdecode(source) if isinstance(source, str | os.PathLike) else None
    photo = as_photo(source, max_pixels=max_pixels)
    check(photo)
    return photo, path


def _is_one(sources: Any) -> bool:
    """Tell whether this is one photo, or something that ``read_photo`` has to refuse."""
    if isinstance(sources, np.ndarray | torch.Tensor):
        return sources.ndim != 4
    plain = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, Photo)
    if isinstance(sources, plain) or hasattr(sources, "read"):  # files are iterables of lines
        return True
    return not isinstance(sources, Iterable)


def _is_many(source: Any) -> bool:
    """Tell whether an item of a list is itself several photos: a folder, or a batch of pixels."""
    if isinstance(source, np.ndarray | torch.Tensor):
        return source.ndim == 4
    return _is_folder(source)


def _is_folder(source: Any) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(source, str | os.PathLike) and os.path.isdir(os.path.expanduser(source))


def _each_of(sources: Any) -> Iterable[Any]:
    if isinstance(sources, dict):
        raise ImageError(
            "expected photos, got a dict; pass its values, as in colorize_batch(photos.values())"
        )
    return sources
