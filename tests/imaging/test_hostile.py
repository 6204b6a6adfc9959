"""Small files that claimed gigabytes or took minutes: what one takes is measured in a process."""

import struct

import numpy as np
import pytest
from helpers import hostile
from helpers.hostile import MB, directory, page, read, segment, sharing, tiff
from helpers.limits import used_by
from helpers.pictures import chunk, encode
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.jpegxl import size_of
from colorzoo.imaging.read import read_photo, stored_size

ANOTHER = "another picture, or damage that is only noted"
CASES = {
    "tags that share bytes": (lambda: tiff(page() + sharing(), b"\1" * 2 * MB), "claims"),
    "of a BigTIFF": (lambda: tiff(page() + sharing(), b"\1" * 2 * MB, big=True), "claims"),
    "of text": (lambda: tiff(page() + sharing(kind=2), b"\1" * 2 * MB), "claims"),
    "of numbers": (lambda: tiff(page() + sharing(kind=12), b"\1" * 2 * MB), "claims"),
    "below a TIFF": (
        lambda: tiff(
            [*page(), (34665, 4, 1, 16 + 2 * MB)], b"\1" * 2 * MB + directory(sharing())
        ),
        "claims",
    ),
    "of a page below": (
        lambda: tiff(
            [*page(t254=(4, 1, 1)), (330, 4, 1, 16 + 2 * MB)],
            b"\1" * 2 * MB + directory(page() + sharing()),
        ),
        "claims",
    ),
    "fractions in a tag": (
        lambda: tiff(page(t282=(5, 3 * MB, 16), t296=(3, 1, 2)), b"\1" * 24 * MB),
        "numbers in its tags",
    ),
    "a layout in text": (
        lambda: tiff(page(t259=(2, 24 * MB, 16)), b"\1" * 24 * MB), "values where it states"
    ),
    "strips": (
        lambda: tiff(page(t273=(4, 2 * MB, 16), t279=(4, 2 * MB, 16 + 8 * MB)), bytes(16 * MB)),
        "strips or tiles",
    ),
    "a tile larger than its picture": (
        lambda: hostile.tiles(60_000, 32_000, 1, b"\1" * 2 * MB), "much more than the picture"
    ),
    "a tile that unpacks": (
        lambda: hostile.tiles(6000, 6000, 8, hostile.bomb(36 * MB)), "much more than the pic"
    ),
    "a JPEG 2000 in a strip": (
        lambda: hostile.strip(34712, encode(Image.new("L", (900, 900)), "JPEG2000")),
        "a size of its own, 900 x 900",
    ),
    "a PNG in a strip": (
        lambda: hostile.strip(34933, encode(Image.new("L", (900, 900)), "PNG")),
        "a size of its own, 900 x 900",
    ),
    "strips that share": (
        lambda: tiff(
            page(
                t256=(4, 1, 10), t257=(4, 1, 60_000), t259=(3, 1, 8), t278=(4, 1, 1),
                t273=(4, 60_000, 16 + MB), t279=(4, 60_000, 16 + MB + 240_000),
            ),
            bytes(MB) + struct.pack("<I", 16) * 60_000 + struct.pack("<I", MB) * 60_000,
        ),
        "strips or tiles of",
    ),
    "pages that share": (
        lambda: _pages_that_share(), "pages claim"
    ),
    "60,000 pages": (lambda: hostile.pages(60_000), "it has several pages"),
    "EXIF of a PNG": (lambda: hostile.in_png(chunk(b"eXIf", hostile.exif())), ANOTHER),
    "EXIF below EXIF": (lambda: hostile.in_png(chunk(b"eXIf", hostile.exif(below=True))), ANOTHER),
    "EXIF of a WebP": (lambda: hostile.in_webp(b"EXIF", hostile.exif()), ANOTHER),
    "EXIF of a JPEG": (
        lambda: hostile.in_jpeg(*(
            segment(0xE1, b"Exif\0\0" + hostile.exif()[i : i + 60_000])
            for i in range(0, 20 * 60_000, 60_000)
        )),
        ANOTHER,
    ),
    "EXIF of an AVIF": (lambda: hostile.in_avif(hostile.exif()), "its EXIF is damaged"),
    "EXIF as text": (lambda: hostile.raw_profile("exif", hostile.exif()), ANOTHER),
    "EXIF that says so often": (
        lambda: hostile.in_webp(b"EXIF", b"Exif\0\0" * MB + hostile.exif(MB)), ANOTHER
    ),
    "EXIF of many tags": (
        lambda: hostile.in_png(chunk(b"eXIf", _many_tags())), "bytes of its EXIF are too long"
    ),
    "hexadecimal text": (lambda: hostile.in_png(
        chunk(b"tEXt", b"Raw profile type APP1\0" + b"a " * 19 * MB)
    ), ANOTHER),
    "chunks of a PNG": (lambda: hostile.in_png(chunk(b"aaAa", b"") * 2 * MB), "4,096 chunks"),
    "segments of a JPEG": (lambda: hostile.in_jpeg(segment(0xE5, b"") * 8 * MB), "segments"),
    "resources of a JPEG": (
        lambda: hostile.in_jpeg(
            segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\1\0\0\0\0\0\0" * 5000) * 600
        ),
        "blocks of metadata",
    ),
    "junk in a JPEG": (lambda: b"\xff\xd8\xff" + b"\xff" * 38 * MB, "no pixels"),
    "scans of a JPEG": (lambda: hostile.with_scans(100_000), "65 scans"),
    "tiles of a JPEG 2000": (lambda: hostile.jpeg2000(tile=1), "in 64,000 tiles"),
    "channels of a JPEG 2000": (lambda: hostile.jpeg2000(components=16_384), "16,384 channels"),
    "boxes of a JPEG 2000": (
        lambda: _with_boxes(encode(Image.new("L", (8, 8)), "JPEG2000")), "4,096 boxes"
    ),
    "runs of a BMP": (lambda: _bmp(1000, 1000, b"\1\0" * 19 * MB), ANOTHER),
    "moves of a BMP": (lambda: _bmp(8, 8, b"\0\2\0\0" * 9 * MB), "more runs than pixels"),
    "literals of a BMP": (lambda: _bmp(8, 8, b"\0\3abc\0" * 6 * MB), "more runs than pixels"),
    "comments of a GIF": (
        lambda: _gif(b"\x21\xfe\1x\0" * 4 * MB, b""), "too many comments"
    ),
    "one comment of a GIF": (
        lambda: _gif(b"\x21\xfe" + b"\1x" * 15 * MB + b"\0", b""), "too many comments"
    ),
    "junk in a GIF": (lambda: _gif(bytes(38 * MB), b""), "too many comments"),
    "comments behind a frame of a GIF": (
        lambda: _gif(b"", b"\x21\xfe\1x\0" * 4 * MB), "it has several frames"
    ),
    "names of XML": (
        lambda: hostile.xmp(b"<a xmlns='" + b"u" * MB + b"'>" + b"<b/>" * 200_000 + b"</a>"),
        "its XMP cannot be read",
    ),
    "deep XML": (lambda: hostile.xmp(b"<a>" * 60_000 + b"</a>" * 60_000), ANOTHER),
}  # fmt: skip


def _pages_that_share() -> bytes:
    size = 16 * MB
    entries = page(t270=(2, size, 16))
    length = 2 + 12 * len(entries) + 4
    starts = [16 + size + i * length for i in range(64)]
    body = b"".join(directory(entries, each) for each in (*starts[1:], 0))
    return (b"II*\0" + struct.pack("<I", starts[0])).ljust(16, b"\0") + b"a" * size + body


def _many_tags() -> bytes:
    """EXIF of 8 MB that has to be shortened by thousands of tags."""
    length = 2000
    tags = [(1 + i, 7, length, 16 + i * length) for i in range(4000)]
    body = b"\1" * (length * len(tags))
    return tiff([(34665, 4, 1, 16 + len(body))], body + directory(tags))


def _bmp(width: int, height: int, runs: bytes) -> bytes:
    """A BMP with run lengths of 8 bits and a gray palette."""
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    start = 54 + len(palette)
    head = struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start)
    form = (40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return head + struct.pack("<IiiHHIIiiII", *form) + palette + runs


def _gif(before: bytes, behind: bytes) -> bytes:
    """A GIF of two frames with something before and behind the first."""
    data = encode(Image.new("P", (1, 1)), "GIF")
    at = data.index(b"\x2c")
    return data[:at] + before + data[at:-1] + behind + data[at:]


def _with_boxes(data: bytes) -> bytes:
    at = data.index(b"jp2h") - 4
    return data[:at] + b"\0\0\0\x08free" * 4 * MB + data[at:]


@pytest.mark.parametrize("name", CASES)
def test_one_file_takes_little(name):
    make, expected = CASES[name]
    outcome = used_by(read, make()).check()
    if expected is ANOTHER:
        assert outcome.startswith("((")
    else:
        assert expected in outcome


def test_the_size_of_jpeg_xl_is_known_before_it_is_decoded(monkeypatch):
    plugin = pytest.importorskip(
        "pillow_jxl.JpegXLImagePlugin", reason="pillow-jxl-plugin is not installed"
    )
    data = hostile.jpeg_xl(40, 30)
    monkeypatch.setattr(plugin, "JXLImageFile", None)
    with pytest.raises(ImageError, match="40 x 30 pixels, more than the limit"):
        read_photo(data, max_pixels=1199)
    assert stored_size(data[:3]) is None


@pytest.mark.parametrize("width", [1, 8, 255, 256, 512, 513, 3000])
@pytest.mark.parametrize("height", [8, 30, 512, 1001])
def test_the_size_in_the_header_of_jpeg_xl(width, height):
    assert size_of(hostile.jpeg_xl(width, height)) == (width, height, 3)


def test_what_is_large_but_real_is_read():
    """Shared strips, a tile larger than its picture, and a progressive JPEG."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tile = np.zeros((512, 512), np.uint8)
    tile[:16, :16] = pixels
    photo = read_photo(hostile.tiles(512, 512, 1, tile.tobytes()))
    assert np.array_equal(photo.rgb[..., 0], pixels)
    data = hostile.with_scans(20)
    assert read_photo(data).rgb.shape == (1000, 1000, 3) and stored_size(data) == (1000, 1000)
