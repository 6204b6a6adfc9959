"""XMP, IPTC, comments and PNG text come through, or a note says what did not."""

import io
import warnings
import zlib

import numpy as np
import pytest
from helpers.metadata import (
    IPTC,
    IPTC_TAG,
    SUFFIXES,
    UNDEFINED,
    XMP_TAG,
    data_set,
    gray_tiff,
    jpeg,
    read_tags,
    resource,
    segment,
    with_metadata,
    xmp,
)
from helpers.pictures import PIXELS, chunk, encode
from PIL import Image, IptcImagePlugin, PngImagePlugin

from colorzoo.imaging.metadata import Metadata
from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import image_bytes, save_image, to_pil, write_image


def source(suffix: str, packet: bytes = b"", iptc: bytes = b"") -> bytes:
    if suffix != ".tif":
        return with_metadata(suffix, packet=packet, iptc=iptc)
    tags = {XMP_TAG: (1, packet)} if packet else {}
    return gray_tiff(">", tags | ({IPTC_TAG: (UNDEFINED, iptc)} if iptc else {}))


def written(photo: Photo, suffix: str, model: str | None = None) -> bytes:
    """The file; what it lacks is not of interest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return image_bytes(to_pil(photo.rgb, photo, model=model), suffix)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("origin", SUFFIXES)
def test_xmp_comes_through(origin, target):
    turned = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    stored = xmp("", f'{turned} tiff:Orientation="1" tiff:ImageWidth="9"')
    photo = read_photo(source(origin, stored))
    assert photo.metadata == Metadata(xmp=xmp("", turned))
    assert photo.notes == ()
    data = written(photo, target)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["xmp"] == xmp("", turned)
        assert read_photo(image).metadata == photo.metadata
    assert read_photo(data).metadata == photo.metadata
    result = read_photo(written(photo, target, "unet")).metadata.xmp
    assert b"compositeWithTrainedAlgorithmicMedia" in result
    assert "Großmutter".encode() in result
    assert read_photo(written(read_photo(data), target)).metadata == photo.metadata


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("origin", [".jpg", ".tif", ".png"])
def test_iptc_comes_through(origin, target):
    data = source(origin, iptc=IPTC)
    if origin == ".png":
        data = written(read_photo(source(".jpg", iptc=IPTC)), ".png")
    photo = read_photo(data)
    assert photo.metadata == Metadata(iptc=IPTC)
    result = to_pil(photo.rgb, photo)
    if target == ".webp":
        with pytest.warns(UserWarning, match="^image.webp: left out, .* no place for it: IPTC$"):
            assert read_photo(image_bytes(result, target)).metadata == Metadata()
        return
    data = image_bytes(result, target)
    assert read_photo(data).metadata == photo.metadata
    if target != ".png":
        with Image.open(io.BytesIO(data)) as image:
            fields = IptcImagePlugin.getiptcinfo(image)
            assert fields[2, 120].decode() == "Großmutter in Köln"
            assert read_photo(image).metadata == photo.metadata
    if target == ".tif":
        assert read_tags(data)["main"][IPTC_TAG] == (UNDEFINED, IPTC)


def test_only_the_iptc_of_the_image_resources_is_kept():
    parts = [
        resource(0x03ED, bytes(16)),
        resource(0x040C, b"THUMBNAIL"),
        resource(0x0404, IPTC, b"ab"),
        resource(0x0409, b"THUMBNAIL"),
    ]
    head = b"Photoshop 3.0\0"
    one, split = b"".join(parts), [parts[0] + parts[1] + parts[2][:20], parts[2][20:] + parts[3]]
    files = [
        jpeg(segment(0xED, head + one)),
        jpeg(*(segment(0xED, head + part) for part in split)),
        gray_tiff("<", {0x8649: (1, one)}),
    ]
    for data in files:
        photo = read_photo(data)
        assert (photo.metadata.iptc, photo.notes) == (IPTC, ())
        assert b"THUMBNAIL" not in written(photo, ".jpg")


def test_iptc_that_is_stale_or_damaged():
    stale = data_set(2, 131, b"P") + data_set(2, 202, b"PREVIEW") + data_set(3, 20, b"xx")
    photo = read_photo(source(".jpg", iptc=stale + IPTC + bytes(3)))
    assert (photo.metadata.iptc, photo.notes) == (IPTC, ())
    long = b"\x1c\x02\x78\x80\x04\x00\x00\x9c\x40" + b"x" * 40_000
    assert read_photo(source(".jpg", iptc=long)).metadata.iptc == long
    note = ("part of its IPTC is damaged, and was left out",)
    for damaged, kept in ((IPTC[:-3], IPTC[:-11]), (IPTC + b"junk", IPTC), (b"junk", None)):
        photo = read_photo(source(".jpg", iptc=damaged))
        assert (photo.metadata.iptc, photo.notes) == (kept, note)
    words = IPTC + bytes(-len(IPTC) % 4)  # a program declared the bytes as 32-bit numbers
    swapped = np.frombuffer(words, ">u4").astype("<u4").tobytes()
    assert read_photo(source(".tif", iptc=swapped)).metadata.iptc == IPTC


def png(*chunks: bytes) -> bytes:
    data = encode(Image.new("L", (4, 4)), "PNG")
    return data[:33] + b"".join(chunks) + data[33:-12] + chunk(b"tEXt", b"Last\0z") + data[-12:]


TEXT = {"Title": "Köln", "Description": "Großmutter", "Author": "Иван Петров", "Last": "z"}


def text_png() -> bytes:
    return png(
        chunk(b"tEXt", b"Title\0K\xf6ln"),
        chunk(b"zTXt", b"Description\0\0" + zlib.compress("Großmutter".encode("latin-1"))),
        chunk(b"iTXt", b"Author\0\0\0ru\0\0" + "Иван Петров".encode()),
        chunk(b"tEXt", b"Thumb::Image::Width\x00128"),
        chunk(b"tEXt", b"exif:Orientation\x006"),
    )


def test_png_text():
    photo = read_photo(text_png())
    assert dict(photo.metadata.text) == TEXT
    assert photo.notes == ()
    result = to_pil(photo.rgb, photo)
    with Image.open(io.BytesIO(image_bytes(result, ".png"))) as image:
        image.load()
        assert isinstance(image, PngImagePlugin.PngImageFile)
        assert image.text == TEXT
        assert image.text["Author"].lang == "ru"
        assert read_photo(image).metadata == photo.metadata
        assert dict(read_photo(image_bytes(image, ".png")).metadata.text) == TEXT
    for suffix in (".jpg", ".webp", ".tif"):
        with pytest.warns(UserWarning, match="no place for it: PNG text$"):
            image_bytes(result, suffix)


@pytest.mark.parametrize("keyword", [b"exif", b"xmp", b"comment", b"dpi", b"photoshop", b"text"])
def test_keywords_that_are_names_of_something_else(keyword):
    photo = read_photo(png(chunk(b"tEXt", keyword + b"\0hello")))
    assert dict(photo.metadata.text) == {keyword.decode(): "hello", "Last": "z"}
    assert photo.notes == () or keyword == b"exif"  # some programs do store EXIF there
    assert (photo.metadata.comment, photo.metadata.xmp, photo.metadata.iptc) == (None, None, None)
    written(photo, ".jpg", "unet")


@pytest.mark.parametrize("comment", ["scanned 2009, box 4", "Köln", "Иван"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_comments(comment, encoding):
    try:
        raw = comment.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("not in this encoding")
    for data in (jpeg(segment(0xFE, raw)), encode(Image.new("L", (4, 4)), "GIF", comment=raw)):
        photo = read_photo(data)
        assert (photo.metadata.comment, photo.notes) == (raw, ())
        assert read_photo(to_pil(photo.rgb, photo)).metadata.comment == raw
        data = written(photo, ".jpg")
        assert read_photo(data).metadata.comment == raw
        assert data.count(b"\xff\xfe") == 1
        as_text = read_photo(written(photo, ".png")).metadata.text
        assert as_text == (("Comment", comment),)
        for suffix in (".webp", ".tif"):
            with pytest.warns(UserWarning, match="no place for it: comment$"):
                image_bytes(to_pil(photo.rgb, photo), suffix)


def test_a_png_comment_is_a_jpeg_comment():
    photo = read_photo(encode(Image.new("L", (4, 4)), "PNG", pnginfo=comment_info()))
    image = to_pil(photo.rgb, photo)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(image_bytes(image, ".jpg")).metadata.comment == "Köln".encode()


def test_png_text_is_not_lost_with_the_alpha():
    image = Image.new("RGBA", (4, 4))
    data = encode(image, "PNG", pnginfo=comment_info())
    with Image.open(io.BytesIO(data)) as image:
        assert read_photo(image_bytes(image, ".jpg")).metadata.comment == "Köln".encode()


def comment_info() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Köln")
    return info


def test_several_comments():
    photo = read_photo(jpeg(segment(0xFE, b"first"), segment(0xFE, b"second")))
    assert photo.metadata.comment == b"first\nsecond"


def test_what_is_too_long_for_a_jpeg(tmp_path):
    packet = xmp(f"<dc:title>{'x' * 66_000}</dc:title>")
    iptc = data_set(2, 120, b"x" * 32_000) * 3
    photo = read_photo(source(".tif", packet, iptc))
    assert photo.metadata == Metadata(packet, iptc)
    image = to_pil(photo.rgb, photo, model="unet")
    path = tmp_path / "x.jpg"
    note = "left out, because a JPEG file has no place for it: XMP, IPTC"
    assert write_image(image, path) == (note,)
    with pytest.warns(UserWarning, match=f"^x.jpg: {note}$"):
        save_image(image, path)
    assert read_photo(path).metadata == Metadata()
    for suffix in (".png", ".tif"):
        back = read_photo(image_bytes(image, suffix)).metadata
        assert b"x" * 66_000 in back.xmp
        assert back.iptc == iptc


def test_bmp_has_no_place_for_anything(tmp_path):
    photo = read_photo(source(".jpg", xmp(), IPTC))
    assert write_image(to_pil(photo.rgb, photo), tmp_path / "x.bmp") == (
        "left out, because a BMP file has no place for it: XMP, IPTC",
    )
    plain = to_pil(PIXELS, read_photo(PIXELS), model="unet")
    assert write_image(plain, tmp_path / "x.bmp") == ()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_results_are_reproducible_and_signed_once(suffix):
    photo = read_photo(source(".jpg", xmp(), IPTC))
    image = to_pil(photo.rgb, photo, model="unet")
    before = dict(image.info)
    data = written(photo, suffix, "unet")
    assert written(photo, suffix, "unet") == data
    assert image.info == before
    again = image_bytes(image.convert("CMYK") if suffix == ".tif" else image.copy(), ".png")
    for each in (data, again):
        packet = read_photo(each).metadata.xmp
        assert packet.count(b"<Iptc4xmpExt:DigitalSourceType ") == 1
        assert packet.count(b"<stEvt:softwareAgent>") == 1
    plain = read_photo(image_bytes(Image.open(io.BytesIO(source(".jpg", xmp()))), suffix))
    assert plain.metadata.xmp == xmp()


def test_damaged_xmp_is_noted():
    photo = read_photo(source(".jpg", xmp()[:-70], IPTC))
    assert photo.metadata == Metadata(iptc=IPTC)
    assert photo.notes == ("its XMP cannot be read, and was left out",)
