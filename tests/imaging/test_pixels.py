"""Pixels of every mode, with and without transparency, as upright sRGB."""

import struct

import numpy as np
import pytest
from helpers.pictures import PALETTE_RGB, chunk, encode, exif_block, noise, palette_image, png
from PIL import Image

from colorzoo.imaging import pixels as _pixels
from colorzoo.imaging.read import read_photo


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
