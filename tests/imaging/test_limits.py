"""Limits on pixels and memory: checked before decoding, and held by every format."""

import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers.pictures import FORMATS, chunk, encode, exif_block, png, tiff
from PIL import Image

from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.imaging.read import read_photo


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
