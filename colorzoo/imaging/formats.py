"""The file formats that colorzoo reads and writes, by suffix, and the search for photos."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

# Suffix -> format to write; None if colorzoo only reads the format.
FORMATS: dict[str, str | None] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **{".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"},
    **dict.fromkeys((".gif", ".mpo", ".apng")),
}


SUFFIXES: frozenset[str] = frozenset(FORMATS)


WRITABLE: frozenset[str] = frozenset(suffix for suffix, kind in FORMATS.items() if kind)


def is_photo_name(path: PurePath) -> bool:
    """Tell whether a path has the suffix of a photo, and no part of it is hidden."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def photos_below(
    folder: Path,
    *,
    skip: Path | None = None,
    is_named: Callable[[PurePath], bool] = is_photo_name,
) -> Iterator[Path]:
    """Yield the photos, judged by their names, in a folder and its subfolders.

    Args:
        folder: The folder; hidden files and subfolders are skipped.
        skip: A subfolder to skip, such as the output folder.
        is_named: Test for paths relative to the folder, to find other kinds of files.
    """
    left_out = skip.resolve() if skip else None
    inside = left_out is not None and folder.resolve() in left_out.parents
    for path in sorted(folder.rglob("*")):
        if not is_named(path.relative_to(folder)) or not path.is_file():
            continue
        if not (inside and left_out in path.resolve().parents):
            yield path
