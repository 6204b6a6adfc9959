"""What the directories of a TIFF or of EXIF claim to hold, judged before a library reads them.

Libraries copy what every tag claims: a thousand tags that share ten megabytes become ten gigabytes,
and five million fractions in one tag become objects for half a minute.
"""

import io
import struct
from collections.abc import Sequence
from typing import BinaryIO

from colorzoo.errors import ImageError
from colorzoo.imaging.ifd import Claim, TiffReader

# Pages of a TIFF, or pictures below one, that are looked at.
MOST_PAGES = 64
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_POINTERS = (_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY)
_SUB_PAGES = 330
# Where the parts of a picture are, and how long: strips, then tiles. A picture of 65,535 rows in
# four planes has as many strips.
_PARTS, _LENGTHS, _MOST_PARTS = (273, 279, 324, 325), (279, 325), 1 << 19
_MOST_CHANNELS = 64
# Bytes and text stay as they are; the other kinds become one object for each value.
_BYTES, _FRACTIONS = (1, 2, 7), (5, 10)
_MOST_NUMBERS, _MOST_FRACTIONS = 1 << 18, 1 << 14  # a colour map has 196,608 numbers
# A part may have more pixels than its picture: small pictures often have tiles of this size.
_TILE_BYTES = 1 << 25
# What all pages may claim besides the size of the file: pages often share a colour profile.
_SHARED = 1 << 26
# Deep pictures with many channels: bytes a pixel, and of all pixels.
_PIXEL_BYTES, _PICTURE_BYTES = 8, 1 << 28
_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _CHANNELS = 256, 257, 258, 259, 277
_TILE_WIDTH, _TILE_HEIGHT, _TILE_DEPTH = 322, 323, 32998
_DEFAULTS = {_WIDTH: 0, _HEIGHT: 0, _BITS: 1, _COMPRESSION: 1, _CHANNELS: 1}
# These and others have one value, or one for each channel.
_LAYOUT, _MOST_LAYOUT = {254, *range(256, 260), 262, 263, 266, 277, 278, 284, 317, 322, 323}, 1024
_DEFAULTS |= {_TILE_WIDTH: 0, _TILE_HEIGHT: 0, _TILE_DEPTH: 1}


def is_safe_for_pillow(block: object) -> bool:
    """Tell whether Pillow reads an EXIF block without taking much more memory than the block."""
    if not isinstance(block, bytes):
        return True
    if block.startswith(b"Exif\0\0"):
        block = block[6:]
    if not block:
        return True
    try:
        reader = TiffReader(io.BytesIO(block), 0)
        claims = _with_children(reader, reader.first)
    except ValueError:
        return False
    return _excess(claims, len(block)) is None


def check_tiff(stream: BinaryIO, name: str) -> None:
    """Refuse a TIFF with directories that would take much more memory or time than its pixels.

    Args:
        stream: The file; left at its beginning.
        name: Name of the file for messages.

    Raises:
        ImageError: If one of the pages that are looked at is such a directory.
    """
    size = stream.seek(0, 2)
    try:
        reader = TiffReader(stream, 0)
    except ValueError:  # whoever decodes it gives the reason
        stream.seek(0)
        return
    offset, seen, total = reader.first, set[int](), 0
    while offset and offset not in seen and len(seen) < MOST_PAGES:
        seen.add(offset)
        try:
            claims = _with_children(reader, offset)
        except ValueError as error:
            if len(seen) == 1:  # of a later page, nothing is read
                raise ImageError(
                    f"{name}: has no directory that can be read ({error}); it is damaged: copy it "
                    "again, or save it anew in an image editor"
                ) from error
            break
        _check_page(reader, offset, claims, size, name)
        total += sum(claim.length for claim in claims if claim.at + claim.length <= size)
        if total > size + _SHARED:
            raise ImageError(
                f"{name}: is a TIFF whose pages claim {total:,} bytes, but it has {size:,}; save "
                "the page anew in an image editor"
            )
        if len(seen) == 1:
            _check_sub_pages(reader, claims, size, name)
        offset = reader.after(offset)
    stream.seek(0)


def _check_sub_pages(reader: TiffReader, claims: list[Claim], size: int, name: str) -> None:
    for claim in claims:
        if claim.tag != _SUB_PAGES:
            continue
        for offset in _numbers(reader, claim)[:MOST_PAGES]:
            try:
                below = _with_children(reader, offset)
            except ValueError:  # it is not read either
                continue
            _check_page(reader, offset, below, size, name)


def _check_page(reader: TiffReader, offset: int, claims: list[Claim], size: int, name: str) -> None:
    # The EXIF directories may have any tags, and damage to them costs only the EXIF.
    reason = _excess(claims, size) or _layout_excess(reader, reader.claims(offset), size)
    if reason is not None:
        raise ImageError(
            f"{name}: is a TIFF that {reason}; it is damaged or malicious: copy it again, or save "
            "it anew in an image editor"
        )


def _with_children(reader: TiffReader, offset: int) -> list[Claim]:
    """Return the claims of a directory and of the EXIF directories below it.

    Raises:
        ValueError: If there is no directory.
    """
    found = reader.claims(offset)
    below = [claim for claim in found if claim.tag in _POINTERS]
    seen = {offset}
    while below:
        for place in _numbers(reader, below.pop())[:1]:
            if place in seen:
                continue
            seen.add(place)
            try:
                claims = reader.claims(place)
            except ValueError:
                continue
            found += claims
            below += [claim for claim in claims if claim.tag in _POINTERS]
    return found


def _excess(claims: Sequence[Claim], size: int) -> str | None:
    """Return in words what a directory has too much of in a file of that size; None if nothing."""
    claims = [claim for claim in claims if claim.at + claim.length <= size]  # others are not read
    claimed = sum(claim.length for claim in claims if claim.length > 8)
    if claimed > size:
        return f"claims {claimed:,} bytes in its tags, but has {size:,}"
    parts = max((claim.amount for claim in claims if claim.tag in _PARTS), default=0)
    if parts > _MOST_PARTS:
        return f"has {parts:,} strips or tiles"
    others = [claim for claim in claims if claim.tag not in _PARTS and claim.kind not in _BYTES]
    numbers = sum(claim.amount for claim in others if claim.length)
    fractions = sum(claim.amount for claim in others if claim.kind in _FRACTIONS)
    if numbers > _MOST_NUMBERS or fractions > _MOST_FRACTIONS:
        return f"has {max(numbers, fractions):,} numbers in its tags"
    return None


def _layout_excess(reader: TiffReader, claims: Sequence[Claim], size: int) -> str | None:
    """Return in words what a page has too much of besides its pixels; None if nothing."""
    known = {claim.tag: claim for claim in reversed(claims)}
    longest = max((claim.amount for claim in claims if claim.tag in _LAYOUT), default=0)
    if longest > _MOST_LAYOUT:
        return f"has {longest:,} values where it states its layout"
    first = dict(_DEFAULTS)
    for tag in _DEFAULTS.keys() & known.keys():
        first[tag] = max(_numbers(reader, known[tag])[:_MOST_CHANNELS], default=first[tag])
    pixels = first[_WIDTH] * first[_HEIGHT]
    pixel_bits = first[_CHANNELS] * first[_BITS]
    whole = pixels * pixel_bits // 8
    if pixel_bits > 8 * _PIXEL_BYTES and whole > _PICTURE_BYTES:
        return f"has {pixel_bits} bits in each of its {pixels:,} pixels"
    across, down = first[_TILE_WIDTH], first[_TILE_HEIGHT]
    tile = across * down * max(first[_TILE_DEPTH], 1) * pixel_bits // 8
    if tile > max(_TILE_BYTES, 2 * whole):
        return f"has tiles of {across} x {down} pixels, which is much more than the picture"
    if first[_COMPRESSION] == 1:
        return None
    for tag in _LENGTHS:
        if tag not in known:
            continue
        total = sum(_numbers(reader, known[tag]))
        if total > 2 * size + 2 * whole:  # parts that look the same may be the same bytes
            return f"has strips or tiles of {total:,} bytes in a file of {size:,}"
    return None


def _numbers(reader: TiffReader, claim: Claim) -> tuple[int, ...]:
    """Return the whole numbers of an entry that is not too long; empty if they are none."""
    form = _FORMATS.get(claim.kind)
    if form is None or claim.amount > _MOST_PARTS:
        return ()
    data = reader.value(claim)
    count = len(data) // struct.calcsize(f"<{form}")
    return struct.unpack_from(f"{reader.order}{count}{form}", data)
