"""Pictures with one to four things wrong. All chance comes from the ``Random`` that is passed."""

import struct
import zlib
from collections.abc import Callable
from random import Random

from fuzzing.formats import (
    PNG,
    Parts,
    join_jpeg,
    join_png,
    join_riff,
    split_jpeg,
    split_png,
    split_riff,
    tiff_entries,
    zip_idat,
)

EXTREMES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 9_999, 10_000, 32_767, 32_768, 65_500, 65_535)
EXTREMES += (65_536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_MOST = 1 << 20  # bytes; a file that grew beyond is cut

Mutation = Callable[[Random, bytes, list[bytes]], bytes]


def mutated_picture(rng: Random, corpus: dict[str, bytes]) -> tuple[bytes, str]:
    """A damaged file, and what was done to which."""
    name = rng.choice(sorted(corpus))
    data, others, done = corpus[name], [corpus[each] for each in sorted(corpus)], [name]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        special = _by_format(data)
        change = rng.choice(special) if special and rng.random() < 0.6 else rng.choice(ANYWHERE)
        data = change(rng, data, others)[:_MOST]
        done.append(change.__name__)
    return data, ", ".join(done)


def _by_format(data: bytes) -> tuple[Mutation, ...]:
    if data.startswith(PNG):
        return (png_header, png_chunks, png_chunks, png_extra, png_pixels)
    if data.startswith(b"\xff\xd8\xff"):
        return (jpeg_size, jpeg_segments, jpeg_segments, jpeg_extra)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return (tiff_entry, tiff_entry, tiff_entry, tiff_link)
    if data.startswith(b"RIFF"):
        return (webp_chunks, webp_size)
    if data[:2] == b"BM":
        return (bmp_header,)
    return (gif_header,) if data[:3] == b"GIF" else ()


# Bytes of any file --------------------------------------------------------------------------------


def _span(rng: Random, data: bytes, most: int = 64) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randint(1, most))


def flip_bits(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 3, 10)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite_number(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """A field of 1, 2, 4 or 8 bytes, in the first ones more often, is set to an extreme."""
    size = rng.choice((1, 2, 4, 4, 8))
    at = rng.randrange(max(1, min(len(data), rng.choice((64, 64, 10**9)))))
    number = (rng.choice(EXTREMES) % (1 << 8 * size)).to_bytes(size, rng.choice(("big", "little")))
    return data[:at] + number + data[at + size :]


def overwrite_noise(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _span(rng, data, 16)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def delete(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def insert(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    new = rng.choice((bytes, rng.randbytes))(rng.choice((1, 2, 5, 300)))
    return data[:at] + new + data[at:]


def repeat(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:stop] * rng.choice((1, 2, 300)) + data[stop:]


def cut_short(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def splice(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    """The beginning of this file and the end of another."""
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def other_header(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    size = rng.choice((4, 8, 16, 32))
    return rng.choice(others)[:size] + data[size:]


ANYWHERE: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits,
    overwrite_number,
    overwrite_number,
    overwrite_noise,
    delete,
    insert,
    repeat,
    cut_short,
    splice,
    other_header,
)


# Parts of one format ------------------------------------------------------------------------------


def _reordered(rng: Random, parts: Parts, others: Parts) -> Parts:
    """A part is dropped, doubled, many times over, moved, damaged or another file's."""
    if not parts:
        return others
    at = rng.randrange(len(parts))
    name, body = parts[at]
    match rng.randrange(7):
        case 0:
            return parts[:at] + parts[at + 1 :]
        case 1:
            return parts[: at + 1] + parts[at:]
        case 2:
            return parts[:at] + [parts[at]] * rng.choice((20, 400)) + parts[at + 1 :]
        case 3:
            return rng.sample(parts, len(parts))
        case 4:
            return parts[:at] + [rng.choice(others)] + parts[at:]
        case _:
            damage = rng.choice(ANYWHERE[:-2])
            return [*parts[:at], (name, damage(rng, body, [])), *parts[at + 1 :]]


def _pick(rng: Random, others: list[bytes], start: bytes) -> bytes:
    return rng.choice([other for other in others if other.startswith(start)])


def _set(rng: Random, body: bytes, layout: str, *offsets: int) -> bytes:
    """Set one field, or sometimes all, to an extreme."""
    changed, size = bytearray(body), struct.calcsize(layout)
    for at in offsets if rng.random() < 0.2 else [rng.choice(offsets)]:
        if at + size <= len(changed):
            struct.pack_into(layout, changed, at, rng.choice(EXTREMES) % (1 << 8 * size))
    return bytes(changed)


def png_header(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    chunks = split_png(data)
    if not chunks or len(chunks[0][1]) < 13:
        return data
    name, body = chunks[0]
    if rng.random() < 0.6:
        body = _set(rng, body, ">I", 0, 4)
    else:
        values = ((1, 2, 4, 8, 16), (0, 2, 3, 4, 6), (0, 1), (0, 1), (0, 1, 2))
        at = rng.randrange(5)
        body = body[: 8 + at] + bytes([rng.choice(values[at])]) + body[9 + at :]
    return join_png([(name, body), *chunks[1:]])


def png_chunks(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    return join_png(_reordered(rng, split_png(data), split_png(_pick(rng, others, PNG))))


def png_extra(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """A chunk whose body is nonsense, or a bomb, before the pixels."""
    name = rng.choice((b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"tRNS", b"PLTE", b"pHYs"))
    name = rng.choice((name, b"gAMA", b"acTL", b"fcTL", b"fdAT", b"IHDR", b"IEND"))
    bomb = b"key\0\0" + zip_idat(bytes(rng.choice((9, 2**16, 2**21))))
    body = rng.choice((b"", rng.randbytes(rng.choice((1, 8, 26, 70))), bomb))
    chunks = split_png(data)
    return join_png([*chunks[:1], (name, body), *chunks[1:]])


def png_pixels(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    """The pixels are unpacked, damaged and packed again, so that the decoder gets to see them."""
    chunks = split_png(data)
    for at, (name, body) in enumerate(chunks):
        if name == b"IDAT":
            try:
                rows = zlib.decompress(body)
            except zlib.error:
                break
            rows = rng.choice(ANYWHERE[:-2])(rng, rows, others)
            chunks[at] = (name, zip_idat(rows))
            break
    return join_png(chunks)


def jpeg_size(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """Precision, size, number of components, their sampling or their tables."""
    segments = split_jpeg(data)
    for at, (marker, body) in enumerate(segments):
        if marker[1] in (0xC0, 0xC1, 0xC2) and len(body) > 8:
            if rng.random() < 0.6:
                body = _set(rng, body, ">H", 1, 3)
            else:
                body = _set(rng, body, "B", 0, 5, *range(6, len(body)))
            kind = rng.choice((marker, marker, marker, b"\xff\xc0", b"\xff\xc2", b"\xff\xc9"))
            segments[at] = (kind, body)
            break
    return join_jpeg(segments)


def jpeg_segments(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    donor = split_jpeg(_pick(rng, others, b"\xff\xd8\xff"))
    return join_jpeg(_reordered(rng, split_jpeg(data), donor))


def jpeg_extra(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """Metadata that is nonsense: EXIF, ICC in pieces that do not fit, Adobe, MPO, Photoshop."""
    noise = rng.randbytes(rng.choice((0, 2, 12, 300)))
    marker, body = rng.choice(
        (
            (b"\xff\xe1", b"Exif\0\0" + rng.choice((b"II*\0\x08\0\0\0", b"MM\0*", b"")) + noise),
            (b"\xff\xe2", b"ICC_PROFILE\0" + bytes([rng.randrange(3), rng.randrange(3)]) + noise),
            (b"\xff\xe2", b"MPF\0II*\0\x08\0\0\0" + noise),
            (b"\xff\xee", b"Adobe\0\x64\0\0\0\0" + bytes([rng.randrange(4)])),
            (b"\xff\xe0", b"JFIF\0\1\1" + noise),
            (b"\xff\xed", b"Photoshop 3.0\0008BIM" + noise),
            (b"\xff\xdd", struct.pack(">H", rng.choice(EXTREMES) % 65536)),
        )
    )
    segments = split_jpeg(data)
    return join_jpeg([(marker, body)] * rng.choice((1, 1, 60)) + segments)


_TAGS = (254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 281, 282, 284, 296, 317)
_TAGS += (320, 322, 323, 324, 325, 330, 338, 339, 347, 530, 532, 700, 33723, 34377, 34665, 34675)
_TAGS += (34853, 37724, 42113, 50706)
_VALUES = {
    256: (9_999, 30_000),
    257: (9_999, 30_000),
    258: (1, 2, 4, 8, 12, 16, 32, 64),
    259: (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000, 50001),
    262: (0, 1, 2, 3, 4, 5, 6, 8),
    274: range(10),
    277: (0, 1, 2, 3, 4, 5, 100),
    284: (1, 2),
    317: (1, 2, 3),
    338: (0, 1, 2),
    339: (1, 2, 3, 4),
}


def tiff_entry(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """One entry gets another tag, type, count or value, or is made to point elsewhere."""
    order, entries, _ = tiff_entries(data)
    if not entries:
        return data
    at, changed = rng.choice(entries), bytearray(data)
    tag, kind, count, value = struct.unpack_from(f"{order}HHII", data, at)
    match rng.randrange(5):
        case 0:
            tag = rng.choice(_TAGS)
        case 1:
            kind = rng.choice((*range(19), 65535))
        case 2:
            count = rng.choice(EXTREMES)
        case 3:
            value = rng.choice((*EXTREMES, len(data) - 1, at, 8))
        case _:
            tag = rng.choice((tag, *_VALUES))
            kind, count = rng.choice((3, 4)), 1
            value = rng.choice(_VALUES.get(tag, EXTREMES))
            if kind == 3 and order == ">":
                value = (value << 16) & 0xFFFFFFFF
    struct.pack_into(f"{order}HHII", changed, at, tag, kind, count, value)
    return bytes(changed)


def tiff_link(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """A directory's successor is itself, another one, or nowhere."""
    order, _, links = tiff_entries(data)
    if not links:
        return data
    changed = bytearray(data)
    at = rng.choice(links)
    target = rng.choice((8, *EXTREMES, struct.unpack_from(f"{order}I", data, links[0])[0]))
    if at + 4 <= len(changed):
        struct.pack_into(f"{order}I", changed, at, target)
    return bytes(changed)


def webp_chunks(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    return join_riff(_reordered(rng, split_riff(data), split_riff(_pick(rng, others, b"RIFF"))))


def webp_size(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """The size of the canvas, of a frame or of the bitstream; flags too."""
    parts = split_riff(data)
    for at, (name, body) in enumerate(parts):
        if name == b"VP8X" and rng.random() < 0.7:
            body = bytearray(body)
            if rng.random() < 0.3:
                body[0] = rng.randrange(256)
            for place in (4, 7):
                if len(body) >= place + 3 and rng.random() < 0.7:
                    side = rng.choice((*EXTREMES, 16_383)) & 0xFFFFFF
                    body[place : place + 3] = side.to_bytes(3, "little")
            parts[at] = (name, bytes(body))
        elif name in (b"VP8 ", b"VP8L", b"ANMF") and rng.random() < 0.5:
            parts[at] = (name, _set(rng, body, "<H", 1, 3, 6, 8, 9))
    return join_riff(parts)


def bmp_header(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    if rng.random() < 0.5:
        return _set(rng, data, "<I", 10, 14, 18, 22, 30, 46)
    at, values = rng.choice(((28, (1, 2, 4, 8, 16, 24, 32)), (30, range(12)), (14, (12, 40, 124))))
    return data[:at] + bytes([rng.choice(values)]) + data[at + 1 :]


def gif_header(rng: Random, data: bytes, _: list[bytes]) -> bytes:
    """The screen's size, or that of the first frame, which may lie outside of it."""
    at = data.find(b",", 13) + 1
    return _set(rng, data, "<H", 6, 8, *((at, at + 2, at + 4, at + 6) if at else ()))
