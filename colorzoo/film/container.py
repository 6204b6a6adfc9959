"""The container formats that films are read from and written to."""

from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from colorzoo.errors import ConfigError, FilmError

if TYPE_CHECKING:
    from av.container import InputContainer

# Suffix -> container to write; None for containers that are only read, because they cannot contain
# H.264, or not with every kind of sound.
CONTAINERS: dict[str, str | None] = {
    **{".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"},
    **dict.fromkeys((".webm", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts")),
    **dict.fromkeys((".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".dv")),
}


# What FFmpeg may take a file for: formats that have films in one file. Playlists, descriptions of
# streams and numbered pictures are not among them, because they name other files and addresses.
_DEMUXERS = (
    *("mov", "matroska", "avi", "mpeg", "mpegts", "asf", "flv", "ogg", "mxf", "dv", "gxf", "wtv"),
    *("rm", "nut", "ivf", "mpegvideo", "m4v", "h264", "hevc", "vvc", "vc1", "obu", "yuv4mpegpipe"),
)
_OPTIONS = {
    "format_whitelist": ",".join(_DEMUXERS),
    "protocol_whitelist": "file",
    "enable_drefs": "0",  # tracks of a MOV that are in other files
    # Read no new tracks after the first recording of a joined broadcast: go on with those of the
    # first.
    "merge_pmt_versions": "1",
    "max_streams": "64",
}

# Bytes of the largest MP4 that is looked through for claims, the types of its first box, and the
# samples that it may have: 19 hours at 60 frames a second
_SEARCHED, _MOST_SAMPLES = 1 << 28, 1 << 22
_MP4_BOXES = (b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")

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


def open_container(source: Path, *, max_pixels: int) -> "InputContainer":
    """Open a film for reading; no other file or address is opened.

    Args:
        source: The file.
        max_pixels: Largest width * height of a picture; decoders refuse larger ones.

    Raises:
        FFmpegError: If it is not a film.
        FilmError: If it claims to have more samples than fit in memory.
    """
    import av

    _check_samples(source)

    # Without "file:", FFmpeg takes names like "http:/a.mp4" or "concat:a|b" for addresses.
    return av.open(
        f"file:{source.absolute()}",
        metadata_errors="replace",  # only the letters that cannot be decoded
        options={"max_pixels": str(max_pixels)},
        container_options=_OPTIONS,
    )


def _check_samples(source: Path) -> None:
    """Refuse an MP4 that claims to have more samples than fit in memory.

    For each, FFmpeg needs some 40 bytes, but the file none. Large files are not looked through.
    """
    size = source.stat().st_size
    if not 0 < size <= _SEARCHED:
        return
    total = 0
    with source.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        if data[4:8] not in _MP4_BOXES:
            return
        place = data.find(b"trun")
        while place >= 4 and place + 12 <= size:
            length = int.from_bytes(data[place - 4 : place], "big")
            if 16 <= length <= size:  # otherwise these letters are only part of the pictures
                total += int.from_bytes(data[place + 8 : place + 12], "big")
            place = data.find(b"trun", place + 4)
    if total > _MOST_SAMPLES:
        raise FilmError(
            f"{source.name}: claims to have {total:,} frames in a file of {size:,} bytes; it is "
            "damaged or malicious. Copy the film again."
        )


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
