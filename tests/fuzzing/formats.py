"""Pictures taken apart into what their formats count in, and put together again."""

import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"

Parts = list[tuple[bytes, bytes]]


def split_png(data: bytes) -> Parts:
    """The (name, data) of its chunks."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def join_png(chunks: Parts) -> bytes:
    """The file of such chunks, with checksums that are right."""
    return PNG + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def zip_idat(rows: bytes) -> bytes:
    """What an IDAT, zTXt or iCCP chunk holds of these bytes."""
    return zlib.compress(rows, 9)


def split_jpeg(data: bytes) -> Parts:
    """The (marker, data) of its segments; what is coded goes with the scan before it."""
    segments, at = [], 2
    while at + 4 <= len(data):
        marker = data[at : at + 2]
        if marker == b"\xff\xd9":
            break
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : end]
        if marker == b"\xff\xda":
            stop = end
            while stop + 1 < len(data) and not (
                data[stop] == 0xFF and data[stop + 1] not in (0, *range(0xD0, 0xD8))
            ):
                stop += 1
            segments.append((marker, body + b"SCAN" + data[end:stop]))
            at = stop
        else:
            segments.append((marker, body))
            at = end
    return segments


def join_jpeg(segments: Parts) -> bytes:
    """The file of such segments."""
    joined = b"\xff\xd8"
    for marker, body in segments:
        head, _, coded = body.partition(b"SCAN") if marker == b"\xff\xda" else (body, b"", b"")
        joined += marker + struct.pack(">H", min(len(head) + 2, 65535)) + head + coded
    return joined + b"\xff\xd9"


def split_riff(data: bytes) -> Parts:
    """The (name, data) of a WebP's chunks."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def join_riff(chunks: Parts) -> bytes:
    """The WebP of such chunks."""
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_entries(data: bytes) -> tuple[str, list[int], list[int]]:
    """Byte order of a classic TIFF, where its entries are and where it links its directories."""
    order = "<" if data[:2] == b"II" else ">"
    entries: list[int] = []
    if len(data) < 8:
        return order, [], []
    links, at = [4], struct.unpack_from(f"{order}I", data, 4)[0]
    while 8 <= at < len(data) - 2 and len(links) < 9:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        end = at + 2 + 12 * count
        if end + 4 > len(data):
            break
        entries += range(at + 2, end, 12)
        links.append(end)
        (at,) = struct.unpack_from(f"{order}I", data, end)
    return order, entries, links
