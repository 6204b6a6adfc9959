"""Which files are photos, by their names, and what colorzoo can write."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

# Suffix -> format to write; None where colorzoo reads the format but does not write it.
FORMATS: dict[str, str | None] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **{".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"},
    **dict.fromkeys((".gif", ".mpo", ".apng")),
}


SUFFIXES: frozenset[str] = frozenset(FORMATS)


WRITABLE: frozenset[str] = frozenset(suffix for suffix, kind in FORMATS.items() if kind)


def is_photo_name(path: PurePath) -> bool:
    """Tell whether a file is named like a photo, and neither it nor a folder above it is hidden."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def photos_below(
    folder: Path,
    *,
    skip: Path | None = None,
    is_named: Callable[[PurePath], bool] = is_photo_name,
) -> Iterator[Path]:
    """Yield the files in a folder, and in those below it, that are named like photos.

    Args:
        folder: The folder; hidden ones inside it are passed over.
        skip: A folder inside it to leave out, such as the one that results are written to.
        is_named: Asked of paths in the folder instead, to find other files.
    """
    left_out = skip.resolve() if skip else None
    inside = left_out is not None and folder.resolve() in left_out.parents
    for path in sorted(folder.rglob("*")):
        if not is_named(path.relative_to(folder)) or not path.is_file():
            continue
        if not (inside and left_out in path.resolve().parents):
            yield path
