"""Make small HEIC files: an HEVC key frame from PyAV in the boxes of ISO/IEC 23008-12."""

import io
import struct
from fractions import Fraction
from typing import Any, cast

import numpy as np


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *parts)


def encode_heic(rgb: np.ndarray, *, turns: int = 0, exif: bytes | None = None) -> bytes:
    """Encode (H, W, 3) uint8, almost without loss; ``turns`` counter-clockwise are left to do."""
    import av

    stream = io.BytesIO()
    height, width = rgb.shape[:2]
    with av.open(stream, "w", format="mp4") as out:
        track = cast(Any, out.add_stream("libx265", rate=Fraction(1)))
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        track.options = {"crf": "4", "x265-params": "log-level=none:keyint=1"}
        track.codec_context.codec_tag = "hvc1"
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        packets = [*track.encode(frame), *track.encode(None)]
        for packet in packets:
            out.mux(packet)
    with av.open(io.BytesIO(stream.getvalue())) as film:
        (video,) = film.streams.video
        parameters = bytes(video.codec_context.extradata or b"")
        (data,) = [bytes(packet) for packet in film.demux(video) if packet.size]
    items = [(1, b"hvc1", data)]
    if exif is not None:
        items.append((2, b"Exif", struct.pack(">I", 0) + exif))
    properties = [box(b"hvcC", parameters), full(b"ispe", 0, struct.pack(">II", width, height))]
    if turns:
        properties.append(box(b"irot", bytes((turns,))))
    indices = bytes(i + 1 for i in range(len(properties)))
    association = struct.pack(">IHB", 1, 1, len(indices)) + indices

    def meta(start: int) -> bytes:
        places, place = [], start
        for number, _, content in items:
            places.append(struct.pack(">HHHII", number, 0, 1, place, len(content)))
            place += len(content)
        infos = [
            full(b"infe", 2, struct.pack(">HH4s", number, 0, kind), b"\0")
            for number, kind, _ in items
        ]
        reference = full(b"iref", 0, box(b"cdsc", struct.pack(">HHH", 2, 1, 1)))
        return full(
            b"meta", 0,
            full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", 0, struct.pack(">H", 1)),
            full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, len(items)), *places),
            full(b"iinf", 0, struct.pack(">H", len(items)), *infos),
            reference if exif is not None else b"",
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", 0, association)),
        )  # fmt: skip

    head = box(b"ftyp", b"heic", bytes(4), b"mif1", b"heic")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *(content for _, _, content in items))
