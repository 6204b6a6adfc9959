"""Files that claim much more than they hold, and calls that read them, for ``limits.used_by``."""

import struct
import zlib

from PIL import Image

from helpers.pictures import chunk, encode, png

MB = 1 << 20
UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}
Entries = list[tuple[int, int, int, int | bytes]]  # tag, kind, count, value or offset


def read(data: bytes, most: int = 1_000_000) -> tuple[object, ...]:
    """Read a photo twice, as callers do: its size and all of it."""
    from colorzoo.imaging.read import read_photo, stored_size

    stored_size(data)
    photo = read_photo(data, max_pixels=most, deep=True)
    return photo.rgb.shape, photo.notes


def directory(entries: Entries, following: int = 0, *, big: bool = False) -> bytes:
    """The bytes of a directory of a little-endian TIFF."""
    number, entry, pointer = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
    parts = [struct.pack(number, len(entries))]
    for tag, kind, count, value in sorted(entries, key=lambda each: each[0]):
        field = value if isinstance(value, bytes) else struct.pack(pointer, value)
        parts.append(struct.pack(entry, tag, kind, count) + field)
    return b"".join(parts) + struct.pack(pointer, following)


def page(**tags: tuple[int, int, int | bytes] | None) -> Entries:
    """The tags of a gray picture of 16 x 16 pixels in one strip; others as t254=(4, 1, 1)."""
    known: dict[int, tuple[int, int, int | bytes] | None] = {
        256: (4, 1, 16), 257: (4, 1, 16), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 16), 277: (3, 1, 1), 278: (4, 1, 16), 279: (4, 1, 256),
    }  # fmt: skip
    known |= {int(name[1:]): value for name, value in tags.items()}
    return [(tag, *value) for tag, value in known.items() if value is not None]


def tiff(entries: Entries, body: bytes, *, big: bool = False) -> bytes:
    """A file whose content begins at 16, with a directory behind it."""
    at = 16 + len(body)
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, at) if big else b"II*\0" + struct.pack("<I", at)
    return head.ljust(16, b"\0") + body + directory(entries, big=big)


def sharing(size: int = 2 * MB, count: int = 1000, kind: int = 7, start: int = 40_000) -> Entries:
    """Tags that all claim the same bytes."""
    return [(start + i, kind, size // UNITS[kind], 16) for i in range(count)]


def exif(size: int = 2 * MB, *, below: bool = False, kind: int = 7) -> bytes:
    """EXIF with tags that share their bytes, in the first directory or in one below it."""
    shared = sharing(size, kind=kind)
    body = b"\1" * size
    if not below:
        return tiff([(274, 3, 1, 6), *shared], body)
    return tiff([(34665, 4, 1, 16 + size)], body + directory(shared))


def in_png(*chunks: bytes) -> bytes:
    return png(1, 1, 8, 0, [b"\0"], *chunks)


def in_webp(kind: bytes, content: bytes) -> bytes:
    picture = encode(Image.new("L", (8, 8)), "WEBP")[12:]
    flags = {b"EXIF": 8, b"XMP ": 4}[kind]
    head = b"VP8X" + struct.pack("<II", 10, flags) + b"\7\0\0" * 2
    more = kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    body = b"WEBP" + head + picture + more
    return b"RIFF" + struct.pack("<I", len(body)) + body


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + struct.pack(">H", len(content) + 2) + content


def in_jpeg(*segments: bytes) -> bytes:
    picture = encode(Image.new("L", (8, 8)), "JPEG")
    return picture[:2] + b"".join(segments) + picture[2:]


def in_avif(block: bytes) -> bytes:
    """An AVIF with any EXIF; Pillow, which writes it, would read the block."""
    marker = b"II*\0" + struct.pack("<I", 8) + directory([(271, 2, 4, b"abc\0")])
    marker = marker.ljust(len(block), b"\1")
    data = encode(Image.new("RGB", (8, 8)), "AVIF", exif=marker)
    at = data.index(marker)
    return data[:at] + block + data[at + len(block) :]


def with_scans(count: int) -> bytes:
    """A progressive JPEG with empty scans that each go over all of its pixels."""
    data = encode(Image.new("L", (1000, 1000)), "JPEG", progressive=True)
    first, end = data.index(b"\xff\xda"), data.rindex(b"\xff\xd9")
    scan = segment(0xDA, bytes((1, data[first + 5], 0, 1, 63, 0)))
    return data[:end] + scan * count + data[end:]


def tiles(width: int, height: int, compression: int, content: bytes) -> bytes:
    """A picture of 16 x 16 pixels in one tile."""
    return tiff(
        page(
            t259=(3, 1, compression),
            t273=None, t278=None, t279=None,
            t322=(4, 1, width), t323=(4, 1, height), t324=(4, 1, 16), t325=(4, 1, len(content)),
        ),
        content,
    )  # fmt: skip


def strip(compression: int, content: bytes) -> bytes:
    """A picture of 16 x 16 pixels in one strip that holds something else."""
    return tiff(page(t259=(3, 1, compression), t279=(4, 1, len(content))), content)


def pages(count: int) -> bytes:
    """Many pages; all have the same tags."""
    entries = page(t273=(4, 1, 16))
    size = 2 + 12 * len(entries) + 4
    starts = [16 + 256 + i * size for i in range(count)]
    body = b"".join(directory(entries, each) for each in (*starts[1:], 0))
    return (b"II*\0" + struct.pack("<I", starts[0])).ljust(16, b"\0") + bytes(256) + body


def jpeg2000(*, tile: int = 8, components: int = 1) -> bytes:
    """A codestream of 4000 x 16 pixels that claims such tiles and components."""
    data = encode(Image.new("L", (8, 8)), "JPEG2000", no_jp2=True)
    at = data.index(b"\xff\x51")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    sizes = struct.pack(">HIIIIIIIIH", 0, 4000, 16, 0, 0, tile, tile, 0, 0, components)
    return data[:at] + segment(0x51, sizes + b"\7\1\1" * components) + data[at + 2 + length :]


def bomb(size: int) -> bytes:
    """Zeros, deflated."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(MB)) for _ in range(size // MB)), packer.flush()])


def xmp(inner: bytes) -> bytes:
    head = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    head += b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    packet = head + b"<rdf:Description>" + inner + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    return in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))


def raw_profile(kind: str, block: bytes) -> bytes:
    """A PNG with metadata as ImageMagick stores it."""
    text = f"\n{kind}\n{len(block):8}\n{block.hex()}"
    return in_png(chunk(b"tEXt", f"Raw profile type {kind}\0{text}".encode()))


def jpeg_xl(width: int, height: int) -> bytes:
    import imagecodecs
    import numpy as np

    return imagecodecs.jpegxl_encode(np.zeros((height, width), np.uint8))
