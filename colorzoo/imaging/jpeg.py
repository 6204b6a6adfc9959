"""What is checked in a JPEG before it is decoded, and how one whose end is missing is decoded."""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import JpegImagePlugin

from colorzoo.errors import ImageError

_END = b"\xff\xd9"
# In entropy-coded data, FF is followed by 00; D0 to D7 are restart markers.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_TABLES = (0xC4, 0xC8, 0xCC)  # among the markers of frames
_SEQUENTIAL, _FRAMES = (0xC0, 0xC1), (0xC0, 0xC1, 0xC2)
# Every scan goes over all pixels; encoders write up to 20. Segments before the pixels, of which 700
# fill 40 MB; those of EXIF are appended to each other; bytes between segments, read one by one.
_MOST_SCANS, _MOST_SEGMENTS, _MOST_EXIF, _MOST_JUNK = 64, 4096, 32, 1 << 16
_MOST_RESOURCES = 1 << 14  # of Photoshop
# Rows that may be missing: one row of blocks and its blurred edge, or this share of the picture.
_BLOCK, _MISSING = 18, 0.05
# Data that decodes to something else than nothing does.
_FILLER = b"\x55" * 4096


@dataclass
class _Structure:
    """The parts of a JPEG file.

    Attributes:
        frame: Type of the frame: 0xC0 baseline, 0xC2 progressive and so on; 0 if there is none.
        height: Rows.
        components: Ids of the components.
        scans: For each scan: component ids, first and last coefficient, and its lowest bit.
        is_whole: Whether the end marker was found.
    """

    frame: int = 0
    height: int = 0
    components: list[int] = field(default_factory=list)
    scans: list[tuple[list[int], int, int, int]] = field(default_factory=list)
    is_whole: bool = False


def size_of(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and number of components of a JPEG file; None if they are not there."""
    for marker, content in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _TABLES and len(content) > 5:
            height, width, components = struct.unpack_from(">HHB", content, 1)
            return width, height, components
    return None


def check(data: bytes, name: str) -> None:
    """Refuse a file whose structure takes much more time than its pixels.

    Args:
        data: The file.
        name: Name of the file for messages.

    Raises:
        ImageError: If it has too many scans or segments.
    """
    scans = exif = resources = 0
    try:
        for marker, content in _segments(data):
            scans += marker == 0xDA
            exif += marker == 0xE1 and content.startswith(b"Exif")
            resources += content.count(b"8BIM") if marker == 0xED else 0
            if scans > _MOST_SCANS or exif > _MOST_EXIF or resources > _MOST_RESOURCES:
                raise ValueError(f"{max(scans, exif, resources):,} scans or blocks of metadata")
    except ValueError as error:
        raise ImageError(
            f"{name}: is a JPEG with {error}, more than cameras or programs write; save it anew in "
            "an image editor"
        ) from error


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of the segments, as a lenient decoder finds them.

    Raises:
        ValueError: If there are too many, or too much junk between them.
    """
    place = count = junk = 0
    has_pixels = False
    while found := _MARKER.search(data, place):
        start, marker = found.end(), data[found.end() - 1]
        if not has_pixels:
            junk += start - 2 - place
        place = start
        if has_pixels and marker == 0xD9:
            return
        if 0xD0 <= marker <= 0xD9 or marker == 1:
            count += not has_pixels
        else:
            length = int.from_bytes(data[start : start + 2], "big")
            yield marker, data[start + 2 : start + length]
            place, count = start + max(length, 2), count + 1
            has_pixels |= marker == 0xDA
        if count > _MOST_SEGMENTS or junk > _MOST_JUNK:
            raise ValueError(f"{count:,} segments and {junk:,} bytes between them")
    if not has_pixels and len(data) - place > _MOST_JUNK:
        raise ValueError(f"{len(data) - place:,} bytes that are no pixels")


def lacks_end(data: bytes) -> bool:
    """Tell whether a JPEG file has no end marker."""
    # Most files end with it, some with padding or junk after it.
    return not data.rstrip(b"\0").endswith(_END) and not _structure(data).is_whole


def completed(data: bytes) -> tuple[bytes, str] | None:
    """Complete a JPEG file that lacks its end.

    Args:
        data: The file, for which ``lacks_end`` is true.

    Returns:
        A file that can be decoded, and a note for the user; None if too much is missing.
    """
    data = data.rstrip(b"\0").removesuffix(b"\xff")
    parts = _structure(data)
    if parts.frame in _SEQUENTIAL and len(parts.scans) == 1:
        missing = _missing_rows(data)
        if missing > max(_BLOCK, _MISSING * parts.height):
            return None
        lost = f"its last {missing} rows are" if missing else "its end mark is"
        return data + _END, f"the file is cut short: {lost} missing"
    if parts.frame in _FRAMES and _has_all_scans(parts):
        return data + _END, "the file is cut short: some detail at its end may be missing"
    return None


def _structure(data: bytes) -> _Structure:
    """Walk through the segments of a file."""
    found, place = _Structure(), 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : place + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in _TABLES:
            found.frame, found.components = marker, list(content[6::3])
            found.height = int.from_bytes(content[1:3], "big")
        place += 2 + length
        if marker == 0xDA and content:
            count = content[0]
            start, stop, bits = (content[1 + 2 * count :] + b"\0\0\0")[:3]
            found.scans.append((list(content[1 : 1 + 2 * count : 2]), start, stop, bits & 15))
            after = _MARKER.search(data, place)
            place = after.start() if after else len(data)
    found.is_whole = data[place : place + 2] == _END
    return found


def _has_all_scans(parts: _Structure) -> bool:
    """Tell whether the last scan of every coefficient of every component has begun."""
    sent = {component: np.zeros(64, bool) for component in parts.components}
    for components, start, stop, low in parts.scans:
        for component in components:
            if component in sent and low == 0:
                sent[component][start : (stop if parts.frame == 0xC2 else 63) + 1] = True
    return bool(sent) and all(each.all() for each in sent.values())


def _missing_rows(data: bytes) -> int:
    """Return how many rows at the bottom depend on what follows the data."""
    one, other = (
        np.asarray(JpegImagePlugin.JpegImageFile(io.BytesIO(data + filler + _END)))
        for filler in (b"", _FILLER)
    )
    differ = np.flatnonzero((one != other).reshape(len(one), -1).any(axis=1))
    return len(one) - int(differ[0]) if len(differ) else 0
