"""Writing pictures: round trips, every mode, and files that cannot be written."""

import os
import struct

import numpy as np
import pytest
from helpers.pictures import (
    ARTIST,
    DATE_TAKEN,
    EXIF_IFD,
    GPS_IFD,
    ORIENTATION,
    PIXELS,
    encode,
    exif_block,
    load_exif,
    noise,
)
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import save_image, to_pil


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


@pytest.mark.filterwarnings("ignore:out.bmp. left out")
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
    with pytest.raises(ImageError, match="No space left on device.* has space"):
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


def test_what_is_no_pil_image_is_refused(tmp_path, coffee):
    for wrong in ("photo.jpg", coffee):
        with pytest.raises(ImageError, match=r"x\.png: expected a PIL image to save, got"):
            save_image(wrong, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
