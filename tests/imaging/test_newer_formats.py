"""HEIC, AVIF, JPEG 2000 and JPEG XL."""

import io
import sys

import imagecodecs
import numpy as np
import pytest
from helpers.heic import encode_heic
from helpers.pictures import encode, exif_block, rgb_profile
from PIL import Image

import colorzoo
from colorzoo.errors import ImageError
from colorzoo.imaging.read import read_photo, stored_size


@pytest.fixture(scope="module")
def picture(coffee) -> np.ndarray:
    return np.asarray(Image.fromarray(coffee).resize((96, 64)))


def test_heic(picture):
    data = encode_heic(picture)
    photo = read_photo(data)
    assert photo.rgb.shape == picture.shape and stored_size(data) == (96, 64)
    assert np.abs(photo.rgb.astype(int) - picture).mean() < 6  # chroma is subsampled


def test_heic_that_is_turned(picture):
    turned = read_photo(encode_heic(picture, turns=1)).rgb
    assert turned.shape == (96, 64, 3)
    assert np.abs(turned.astype(int) - np.rot90(picture)).mean() < 6


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_what_pillow_reads(picture, kind, mode):
    image = Image.fromarray(picture).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = encode(image, kind, **({"quality": 95} if kind == "AVIF" else {}))
    photo = read_photo(data)
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(photo.rgb - expected).mean() < 5 and stored_size(data) == image.size
    assert (photo.alpha is not None) == (mode == "RGBA")


def test_orientation_of_avif(picture):
    data = encode(Image.fromarray(picture), "AVIF", exif=exif_block(6))
    assert read_photo(data).rgb.shape == (96, 64, 3)


def test_jpeg_xl_where_its_plugin_is_installed(picture):
    plugin = pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    assert plugin is not None
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JXL", lossless=True)
    assert np.array_equal(read_photo(stream.getvalue()).rgb, picture)


@pytest.mark.parametrize(
    ("module", "head", "advice"),
    [
        ("pi_heif", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pip install 'colorzoo[heic]'"),
        ("pillow_jxl", b"\xff\x0a" + bytes(30), "pip install pillow-jxl-plugin"),
    ],
)
def test_a_missing_package_is_named(module, head, advice, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError) as info:
        read_photo(head)
    assert advice in str(info.value)


def test_the_pixel_limit(picture):
    for data in (encode_heic(picture), encode(Image.fromarray(picture), "JPEG2000")):
        with pytest.raises(ImageError, match="more than the limit of 6,000"):
            read_photo(data, max_pixels=6000)


def test_they_are_coloured(picture, tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(encode_heic(picture))
    assert colorzoo.load("unet").colorize(path).size == (96, 64)
    jpeg = tmp_path / "really-a-jpeg.HEIC"
    jpeg.write_bytes(encode(Image.fromarray(picture), "JPEG"))
    assert colorzoo.load("unet").colorize(jpeg).size == (96, 64)


@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_jpeg_2000(form, bits, channels):
    top = 2**bits - 1
    codes = np.rint(np.linspace(0, top, 24 * 32 * channels)).astype(np.uint16)
    codes = codes.reshape(24, 32, channels)
    data = imagecodecs.jpeg2k_encode(
        np.squeeze(codes), level=0, reversible=True, codecformat=form, bitspersample=bits
    )
    photo = read_photo(data, deep=True)
    colour = codes[..., : 3 if channels > 2 else 1]
    assert np.abs(photo.rgb - colour * (255 / top)).max() <= 1
    if channels == 4:
        assert photo.alpha is not None
        assert np.abs(photo.alpha - codes[..., 3] * (255 / top)).max() <= 1
    if channels > 1:
        assert photo.gray16 is not None and photo.gray16.max() > 60_000


def test_the_profile_of_jpeg_2000(picture):
    plain = encode(Image.fromarray(picture), "JPEG2000", irreversible=False)
    box = plain.index(b"colr") - 4
    size = int.from_bytes(plain[box : box + 4], "big")
    profile = rgb_profile(1.0)
    colr = (11 + len(profile)).to_bytes(4, "big") + b"colr\2\0\0" + profile
    header = plain.index(b"jp2h") - 4
    length = int.from_bytes(plain[header : header + 4], "big") + len(colr) - size
    data = (
        plain[:header] + length.to_bytes(4, "big") + plain[header + 4 : box] + colr
        + plain[box + size :]
    )  # fmt: skip
    as_png = encode(Image.fromarray(read_photo(plain).rgb), "PNG", icc_profile=profile)
    expected = read_photo(as_png).rgb.astype(int)
    assert np.abs(read_photo(data).rgb - expected).max() <= 1
    assert np.abs(read_photo(plain).rgb - expected).mean() > 10
