"""Containers that films are read from and written to."""

from pathlib import Path, PurePath

from colorzoo.errors import ConfigError, FilmError

# Suffix -> container to write; None where films are read but not written: those containers do not
# hold H.264, or not with any sound.
CONTAINERS: dict[str, str | None] = {
    **{".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"},
    **dict.fromkeys((".webm", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts")),
    **dict.fromkeys((".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".dv")),
}


_WRITABLE = [suffix for suffix, kind in CONTAINERS.items() if kind]


def is_film_name(path: PurePath) -> bool:
    """Tell whether a file is named like a film."""
    return path.suffix.lower() in CONTAINERS


def writable_film(path: Path) -> Path:
    """Keep the name; what is read but not written becomes Matroska, which holds any sound."""
    return path if CONTAINERS.get(path.suffix.lower()) else path.with_suffix(".mkv")


def container_of(target: Path) -> str:
    """Name the container that a film of that name is written in.

    Raises:
        FilmError: If there is none.
    """
    kind = CONTAINERS.get(target.suffix.lower())
    if kind is None:
        raise FilmError(f"{target.name}: films are written as {choices()}; choose one of those.")
    return kind


def check_pyav() -> None:
    """Make sure that PyAV is there.

    Raises:
        ConfigError: If it is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "Films need PyAV, which is not installed: pip install 'colorzoo[video]'"
        ) from error


def choices() -> str:
    """List the suffixes of films that can be written, in words."""
    return f"{', '.join(_WRITABLE[:-1])} or {_WRITABLE[-1]}"
