"""The container formats that films are read from and written to."""

from pathlib import Path, PurePath

from colorzoo.errors import ConfigError, FilmError

# Suffix -> container to write; None for containers that are only read, because they cannot contain
# H.264, or not with every kind of sound.
CONTAINERS: dict[str, str | None] = {
    **{".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"},
    **dict.fromkeys((".webm", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts")),
    **dict.fromkeys((".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".dv")),
}


_WRITABLE = [suffix for suffix, kind in CONTAINERS.items() if kind]


def is_film_name(path: PurePath) -> bool:
    """Tell whether a path has the suffix of a film."""
    return path.suffix.lower() in CONTAINERS


def writable_film(path: Path) -> Path:
    """Return the path, with the suffix .mkv (any kind of sound) if its container is only read."""
    return path if CONTAINERS.get(path.suffix.lower()) else path.with_suffix(".mkv")


def container_of(target: Path) -> str:
    """Return the container in which a film of that name is written.

    Raises:
        FilmError: If films are not written with that suffix.
    """
    kind = CONTAINERS.get(target.suffix.lower())
    if kind is None:
        raise FilmError(f"{target.name}: films can only be written as {choices()}.")
    return kind


def check_pyav() -> None:
    """Check that PyAV is installed.

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
