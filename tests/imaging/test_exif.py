"""Orientation, EXIF and resolution: kept, brought up to date, or left out when damaged."""

import io
import struct

import numpy as np
import pytest
from helpers.pictures import (
    ARTIST,
    COLOUR_SPACE,
    DATE,
    DATE_TAKEN,
    EXIF_IFD,
    GPS_IFD,
    INTEROPERABILITY,
    ORIENTATION,
    PIXELS_ACROSS,
    STORED,
    UPRIGHT,
    encode,
    exif_block,
    load_exif,
    tiff,
)
from PIL import ExifTags, Image

from colorzoo.imaging.read import read_photo


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
