"""What Pillow leaves out when it reads PNG: colour spaces without a profile, and damaged chunks.

PNG specification, third edition: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from typing import Any

from colorzoo.errors import ImageError
from colorzoo.imaging.space import SRGB_PLACES, Space, with_gamma

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks without which the pixels cannot be decoded; a transparent colour belongs to them.
_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
# gAMA as the writers of sRGB state it, 1 / 2.2, and the relative tolerance of libpng.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 0.45455, 0.05
_DISPLAY_P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_REC_2020 = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
# cICP (ITU-T H.273): primaries, and exponents of transfer functions; the others are for HDR.
_PRIMARIES = {1: SRGB_PLACES, 9: _REC_2020, 12: _DISPLAY_P3}
_EXPONENTS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
# Chunks of animated PNG; the still picture needs none of them.
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})

# Type, content and whether it is undamaged, for each chunk.
Chunks = list[tuple[bytes, bytes, bool]]


# Chunks besides those of pixels, and all; encoders write pixels in chunks of 8 kB and more.
_MOST_CHUNKS, _MOST_OF_ALL = 4096, 1 << 17


def check(data: bytes, name: str) -> None:
    """Refuse a file with so many chunks that reading them takes much longer than the pixels.

    Raises:
        ImageError: If so.
    """
    count = pixels = 0
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        count += 1
        pixels += kind in (b"IDAT", b"fdAT", b"fcTL")
        if count - pixels > _MOST_CHUNKS or count > _MOST_OF_ALL:
            raise ImageError(
                f"{name}: is a PNG with more than {_MOST_CHUNKS:,} chunks of metadata or "
                f"{_MOST_OF_ALL:,} of all kinds; save it anew in an image editor"
            )
        if kind == b"IEND":
            break
        place += 12 + size


def space_of(before: Chunks, notes: list[str]) -> Space | None:
    """Return the colour space of a PNG by the order of the specification: cICP, iCCP, sRGB, gAMA.

    Args:
        before: The chunks up to the pixels.
        notes: Notes for the user are appended to it.

    Returns:
        The space, or None for sRGB, or if a profile describes it.
    """
    chunks = {kind: data for kind, data, is_whole in before if is_whole}
    if len(coded := chunks.get(b"cICP", b"")) == 4 and coded[:2] != b"\2\2":  # 2: unspecified
        primaries, transfer = coded[0], coded[1]
        if coded[3] != 1:
            notes.append("its lightness may be off: it states a narrow range, as films have")
        if primaries in _PRIMARIES and transfer in _EXPONENTS:
            return with_gamma(_EXPONENTS[transfer], _PRIMARIES[primaries])
        notes.append("it is an HDR picture or has a rare colour space: its lightness may be off")
        return None
    if _has_profile(chunks.get(b"iCCP", b"")) or len(chunks.get(b"sRGB", b"")) == 1:
        return None
    gamma, places = None, SRGB_PLACES
    if len(data := chunks.get(b"gAMA", b"")) == 4:
        gamma = struct.unpack(">I", data)[0] / 100_000
        if not 0.1 <= gamma <= 5:  # damaged, or meant for something else
            gamma = None
    if len(data := chunks.get(b"cHRM", b"")) == 32:
        places = tuple(value / 100_000 for value in struct.unpack(">8I", data))
    is_srgb = gamma is None or abs(gamma / _SRGB_GAMMA - 1) < _GAMMA_TOLERANCE
    return with_gamma(None if gamma is None or is_srgb else 1 / gamma, places)


def deep_key(before: Chunks) -> tuple[int, ...] | None:
    """Return the transparent colour of a PNG in colour with 16 bits a channel; otherwise None."""
    chunks = {kind: data for kind, data, _ in before}
    key = chunks.get(b"tRNS", b"")
    is_deep = chunks.get(b"IHDR", b"")[8:10] == b"\x10\2"
    return struct.unpack(">3H", key) if is_deep and len(key) == 6 else None


def add_raw_profiles(info: dict[Any, Any]) -> None:
    """Add the EXIF and XMP that ImageMagick stores as texts with hexadecimal digits.

    Args:
        info: The ``info`` of a PNG image.
    """
    for kind in ("APP1", "xmp"):
        text = info.get(f"Raw profile type {kind}")
        if not isinstance(text, str):
            continue
        try:
            data = bytes.fromhex(text.split(None, 2)[2])  # which skips spaces
        except (ValueError, IndexError):
            continue
        if data.startswith(b"Exif\0\0"):
            info.setdefault("exif", data)
        elif data.startswith(_XMP_HEADER) or kind == "xmp":
            info.setdefault("xmp", data.removeprefix(_XMP_HEADER))


def chunks_of(data: bytes, *, until: bytes = b"IEND") -> Chunks:
    """List type, content and whether it is undamaged of the chunks up to the first of a type."""
    found, place = [], len(SIGNATURE)
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + size
        content = data[place + 8 : end]
        is_whole = end + 4 <= len(data) and data[end : end + 4] == struct.pack(
            ">I", zlib.crc32(kind + content)
        )
        found.append((kind, content, is_whole))
        if kind == until:
            break
        place = end + 4
    return found


def without_damage(data: bytes) -> tuple[bytes, list[str]]:
    """Remove damaged chunks that are not needed for the pixels.

    Args:
        data: A PNG file.

    Returns:
        The file with only the chunks that are needed and those that are undamaged, and the types of
        the chunks that were removed.
    """
    parts, removed = [SIGNATURE], []
    for kind, content, is_whole in chunks_of(data):
        if kind in _NEEDED or (is_whole and _is_valid(kind, content)):
            checksum = zlib.crc32(kind + content)
            if kind in _NEEDED and not is_whole:
                checksum ^= 1  # as it was: the decoder reports it
            parts.append(struct.pack(">I4s", len(content), kind) + content)
            parts.append(struct.pack(">I", checksum))
        else:
            removed.append(kind.decode() if kind.isalpha() else "unknown")
    return b"".join(parts), removed


def _has_profile(content: bytes) -> bool:
    """Tell whether an iCCP chunk has a profile that can be unpacked."""
    _, found, packed = content.partition(b"\0")
    try:
        return bool(found) and len(zlib.decompressobj().decompress(packed[1:], 128)) == 128
    except zlib.error:
        return False


def _is_valid(kind: bytes, content: bytes) -> bool:
    if kind in _ANIMATION or (kind == b"iCCP" and not _has_profile(content)):
        return False
    sizes = {b"sRGB": 1, b"gAMA": 4, b"pHYs": 9, b"cHRM": 32, b"cICP": 4, b"tIME": 7}
    return len(content) == sizes.get(kind, len(content))
