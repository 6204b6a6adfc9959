"""TIFF layouts that Pillow decodes wrongly or not at all."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from helpers.pictures import encoded, noise
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.read import read_photo


def encode(pixels: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, metadata=None, **options)
    return stream.getvalue()


@pytest.fixture
def colours() -> np.ndarray:
    return noise(20, 30, 3, dtype=np.uint16)


def eight(codes: np.ndarray) -> np.ndarray:
    return np.rint(codes / 257).astype(int)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_planes_of_16_bits(colours, options, tile):
    data = encode(
        colours.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", tile=tile, **options
    )
    photo = read_photo(data, deep=True)
    assert np.abs(photo.rgb - eight(colours)).max() <= 1
    assert photo.gray16 is not None


def test_planes_of_cmyk_and_ycbcr():
    inks = noise(20, 30, 4)
    planes = inks.transpose(2, 0, 1)
    right = read_photo(encode(inks, photometric="separated")).rgb
    deep = encode(planes.astype(np.uint16) * 257, photometric="separated", planarconfig="separate")
    assert np.abs(read_photo(deep).rgb.astype(int) - right).max() <= 1
    picture = Image.fromarray(noise(16, 16, 3)).convert("YCbCr")
    data = encode(
        np.asarray(picture).transpose(2, 0, 1),
        photometric="rgb",
        planarconfig="separate",
        extratags=[(530, 3, 2, (1, 1), True)],
    )
    entry = struct.pack("<HHIHH", 262, 3, 1, 2, 0)
    assert entry in data
    data = data.replace(entry, struct.pack("<HHIHH", 262, 3, 1, 6, 0))
    assert np.abs(read_photo(data).rgb.astype(int) - np.asarray(picture.convert("RGB"))).max() <= 1


@pytest.mark.parametrize("scale", [1, 257])
def test_colour_maps_of_8_and_16_bits(scale):
    indices = noise(9, 12)
    table = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 40)]).astype(np.uint16)
    data = encode(indices, photometric="palette", colormap=table * scale)
    assert np.array_equal(read_photo(data).rgb, table.T[indices])


def test_the_largest_page_that_is_not_a_reduced_one_is_taken():
    small, large = noise(8, 8, seed=1), noise(20, 30, seed=2)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(small, subfiletype=1, metadata=None)
        file.write(large, metadata=None)
    photo = read_photo(stream.getvalue())
    assert np.array_equal(photo.rgb[..., 0], large) and photo.notes == ()
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for page in (small, large, large[::-1]):
            file.write(page, metadata=None)
    photo = read_photo(stream.getvalue())
    assert np.array_equal(photo.rgb[..., 0], large)
    assert photo.notes == ("it has 3 pages: only page 2, the largest, is used",)


def packed_12_bits(codes: np.ndarray, order: str) -> bytes:
    pairs = codes.reshape(-1, 2).astype(int)
    data = np.stack(
        (pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255), axis=1
    ).astype(np.uint8)
    height, width = codes.shape
    tags = (
        (256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8 + 2 + 12 * 9 + 4),
        (277, 1), (278, height), (279, data.size),
    )  # fmt: skip
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    entries = [struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags]
    return b"".join((head, *entries, bytes(4), data.tobytes()))


@pytest.mark.parametrize("order", ["<", ">"])
def test_12_bits(order):
    codes = np.linspace(0, 4095, 16 * 24).astype(np.uint16).reshape(16, 24)
    photo = read_photo(packed_12_bits(codes, order), deep=True)
    assert np.abs(photo.rgb[..., 0] - codes * (255 / 4095)).max() <= 1
    assert photo.gray16 is not None
    assert np.abs(photo.gray16 - codes * (65535 / 4095)).max() <= 1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u4"])
def test_float_and_32_bit_colour(colours, dtype):
    shares = colours / 65535
    pixels = (shares * (2**32 - 1) if dtype == "u4" else shares).astype(dtype)
    photo = read_photo(encode(pixels, photometric="rgb"), deep=True)
    assert np.abs(photo.rgb - shares * 255).max() <= 1 and photo.notes == ()


def test_floats_of_other_ranges_are_scaled_with_a_note():
    pixels = np.linspace(-1, 3, 12 * 3, dtype=np.float32).reshape(3, 4, 3)
    pixels[0, 0, 0] = np.nan
    photo = read_photo(encode(pixels, photometric="rgb"))
    assert photo.rgb.max() == 255 and "scaled to black and white" in photo.notes[0]
    pixels = np.linspace(0, 255, 12 * 3, dtype=np.float32).reshape(3, 4, 3)
    photo = read_photo(encode(pixels, photometric="rgb"))
    assert np.abs(photo.rgb - pixels).max() <= 1 and photo.notes == ()


@pytest.mark.parametrize("kind", ["cielab", "icclab"])
def test_16_bit_lab(kind):
    lightness = np.linspace(0, 100, 64)
    if kind == "cielab":  # a and b are signed
        codes = np.stack((lightness * 655.35, np.zeros(64), np.zeros(64)), axis=1)
    else:
        codes = np.stack((lightness * 652.8, np.full(64, 32768), np.full(64, 32768)), axis=1)
    data = encode(np.rint(codes).astype(np.uint16).reshape(8, 8, 3), photometric=kind)
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / (24389 / 27))
    expected = encoded(luminance) * 255
    rgb = read_photo(data).rgb.reshape(64, 3).astype(int)
    assert np.abs(rgb - expected[:, None]).max() <= 3
    assert np.ptp(rgb, axis=1).max() <= 2


def test_cmyk_with_alpha():
    inks, alpha = noise(10, 12, 4), noise(10, 12, seed=3)
    right = read_photo(encode(inks, photometric="separated")).rgb
    data = encode(np.dstack((inks, alpha)), photometric="separated", extrasamples=["unassalpha"])
    photo = read_photo(data)
    assert np.array_equal(photo.rgb, right) and np.array_equal(photo.alpha, alpha)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_byte_orders_and_bigtiff(order, bigtiff, photometric, dtype):
    pixels = noise(9, 11, *([3] if photometric == "rgb" else []), dtype=dtype)
    data = encode(pixels, photometric=photometric, bigtiff=bigtiff, byteorder=order)
    top = np.iinfo(dtype).max
    expected = (top - pixels if photometric == "miniswhite" else pixels) * (255 / top)
    photo = read_photo(data)
    assert np.abs(photo.rgb - expected.reshape(9, 11, -1)).max() <= 1


def test_orientation_and_profile_of_pages_that_pillow_does_not_know():
    planes = noise(3, 6, 9, dtype=np.uint16)
    data = encode(
        planes, photometric="rgb", planarconfig="separate", resolution=(300, 300),
        resolutionunit="inch", extratags=[(274, 3, 1, 6, True), (271, 2, 0, "Leica", True)],
    )  # fmt: skip
    photo = read_photo(data)
    assert photo.rgb.shape == (9, 6, 3) and photo.dpi == (300, 300)
    turned = np.rot90(planes.transpose(1, 2, 0), -1)
    assert np.abs(photo.rgb - eight(turned)).max() <= 1
    assert photo.exif is not None and b"Leica" in photo.exif


def test_what_stays_unreadable_is_named_by_its_kind():
    data = encode(noise(6, 6, 3).astype(np.int16), photometric="rgb")
    assert read_photo(data).rgb.shape == (6, 6, 3)
    lab = encode(noise(6, 6, 3).astype(np.uint32), photometric="cielab")
    with pytest.raises(ImageError, match=r"32-bit L\*a\*b\* TIFF"):
        read_photo(lab)
    planar = encode(
        noise(3, 6, 9, dtype=np.uint16), photometric="rgb", planarconfig="separate",
        compression="lzw",
    )  # fmt: skip
    code = (
        "import sys; sys.modules['imagecodecs'] = None; import colorzoo\n"
        "try: colorzoo.read_photo(sys.stdin.buffer)\n"
        "except colorzoo.ImageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=planar, capture_output=True)
    said = done.stdout.decode()
    assert "is a 16-bit colour TIFF, in separate planes, compressed with LZW" in said
    assert "pip install 'colorzoo[tiff]'" in said


def packed(codes: np.ndarray, bits: int) -> bytes:
    """Pack samples into rows of whole bytes, most significant bits first."""
    rows = np.unpackbits(codes.astype(">u2").view(np.uint8).reshape(*codes.shape, 2), axis=2)
    return np.packbits(rows[..., 16 - bits :].reshape(len(codes), -1), axis=1).tobytes()


@pytest.mark.parametrize("bits", [3, 5, 6, 7, 9, 10, 11, 13, 14, 15])
@pytest.mark.parametrize("photometric", [0, 1])
def test_gray_of_other_depths(bits, photometric):
    top = 2**bits - 1
    codes = np.rint(np.linspace(0, top, 16 * 24)).astype(np.uint16).reshape(16, 24)
    data = packed(codes, bits)
    tags = (
        (256, 24), (257, 16), (258, bits), (259, 1), (262, photometric), (273, 8 + 2 + 12 * 9 + 4),
        (277, 1), (278, 16), (279, len(data)),
    )  # fmt: skip
    entries = [struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags]
    head = struct.pack(">2sHIH", b"MM", 42, 8, len(tags))
    photo = read_photo(b"".join((head, *entries, bytes(4), data)))
    expected = codes * (255 / top)
    expected = expected if photometric else 255 - expected
    assert np.abs(photo.rgb[..., 0] - expected).max() <= 1 and photo.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha(dtype, kind, planes, colours):
    shares = np.random.default_rng(0).uniform(0.3, 1, (12, 14, colours + 1))
    stored = shares.copy()
    if kind == "assocalpha":
        stored[..., :-1] *= shares[..., -1:]
    scaled = stored * (1 if dtype == np.float32 else np.iinfo(dtype).max)
    pixels = (scaled if dtype == np.float32 else np.rint(scaled)).astype(dtype)
    data = encode(
        pixels.transpose(2, 0, 1) if planes == "separate" else pixels, planarconfig=planes,
        photometric="rgb" if colours == 3 else "minisblack", extrasamples=[kind],
    )  # fmt: skip
    photo = read_photo(data)
    assert photo.alpha is not None
    assert np.abs(photo.alpha - shares[..., -1] * 255).max() <= 1
    assert np.abs(photo.rgb - shares[..., :-1] * 255).max() <= 4


def test_a_picture_below_its_thumbnail_and_metadata():
    large = noise(20, 30, seed=2)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(noise(8, 8, seed=1), subfiletype=1, subifds=1, metadata=None)
        file.write(large, metadata=None)
    assert np.array_equal(read_photo(stream.getvalue()).rgb[..., 0], large)
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    )
    tag = (700, 1, len(packet), packet, True)
    floats = noise(8, 8, 3).astype(np.float32) / 255
    photo = read_photo(encode(floats, photometric="rgb", extratags=[tag]))
    assert photo.metadata.xmp is not None
