"""16 bits a channel from the scan to the result."""

import io
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from helpers.pictures import encoded, gray_profile, noise, rgb_profile
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.errors import ImageError
from colorzoo.imaging import space
from colorzoo.imaging.read import read_photo
from colorzoo.srgb import LUMINANCE

CHANNELS = {"gray": (), "gray and alpha": (2,), "colour": (3,), "colour and alpha": (4,)}


def encode_png(codes: np.ndarray) -> bytes:
    return imagecodecs.png_encode(codes)


def encode_tiff(codes: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    kind = "rgb" if codes.ndim == 3 and codes.shape[2] > 2 else "minisblack"
    if codes.ndim == 3 and codes.shape[2] in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(stream, codes, photometric=kind, metadata=None, **options)
    return stream.getvalue()


def gray_of(codes: np.ndarray) -> np.ndarray:
    """Gray levels of the same luminance, in double precision."""
    colour = codes[..., None] if codes.ndim == 2 else codes[..., : 1 if codes.shape[2] < 3 else 3]
    x = colour / 65535
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    luminance = linear[..., 0] if colour.shape[-1] == 1 else linear @ np.array(LUMINANCE)
    return encoded(luminance) * 65535


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("form", ["png", "tiff", "lzw", "zlib", "tiled", "big-endian"])
def test_all_16_bits_are_read(kind, form):
    codes = noise(37, 41, *CHANNELS[kind], dtype=np.uint16)
    options = {
        "png": {}, "tiff": {}, "lzw": {"compression": "lzw"}, "tiled": {"tile": (16, 16)},
        "zlib": {"compression": "zlib", "predictor": True}, "big-endian": {"byteorder": ">"},
    }[form]  # fmt: skip
    data = encode_png(codes) if form == "png" else encode_tiff(codes, **options)
    photo = read_photo(data, deep=True)
    if kind == "gray and alpha" and form != "png":
        assert photo.rgb.shape == (37, 41, 3)
        return
    assert photo.gray16 is not None
    assert np.abs(photo.gray16 - gray_of(codes)).max() <= 3
    assert read_photo(data).gray16 is None


def test_turned_scans():
    codes = noise(6, 9, 3, dtype=np.uint16)
    data = encode_tiff(codes, extratags=[(274, 3, 1, 6, True)])
    photo = read_photo(data, deep=True)
    assert photo.gray16 is not None
    assert np.abs(photo.gray16 - np.rot90(gray_of(codes), -1)).max() <= 3


def test_curves_and_matrices_of_profiles():
    codes = np.linspace(0, 65535, 256).astype(np.uint16)
    found = space.of_profile(gray_profile(1.8))
    assert found is not None
    expected = encoded((codes / 65535) ** 1.8) * 65535
    assert np.abs(found.gray16(codes[None, :, None])[0] - expected).max() <= 40  # gamma as 8.8 bits
    colour = space.of_profile(rgb_profile(1.8))
    assert colour is not None
    gray = np.repeat(codes[None, :, None], 3, axis=2)
    assert np.abs(colour.gray16(gray)[0] - expected).max() <= 120
    assert space.of_profile(b"short") is None and space.of_profile(bytes(300)) is None


def test_the_deep_gray_agrees_with_colour_management():
    codes = noise(16, 16, 3, dtype=np.uint16)
    profile = rgb_profile(1.8)
    data = encode_tiff(codes, iccprofile=profile)
    photo = read_photo(data, deep=True)
    assert photo.gray16 is not None
    lightness = rgb_to_lab(torch.tensor(photo.rgb).permute(2, 0, 1)[None] / 255)[0, 0]
    gray = torch.tensor(photo.gray16.astype(np.float32) / 65535)
    deep = rgb_to_lab(gray.expand(3, -1, -1)[None])[0, 0]
    assert (lightness - deep).abs().max() < 1.5


def lightness(codes: np.ndarray) -> np.ndarray:
    pixels = codes.reshape(*codes.shape[:2], -1)[..., :3]
    pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
    return rgb_to_lab(torch.tensor(pixels / 65535).permute(2, 0, 1)[None])[0, 0].numpy()


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("kind", ["gray", "colour", "colour and alpha"])
def test_the_result_has_the_lightness_of_the_scan(suffix, kind, tmp_path):
    ramp = np.linspace(6000, 52000, 48 * 64).reshape(48, 64)
    codes = ramp.astype(np.uint16)
    if kind != "gray":
        codes = np.stack([codes] * 3 + [codes[::-1]] * (kind != "colour"), axis=2)
    photo = read_photo(encode_tiff(codes), deep=True)
    model = colorzoo.load("unet")
    pixels = colorzoo.render_deep(model, photo, model.predict(photo))
    path = tmp_path / f"out{suffix}"
    colorzoo.save_deep(pixels, path, like=photo)
    back = imagecodecs.imread(str(path))
    assert back.dtype == np.uint16 and np.array_equal(back[..., :3], pixels)
    assert np.abs(lightness(back) - lightness(codes)).max() <= 100 / 65535
    assert np.ptp(pixels, axis=2).max() > 300  # it is in colour
    if photo.alpha is not None:
        assert np.array_equal(back[..., 3] // 257, photo.alpha)
    shallow = model.render(photo, model.predict(photo))
    assert np.abs(np.asarray(shallow)[..., :3] - pixels / 257).max() <= 3
    assert np.abs(np.asarray(Image.open(path))[..., :3] - pixels / 257).max() <= 1


@pytest.mark.parametrize(
    ("compression", "code"), [(None, 1), ("lzw", 5), ("zlib", 8), ("packbits", 8), ("jpeg", 8)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_compressed_tiff_stays_compressed(compression, code, dtype, tmp_path):
    if compression == "jpeg" and dtype == np.uint16:
        pytest.skip("JPEG has 8 bits")
    codes = noise(70, 300, 3, dtype=dtype)
    description = [(315, 2, 0, "Ada", True)]
    data = encode_tiff(codes, compression=compression, extratags=description)
    photo, path = read_photo(data, deep=True), tmp_path / "out.tif"
    if dtype == np.uint16:
        pixels = np.repeat(photo.gray16[..., None], 3, axis=2)  # pyright: ignore
        colorzoo.save_deep(pixels, path, like=photo)
    else:
        model = colorzoo.load("unet")
        image = model.render(photo, model.predict(photo))
        pixels = np.asarray(image)
        colorzoo.save_image(image, path)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert int(page.compression) == code and np.array_equal(page.asarray(), pixels)  # pyright: ignore
    with Image.open(path) as image:
        assert image.getexif()[315] == "Ada" and "icc_profile" in image.info


def test_what_cannot_be_written(tmp_path):
    photo = read_photo(encode_tiff(noise(8, 8, dtype=np.uint16)), deep=True)
    pixels = np.zeros((8, 8, 3), np.uint16)
    with pytest.raises(ImageError, match="no 16 bits a channel"):
        colorzoo.save_deep(pixels, tmp_path / "x.jpg", like=photo)
    with pytest.raises(ImageError, match="expected uint16 of shape"):
        colorzoo.save_deep(pixels[:4], tmp_path / "x.tif", like=photo)
    shallow, model = read_photo(noise(40, 40)), colorzoo.load("unet")
    with pytest.raises(ValueError, match="has no gray16"):
        colorzoo.render_deep(model, shallow, model.predict(shallow))


WRITER = """
import resource, signal, sys
import numpy as np
import colorzoo
from PIL import Image
kind, path, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
photo = colorzoo.read_photo(pixels)
import colorzoo.imaging.write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in range(0, limit, max(1, limit // 12)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        if kind == "deep":
            colorzoo.save_deep(pixels.astype(np.uint16) * 257, path, like=photo)
        else:
            colorzoo.save_image(Image.fromarray(pixels), path)
    except colorzoo.ImageError as error:
        assert "cannot be written" in str(error), error
    else:
        sys.exit(f"a file of {limit} bytes was written in {size}")
"""


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp", "deep.tif", "deep.png"]
)
def test_a_full_disk_is_noticed_and_keeps_the_old_file(name, tmp_path):
    """A process may write files of up to so many bytes; writes beyond are cut short."""
    path, kind = tmp_path / name, "deep" if "deep" in name else "plain"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    if kind == "deep":
        colorzoo.save_deep(pixels.astype(np.uint16) * 257, path, like=read_photo(pixels))
    else:
        colorzoo.save_image(Image.fromarray(pixels), path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", WRITER, kind, str(path), str(len(before))],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == [name]


def test_hints_keep_their_colour_and_gray_at_16_bits(tmp_path):
    gray = np.full((40, 48), 30_000, np.uint16)
    Image.fromarray(gray).save(tmp_path / "scan.tif")
    mask = np.zeros((40, 48), bool)
    mask[:, 24:] = True
    model = colorzoo.create_model("unet", width=2, work_size=32)
    photo = colorzoo.read_photo(tmp_path / "scan.tif", deep=True)
    hints = [colorzoo.Hint(8, 8, "#b03020", radius=8), colorzoo.Area(mask, None)]
    found = colorzoo.render_deep(model, photo, model.predict(photo), saturation=3.0, hints=hints)
    assert np.ptp(found[:, 24:].astype(int), axis=2).max() == 0
    shallow = model.colorize(tmp_path / "scan.tif", saturation=3.0, hints=hints)
    assert np.abs(found[8, 8] / 257 - np.asarray(shallow)[8, 8]).max() < 2
