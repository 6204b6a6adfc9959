"""PNG: colour spaces by the order of the specification, and damaged chunks."""

import struct

import numpy as np
import pytest
from helpers.pictures import chunk, encoded, exif_block, gray_profile, icc_profile, noise, png
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.imaging.png import chunks_of, without_damage
from colorzoo.imaging.read import read_photo

LEVELS = np.arange(0, 256, 5, dtype=np.uint8)
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(*places: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(place * 100_000) for place in places)))


def gray_png(*chunks: bytes) -> bytes:
    return png(len(LEVELS), 1, 8, 0, [LEVELS.tobytes()], *chunks)


def levels_of(data: bytes) -> np.ndarray:
    return read_photo(data).rgb[0, :, 0].astype(int)


@pytest.mark.parametrize("value", [1.0, 1 / 1.8, 1 / 3])
def test_gamma(value):
    expected = encoded((LEVELS / 255) ** (1 / value)) * 255
    assert np.abs(levels_of(gray_png(gamma(value))) - expected).max() <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        (gamma(1 / 2.2),),  # how writers of sRGB state it
        (gamma(1.0), chunk(b"sRGB", b"\0")),
        (gamma(1.0), chunk(b"cICP", bytes((1, 13, 0, 1)))),
        (gamma(0.0),),
        (gamma(1.0)[:-6] + b"\0\0\0\0\0\0",),
    ],
)
def test_what_comes_before_gamma_in_the_specification(chunks):
    assert np.abs(levels_of(gray_png(*chunks)) - LEVELS).max() <= 0


def test_a_profile_comes_before_gamma():
    import zlib

    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(gray_profile(1.8)))
    with_both = levels_of(gray_png(profile, gamma(1.0)))
    assert np.array_equal(with_both, levels_of(gray_png(profile)))


def test_gamma_of_16_bits_and_of_palettes():
    codes = np.linspace(0, 65535, 64).astype(">u2")
    expected = encoded(codes / 65535) * 255
    photo = read_photo(png(64, 1, 16, 0, [codes.tobytes()], gamma(1.0)), deep=True)
    assert np.abs(photo.rgb[0, :, 0] - expected).max() <= 1
    assert photo.gray16 is not None
    assert np.abs(photo.gray16[0] - encoded(codes / 65535) * 65535).max() <= 2
    palette = np.repeat(LEVELS, 3).tobytes()
    indices = bytes(range(len(LEVELS)))
    data = png(len(LEVELS), 1, 8, 3, [indices], gamma(1.0), chunk(b"PLTE", palette))
    assert np.abs(levels_of(data) - encoded(LEVELS / 255) * 255).max() <= 1


def test_primaries():
    pixels = noise(4, 6, 3)
    rows = [row.tobytes() for row in pixels]
    from_chrm = read_photo(png(6, 4, 8, 2, rows, primaries(*P3))).rgb.astype(int)
    from_cicp = read_photo(png(6, 4, 8, 2, rows, chunk(b"cICP", bytes((12, 13, 0, 1))))).rgb
    assert np.abs(from_chrm - from_cicp).max() <= 1
    # The published matrix of linear Display P3 to linear sRGB.
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    linear = np.where(
        pixels / 255 <= 0.04045, pixels / 255 / 12.92, ((pixels / 255 + 0.055) / 1.055) ** 2.4
    )
    expected = encoded((linear @ matrix.T).clip(0, 1)) * 255
    assert np.abs(from_chrm - expected).max() <= 2
    gray = [np.repeat(LEVELS, 3).tobytes()]
    wide = read_photo(png(len(LEVELS), 1, 8, 2, gray, primaries(*P3))).rgb.astype(int)
    assert np.abs(wide - LEVELS[None, :, None]).max() <= 1  # white stays white
    implausible = primaries(*[0.0] * 8)
    assert np.array_equal(read_photo(png(6, 4, 8, 2, rows, implausible)).rgb, pixels)


def test_hdr_is_said():
    photo = read_photo(gray_png(chunk(b"cICP", bytes((9, 16, 0, 1)))))
    assert "HDR" in photo.notes[0]


@pytest.mark.parametrize(
    "broken",
    [
        chunk(b"sRGB", b""),
        chunk(b"sRGB", b"\0")[:-1] + b"\7",
        chunk(b"pHYs", b"\0\0"),
        chunk(b"tEXt", b"Title\0hello")[:-4] + bytes(4),
        chunk(b"iCCP", b"x\0\0" + bytes(9)),
        chunk(b"tIME", b"\0"),
        chunk(b"zTXt", b"Title\0\0" + bytes(5)),
        chunk(b"gAMA", b"\0"),
        chunk(b"eXIf", b"II*\0")[:-4] + bytes(4),
    ],
)
def test_a_broken_chunk_that_the_pixels_do_not_need(broken):
    pixels = noise(5, 7)
    photo = read_photo(png(7, 5, 8, 0, [row.tobytes() for row in pixels], broken))
    assert np.array_equal(photo.rgb[..., 0], pixels)


def test_a_removed_chunk_is_noted_and_the_others_are_kept():
    whole, broken = chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)), chunk(b"sRGB", b"")
    photo = read_photo(gray_png(whole, broken))
    assert photo.notes == ("damaged parts of the file are ignored: sRGB",)
    assert photo.dpi is not None and round(photo.dpi[0]) == 300


def test_damaged_pixels_are_still_refused():
    good = gray_png()
    place = good.index(b"IDAT") + 6
    for bad in (good[:place] + b"\xff" + good[place + 1 :], good[: place + 4]):
        with pytest.raises(ImageError, match="cannot be decoded"):
            read_photo(bad)


def test_repairing_keeps_an_undamaged_file():
    data = gray_png(gamma(0.5), chunk(b"tEXt", b"a\0b"))
    again, removed = without_damage(data)
    assert again == data and removed == []
    assert [kind for kind, _, _ in chunks_of(data)][0] == b"IHDR"


def test_profiles_with_tables_keep_8_bits_with_a_note():
    tables = icc_profile(b"GRAY", {b"A2B0": b"mft1" + bytes(60), b"kTRC": b"curv" + bytes(8)})
    codes = noise(4, 4, dtype=np.uint16)
    image = Image.fromarray(codes)
    image.info["icc_profile"] = tables
    import io

    stream = io.BytesIO()
    image.save(stream, "PNG", icc_profile=tables)
    photo = read_photo(stream.getvalue(), deep=True)
    assert photo.gray16 is None and "only 8 of its 16 bits a channel are used" in photo.notes


@pytest.mark.parametrize("keyword", ["transparency", "interlace", "icc_profile", "gamma", "dpi"])
def test_a_text_whose_keyword_means_something_to_the_decoder(keyword):
    pixels = noise(5, 7)
    rows = [row.tobytes() for row in pixels]
    text = chunk(b"tEXt", keyword.encode() + b"\0none")
    photo = read_photo(png(7, 5, 8, 0, rows, text))
    assert np.array_equal(photo.rgb[..., 0], pixels) and photo.notes == ()


def test_a_profile_that_cannot_be_unpacked_does_not_count():
    broken = chunk(b"iCCP", b"x\0\0nonsense")
    assert np.array_equal(levels_of(gray_png(broken, gamma(1.0))), levels_of(gray_png(gamma(1.0))))
    unspecified = chunk(b"cICP", bytes((2, 2, 0, 1)))
    assert np.array_equal(
        levels_of(gray_png(unspecified, gamma(1.0))), levels_of(gray_png(gamma(1.0)))
    )


def test_broken_animation():
    pixels = noise(5, 7)
    rows = [row.tobytes() for row in pixels]
    photo = read_photo(png(7, 5, 8, 0, rows, chunk(b"acTL", b"\0"), chunk(b"fcTL", b"\0\0")))
    assert np.array_equal(photo.rgb[..., 0], pixels)


def test_the_transparent_colour_of_16_bits_is_compared_whole():
    codes = np.array([[[1000, 2000, 3000], [1001, 2000, 3000], [9, 9, 9]]], dtype=">u2")
    key = chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000))
    for deep in (False, True):
        photo = read_photo(png(3, 1, 16, 2, [codes.tobytes()], key), deep=deep)
        assert photo.alpha is not None and photo.alpha.tolist() == [[0, 255, 255]]


@pytest.mark.parametrize("kind", ["APP1", "exif"])
def test_exif_as_a_text_of_hexadecimal_digits_turns_the_picture(kind):
    pixels = noise(5, 7)
    rows = [row.tobytes() for row in pixels]
    block = exif_block(6)
    digits = f"\n{kind}\n{len(block):8}\n{block.hex()}\n"
    text = chunk(b"tEXt", f"Raw profile type {kind}".encode() + b"\0" + digits.encode())
    assert read_photo(png(7, 5, 8, 0, rows, text)).rgb.shape == (7, 5, 3)


def test_xmp_as_a_text_of_hexadecimal_digits():
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    )
    digits = f"\nxmp\n{len(packet):8}\n{packet.hex()}\n"
    text = chunk(b"tEXt", b"Raw profile type xmp\0" + digits.encode())
    assert read_photo(gray_png(text)).metadata.xmp is not None
    nonsense = chunk(b"tEXt", b"Raw profile type xmp\0no digits")
    assert read_photo(gray_png(nonsense)).metadata.xmp is None


def test_dark_16_bit_colour_is_noted():
    codes = np.full((1, 3, 3), 900, dtype=">u2")
    photo = read_photo(png(3, 1, 16, 2, [codes.tobytes()]))
    assert "nearly black" in photo.notes[0]
