"""Small pictures made by hand: files byte by byte, EXIF blocks and colour profiles."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

ARTIST, DATE, ORIENTATION = 0x013B, 0x0132, 0x0112
EXIF_IFD, GPS_IFD, DATE_TAKEN, COLOUR_SPACE = 0x8769, 0x8825, 0x9003, 0xA001
PIXELS_ACROSS, INTEROPERABILITY = 0xA002, 0xA005


def encode(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.copy().save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(*shape: int, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(
    width: int, height: int, depth: int, colour: int, rows: list[bytes], *extra: bytes
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(width: int, height: int, bits: int, data: bytes, **tags: int) -> bytes:
    """One gray strip; further tags as t254=1."""
    values = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 277: 1, 278: height}
    values |= {279: len(data)} | {int(name[1:]): value for name, value in tags.items()}
    values[273] = 8 + 2 + 12 * (len(values) + 1) + 4
    entries = b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in sorted(values.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + bytes(4) + data


def exif_block(orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[ARTIST] = "Ada"
    exif[DATE] = "1931:05:06 07:08:09"
    if orientation is not None:
        exif[ORIENTATION] = orientation
    exif[EXIF_IFD] = {
        DATE_TAKEN: "1931:05:06 07:08:10",
        COLOUR_SPACE: 65535,
        PIXELS_ACROSS: 999,
        INTEROPERABILITY: {1: "R03"},
    }
    if orientation is not None:
        exif[EXIF_IFD][ORIENTATION] = orientation
    exif[GPS_IFD] = {1: "N", 2: (51.0, 28.0, 38.0)}
    return exif.tobytes()


def load_exif(data: bytes | None) -> Image.Exif:
    assert data is not None
    exif = Image.Exif()
    exif.load(data)
    return exif


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def icc_profile(space: bytes, tags: dict[bytes, bytes], *, connection: bytes = b"XYZ ") -> bytes:
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"t\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s", start + len(body), 0x02100000, b"mntr", space, connection)
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def gray_profile(gamma: float) -> bytes:
    return icc_profile(b"GRAY", {b"kTRC": gamma_curve(gamma)})


def rgb_profile(curve: float | bytes, order: str = "rgb") -> bytes:
    """A profile with the primaries of sRGB, in some order, and a plain gamma or other curve."""
    if isinstance(curve, float):
        curve = gamma_curve(curve)
    primaries = {
        "r": (0.4360747, 0.2225045, 0.0139322),
        "g": (0.3850649, 0.7168786, 0.0971045),
        "b": (0.1430804, 0.0606169, 0.7141733),
    }
    tags = {}
    for slot, source in zip("rgb", order, strict=True):
        tags[f"{slot}XYZ".encode()] = b"XYZ \0\0\0\0" + fixed(*primaries[source])
        tags[f"{slot}TRC".encode()] = curve
    return icc_profile(b"RGB ", tags)


def black_only_profile() -> bytes:
    """A CMYK profile by which only black ink prints: K alone decides the lightness."""
    identity = bytes(range(256))
    corners = b"".join(bytes([0 if corner & 1 else 255, 128, 128]) for corner in range(16))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += identity * 4 + corners + identity * 3
    return icc_profile(b"CMYK", {b"A2B0": table}, connection=b"Lab ")


def from_linear(light: np.ndarray | float) -> np.ndarray:
    """The sRGB curve, to 0..255."""
    light = np.asarray(light, np.float64)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


PIXELS = noise(3, 7, 3)


def encoded(light: np.ndarray) -> np.ndarray:
    """The sRGB curve, to 0..1."""
    return from_linear(light) / 255


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    return image


PALETTE_RGB = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]

STORED = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)

UPRIGHT = {
    1: [[10, 20, 30], [40, 50, 60]],
    2: [[30, 20, 10], [60, 50, 40]],
    3: [[60, 50, 40], [30, 20, 10]],
    4: [[40, 50, 60], [10, 20, 30]],
    5: [[10, 40], [20, 50], [30, 60]],
    6: [[40, 10], [50, 20], [60, 30]],
    7: [[60, 30], [50, 20], [40, 10]],
    8: [[30, 60], [20, 50], [10, 40]],
}

FORMATS = {
    "jpg": ("JPEG", {}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
}
