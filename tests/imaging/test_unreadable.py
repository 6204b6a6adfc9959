"""Sources that cannot be read: each gives one ImageError that says what to do."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import (
    FORMATS,
    encode,
    exif_block,
    gray_profile,
    noise,
    png,
    rgb_profile,
    tiff,
)
from PIL import Image, ImageFile

from colorzoo.errors import ColorzooError, ImageError
from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import to_pil


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

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match=r"^cat\.png: permission denied; change"):
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
    if b"heic" in data:
        assert "cannot be decoded" in str(info.value)
    else:
        assert "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF or JPEG 2000" in str(info.value)


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
    # The last rows of a JPEG may be missing.
    for keep in (0.6 if file_format == "JPEG" else 0.9, 0.5, 0.1):
        with warnings.catch_warnings(), pytest.raises(ImageError, match="^bytes: ") as info:
            warnings.simplefilter("ignore")
            read_photo(data[: int(len(data) * keep)])
        assert "copy it again" in str(info.value)
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
