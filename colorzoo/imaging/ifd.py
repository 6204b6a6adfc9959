"""TIFF directories, which EXIF uses too: read and written with every value's bytes unchanged."""

import struct
from collections.abc import Container
from typing import BinaryIO, NamedTuple

_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_UNITS |= {16: 8, 17: 8, 18: 8, 129: 1}  # those of BigTIFF, and UTF-8


MOST_ENTRIES = 4096  # in one directory; real ones have fewer than 100


_USER_COMMENT = 0x9286


class Entry(NamedTuple):
    """A tag's value.

    Attributes:
        kind: The TIFF type, such as 2 for ASCII.
        data: The bytes of the value, in the byte order of its directory.
        at: Where the data is. When written, it gets the same place; any place if None.
    """

    kind: int
    data: bytes
    at: int | None = None


Directory = dict[int, Entry]


class Claim(NamedTuple):
    """What an entry of a directory claims to hold; nothing of it was read.

    Attributes:
        tag: The tag.
        kind: The TIFF type.
        amount: Number of values.
        length: Their bytes.
        at: Where the bytes are.
    """

    tag: int
    kind: int
    amount: int
    length: int
    at: int


class TiffReader:
    """Read the directories of a TIFF file or EXIF block, within a memory limit.

    Values that lie outside the file or exceed the limit are skipped.

    Attributes:
        order: The byte order, "<" or ">", as :mod:`struct` spells it.
        is_big: Whether it is a BigTIFF.
        first: Where the first directory is.
        is_damaged: Whether a value was skipped.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        """Read the header.

        Args:
            stream: The file; it is read from its start.
            limit: Most bytes that all values together may have.

        Raises:
            ValueError: If it is not a TIFF.
        """
        self._stream, self._left = stream, limit
        self.is_damaged = False
        head = self._read(0, 16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        kind = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 8 else None
        if order is None or kind not in (42, 43):
            raise ValueError("no TIFF header")
        self.order, self.is_big = order, kind == 43
        if self.is_big and len(head) < 16:
            raise ValueError("TIFF header cut short")
        self.first: int = struct.unpack(
            f"{order}Q" if self.is_big else f"{order}I", head[8:16] if self.is_big else head[4:8]
        )[0]

    def claims(self, offset: int) -> list[Claim]:
        """Return what the entries of the directory at an offset claim to hold.

        Raises:
            ValueError: If there is no directory.
        """
        head, size = ("Q", 20) if self.is_big else ("H", 12)
        count = self._number(offset, head)
        if count is None or count > MOST_ENTRIES:
            raise ValueError("no directory")
        start = offset + struct.calcsize(f"<{head}")
        table = self._read(start, count * size)
        self.is_damaged |= len(table) < count * size
        layout = f"{self.order}HHQ8s" if self.is_big else f"{self.order}HHI4s"
        claims: list[Claim] = []
        for i in range(len(table) // size):
            tag, kind, number, inline = struct.unpack_from(layout, table, i * size)
            length = number * _UNITS.get(kind, 0)
            at = start + i * size + size - len(inline)
            if length > len(inline):
                (at,) = struct.unpack(f"{self.order}{'Q' if self.is_big else 'I'}", inline)
            claims.append(Claim(tag, kind, number, length, at))
        return claims

    def value(self, claim: Claim) -> bytes:
        """Read what an entry claims; fewer bytes if the file ends before."""
        return self._read(claim.at, claim.length)

    def after(self, offset: int) -> int:
        """Return where the directory after that at an offset is; 0 if there is none."""
        head, size = ("Q", 20) if self.is_big else ("H", 12)
        count = self._number(offset, head)
        if count is None:
            return 0
        end = offset + struct.calcsize(f"<{head}") + count * size
        return self._number(end, "Q" if self.is_big else "I") or 0

    def directory(self, offset: int, wanted: Container[int] | None = None) -> Directory:
        """Read the directory at an offset, or only its wanted tags.

        Raises:
            ValueError: If there is no directory.
        """
        found: Directory = {}
        for claim in self.claims(offset):
            tag, length = claim.tag, claim.length
            if length == 0 or tag in found or (wanted is not None and tag not in wanted):
                continue
            data = self.value(claim) if length <= self._left else b""
            if len(data) == length:
                self._left -= length
                found[tag] = Entry(claim.kind, data, claim.at)
            else:
                self.is_damaged = True
        return found

    def child(self, parent: Directory, pointer: int) -> Directory:
        """Read the directory that a tag of another points to; empty if there is none."""
        entry = parent.get(pointer)
        if entry is None:
            return {}
        try:
            return self.directory(number(entry, self.order))
        except ValueError:
            self.is_damaged = True
            return {}

    def page(self, index: int) -> int:
        """Return where the directory of a page is.

        Raises:
            ValueError: If there are fewer pages.
        """
        offset = self.first
        for _ in range(index):
            offset = self.after(offset)
            if not offset:
                raise ValueError("no such page")
        return offset

    def _number(self, offset: int, kind: str) -> int | None:
        data = self._read(offset, struct.calcsize(f"<{kind}"))
        try:
            return struct.unpack(f"{self.order}{kind}", data)[0]
        except struct.error:
            return None

    def _read(self, offset: int, length: int) -> bytes:
        if not 0 <= offset < 1 << 63:
            return b""
        self._stream.seek(offset)
        return self._stream.read(length)


def number(entry: Entry, order: str) -> int:
    """Return the value of a whole-number tag.

    Raises:
        ValueError: If it is not a number.
    """
    kinds = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
    if entry.kind not in kinds:
        raise ValueError("not a whole number")
    return struct.unpack_from(f"{order}{kinds[entry.kind]}", entry.data)[0]


def swapped(directory: Directory, order: str) -> Directory:
    """Return a directory of the other byte order.

    Args:
        directory: The directory.
        order: The byte order that it has.
    """
    units = {3: 2, 8: 2, 4: 4, 5: 4, 9: 4, 10: 4, 11: 4, 13: 4, 12: 8, 16: 8, 17: 8, 18: 8}
    result: Directory = {}
    for tag, entry in directory.items():
        data = _reversed(entry.data, units.get(entry.kind, 1))
        if tag == _USER_COMMENT and data.startswith(b"UNICODE\0"):  # UTF-16 in the byte order
            data = data[:8] + _reversed(data[8:], 2)
        result[tag] = entry._replace(data=data)
    return result


def _reversed(data: bytes, unit: int) -> bytes:
    whole = len(data) // unit * unit
    swapped_data = bytearray(data)
    for i in range(unit):
        swapped_data[i:whole:unit] = data[unit - 1 - i : whole : unit]
    return bytes(swapped_data)


class _Places:
    """Free places, in ascending order of their offsets, around data that must not move."""

    def __init__(self, start: int, fixed: Entry | None) -> None:
        self._gap, self._next = start, start
        self._gap_end = start
        if fixed is not None and fixed.at is not None and fixed.at >= start:
            self._gap_end = fixed.at
            self._next = _even(fixed.at + len(fixed.data))

    def take(self, length: int) -> int:
        if self._gap + length <= self._gap_end:
            at, self._gap = self._gap, _even(self._gap + length)
        else:
            at, self._next = self._next, _even(self._next + length)
        return at


def _even(offset: int) -> int:
    return offset + offset % 2


def _pieces(
    main: Directory, children: dict[int, Directory], order: str, places: _Places, *, is_big: bool
) -> tuple[int, list[tuple[int, bytes]]]:
    """Return where the main directory is, and all data to write with its offset."""
    head, entry, pointer = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    room = 8 if is_big else 4
    children = {tag: child for tag, child in children.items() if child}
    tags = {tag: Entry(16 if is_big else 4, bytes(room)) for tag in children}
    directories = [{**main, **tags}, *children.values()]
    starts = [
        places.take(struct.calcsize(f"<{head}{pointer}") + len(each) * struct.calcsize(f"<{entry}"))
        for each in directories
    ]
    for tag, start in zip(children, starts[1:], strict=True):
        directories[0][tag] = directories[0][tag]._replace(
            data=struct.pack(f"{order}{pointer}", start)
        )
    written: list[tuple[int, bytes]] = []
    for directory, start in zip(directories, starts, strict=True):
        table = struct.pack(f"{order}{head}", len(directory))
        for tag, value in sorted(directory.items()):
            inline = value.data
            if len(value.data) > room:
                at = places.take(len(value.data)) if value.at is None else value.at
                written.append((at, value.data))
                inline = struct.pack(f"{order}{pointer}", at)
            count = len(value.data) // _UNITS[value.kind]
            table += struct.pack(f"{order}{entry}", tag, value.kind, count, inline)
        written.append((start, table + bytes(room)))  # no further directory
    return starts[0], written


def to_block(main: Directory, children: dict[int, Directory], order: str) -> bytes:
    """Write directories as an EXIF block.

    Args:
        main: The tags of the first directory.
        children: The directories that it points to, by the tag of the pointer. Empty ones are left
            out. At most one value may have a fixed place.
        order: The byte order of the directories, "<" or ">".

    Returns:
        The block, with "Exif" and two NUL bytes before it, as in a JPEG.
    """
    values = [value for each in (main, *children.values()) for value in each.values()]
    fixed = next((value for value in values if value.at is not None), None)
    start, written = _pieces(main, children, order, _Places(8, fixed), is_big=False)
    block = bytearray(max(at + len(data) for at, data in written))
    block[:8] = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, start)
    for at, data in written:
        block[at : at + len(data)] = data
    return b"Exif\0\0" + bytes(block)


def add_to_tiff(
    stream: BinaryIO, main: Directory, children: dict[int, Directory], order: str
) -> None:
    """Add tags to the first page of a TIFF that has just been written.

    Args:
        stream: The file, open for reading and writing. Its pixels stay where they are.
        main: The tags to add. Tags that the file has are kept.
        children: The directories to add, by the tag of the pointer.
        order: The byte order of ``main`` and ``children``.
    """
    end = _even(stream.seek(0, 2))
    reader = TiffReader(stream, end)
    present = reader.directory(reader.first)
    if reader.order != order:
        main = swapped(main, order)
        children = {tag: swapped(child, order) for tag, child in children.items()}
    # The file's own values keep their places; the old directory is no longer used.
    places, is_big = _Places(end, None), reader.is_big
    start, written = _pieces({**main, **present}, children, reader.order, places, is_big=is_big)
    for at, data in sorted(written):
        if at >= end:
            stream.seek(at)
            stream.write(data)
    stream.seek(8 if is_big else 4)
    stream.write(struct.pack(f"{reader.order}{'Q' if is_big else 'I'}", start))
    stream.seek(0, 2)
