"""EXIF values come through with the same bytes, whatever the formats, and within limits."""

import io
import struct
import tracemalloc
import warnings

import numpy as np
import pytest
import tifffile
from helpers.metadata import (
    ARTIST,
    ASCII,
    BYTE,
    COPYRIGHT,
    DESCRIPTION,
    EXIF_IFD,
    GPS_IFD,
    LENS,
    LONG,
    MAKER_NOTE,
    RATIONAL,
    SHORT,
    SOFTWARE,
    SUFFIXES,
    UNDEFINED,
    USER_COMMENT,
    XP_TITLE,
    gray_tiff,
    jpeg,
    numbers,
    read_tags,
    segment,
    tiff_file,
    with_metadata,
)
from helpers.pictures import ORIENTATION, encode, load_exif
from PIL import Image

from colorzoo.imaging.read import Photo, read_photo
from colorzoo.imaging.write import image_bytes, to_pil

TEXT = {
    DESCRIPTION: "Großmutter in Köln, 1934".encode() + b"\0",
    ARTIST: "Jürgen Müller".encode("latin-1") + b"\0",
    COPYRIGHT: "© 写真館".encode() + b"\0",
}


def directories(order: str) -> dict:
    utf16 = "utf-16-le" if order == "<" else "utf-16-be"
    return {
        "main": {
            **{tag: (ASCII, text) for tag, text in TEXT.items()},
            XP_TITLE: (BYTE, "Hochzeit Köln".encode("utf-16-le") + b"\0\0"),
            SOFTWARE: (ASCII, b"VueScan\0"),
        },
        "exif": {
            0x8827: (SHORT, numbers(order, "H", 400)),
            0x9000: (UNDEFINED, b"0232"),
            USER_COMMENT: (UNDEFINED, b"UNICODE\0" + "Köln".encode(utf16)),
            0xA432: (RATIONAL, numbers(order, "I", 50, 1, 50, 1, 14, 10, 14, 10)),
            LENS: (ASCII, "Zeiß Jena\0".encode("latin-1")),
        },
        "gps": {
            1: (ASCII, b"N\0"),
            2: (RATIONAL, numbers(order, "I", 50, 1, 56, 1, 2700, 100)),
            28: (UNDEFINED, b"ASCII\0\0\0K\xf6ln"),
        },
    }


def source(suffix: str, order: str, tags: dict | None = None) -> bytes:
    tags = tags or directories(order)
    children = {name: each for name, each in tags.items() if name != "main"}
    if suffix == ".tif":
        return gray_tiff(order, tags["main"], **children)
    return with_metadata(suffix, tiff_file(order, tags["main"], **children))


def written(photo: Photo, suffix: str, model: str | None = None) -> bytes:
    return image_bytes(to_pil(photo.rgb, photo, model=model), suffix)


def stored_exif(data: bytes, suffix: str) -> bytes:
    """The EXIF block of a file; the file itself if it is a TIFF."""
    if suffix == ".tif":
        return data
    with Image.open(io.BytesIO(data)) as image:
        return image.info["exif"]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("origin", SUFFIXES)
def test_bytes_come_through(origin, target, order):
    photo = read_photo(source(origin, order))
    assert photo.notes == ()
    assert read_tags(photo.exif) == directories(order)
    data = written(photo, target)
    found = read_tags(stored_exif(data, target))
    # A TIFF has the byte order that Pillow writes.
    expected = directories("<" if target == ".tif" else order)
    assert found["exif"] == expected["exif"]
    assert found["gps"] == expected["gps"]
    assert {tag: found["main"][tag] for tag in expected["main"]} == expected["main"]
    if target == ".tif":
        layout = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 34675}
        resolution = {282, 283, 296}  # which Pillow sets to 72 if a JPEG has none
        assert found["main"].keys() - expected["main"].keys() - resolution == layout
    assert read_photo(data).rgb.max() == 0

    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        for tag, text in TEXT.items():
            assert exif[tag].encode("latin-1") + b"\0" == text
        assert exif.get_ifd(EXIF_IFD)[0x8827] == 400
        assert exif.get_ifd(GPS_IFD)[2] == (50, 56, 27)


@pytest.mark.parametrize("order", "<>")
def test_tifffile_reads_the_tags(order):
    data = written(read_photo(source(".png", order)), ".tif")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages[0].tags
        assert tags[DESCRIPTION].value == "Großmutter in Köln, 1934"
        assert tags[ARTIST].value == "Jürgen Müller"
        details, place = tags[EXIF_IFD].value, tags[GPS_IFD].value
        assert details["ISOSpeedRatings"] == 400
        assert details["LensSpecification"] == (50, 1, 50, 1, 14, 10, 14, 10)
        assert place["GPSLatitude"] == (50, 1, 56, 1, 2700, 100)
        assert file.pages[0].asarray().max() == 0


def test_bigtiff():
    stream = io.BytesIO()
    tag = (COPYRIGHT, ASCII, 0, "© Köln".encode(), True)
    with tifffile.TiffWriter(stream, bigtiff=True, byteorder="<") as file:
        file.write(np.zeros((4, 4), np.uint8), extratags=[tag], photometric="minisblack")
    main = read_tags(read_photo(stream.getvalue()).exif)["main"]
    assert main[COPYRIGHT][1].rstrip(b"\0") == "© Köln".encode()


def test_tiff_that_pillow_has_closed():
    with Image.open(io.BytesIO(source(".tif", ">"))) as image:
        image.load()
        expected = directories(">")
        found = read_tags(read_photo(image).exif)
        with Image.open(io.BytesIO(source(".tif", ">"))) as unread:
            assert read_tags(read_photo(unread).exif) == expected
    for tag, text in TEXT.items():
        assert found["main"][tag] == (ASCII, text)
    assert found["exif"][LENS] == (ASCII, b"Zei\xdf Jena")


def test_second_page_of_a_pil_image():
    first = Image.new("L", (4, 4))
    stream = io.BytesIO()
    first.save(
        stream,
        "TIFF",
        save_all=True,
        append_images=[Image.new("L", (5, 4))],
        tiffinfo={ARTIST: "Ada"},
    )
    with Image.open(stream) as image:
        assert load_exif(read_photo(image).exif)[ARTIST] == "Ada"
        image.seek(1)
        photo = read_photo(image)
    assert photo.rgb.shape == (4, 5, 3)
    assert load_exif(photo.exif)[ARTIST] == "Ada"


def test_exif_set_in_memory():
    image = Image.new("L", (4, 4))
    exif = image.getexif()
    exif[ARTIST], exif[DESCRIPTION], exif[ORIENTATION] = "Ada", "Иван", 6
    main = read_tags(read_photo(image).exif)["main"]
    assert main == {ARTIST: (ASCII, b"Ada\0"), DESCRIPTION: (ASCII, "Иван".encode() + b"\0")}


def test_exif_as_text_of_imagemagick():
    block = b"Exif\0\0" + tiff_file("<", {DESCRIPTION: (ASCII, TEXT[DESCRIPTION])})
    image = Image.new("L", (4, 4))
    image.info["Raw profile type exif"] = f"\nexif\n{len(block)}\n{block.hex()}\n"
    assert read_tags(read_photo(image).exif)["main"][DESCRIPTION][1] == TEXT[DESCRIPTION]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("target", SUFFIXES)
def test_maker_note_stays_in_its_place(target, order):
    """Offsets in it are from the start of the block."""
    note = bytes(range(1, 201))
    tags = directories(order)
    tags["exif"][MAKER_NOTE] = (UNDEFINED, note)
    block = tiff_file(order, tags["main"], exif=tags["exif"], gps=tags["gps"])
    photo = read_photo(with_metadata(".jpg", block))
    assert photo.notes == ()
    for model in (None, "unet"):
        if target == ".tif":
            with pytest.warns(UserWarning, match="no place for it: EXIF maker note"):
                data = written(photo, target, model)
            assert MAKER_NOTE not in read_tags(data)["exif"]
            continue
        kept = stored_exif(written(photo, target, model), target).removeprefix(b"Exif\0\0")
        assert kept.index(note) == block.index(note)
        found = read_tags(kept)
        assert found["exif"] == tags["exif"]
        assert found["gps"] == tags["gps"]
        assert found["main"][DESCRIPTION][1] == TEXT[DESCRIPTION]


def test_maker_note_that_cannot_stay_is_left_out_with_a_note():
    details = {MAKER_NOTE: (UNDEFINED, bytes(200)), LENS: (ASCII, b"Tessar\0")}
    padding = {0x8649: (BYTE, bytes(70_000))}
    photo = read_photo(gray_tiff("<", padding, exif=details))
    assert read_tags(photo.exif)["exif"] == {LENS: (ASCII, b"Tessar\0")}
    assert photo.notes == ("its EXIF maker note is too long or too far back, and was left out",)


def test_only_values_that_are_too_long_are_left_out():
    fits, too_long = b"x" * 60_000 + b"\0", b"y" * 70_000 + b"\0"
    tags = {"main": {DESCRIPTION: (ASCII, fits), ARTIST: (ASCII, b"Ada\0")}}
    photo = read_photo(source(".png", "<", tags))
    assert (read_tags(photo.exif), photo.notes) == (tags, ())
    for suffix in SUFFIXES:
        found = read_tags(stored_exif(written(photo, suffix, "unet"), suffix))
        assert found["main"][DESCRIPTION][1] == fits
    tags["main"][COPYRIGHT] = (ASCII, too_long)
    photo = read_photo(source(".tif", "<", tags))
    assert read_tags(photo.exif)["main"].keys() == {DESCRIPTION, ARTIST}
    assert photo.notes == ("70,001 bytes of its EXIF are too long, and were left out",)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_never_costs_the_photo(suffix):
    tags = directories("<")
    block = tiff_file("<", tags["main"], exif=tags["exif"], gps=tags["gps"])
    for length in range(0, len(block), 7):
        cut = block[:length]
        data = gray_tiff("<", {0x8769: (LONG, numbers("<", "I", length))})
        if suffix != ".tif":
            data = with_metadata(suffix, cut)
        photo = read_photo(data)
        assert photo.rgb.max() == 0
        if suffix != ".tif" and cut:
            assert "damaged" in photo.notes[0], length
        if photo.exif is not None:
            read_tags(photo.exif)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_whole_values_of_a_damaged_block_are_kept():
    block = tiff_file("<", {DESCRIPTION: (ASCII, b"Grandmother\0"), ARTIST: (ASCII, b"Adaline\0")})
    photo = read_photo(with_metadata(".png", block[:-4]))
    assert read_tags(photo.exif)["main"] == {DESCRIPTION: (ASCII, b"Grandmother\0")}
    assert photo.notes == ("part of its EXIF is damaged, and was left out",)


def greedy_block(entries: int, length: int) -> bytes:
    """Every tag claims to have the whole block as its value."""
    table = [struct.pack("<HHII", 0x0100 + i, UNDEFINED, length - 8, 8) for i in range(entries)]
    block = b"II*\0" + struct.pack("<IH", 8, entries) + b"".join(table) + bytes(4)
    return block.ljust(length, b"\0")


@pytest.mark.parametrize("entries", [3_000, 5_000])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_memory_is_bounded(suffix, entries):
    if suffix == ".jpg":  # Pillow joins its segments
        block = greedy_block(entries, 640_000)
        parts = [block[i : i + 64_000] for i in range(0, len(block), 64_000)]
        data = jpeg(*(segment(0xE1, b"Exif\0\0" + part) for part in parts))
        # Without a JFIF header, Pillow looks for the resolution in the EXIF.
        start = data.index(b"\xff\xe0")
        data = data[:start] + data[start + 18 :]
    else:
        data = with_metadata(suffix, greedy_block(entries, 640_000))
    tracemalloc.start()
    try:
        photo = read_photo(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "damaged" in photo.notes[0]
    assert peak < 8_000_000


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize(
    ("before", "tag"),
    [(None, SOFTWARE), (b"colorzoo 0.0.1 (old)\0", SOFTWARE), (b"VueScan \xe4\0", 0x000B)],
)
def test_results_name_the_model(before, tag, target):
    from colorzoo import __version__

    main = {ARTIST: (ASCII, b"Ada\0")} | ({SOFTWARE: (ASCII, before)} if before else {})
    photo = read_photo(source(".jpg", ">", {"main": main}))
    name = f"colorzoo {__version__} (unet-gan)\0".encode()
    found = read_tags(stored_exif(written(photo, target, "unet-gan"), target))["main"]
    assert found[tag] == (ASCII, name)
    if tag != SOFTWARE:
        assert found[SOFTWARE] == (ASCII, before)
    assert found[ARTIST] == (ASCII, b"Ada\0")
    assert b"unet-gan" not in written(photo, target)


def test_strange_names_of_models():
    photo = read_photo(Image.new("L", (4, 4)))
    for suffix in SUFFIXES:
        data = written(photo, suffix, "<é\0\x1b\ud800>")
        main = read_tags(stored_exif(data, suffix))["main"]
        assert main[SOFTWARE][1].endswith(b" (<????>)\0")
        back = read_photo(data)
        assert back.notes == ()
        assert "(&lt;é???&gt;)".encode() in back.metadata.xmp


def test_result_without_metadata_names_the_model():
    photo = read_photo(Image.new("L", (4, 4)))
    data = written(photo, ".jpg", "unet")
    assert b"(unet)" in read_tags(stored_exif(data, ".jpg"))["main"][SOFTWARE][1]
    assert data == written(photo, ".jpg", "unet")
    # A copy of the result is a result too; another picture is not.
    with Image.open(io.BytesIO(data)) as image:
        assert b"(unet)" in image_bytes(image, ".png")
    assert b"colorzoo" not in image_bytes(Image.new("RGB", (4, 4)), ".png")


def test_rotated_pil_image_keeps_its_orientation_when_saved_as_it_is():
    block = tiff_file("<", {ORIENTATION: (SHORT, b"\6\0"), DESCRIPTION: (ASCII, TEXT[DESCRIPTION])})
    for suffix in SUFFIXES:
        with (
            Image.open(io.BytesIO(with_metadata(".webp", block))) as image,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            data = image_bytes(image, suffix)
        assert read_tags(stored_exif(data, suffix))["main"][ORIENTATION] == (SHORT, b"\6\0")


@pytest.mark.skipif(
    not hasattr(Image.core, "avif") and ".avif" not in Image.registered_extensions(),
    reason="no AVIF",
)
def test_avif_as_a_pil_image():
    tags = directories("<")
    block = tiff_file("<", tags["main"], exif=tags["exif"], gps=tags["gps"])
    data = encode(Image.new("RGB", (16, 16)), "AVIF", exif=block)
    with Image.open(io.BytesIO(data)) as image:
        assert read_tags(read_photo(image).exif) == tags
