"""The boxes of which JPEG 2000, JPEG XL, HEIC and AVIF files consist (ISO/IEC 14496-12)."""

import re
import struct
from typing import NamedTuple

from colorzoo.imaging.claims import is_safe_for_pillow

_MOST = 4096  # boxes; files have some dozens
# The entry of an item that is EXIF: version, flags, number, protection, type
_EXIF_ENTRY = re.compile(rb"infe([\x02\x03]).{3}((?:.{2}){1,2}).{2}Exif", re.DOTALL)


class Box(NamedTuple):
    """A box.

    Attributes:
        kind: Its type.
        at: Where it begins.
        start: Where its content begins.
        end: Where it ends.
    """

    kind: bytes
    at: int
    start: int
    end: int


def boxes_of(data: bytes, start: int = 0, end: int | None = None) -> list[Box]:
    """List the boxes between two places, up to the first that is damaged.

    Raises:
        ValueError: If there are too many.
    """
    found, place = list[Box](), start
    end = len(data) if end is None else min(end, len(data))
    while place + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, place)
        content = place + 8
        if size == 1 and place + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = place + size if size else end
        if stop < content:
            break
        if len(found) == _MOST:
            raise ValueError(f"more than {_MOST:,} boxes")
        found.append(Box(kind, place, content, min(stop, end)))
        place = stop
    return found


def renamed(data: bytes, kinds: tuple[bytes, ...]) -> bytes:
    """Return a file in which readers skip the boxes of some types.

    Raises:
        ValueError: If there are too many boxes.
    """
    for box in boxes_of(data):
        if box.kind in kinds:
            data = data[: box.at + 4] + b"free" + data[box.at + 8 :]
    return data


def without_unsafe_exif(data: bytes) -> bytes:
    """Rename the EXIF of a HEIF or AVIF file, unless Pillow can read it in little memory.

    Raises:
        ValueError: If there are too many boxes.
    """
    entries = list(_EXIF_ENTRY.finditer(data))
    if len(entries) == 1:
        block = _item(data, int.from_bytes(entries[0][2], "big"))
        if block is not None and is_safe_for_pillow(block[4:]):
            return data
    for entry in entries:
        data = data[: entry.end() - 4] + b"skip" + data[entry.end() :]
    return data


def _item(data: bytes, number: int) -> bytes | None:
    """Return the content of an item that is in one piece in the file; None if it is not."""
    for meta in boxes_of(data):
        if meta.kind != b"meta":
            continue
        for box in boxes_of(data, meta.start + 4, meta.end):
            if box.kind == b"iloc":
                try:
                    return _located(data, data[box.start : box.end], number)
                except struct.error:
                    return None
    return None


def _located(data: bytes, table: bytes, number: int) -> bytes | None:
    version, sizes, more = table[0], table[4], table[5]
    forms = {0: "", 4: "I", 8: "Q"}
    offset, length = forms.get(sizes >> 4), forms.get(sizes & 15)
    base, index = forms.get(more >> 4), forms.get(more & 15) if version else ""
    if not offset or not length or base is None or index is None or version > 2:
        return None
    head = ">" + ("I" if version == 2 else "H") + ("H" if version else "") + "H" + base + "H"
    extent = f">{index}{offset}{length}"
    (count,) = struct.unpack_from(">I" if version == 2 else ">H", table, 6)
    place = 10 if version == 2 else 8
    for _ in range(count):
        fields = struct.unpack_from(head, table, place)
        place += struct.calcsize(head)
        extents = fields[-1]
        if fields[0] == number:
            if extents != 1 or (version and fields[1] & 15):
                return None
            *_, start, size = struct.unpack_from(extent, table, place)
            start += fields[-2] if base else 0
            return data[start : start + size]
        place += extents * struct.calcsize(extent)
    return None
