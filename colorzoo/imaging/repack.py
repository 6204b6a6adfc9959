"""Put pixels that Pillow cannot write into a file that it wrote: 16-bit colour, packed TIFF.

Pillow has no mode for 16-bit colour, and drops the EXIF of a TIFF that it compresses. So it writes
a picture of one pixel with all metadata, whose pixel is then replaced.

TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
PNG, third edition: https://www.w3.org/TR/png-3/
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.png import SIGNATURE, chunks_of

Compression = Literal["raw", "lzw", "deflate"]

_STRIP_BYTES = 1 << 20
_LEVEL = 4  # of zlib: half the time of the default 6, and 3 % larger
_TIFF_CODES = {"raw": 1, "lzw": 5, "deflate": 8}
# Tags of the pixels, which are replaced.
_PIXEL_TAGS = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 338, 339)
_SHORT, _LONG = 3, 4


def compression_of(name: object) -> Compression:
    """Return how to pack a TIFF, from Pillow's name of how its source was packed."""
    if name in (None, "raw"):
        return "raw"
    # The other methods lose detail, are for bilevel pictures, or few programs know them.
    return "lzw" if name == "tiff_lzw" else "deflate"


def tiff_with(small: bytes, pixels: np.ndarray, compression: Compression) -> bytes:
    """Replace the pixels of a little-endian TIFF.

    Args:
        small: A TIFF that Pillow wrote, with one page.
        pixels: (H, W, 3) sRGB, or (H, W, 4) with alpha, uint8 or uint16.
        compression: How to pack the pixels; all are lossless.

    Raises:
        ImageError: If the file would have more than 4 GB.
    """
    height, width, channels = pixels.shape
    row_bytes = width * channels * pixels.itemsize
    rows = max(1, _STRIP_BYTES // row_bytes)
    parts, offsets, sizes = [small + bytes(len(small) % 2)], [], []
    place = len(parts[0])
    for start in range(0, height, rows):
        strip = _pack(pixels[start : start + rows], compression)
        offsets.append(place)
        sizes.append(len(strip))
        parts.append(strip + bytes(len(strip) % 2))
        place += len(parts[-1])
    if place > 2**32 - 2**16:
        raise ImageError(
            f"the picture has {place:,} bytes, and a TIFF at most 4,294,967,295; save it as PNG"
        )
    entries = {tag: entry for tag, entry in _entries(small) if tag not in _PIXEL_TAGS}
    tail = bytearray()

    def add(tag: int, kind: int, *values: int) -> None:
        data = struct.pack(f"<{len(values)}{'H' if kind == _SHORT else 'I'}", *values)
        if len(data) > 4:
            field, data = struct.pack("<I", place + len(tail)), data + bytes(len(data) % 2)
            tail.extend(data)
        else:
            field = data.ljust(4, b"\0")
        entries[tag] = struct.pack("<HHI", tag, kind, len(values)) + field

    add(256, _LONG, width)
    add(257, _LONG, height)
    add(258, _SHORT, *[8 * pixels.itemsize] * channels)
    add(259, _SHORT, _TIFF_CODES[compression])
    add(262, _SHORT, 2)  # RGB
    add(273, _LONG, *offsets)
    add(277, _SHORT, channels)
    add(278, _LONG, rows)
    add(279, _LONG, *sizes)
    add(284, _SHORT, 1)  # samples of a pixel are adjacent
    if compression != "raw":
        add(317, _SHORT, 2)  # differences between neighbours are stored
    if channels == 4:
        add(338, _SHORT, 2)  # alpha, not premultiplied
    directory = place + len(tail)
    parts += [bytes(tail), struct.pack("<H", len(entries))]
    parts += [entries[tag] for tag in sorted(entries)]
    parts.append(bytes(4))  # there is no other page
    parts[0] = small[:4] + struct.pack("<I", directory) + parts[0][8:]
    return b"".join(parts)


def _entries(tiff: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and the 12 bytes of the entries of the first directory."""
    if tiff[:4] != b"II*\0":
        raise ValueError("not a little-endian TIFF")
    (place,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, place)
    for i in range(count):
        entry = tiff[place + 2 + 12 * i :][:12]
        yield struct.unpack("<H", entry[:2])[0], entry


def _pack(pixels: np.ndarray, compression: Compression) -> bytes:
    pixels = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    if compression == "raw":
        return pixels.tobytes()
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    data = differences.tobytes()
    return zlib.compress(data, _LEVEL) if compression == "deflate" else _lzw(data, len(pixels))


def _lzw(data: bytes, rows: int) -> bytes:
    """Compress bytes with libtiff, as the only strip of a gray picture."""
    picture, stream = Image.frombuffer("L", (len(data) // rows, rows), data), io.BytesIO()
    picture.save(stream, "TIFF", compression="tiff_lzw", tiffinfo={278: rows})
    with Image.open(stream) as written:
        tags: dict[int, tuple[int, ...]] = dict(getattr(written, "tag_v2", {}))
    ((start,), (size,)) = tags[273], tags[279]
    return stream.getvalue()[start : start + size]


def png_with(small: bytes, pixels: np.ndarray) -> bytes:
    """Replace the pixels of a PNG.

    Args:
        small: A PNG that Pillow wrote, in mode RGB or RGBA.
        pixels: (H, W, 3) sRGB, or (H, W, 4) with alpha, uint16.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    parts = [SIGNATURE]
    for kind, content, _ in chunks_of(small):
        if kind == b"IHDR":
            content = header
        if kind == b"IDAT":
            content = _filtered(pixels)
        # Chunks hold less than 2 GB.
        for start in range(0, max(1, len(content)), 1 << 30):
            piece = content[start : start + (1 << 30)]
            parts.append(struct.pack(">I4s", len(piece), kind) + piece)
            parts.append(struct.pack(">I", zlib.crc32(kind + piece)))
    return b"".join(parts)


def _filtered(pixels: np.ndarray) -> bytes:
    """Filter the rows by Sub or Up, whichever gives the smaller numbers, and compress them."""
    height, width, channels = pixels.shape
    packer = zlib.compressobj(_LEVEL)
    distance, parts = 2 * channels, []
    above = np.zeros(width * distance, np.uint8)
    step = max(1, _STRIP_BYTES // (width * distance))
    for start in range(0, height, step):
        rows = (
            pixels[start : start + step].astype(">u2").view(np.uint8).reshape(-1, width * distance)
        )
        left = np.pad(rows, ((0, 0), (distance, 0)))[:, : rows.shape[1]]
        up = np.vstack((above[None], rows[:-1]))
        above = rows[-1]
        choices = np.stack((rows - left, rows - up))
        sizes = np.abs(choices.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = sizes.argmin(axis=0)
        lines = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        lines[:, 0] = best + 1
        lines[:, 1:] = np.where(best[:, None] == 0, choices[0], choices[1])
        parts.append(packer.compress(lines.tobytes()))
    return b"".join((*parts, packer.flush()))
