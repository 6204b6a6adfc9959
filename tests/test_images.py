"""Reading and writing pictures: every kind of source, every mode, every way to go wrong."""

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ColorzooError, ImageError
from colorzoo.imaging import pixels as _pixels
from colorzoo.imaging.formats import SUFFIXES
from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import save_image, to_pil

ARTIST, DATE, ORIENTATION = 0x013B, 0x0132, 0x0112
EXIF_IFD, GPS_IFD, DATE_TAKEN, COLOUR_SPACE = 0x8769, 0x8825, 0x9003, 0xA001
PIXELS_ACROSS, INTEROPERABILITY = 0xA002, 0xA005


# Small files made by hand -------------------------------------------------------------------------


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


# Kinds of source ----------------------------------------------------------------------------------


class OnlyRead:
    """A stream that can neither seek nor tell, and has no name."""

    def __init__(self, data: bytes):
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


PIXELS = noise(3, 7, 3)


@pytest.fixture
def photo_path(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(PIXELS).save(path)
    return path


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda path: str(path), "cat.png"),
        (lambda path: path, "cat.png"),
        (lambda path: path.read_bytes(), "bytes"),
        (lambda path: bytearray(path.read_bytes()), "bytes"),
        (lambda path: memoryview(path.read_bytes()), "bytes"),
        (lambda path: io.BytesIO(path.read_bytes()), "image"),
        (lambda path: OnlyRead(path.read_bytes()), "image"),
        (lambda path: Image.open(path), "cat.png"),
        (lambda path: Image.fromarray(PIXELS), "image"),
        (lambda path: PIXELS, "array"),
    ],
)
def test_every_kind_of_source_gives_the_same_photo(photo_path, wrap, name):
    photo = read_photo(wrap(photo_path))
    assert isinstance(photo, Photo)
    assert photo.rgb.dtype == np.uint8
    np.testing.assert_array_equal(photo.rgb, PIXELS)
    assert photo.alpha is None
    assert photo.exif is None
    assert photo.dpi is None
    assert photo.notes == ()
    assert photo.name == name


def test_file_object_is_read_from_where_it_stands_and_left_open(photo_path):
    photo_path.write_bytes(b"header" + photo_path.read_bytes())
    with photo_path.open("rb") as stream:
        stream.seek(6)
        photo = read_photo(stream)
        assert not stream.closed
    np.testing.assert_array_equal(photo.rgb, PIXELS)
    assert photo.name == "cat.png"


def test_home_folder_is_expanded(photo_path, monkeypatch):
    monkeypatch.setenv("HOME", str(photo_path.parent))
    monkeypatch.setenv("USERPROFILE", str(photo_path.parent))
    np.testing.assert_array_equal(read_photo("~/cat.png").rgb, PIXELS)
    image = read_photo("~/cat.png")
    save_image(to_pil(image.rgb, image), "~/copy.png")
    assert (photo_path.parent / "copy.png").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_pipe(photo_path):
    pipe = photo_path.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(photo_path.read_bytes(),))
    writer.start()
    np.testing.assert_array_equal(read_photo(pipe).rgb, PIXELS)
    writer.join()


def test_source_is_not_modified_and_no_memory_is_shared():
    for channels in (3, 4):
        array = noise(4, 5, channels)
        before = array.copy()
        photo = read_photo(array)
        photo.rgb[:] = 0
        if photo.alpha is not None:
            photo.alpha[:] = 0
        np.testing.assert_array_equal(array, before)

    image = Image.fromarray(noise(4, 5)).quantize(8)
    image.info |= {"transparency": 2, "exif": exif_block(6), "icc_profile": b"junk"}
    info, pixels, palette = dict(image.info), image.tobytes(), image.getpalette()
    photo = read_photo(image)
    assert photo.rgb.flags.owndata
    assert photo.rgb.flags.writeable
    assert photo.rgb.flags.c_contiguous
    assert (image.info, image.tobytes(), image.getpalette()) == (info, pixels, palette)
    assert image.getexif()[ORIENTATION] == 6


def test_current_frame_of_a_pil_image_is_used_and_kept():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert read_photo(image).rgb[0, 0].tolist() == [0, 255, 0]
        assert image.tell() == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 3), (3, 7)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_odd_sizes(size, file_format):
    pixels = noise(size[1], size[0], 3)
    options = {"lossless": True} if file_format == "WEBP" else {}
    photo = read_photo(encode(Image.fromarray(pixels), file_format, **options))
    np.testing.assert_array_equal(photo.rgb, pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB"])
@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_tiles_do_not_show(monkeypatch, mode, orientation):
    image = Image.fromarray(noise(11, 13, dtype=np.uint16))
    if mode != "I;16":
        gray = Image.fromarray(noise(11, 13, 3))
        image = gray.convert("RGB" if mode == "LAB" else mode if mode != "F" else "L").convert(mode)
    image.info["exif"] = exif_block(orientation)
    whole = read_photo(image)
    for tile in (1, 5, 30):
        monkeypatch.setattr(_pixels, "_TILE", tile)
        tiled = read_photo(image)
        np.testing.assert_array_equal(tiled.rgb, whole.rgb)
        if whole.alpha is not None:
            np.testing.assert_array_equal(tiled.alpha, whole.alpha)


# Modes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "pixel", "rgb", "alpha"),
    [
        ("1", 255, (255, 255, 255), None),
        ("L", 100, (100, 100, 100), None),
        ("LA", (100, 50), (100, 100, 100), 50),
        ("La", (50, 128), (100, 100, 100), 128),
        ("I;16", 25700, (100, 100, 100), None),
        ("I;16L", 25700, (100, 100, 100), None),
        ("I;16B", 25700, (100, 100, 100), None),
        ("I;16", 65535, (255, 255, 255), None),
        ("I", 200, (200, 200, 200), None),
        ("I", 51400, (200, 200, 200), None),
        ("F", 0.2, (51, 51, 51), None),
        ("F", 200.0, (200, 200, 200), None),
        ("F", 51400.0, (200, 200, 200), None),
        ("RGB", (10, 20, 30), (10, 20, 30), None),
        ("RGBX", (10, 20, 30, 40), (10, 20, 30), None),
        ("RGBA", (10, 20, 30, 40), (10, 20, 30), 40),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30), 0),
        ("RGBa", (50, 25, 0, 128), (100, 50, 0), 128),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0), None),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0), None),
        ("YCbCr", (76, 85, 255), (254, 0, 0), None),
        ("HSV", (0, 255, 255), (255, 0, 0), None),
        ("LAB", (255, 128, 128), (255, 255, 255), None),
        ("LAB", (128, 128, 128), (119, 119, 119), None),  # L* = 50
        ("LAB", (138, 209, 198), (255, 0, 0), None),  # L*a*b* of sRGB red under D50
    ],
)
def test_modes_in_memory(mode, pixel, rgb, alpha):
    image = Image.new(mode, (3, 2))
    for x in range(3):
        for y in range(2):
            image.putpixel((x, y), pixel)
    photo = read_photo(image)
    tolerance = 3 if mode == "LAB" else 1 if mode in ("La", "RGBa", "YCbCr") else 0
    np.testing.assert_allclose(photo.rgb, np.broadcast_to(rgb, (2, 3, 3)), atol=tolerance)
    if alpha is None:
        assert photo.alpha is None
    else:
        np.testing.assert_array_equal(photo.alpha, np.full((2, 3), alpha))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "F"])
def test_transparent_colour_left_over_from_another_mode_is_ignored(mode):
    image = Image.new(mode, (2, 2))
    without = read_photo(image)
    image.info["transparency"] = 0
    photo = read_photo(image)
    assert photo.alpha is None
    np.testing.assert_array_equal(photo.rgb, without.rgb)


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    return image


PALETTE_RGB = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]


@pytest.mark.parametrize(
    ("transparency", "alpha"),
    [(None, None), (1, [[255, 0, 255]]), (b"\x80\x10", [[128, 16, 255]])],
)
@pytest.mark.parametrize("through_file", [False, True])
def test_palette(transparency, alpha, through_file):
    image = palette_image()
    if transparency is not None:
        image.info["transparency"] = transparency
    photo = read_photo(encode(image, "PNG") if through_file else image)
    assert photo.rgb.tolist() == PALETTE_RGB
    assert (None if photo.alpha is None else photo.alpha.tolist()) == alpha


def test_palette_with_alpha():
    image = palette_image().convert("PA")
    image.putalpha(Image.fromarray(np.array([[1, 2, 3]], np.uint8)))
    for source in (image, encode(image, "TIFF")):
        photo = read_photo(source)
        assert photo.rgb.tolist() == PALETTE_RGB
        assert photo.alpha.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "rgb", "alpha"),
    [
        (1, 0, b"\x80", (1,), [255, 0], [0, 255]),
        (2, 0, b"\x70", (1,), [85, 255], [0, 255]),
        (4, 0, b"\x1f", (1,), [17, 255], [0, 255]),
        (8, 0, b"\x07\x09", (9,), [7, 9], [255, 0]),
        (16, 0, struct.pack(">2H", 25700, 257), (257,), [100, 1], [255, 0]),
        (8, 2, b"\x07\x07\x07\x09\x09\x09", (9, 9, 9), [7, 9], [255, 0]),
        (16, 2, struct.pack(">6H", *[25700] * 3, *[2570] * 3), (2570,) * 3, [100, 10], [255, 0]),
    ],
)
def test_transparent_colour_of_a_png(depth, colour, row, key, rgb, alpha):
    plain = read_photo(png(2, 1, depth, colour, [row]))
    assert plain.alpha is None
    assert plain.rgb[0, :, 0].tolist() == rgb
    photo = read_photo(
        png(2, 1, depth, colour, [row], chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
    )
    assert photo.rgb[0].tolist() == [[value] * 3 for value in rgb]
    assert photo.alpha[0].tolist() == alpha


def test_gif_transparency():
    image = palette_image()
    photo = read_photo(encode(image, "GIF", transparency=2))
    assert photo.rgb[0, :2].tolist() == PALETTE_RGB[0][:2]
    assert photo.alpha.tolist() == [[255, 255, 0]]
    assert photo.notes == ()


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_premultiplied_tiff(options):
    data = bytearray(encode(Image.new("RGBA", (4, 4), (50, 25, 0, 128)), "TIFF", **options))
    entry = data.index(struct.pack("<HHI", 338, 3, 1))
    data[entry + 8] = 1  # ExtraSamples: associated, which is premultiplied
    photo = read_photo(bytes(data))
    np.testing.assert_allclose(photo.rgb[0, 0], (100, 50, 0), atol=1)
    assert photo.alpha[0, 0] == 128


def test_cmyk_jpeg_is_not_inverted():
    for ink, rgb in [((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0)]:
        data = encode(Image.new("CMYK", (16, 16), ink), "JPEG")
        assert b"Adobe" in data[:100]
        np.testing.assert_allclose(read_photo(data).rgb, rgb, atol=2)
    red = read_photo(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    np.testing.assert_allclose(red.rgb[8, 8], (255, 0, 0), atol=4)


# Deep gray ----------------------------------------------------------------------------------------


RAMP16 = np.array([[0, 1, 128, 129, 257, 300, 25700, 65406, 65407, 65535]], np.uint16)
RAMP8 = [0, 0, 0, 1, 1, 1, 100, 254, 255, 255]  # v / 257, rounded


@pytest.mark.parametrize(
    "data",
    [
        png(10, 1, 16, 0, [RAMP16.astype(">u2").tobytes()]),
        encode(Image.fromarray(RAMP16), "TIFF"),
        encode(Image.fromarray(RAMP16), "TIFF", compression="tiff_lzw"),
        tiff(10, 1, 16, RAMP16.tobytes()),
    ],
    ids=["png", "tiff", "tiff-lzw", "tiff-by-hand"],
)
def test_16_bit_gray_is_scaled(data):
    photo = read_photo(data)
    assert photo.rgb[0].tolist() == [[value] * 3 for value in RAMP8]
    assert photo.notes == ()


def test_16_bit_big_endian():
    image = Image.frombytes("I;16B", (10, 1), RAMP16.astype(">u2").tobytes())
    assert read_photo(image).rgb[0, :, 0].tolist() == RAMP8
    assert read_photo(encode(image, "TIFF")).rgb[0, :, 0].tolist() == RAMP8


def test_all_16_bit_levels_by_formula():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(levels / 257)
    np.testing.assert_array_equal(read_photo(levels).rgb[..., 0], expected)
    np.testing.assert_array_equal(read_photo(Image.fromarray(levels)).rgb[..., 1], expected)


def test_16_bit_min_is_white():
    data = tiff(2, 1, 16, struct.pack("<2H", 0, 25700), t262=0)
    assert read_photo(data).rgb[0, :, 0].tolist() == [255, 155]


def test_12_bit():
    packed = bytes([0xFF, 0xF8, 0x00])  # 4095, 2048
    assert read_photo(tiff(2, 1, 12, packed)).rgb[0, :, 0].tolist() == [255, 128]
    in_16 = struct.pack("<3H", 0, 2048, 4095)
    assert read_photo(tiff(3, 1, 16, in_16, t281=4095)).rgb[0, :, 0].tolist() == [0, 128, 255]
    # Nothing says 12 bits, so it is taken as dark; nor is a false maximum believed.
    dark = read_photo(tiff(3, 1, 16, in_16))
    assert dark.rgb[0, :, 0].tolist() == [0, 8, 16]
    assert "nearly black" in dark.notes[0]
    statistic = struct.pack("<2H", 2570, 25700)
    assert read_photo(tiff(2, 1, 16, statistic, t281=25700)).rgb[0, :, 0].tolist() == [10, 100]
    beyond = struct.pack("<2H", 2048, 65535)
    assert read_photo(tiff(2, 1, 16, beyond, t281=4095)).rgb[0, :, 0].tolist() == [8, 255]


def test_16_bit_colour():
    row = struct.pack(">6H", 0, 257, 25700, 65535, 32768, 65278)
    for data in (png(2, 1, 16, 2, [row]), png(2, 1, 16, 2, [row], chunk(b"pHYs", bytes(9)))):
        np.testing.assert_allclose(read_photo(data).rgb[0], [[0, 1, 100], [255, 128, 254]], atol=1)
    row = struct.pack(">4H", 25700, 65535, 514, 257)
    photo = read_photo(png(2, 1, 16, 4, [row]))
    assert photo.rgb[0].tolist() == [[100] * 3, [2] * 3]
    assert photo.alpha.tolist() == [[255, 1]]


@pytest.mark.parametrize(
    ("values", "expected", "is_stretched"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255], False),
        ([0.0, 51.0, 255.0], [0, 51, 255], False),
        ([0.0, 13107.0, 65535.0], [0, 51, 255], False),
        ([0.0, 20000.0, 100000.0], [0, 51, 255], True),
        ([-1.0, 0.0, 4.0], [0, 51, 255], True),
        ([np.nan, 0.2, 1.0], [0, 51, 255], False),
        ([-np.inf, 0.2, np.inf], [0, 51, 255], False),
        ([np.nan, np.nan, np.nan], [0, 0, 0], False),
        ([-3.0, -3.0, -3.0], [0, 0, 0], True),
        ([-3e38, 0.0, 3e38], [0, 128, 255], True),
    ],
)
def test_float_gray(values, expected, is_stretched):
    image = Image.fromarray(np.array([values], np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photos = [read_photo(image), read_photo(encode(image, "TIFF"))]
    for photo in photos:
        assert photo.rgb[0].tolist() == [[value] * 3 for value in expected]
        assert any("stretched" in note for note in photo.notes) == is_stretched


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 51, 255], [0, 51, 255]),
        ([0, 1, 1], [0, 1, 1]),  # integers have no 0..1 range
        ([0, 13107, 65535], [0, 51, 255]),
        ([0, 20000, 100000], [0, 51, 255]),
        ([-100, 0, 400], [0, 51, 255]),
    ],
)
def test_32_bit_gray(values, expected):
    image = Image.fromarray(np.array([values], np.int32))
    for source in (image, encode(image, "TIFF")):
        assert read_photo(source).rgb[0, :, 2].tolist() == expected


def test_signalling_nan_is_black():
    values = np.array([[0x7F800001, 0x3F800000]], np.uint32).view(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = read_photo(encode(Image.fromarray(values), "TIFF"))
    assert photo.rgb[0, :, 0].tolist() == [0, 255]


def test_unsigned_32_bit_tiff():
    data = tiff(3, 1, 32, struct.pack("<3I", 0, 2**31, 2**32 - 1))
    assert read_photo(data).rgb[0, :, 0].tolist() == [0, 128, 255]


# Arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "rgb", "alpha"),
    [
        (np.array([[0, 200]], np.uint8), [[0] * 3, [200] * 3], None),
        (np.array([[[0], [200]]], np.uint8), [[0] * 3, [200] * 3], None),
        (np.array([[[9, 1], [8, 2]]], np.uint8), [[9] * 3, [8] * 3], [1, 2]),
        (np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), [[1, 2, 3], [4, 5, 6]], None),
        (np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.uint8), [[1, 2, 3], [5, 6, 7]], [4, 8]),
        (np.array([[False, True]]), [[0] * 3, [255] * 3], None),
        (np.array([[25700, 65535]], np.uint16), [[100] * 3, [255] * 3], None),
        (np.array([[25700, 65535]], ">u2"), [[100] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float64), [[51] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float32), [[51] * 3, [255] * 3], None),
        (np.array([[0.2, 1.0]], np.float16), [[51] * 3, [255] * 3], None),
        (np.array([[-1e-6, 1 + 1e-6]]), [[0] * 3, [255] * 3], None),
        (np.array([[[0.2, 0.4], [1.0, 0.0]]]), [[51] * 3, [255] * 3], [102, 0]),
    ],
)
def test_arrays(array, rgb, alpha):
    photo = read_photo(array)
    assert photo.rgb[0].tolist() == rgb
    assert photo.rgb.dtype == np.uint8
    assert (None if photo.alpha is None else photo.alpha[0].tolist()) == alpha


def test_array_views():
    pixels = noise(6, 8, 3)
    for view in (pixels[::-1, ::2], pixels.transpose(1, 0, 2), pixels[..., ::-1]):
        np.testing.assert_array_equal(read_photo(view).rgb, view)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 4), np.int64), "int64"),
        (np.zeros((2, 3), np.int8), "int8"),
        (np.zeros((2, 3), complex), "complex"),
        (np.zeros((2, 3), object), "object"),
        (np.zeros(5, np.uint8), r"\(5,\)"),
        (np.zeros((1, 2, 3, 3), np.uint8), "one picture"),
        (np.zeros((2, 3, 5), np.uint8), r"\(2, 3, 5\)"),
        (np.zeros((3, 20, 30), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((0, 3), np.uint8), "no pixels"),
        (np.zeros((3, 0, 3), np.uint8), "no pixels"),
        (np.zeros((3, 3, 0), np.uint8), r"\(3, 3, 0\)"),
        (np.array([[0.0, 255.0]]), "from 0 to 255, expected 0 to 1"),
        (np.array([[-0.5, 0.5]]), "from -0.5 to 0.5"),
        (np.array([[np.nan, 0.5]]), "NaN"),
        (np.array([[np.inf, 0.5]]), "inf"),
    ],
)
def test_bad_arrays(array, words):
    with pytest.raises(ImageError, match=words) as info:
        read_photo(array)
    assert str(info.value).startswith("array: ")


# Metadata -----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 100}),
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_orientation(orientation, file_format, options):
    # Blocks of 16 pixels come through JPEG; the centre of each is looked at.
    stored = np.kron(STORED, np.ones((16, 16), np.uint8))
    image = Image.fromarray(stored)
    if "compression" in options:
        options = {**options, "tiffinfo": {ORIENTATION: orientation, ARTIST: "Ada"}}
    else:
        options = {**options, "exif": exif_block(orientation)}
    photo = read_photo(encode(image, file_format, **options))
    assert photo.rgb.shape == (*np.kron(UPRIGHT[orientation], np.ones((16, 16))).shape, 3)
    np.testing.assert_allclose(photo.rgb[8::16, 8::16, 0], UPRIGHT[orientation], atol=1)
    exif = load_exif(photo.exif)
    assert ORIENTATION not in exif
    assert exif[ARTIST] == "Ada"
    assert photo.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_memory_turns_alpha_too(orientation):
    image = Image.merge("LA", [Image.fromarray(STORED), Image.fromarray(STORED + 100)])
    image.info["exif"] = exif_block(orientation)
    photo = read_photo(image)
    assert photo.rgb[..., 0].tolist() == UPRIGHT[orientation]
    assert (photo.alpha - 100).tolist() == UPRIGHT[orientation]


def test_pil_tiff_is_not_turned_twice():
    data = encode(Image.fromarray(STORED), "TIFF", tiffinfo={ORIENTATION: 6})
    for load_first in (False, True):
        with Image.open(io.BytesIO(data)) as image:
            if load_first:
                image.load()
            assert read_photo(image).rgb[..., 0].tolist() == UPRIGHT[6]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientation_is_upright(orientation):
    photo = read_photo(encode(Image.fromarray(STORED), "PNG", exif=exif_block(orientation)))
    assert photo.rgb[..., 0].tolist() == STORED.tolist()
    assert ORIENTATION not in load_exif(photo.exif)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_kept_and_brought_up_to_date(file_format):
    photo = read_photo(encode(Image.new("RGB", (6, 4)), file_format, exif=exif_block(8)))
    exif = load_exif(photo.exif)
    assert set(exif) == {ARTIST, DATE, EXIF_IFD, GPS_IFD}  # nothing of a TIFF's layout
    assert exif[DATE] == "1931:05:06 07:08:09"
    details = exif.get_ifd(EXIF_IFD)
    assert details[DATE_TAKEN] == "1931:05:06 07:08:10"
    assert details[COLOUR_SPACE] == 1  # sRGB, which it now is
    assert INTEROPERABILITY not in details  # it said Adobe RGB
    assert ORIENTATION not in details
    assert details[PIXELS_ACROSS] == 4  # turned: the height became the width
    assert exif.get_ifd(GPS_IFD)[2] == (51.0, 28.0, 38.0)


def test_exif_of_orientation_alone_is_none():
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    assert read_photo(encode(Image.new("L", (4, 4)), "PNG", exif=exif.tobytes())).exif is None


def test_thumbnail_is_left_out():
    thumbnail = b"\xff\xd8THUMBNAIL\xff\xd9"
    first = struct.pack("<H HHI4s I", 1, ARTIST, 2, 4, b"Ada\0", 26)
    second = struct.pack("<H HHII HHII I", 2, 513, 4, 1, 56, 514, 4, 1, len(thumbnail), 0)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + thumbnail
    assert load_exif(block).get_ifd(ExifTags.IFD.IFD1)[514] == len(thumbnail)
    photo = read_photo(encode(Image.new("RGB", (8, 8)), "JPEG", exif=block))
    assert load_exif(photo.exif)[ARTIST] == "Ada"
    assert b"THUMBNAIL" not in photo.exif


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0junk and more junk",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        exif_block(6)[:40],
        exif_block(6)[:-30],
        exif_block(6)[:16] + b"\xff" * 60,
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_corrupt_exif_does_not_cost_the_photo(file_format, block):
    photo = read_photo(encode(Image.new("RGB", (8, 8), (7, 7, 7)), file_format, exif=block))
    np.testing.assert_allclose(photo.rgb, 7, atol=1)
    if photo.exif is not None:
        assert ORIENTATION not in load_exif(photo.exif)


@pytest.mark.parametrize("tag", [EXIF_IFD, GPS_IFD, 700])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_corrupt_pointers_in_a_tiff_do_not_cost_the_photo(tag):
    for offset in (0, 1, 150, 10**6, 2**32 - 1):
        data = tiff(3, 2, 8, STORED.tobytes() + bytes(99), t274=6, **{f"t{tag}": offset})
        photo = read_photo(data)
        assert photo.rgb[..., 0].tolist() == UPRIGHT[6]
        assert photo.exif is None


def test_exif_too_long_for_a_jpeg_is_left_out_with_a_note():
    exif = Image.Exif()
    exif[EXIF_IFD] = {0x927C: bytes(70_000)}
    photo = read_photo(encode(Image.new("L", (4, 4)), "PNG", exif=exif.tobytes()))
    assert photo.exif is None
    assert "too long" in photo.notes[0]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_dpi(file_format):
    image = Image.new("L", (4, 4))
    assert read_photo(encode(image, file_format, dpi=(300, 150))).dpi == pytest.approx(
        (300, 150), abs=0.02
    )
    if file_format != "BMP":  # Pillow writes 96 dpi into every BMP
        assert read_photo(encode(image, file_format)).dpi is None


def test_turning_a_photo_turns_its_resolution():
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x011A], exif[0x011B], exif[0x0128] = 8, 300, 150, 2
    image = Image.new("L", (4, 4))
    photo = read_photo(encode(image, "PNG", exif=exif.tobytes(), dpi=(300, 150)))
    assert photo.dpi == pytest.approx((150, 300), abs=0.02)
    assert (load_exif(photo.exif)[0x011A], load_exif(photo.exif)[0x011B]) == (150, 300)


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 72), (float("inf"), 72), 72, ("x", "y")])
def test_impossible_dpi_is_none(dpi):
    image = Image.new("L", (4, 4))
    image.info["dpi"] = dpi
    assert read_photo(image).dpi is None


# Colour profiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_gray_profile(file_format):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = encode(Image.fromarray(levels), file_format, icc_profile=gray_profile(1.0))
    photo = read_photo(data)
    expected = from_linear(levels / 255)[..., None]
    np.testing.assert_allclose(photo.rgb, np.broadcast_to(expected, (16, 16, 3)), atol=1)
    assert photo.notes == ()


def test_gray_profile_keeps_16_bit_shadows():
    levels = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    photo = read_photo(encode(Image.fromarray(levels), "PNG", icc_profile=gray_profile(1.0)))
    np.testing.assert_allclose(photo.rgb[..., 0], from_linear(levels / 65535), atol=1)
    assert len(np.unique(photo.rgb)) > 60  # through 8 bits only 17 would be left


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_rgb_profile(mode):
    # By this profile the first channel is green light and the second red, both linear.
    stored = np.array([[[10, 60, 200], [255, 0, 0], [0, 0, 0], [255, 255, 255]]], np.uint8)
    image = Image.fromarray(stored)
    if mode == "RGBA":
        image.putalpha(77)
    elif mode == "P":
        image = image.quantize(4)
    photo = read_photo(encode(image, "PNG", icc_profile=rgb_profile(1.0, "grb")))
    np.testing.assert_allclose(photo.rgb, from_linear(stored[..., [1, 0, 2]] / 255), atol=1)
    assert (photo.alpha is not None and int(photo.alpha[0, 0]) == 77) == (mode == "RGBA")


def test_rgb_profile_of_a_gray_picture():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(levels)
    image.info["icc_profile"] = rgb_profile(1.0)
    np.testing.assert_allclose(read_photo(image).rgb[..., 1], from_linear(levels / 255), atol=1)


def test_cmyk_profile():
    inks = [(0, 0, 0, 0), (255, 255, 255, 0), (0, 0, 0, 255)]
    for ink, gray in zip(inks, [255, 255, 0], strict=True):
        image = Image.new("CMYK", (16, 16), ink)
        data = encode(image, "JPEG", icc_profile=black_only_profile(), quality=100)
        np.testing.assert_allclose(read_photo(data).rgb, gray, atol=2)


def test_lab_tiff():
    image = Image.new("LAB", (4, 4), (138, 209, 198))
    np.testing.assert_allclose(read_photo(encode(image, "TIFF")).rgb[0, 0], (255, 0, 0), atol=3)


def test_profile_that_is_srgb_by_another_name_leaves_pixels_alone():
    encoded = np.linspace(0, 1, 1024)
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 1024)
    curve += np.rint(light * 65535).astype(">u2").tobytes()
    image = Image.fromarray(noise(200, 200, 3))
    image.info["icc_profile"] = rgb_profile(curve)
    # LittleCMS would move some pixels by one.
    np.testing.assert_array_equal(read_photo(image).rgb, np.asarray(image))


def test_srgb_profile_leaves_pixels_alone():
    pixels = noise(32, 32, 3)
    image = to_pil(pixels, read_photo(pixels))
    assert image.info["icc_profile"]
    np.testing.assert_array_equal(read_photo(encode(image, "PNG")).rgb, pixels)
    gray = Image.fromarray(pixels[..., 0])
    gray.info["icc_profile"] = image.info["icc_profile"]
    np.testing.assert_array_equal(read_photo(gray).rgb[..., 0], pixels[..., 0])


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"junk"),
        ("RGB", rgb_profile(1.0)[:200]),
        ("RGB", gray_profile(1.0)),
        ("RGB", black_only_profile()),
        ("CMYK", rgb_profile(1.0)),
        ("L", b"\0" * 500),
        ("L", black_only_profile()),
        ("I;16", b"junk"),
    ],
)
def test_unusable_profile_is_ignored_with_a_note(mode, profile):
    image = Image.new(mode, (2, 2))
    without = read_photo(image)
    image.info["icc_profile"] = profile
    photo = read_photo(image)
    np.testing.assert_array_equal(photo.rgb, without.rgb)
    assert len(photo.notes) == 1
    assert "profile" in photo.notes[0]


# Several frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "note"),
    [
        ("GIF", "animated, 3 frames: the first one is used"),
        ("WEBP", "animated, 3 frames: the first one is used"),
        ("PNG", "animated, 3 frames: the first one is used"),
        ("TIFF", "several, 3 pages: the first one is used"),
        ("MPO", None),
    ],
)
def test_first_frame_is_used(file_format, note, tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:])
    path = tmp_path / "frames"
    path.write_bytes(data)
    for source in (data, path):
        photo = read_photo(source)
        np.testing.assert_allclose(photo.rgb[8, 8], (255, 0, 0), atol=6)
        assert photo.notes == (() if note is None else (note,))


def test_damage_after_the_first_frame_does_not_matter():
    frames = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    photo = read_photo(data[: len(data) * 2 // 3])
    np.testing.assert_array_equal(photo.rgb, read_photo(frames[0]).rgb)
    assert photo.notes[0].startswith("animated")


# Limits -------------------------------------------------------------------------------------------


FORMATS = {
    "jpg": ("JPEG", {}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_limit_and_raising_it_past_pillows(kind, monkeypatch):
    file_format, options = FORMATS[kind]
    image = Image.new("RGB", (20, 30), (9, 9, 9))
    data = encode(image, file_format, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in (data, image):
            with pytest.raises(ImageError, match=r"20 x 30 .*limit of 599.*max_pixels=600"):
                read_photo(source, max_pixels=599)
            np.testing.assert_allclose(read_photo(source, max_pixels=600).rgb, 9, atol=1)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_limit_holds_for_arrays():
    with pytest.raises(ImageError, match="max_pixels"):
        read_photo(np.zeros((20, 30), np.uint8), max_pixels=599)


def test_threads_read_past_pillows_limit(monkeypatch):
    files = [encode(Image.new("RGB", (40, 50), (n, n, n)), "PNG") for n in range(24)]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(read_photo, files))
    assert [int(photo.rgb.max()) for photo in photos] == list(range(24))
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(
    "data",
    [
        png(2**31 - 1, 2**31 - 1, 8, 2, [b""]),
        tiff(2**31 - 1, 60000, 8, bytes(10)),
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
        b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\xfe\xbf\xff\x07\x07\x10\x11\xfd\x0fDD\xff\x03",
        tiff(30000, 30000, 1, bytes(10), t259=4),
    ],
    ids=["png", "tiff", "bmp", "gif", "webp", "tiff-group4"],
)
def test_bombs_are_refused_before_decoding(data):
    tracemalloc.start()
    with pytest.raises(ImageError, match=f"limit of {MAX_PIXELS:,}.*max_pixels="):
        read_photo(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6 + len(data)


# Found by tests/fuzzing.
@pytest.mark.parametrize("kind", ["webp", "progressive"])
def test_what_is_decoded_through_twice_the_memory_stays_below_a_gigabyte(kind):
    image = Image.new("L", (10, 10))
    data = encode(image, "WEBP") if kind == "webp" else encode(image, "JPEG", progressive=True)
    if kind == "webp":
        canvas = b"VP8X" + struct.pack("<II", 10, 2) + (9_999).to_bytes(3, "little") * 2
        frame = b"ANMF" + struct.pack("<I", 16 + len(data) - 12) + bytes(6)
        frame += (9).to_bytes(3, "little") * 2 + bytes(4) + data[12:]
        body = canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame
        data = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    else:
        at = data.index(b"\xff\xc2") + 5
        data = data[:at] + struct.pack(">HH", 10_000, 10_000) + data[at + 4 :]
    message = "10000 x 10000 .*limit of 80,000,000.*max_pixels=100000000 "
    with pytest.raises(ImageError, match=message):
        read_photo(data)
    with pytest.raises(ImageError, match="limit of 90,000,000.*max_pixels=100000000 "):
        read_photo(data, max_pixels=90_000_000)


def test_text_bomb_in_a_png():
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 24)))
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_photo(png(1, 1, 8, 0, [b"\0"], text))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_no_second_copy_of_the_picture_is_made(mode):
    image = Image.new(mode, (3000, 2000))
    image.info["exif"] = exif_block(6)
    tracemalloc.start()
    photo = read_photo(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = photo.rgb.nbytes + (0 if photo.alpha is None else photo.alpha.nbytes)
    assert peak < result + 16e6  # one float copy of the picture would be 24 MB or more


# Sources that cannot be read ----------------------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(ImageError, match=r"^gone\.jpg: there is no such file; check") as info:
        read_photo(tmp_path / "gone.jpg")
    assert str(tmp_path) not in str(info.value)
    assert isinstance(info.value, ValueError)
    assert isinstance(info.value, ColorzooError)


def test_folder(tmp_path):
    with pytest.raises(ImageError, match=f"^{tmp_path.name}: is a folder"):
        read_photo(tmp_path)
    with pytest.raises(ImageError, match="is a folder"):
        read_photo(Path())


def test_permission_denied(photo_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"^cat\.png: may not be read; change"):
        read_photo(photo_path)


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 5000, "~nobody-of-this-name/x.png"])
def test_impossible_paths(path):
    with pytest.raises(ImageError):
        read_photo(path)


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am a text file, not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0\0\0\x20ftypheic" + bytes(100),
        b"%PDF-1.7" + bytes(100),
        b"P5\n1 1\n255\n\0",
        bytes(1000),
        b"\xff",
        b"RIFF\0\0\0\0WAVE" + bytes(20),
    ],
)
def test_not_a_supported_picture(data, tmp_path):
    path = tmp_path / "thing.heic"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"^thing\.heic: ") as info:
        read_photo(path)
    if not data.startswith(b"RIFF"):
        assert "JPEG, PNG, WebP, TIFF, BMP or GIF" in str(info.value)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    for source in (path, b"", io.BytesIO()):
        with pytest.raises(ImageError, match=r"empty \(0 bytes\)"):
            read_photo(source)


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_file(kind):
    file_format, options = FORMATS[kind]
    data = encode(Image.fromarray(noise(40, 40, 3)), file_format, **options)
    for keep in (0.9, 0.5, 0.1):
        with warnings.catch_warnings(), pytest.raises(ImageError, match="^bytes: ") as info:
            warnings.simplefilter("ignore")
            read_photo(data[: int(len(data) * keep)])
        assert "fetch it again" in str(info.value)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_side_longer_than_a_photo_can_have():
    with pytest.raises(ImageError, match="side of 65,536 pixels"):
        read_photo(np.zeros((1, 65_536), np.uint8))
    assert read_photo(np.zeros((1, 65_535), np.uint8)).rgb.shape == (1, 65_535, 3)


def test_no_pixels():
    with pytest.raises(ImageError, match="no pixels"):
        read_photo(Image.new("RGB", (0, 5)))
    with pytest.raises(ImageError):
        read_photo(png(0, 0, 8, 0, []))


def test_camera_raw_is_refused_rather_than_its_thumbnail():
    for tags in ({"t50706": 1}, {"t254": 1, "t330": 0}):
        with pytest.raises(ImageError, match="camera raw"):
            read_photo(tiff(2, 1, 8, b"\1\2", **tags))
    assert read_photo(tiff(2, 1, 8, b"\1\2", t254=0)).rgb[0, :, 0].tolist() == [1, 2]


def test_damaged_chunks():
    good = png(2, 1, 8, 0, [b"\1\2"])
    for bad in (
        good.replace(b"IDAT", b"IDAX"),
        good[:-20] + bytes(20),
        png(2, 1, 8, 0, [b"\1\2"], chunk(b"pHYs", b"")),
        png(2, 1, 3, 0, [b"\1\2"]),
        png(2, 1, 8, 9, [b"\1\2"]),
    ):
        with pytest.raises(ImageError, match="cannot be decoded"):
            read_photo(bad)


@pytest.mark.parametrize("source", [None, 3, object(), [1, 2], ["a.png"]])
def test_other_types(source):
    with pytest.raises(ImageError, match=r"pass a path, bytes, .* NumPy array"):
        read_photo(source)


def test_text_stream_and_closed_stream(photo_path):
    with photo_path.open("r", encoding="latin-1") as stream:
        with pytest.raises(ImageError, match=r'^cat\.png: .*open it with "rb"'):
            read_photo(stream)
    stream = io.BytesIO(b"x")
    stream.close()
    with pytest.raises(ImageError, match="closed file"):
        read_photo(stream)


def fuzz_seeds() -> dict[str, bytes]:
    image = Image.fromarray(noise(9, 13, 3))
    deep = Image.fromarray(noise(9, 13, dtype=np.uint16))
    rich = {"exif": exif_block(6), "icc_profile": rgb_profile(1.8)}

    def pages(file_format: str) -> bytes:
        # New images each time, for Pillow leaves encoder settings behind on them.
        return encode(image, file_format, save_all=True, append_images=[image.rotate(180)])

    return {
        "jpeg": encode(image, "JPEG", **rich),
        "jpeg-cmyk": encode(image.convert("CMYK"), "JPEG"),
        "mpo": pages("MPO"),
        "png": encode(image, "PNG", **rich),
        "png-palette": encode(image.quantize(8), "PNG", transparency=b"\1\2\3"),
        "png-16": encode(deep, "PNG", icc_profile=gray_profile(1.8)),
        "apng": pages("PNG"),
        "webp": encode(image, "WEBP", **rich),
        "webp-lossless": encode(image.convert("RGBA"), "WEBP", lossless=True),
        "webp-animated": pages("WEBP"),
        "tiff": encode(image, "TIFF", **rich),
        "tiff-pages": pages("TIFF"),
        "tiff-16": encode(deep, "TIFF"),
        "tiff-float": encode(image.convert("F"), "TIFF"),
        "tiff-by-hand": tiff(2, 1, 12, b"\1\2\3", t281=4095),
        "bmp": encode(image, "BMP"),
        "bmp-palette": encode(image.quantize(16), "BMP"),
        "gif": encode(image, "GIF"),
        "gif-animated": pages("GIF"),
    }


@pytest.mark.parametrize("kind", fuzz_seeds())
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_a_photo_or_an_image_error(kind):
    data = fuzz_seeds()[kind]
    assert isinstance(read_photo(data), Photo)
    generator = np.random.default_rng(len(data))
    outcomes = set()
    for attempt in range(60):
        damaged = bytearray(data)
        if attempt % 4 == 0:
            del damaged[generator.integers(len(data)) :]
        else:
            # Half of the damage goes to the header, where it does most.
            reach = len(data) if attempt % 2 else min(len(data), 150)
            for _ in range(generator.integers(1, 5)):
                damaged[generator.integers(reach)] = generator.choice([0, 255, 17])
        try:
            photo = read_photo(bytes(damaged), max_pixels=1_000_000)
        except ImageError as exc:
            assert str(exc).startswith("bytes: ")
            outcomes.add("refused")
        else:
            assert photo.rgb.dtype == np.uint8
            assert photo.rgb.shape[2] == 3
            to_pil(photo.rgb, photo)
            outcomes.add("read")
    assert "refused" in outcomes


# Writing ------------------------------------------------------------------------------------------


def sample_photo(*, alpha: bool) -> Photo:
    image = Image.fromarray(np.kron(noise(3, 4, 3), np.ones((16, 16, 1), np.uint8)))
    if alpha:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return read_photo(encode(image, "PNG", exif=exif_block(6), dpi=(300, 200)))


@pytest.mark.parametrize("alpha", [False, True])
def test_to_pil(alpha):
    photo = sample_photo(alpha=alpha)
    pixels = 255 - photo.rgb
    image = to_pil(pixels, photo)
    assert image.mode == ("RGBA" if alpha else "RGB")
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)
    if alpha:
        np.testing.assert_array_equal(np.asarray(image.getchannel("A")), photo.alpha)
    assert image.info["exif"] == photo.exif
    assert image.info["dpi"] == photo.dpi
    assert image.info["icc_profile"][16:20] == b"RGB "
    # The date of creation must not differ from run to run.
    assert struct.unpack(">6H", image.info["icc_profile"][24:36]) == (2000, 1, 1, 0, 0, 0)
    plain = to_pil(PIXELS, read_photo(PIXELS))
    assert set(plain.info) == {"icc_profile"}


@pytest.mark.parametrize(
    "rgb", [PIXELS[:-1], PIXELS[..., 0], PIXELS.astype(np.float32), PIXELS.transpose(1, 0, 2)]
)
def test_to_pil_wants_pixels_that_fit(rgb):
    with pytest.raises(ImageError, match=r"expected uint8 of shape \(3, 7, 3\)"):
        to_pil(rgb, read_photo(PIXELS))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".tif", ".tiff", ".bmp"])
def test_round_trip(suffix, alpha, tmp_path):
    photo = sample_photo(alpha=alpha)
    path = tmp_path / f"out{suffix}"
    save_image(to_pil(photo.rgb, photo), path)
    assert os.listdir(tmp_path) == [path.name]
    kind = suffix.lower()
    with Image.open(path) as written:
        profile, exif = written.info.get("icc_profile"), dict(written.getexif())
    back = read_photo(path)

    if alpha and kind in (".png", ".webp", ".tif", ".tiff"):
        np.testing.assert_array_equal(back.alpha, photo.alpha)
        expected = photo.rgb
    elif alpha:
        assert back.alpha is None
        share = photo.alpha[..., None] / 255
        expected = photo.rgb * share + 255 * (1 - share)
    else:
        assert back.alpha is None
        expected = photo.rgb
    solid = np.ones(photo.rgb.shape[:2], bool) if photo.alpha is None else photo.alpha > 128
    difference = np.abs(back.rgb.astype(float) - expected)[solid]
    if kind in (".png", ".tif", ".tiff"):
        assert difference.max() == 0
    elif kind == ".bmp":
        assert difference.max() <= 1
    else:
        assert difference.mean() < 4

    assert back.notes == ()
    if kind == ".bmp":
        assert profile is None
        assert back.exif is None
    else:
        assert profile == to_pil(photo.rgb, photo).info["icc_profile"]
        assert ORIENTATION not in exif
        assert exif[ARTIST] == "Ada"
        kept = load_exif(back.exif)
        assert kept.get_ifd(EXIF_IFD)[DATE_TAKEN] == "1931:05:06 07:08:10"
        assert kept.get_ifd(GPS_IFD)[1] == "N"
    if kind != ".webp":
        tolerance = 0.6 if kind.startswith(".j") else 0.02
        assert back.dpi == pytest.approx((200, 300), abs=tolerance)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "F", "YCbCr", "LAB", "RGBa"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_any_mode_can_be_saved(mode, suffix, tmp_path):
    image = Image.new(mode, (16, 16))
    expected = read_photo(image)
    path = tmp_path / f"x{suffix}"
    save_image(image, path)
    back = read_photo(path)
    assert back.rgb.shape == (16, 16, 3)
    if expected.alpha is None:
        np.testing.assert_allclose(back.rgb, expected.rgb, atol=2)


def test_saving_is_reproducible_and_leaves_the_image_alone(tmp_path):
    photo = sample_photo(alpha=True)
    image = to_pil(photo.rgb, photo)
    before = image.mode, dict(image.info), image.tobytes()
    for name in ("a.jpg", "b.jpg"):
        save_image(image, tmp_path / name)
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    assert (image.mode, dict(image.info), image.tobytes()) == before


def test_jpeg_keeps_colour_at_full_resolution(tmp_path):
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 255, 255
    save_image(Image.fromarray(stripes), tmp_path / "x.jpg")
    np.testing.assert_allclose(read_photo(tmp_path / "x.jpg").rgb, stripes, atol=40)


def test_quality(tmp_path):
    image = Image.fromarray(noise(64, 64, 3))
    for suffix in (".jpg", ".webp"):
        save_image(image, tmp_path / f"low{suffix}", quality=20)
        save_image(image, tmp_path / f"high{suffix}")
        assert (tmp_path / f"low{suffix}").stat().st_size < (
            tmp_path / f"high{suffix}"
        ).stat().st_size / 2
    for quality in (0, 101, -5):
        with pytest.raises(ImageError, match="between 1 and 100"):
            save_image(image, tmp_path / "x.jpg", quality=quality)


@pytest.mark.parametrize("name", ["x.gif", "x.heic", "x", "x.jpg.bak", ".png"])
def test_unknown_suffix(name, tmp_path):
    with pytest.raises(ImageError, match=r"the suffix \.jpg, \.png, \.webp, \.tif or \.bmp"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_unwritable_places(tmp_path):
    image = Image.new("RGB", (2, 2))
    with pytest.raises(ImageError, match=r"^x\.png: cannot be written .* folder exists"):
        save_image(image, tmp_path / "missing" / "x.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(image, tmp_path / "folder.png")
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(image, tmp_path / "file" / "x.png")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_failing_encoder_leaves_the_old_file(suffix, tmp_path):
    path = tmp_path / f"wide{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(ImageError, match="try .png"):
        save_image(Image.new("RGB", (70_000, 1)), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def fill(_image, stream, _format, **_options):
        stream.write(b"half a picture")
        raise OSError(28, "No space left on device")

    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", fill)
    with pytest.raises(ImageError, match="No space left on device.* has room"):
        save_image(Image.new("RGB", (2, 2)), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.png"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and permissions")
def test_link_and_permissions_survive_a_rewrite(tmp_path):
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    save_image(Image.fromarray(PIXELS), link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    np.testing.assert_array_equal(read_photo(real).rgb, PIXELS)


def test_suffixes():
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"} <= SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
