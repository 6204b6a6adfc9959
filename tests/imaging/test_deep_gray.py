"""Gray deeper than 8 bits: scaled, never clipped."""

import struct
import warnings

import numpy as np
import pytest
from helpers.pictures import chunk, encode, png, tiff
from PIL import Image

from colorzoo.imaging.read import read_photo

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
        assert any("scaled to black and white" in note for note in photo.notes) == is_stretched


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
