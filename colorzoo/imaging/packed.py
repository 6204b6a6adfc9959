"""Parts of a TIFF that would unpack to more than their share of the picture.

Most methods of compression are told how much to unpack. Of those that are pictures themselves,
only their own header says how large they are.
"""

import importlib.util
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

import tifffile

from colorzoo.imaging.jpeg import size_of as size_of_jpeg
from colorzoo.imaging.jpeg2000 import size_of as size_of_jpeg2000
from colorzoo.imaging.jpegxl import size_of as size_of_jpegxl

Size = tuple[int, int, int]  # width, height and channels


def check_parts(page: tifffile.TiffPage) -> None:
    """Refuse a page if one of its strips or tiles would become larger than it should be.

    Raises:
        ValueError: If so, or if it is compressed in a way that nobody has checked here.
    """
    method = int(page.compression)
    has_codecs = importlib.util.find_spec("imagecodecs") is not None
    if method in _MEASURED or (method in _DEFLATE and not has_codecs):
        _check_all(page, method)
    elif method not in (_BOUNDED if has_codecs else (1,)):
        needs = "" if has_codecs else ", which needs imagecodecs"
        raise ValueError(f"compression {method} is not supported{needs}")


def _check_all(page: tifffile.TiffPage, method: int) -> None:
    tiled = page.is_tiled
    width, height = (
        (page.tilewidth, page.tilelength)
        if tiled
        else (page.imagewidth, min(page.rowsperstrip, page.imagelength))
    )
    stream: BinaryIO = page.parent.filehandle  # type: ignore[assignment]  # it reads and seeks
    bits = width * page.samplesperpixel * max(page.bitspersample, 8)
    for place, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if not length:
            continue
        stream.seek(place)
        data = stream.read(length)
        if method in _DEFLATE:
            most = bits * height // 8
            if len(zlib.decompressobj().decompress(data, most + 1)) > most:
                raise ValueError(f"a part has more than {most:,} bytes")
            continue
        found = _MEASURED[method](data)
        if found is None or found[0] * found[1] > width * height or found[2] > 5:
            size = "unknown" if found is None else f"{found[0]} x {found[1]}"
            raise ValueError(f"a part of {width} x {height} pixels has a size of its own, {size}")


def _size_of_png(data: bytes) -> Size | None:
    is_png = data[12:16] == b"IHDR" and len(data) >= 26
    return (*struct.unpack_from(">II", data, 16), 4) if is_png else None


def _size_of_webp(data: bytes) -> Size | None:
    if data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, 3
    if data[12:16] == b"VP8L" and len(data) >= 25:
        (packed,) = struct.unpack_from("<I", data, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, 4
    return None


def _size_of_lerc(data: bytes) -> Size | None:
    if not data.startswith(b"Lerc2 ") or len(data) < 26:
        return None
    (version,) = struct.unpack_from("<i", data, 6)
    height, width, depth = struct.unpack_from("<3i", data, 14 if version >= 3 else 10)
    return width, height, max(depth if version >= 4 else 1, data.count(b"Lerc2 "))


_DEFLATE = (8, 32946, 50013)
# Fax, LZW, PackBits, LZMA and Zstandard, whose decoders are told how much to unpack
_BOUNDED = (1, 2, 3, 4, 5, *_DEFLATE, 32773, 34925, 34926, 50000)
_MEASURED: dict[int, Callable[[bytes], Size | None]] = {
    **dict.fromkeys((6, 7, 33007, 34892), size_of_jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), size_of_jpeg2000),
    **dict.fromkeys((50001, 34927), _size_of_webp),
    **dict.fromkeys((50002, 52546), size_of_jpegxl),
    34933: _size_of_png,
    34887: _size_of_lerc,
}
