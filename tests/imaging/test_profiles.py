"""Colour profiles are converted to sRGB; those that cannot be are ignored with a note."""

import struct

import numpy as np
import pytest
from helpers.pictures import (
    black_only_profile,
    encode,
    from_linear,
    gray_profile,
    noise,
    rgb_profile,
)
from PIL import Image

from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import to_pil


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
