"""Read TIFF files: with Pillow where it is right, otherwise with tifffile.

Pillow decodes planes of more than 8 bits and colour maps of 8-bit values wrongly, and does not know
12-bit, float and 16-bit L*a*b* colour, CMYK with alpha and big-endian BigTIFF. tifffile decodes
uncompressed and deflated files by itself, and others with imagecodecs (``colorzoo[tiff]``).
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np
import tifffile
from PIL import Image, ImagePalette, TiffImagePlugin

from colorzoo.errors import ImageError
from colorzoo.imaging.claims import MOST_PAGES, check_tiff
from colorzoo.imaging.packed import check_parts
from colorzoo.imaging.pixels import to_uint8

# Colour channels by photometric interpretation.
_CHANNELS = {0: 1, 1: 1, 2: 3, 5: 4, 6: 3, 8: 3, 9: 3}
_MOST_CHANNELS = 16
_COLOR_MAP, _SAMPLE_BITS = 320, 258
_NAMES = {
    0: "gray", 1: "gray", 2: "colour", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr",
    8: "L*a*b*", 9: "L*a*b*", 10: "L*a*b*", 32844: "LogL", 32845: "LogLuv", 32803: "camera raw",
}  # fmt: skip


class PillowTiff(TiffImagePlugin.TiffImageFile):
    """A TIFF reader without Pillow's pixel limit that does not rotate: ``read_pixels`` does."""

    source: BinaryIO
    page = 0

    def opened_again(self) -> "PillowTiff":
        """Open the same page of the file again."""
        return _open_page(self.source, self.page)

    def load_prepare(self) -> None:
        """Allocate the picture as stored."""
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)
        super().load_prepare()

    def load_end(self) -> None:
        """Keep the size as stored."""
        self._size = self._tile_size
        with suppress(Exception):
            self.getexif()  # before load() closes the file


class DecodedPage(Image.Image):
    """A page that tifffile decoded.

    Attributes:
        tag_v2: The tags that state the range of the pixel values.
        page: Its number, from 0.
        deep: (H, W, 3) uint16 sRGB as stored, if it is in colour with more than 8 bits.
        alpha: (H, W) uint8 as stored, or None.
    """

    format = "TIFF"
    format_description = "TIFF"
    tag_v2: dict[int, Any]
    page: int
    deep: np.ndarray | None = None
    alpha: np.ndarray | None = None


def open_tiff(
    stream: BinaryIO, name: str, check_size: Callable[[int, int], None], notes: list[str]
) -> PillowTiff | DecodedPage:
    """Open the largest page that is not marked as a reduced version of another.

    Args:
        stream: The file, at its beginning; it stays open.
        name: Name of the file for messages.
        check_size: Called with width and height before pixels are decoded; raises an ImageError.
        notes: Notes for the user are appended to it.

    Returns:
        A Pillow image that is not yet decoded, or a DecodedPage.

    Raises:
        ImageError: If it is a camera raw file, or of a kind that cannot be read.
    """
    _be_quiet()
    check_tiff(stream, name)
    with _opened(stream) as file:
        pages = []
        for index in range(MOST_PAGES):
            try:
                pages.append(cast(tifffile.TiffPage, file.pages[index]))
            except Exception:  # the end, or a damaged page: a first one that is gives the reason
                if not pages:
                    raise
                break
        inside = _sub_pages(pages[0]) if pages[0].is_reduced else []
        _reject_raw(pages[0], inside, name)
        candidates = [*pages, *inside]
        whole = [page for page in candidates if not (page.is_reduced or page.is_mask)] or pages[:1]
        page = max(whole, key=lambda page: page.imagelength * page.imagewidth)
        if len(whole) > 1:
            count = "several" if len(whole) >= MOST_PAGES else len(whole)
            is_first = page is whole[0]
            which = "the first one" if is_first else f"page {_number(page)}, the largest,"
            notes.append(f"it has {count} pages: only {which} is used")
        stream.seek(0)
        is_pillows = page not in inside and not _is_decoded_wrongly(page)
        image = _with_pillow(stream, page) if is_pillows else None
        if image is not None:
            return image
        check_size(page.imagewidth, page.imagelength)
        return _decoded(page, name, notes)


def decoded_by_tifffile(
    stream: BinaryIO, index: int, name: str, notes: list[str]
) -> DecodedPage | None:
    """Decode a page that Pillow opened and then could not decode; None if tifffile cannot either.

    Args:
        stream: The file.
        index: The page, from 0.
        name: Name of the file for messages.
        notes: Notes for the user are appended to it.
    """
    stream.seek(0)
    try:
        with _opened(stream) as file:
            return _decoded(cast(tifffile.TiffPage, file.pages[index]), name, notes)
    except Exception:
        return None


def _opened(stream: BinaryIO) -> tifffile.TiffFile:
    # Microscopes' files of these kinds would be read as a whole to find their pages.
    return tifffile.TiffFile(stream, is_lsm=False, is_ndpi=False, is_scanimage=False)


def _decoded(page: tifffile.TiffPage, name: str, notes: list[str]) -> DecodedPage:
    try:
        _check_layout(page)
        pixels = page.asarray()
    except Exception as error:
        raise ImageError(_unreadable(page, name, error)) from error
    return _as_image(page, pixels, name, notes)


@lru_cache(maxsize=1)
def _be_quiet() -> None:
    """Keep tifffile's remarks on damaged files off the console, unless logging is configured."""
    logging.getLogger("tifffile").addHandler(logging.NullHandler())


def _number(page: tifffile.TiffPage) -> int:
    return page.index + 1 if isinstance(page.index, int) else 1


def _sub_pages(page: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    """Return the pages below a page, for example the picture that belongs to a thumbnail."""
    with suppress(Exception):
        return [cast(tifffile.TiffPage, each) for each in islice(page.pages or (), MOST_PAGES)]
    return []


def _reject_raw(first: tifffile.TiffPage, inside: list[tifffile.TiffPage], name: str) -> None:
    """Reject camera raw files, whose first TIFF page is only a thumbnail."""
    has_raw = any(int(page.photometric) in (32803, 34892) for page in inside)
    is_hidden = first.is_reduced and 330 in first.tags and not inside
    if has_raw or is_hidden or 50706 in first.tags:
        raise ImageError(f"{name}: is a camera raw file; export it as JPEG, PNG or TIFF first")


def _is_decoded_wrongly(page: tifffile.TiffPage) -> bool:
    if page.samplesperpixel == 1:
        return False
    if page.photometric in (0, 1):  # alpha in planes, or premultiplied
        return page.planarconfig == 2 or 1 in map(int, page.extrasamples)
    return page.planarconfig == 2 and (page.photometric in (6, 8) or page.bitspersample != 8)


def _with_pillow(stream: BinaryIO, page: tifffile.TiffPage) -> PillowTiff | None:
    """Open a page with Pillow; None if Pillow does not know its kind."""
    try:
        image = _open_page(stream, page.index)
    except Exception:  # tifffile gives the reason if it cannot read the page either
        stream.seek(0)
        return None
    colors = image.tag_v2.get(_COLOR_MAP, ())
    if image.mode in ("P", "PA") and max(colors, default=0) < 256:
        # Written with 8-bit values, against the specification; libtiff accepts it too.
        image.palette = ImagePalette.raw("RGB;L", bytes(colors))
    return image


def _open_page(stream: BinaryIO, index: int) -> PillowTiff:
    stream.seek(0)
    image = PillowTiff(stream)
    image.source, image.page = stream, index
    image.seek(index)
    return image


def _kind(page: tifffile.TiffPage) -> str:
    number = "float" if page.sampleformat == 3 else "bit"
    planes = ", in separate planes" if page.planarconfig == 2 else ""
    compression = getattr(page.compression, "name", str(page.compression))
    packed = "" if compression == "NONE" else f", compressed with {compression}"
    photometric = _NAMES.get(page.photometric, f"photometric {page.photometric}")
    article = "an" if str(page.bitspersample) in ("8", "11", "18") else "a"
    return f"{article} {page.bitspersample}-{number} {photometric} TIFF{planes}{packed}"


def _unreadable(page: tifffile.TiffPage, name: str, error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    if "imagecodecs" in text:
        return (
            f"{name}: is {_kind(page)}, which needs imagecodecs: pip install 'colorzoo[tiff]', or "
            "save it uncompressed"
        )
    return (
        f"{name}: is {_kind(page)} that cannot be decoded ({text}); save it as an 8-bit or 16-bit "
        "TIFF in an image editor"
    )


def _check_layout(page: tifffile.TiffPage) -> None:
    """Refuse what would take much more memory than its pixels.

    Raises:
        ValueError: If there are too many channels or layers, or a part would unpack to more than
            its share of the picture.
    """
    if page.samplesperpixel > _MOST_CHANNELS or page.imagedepth > 1:
        raise ValueError(f"{page.samplesperpixel} channels, {page.imagedepth} layers")
    check_parts(page)


def _as_image(
    page: tifffile.TiffPage, pixels: np.ndarray, name: str, notes: list[str]
) -> DecodedPage:
    """Convert the decoded array of a page to an image that ``read_pixels`` knows."""
    height, width, count = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.planarconfig == 2:
        samples = pixels.reshape(count, height, width)
    else:
        samples = pixels.reshape(height, width, count).transpose(2, 0, 1)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    colours = _CHANNELS.get(int(page.photometric), 0)
    if not 0 < colours <= count:
        raise ImageError(_unreadable(page, name, ValueError(f"{count} channels")))
    kinds = [int(kind) for kind in page.extrasamples] or [2] * (colours == 3 and count == 4)
    place = next((i for i, kind in enumerate(kinds) if kind in (1, 2)), None)
    alpha = None
    if place is not None and colours + place < count:
        shares = samples[colours + place]
        alpha = to_uint8(_codes(shares, page, []))
        if kinds[place] == 1:
            samples = _divided(samples[:colours], shares)
    samples, icc, deep = samples[:colours], page.iccprofile, None
    if colours == 1:
        odd = samples.dtype.kind == "u" and page.bitspersample not in (8, 16, 32, 64)
        values = _codes(samples[0], page, notes) if odd else _gray_values(samples[0])
        is_inverted = page.photometric == 0 and values.dtype == np.uint8  # others: read_pixels
        image = Image.fromarray(255 - values if is_inverted else values)
    elif page.photometric in (2, 6):
        codes = _codes(samples, page, notes)
        if page.photometric == 2 and codes.dtype == np.uint16:
            deep = codes.transpose(1, 2, 0)
        mode = "RGB" if page.photometric == 2 else "YCbCr"
        image = Image.fromarray(_interleaved(codes), mode)
    elif page.photometric == 5:
        image = Image.fromarray(_interleaved(_codes(samples, page, [])), "CMYK")
    else:
        image, icc = Image.fromarray(_eight_bit_lab(samples, page, name), "LAB"), None
    return _wrap(image, page, icc, deep, alpha)


def _divided(samples: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Divide premultiplied samples by their alpha."""
    top = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(samples / alpha.astype(np.float64)).clip(0, 1)
    whole = shares * top
    return (whole if samples.dtype.kind == "f" else np.rint(whole)).astype(samples.dtype)


def _wrap(
    image: Image.Image,
    page: tifffile.TiffPage,
    icc: bytes | None,
    deep: np.ndarray | None,
    alpha: np.ndarray | None,
) -> DecodedPage:
    wrapped = DecodedPage()
    wrapped.im, wrapped.deep, wrapped.alpha = image.im, deep, alpha
    wrapped.page = page.index if isinstance(page.index, int) else 0
    cast(Any, wrapped)._mode, cast(Any, wrapped)._size = image.mode, image.size
    bits = (16 if image.mode == "I;16" else page.bitspersample,)
    wrapped.tag_v2 = {_SAMPLE_BITS: bits, 262: int(page.photometric)}
    if 281 in page.tags:
        wrapped.tag_v2[281] = page.tags[281].value
    packed = getattr(page.compression, "name", "").lower()
    wrapped.info["compression"] = {"none": "raw", "lzw": "tiff_lzw"}.get(packed, packed)
    if 700 in page.tags:
        with suppress(TypeError):
            wrapped.info["xmp"] = bytes(page.tags[700].value)
    if icc:
        wrapped.info["icc_profile"] = icc
    with suppress(Exception):
        wrapped.info["dpi"] = page.get_resolution("inch")
    return wrapped


def _gray_values(values: np.ndarray) -> np.ndarray:
    """Return gray as uint8, uint16, int32 or float32, which Pillow has modes for."""
    if values.dtype == np.uint8 or values.dtype == np.uint16:
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))
    return np.ascontiguousarray(values, dtype=np.float32)


def _codes(values: np.ndarray, page: tifffile.TiffPage, notes: list[str]) -> np.ndarray:
    """Scale samples to the whole range of uint8 or uint16, without changing their gamma."""
    bits = page.bitspersample
    if values.dtype == np.uint8 and bits == 8:
        return values
    if values.dtype.kind == "u" and bits <= 32:
        return np.rint(values * (65535 / (2**bits - 1))).astype(np.uint16)
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    top = next((top for top in (1, 255, 65535) if high <= top), None)
    if values.dtype.kind != "f":
        top = None
    if low < 0 or top is None:
        top, black = max(high, low + 1), low
        notes.append(f"its values, from {low:g} to {high:g}, are scaled to black and white")
    else:
        black = 0.0
    with np.errstate(invalid="ignore"):
        share = ((values.astype(np.float64) - black) / (top - black)).clip(0, 1)
    return np.rint(np.nan_to_num(share) * 65535).astype(np.uint16)


def _interleaved(codes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(to_uint8(codes).transpose(1, 2, 0))


def _eight_bit_lab(samples: np.ndarray, page: tifffile.TiffPage, name: str) -> np.ndarray:
    """Convert CIE (8) or ICC (9) L*a*b* to 8-bit CIE L*a*b*, where a and b are signed."""
    if page.bitspersample not in (8, 16) or samples.dtype.kind not in "ui":
        raise ImageError(_unreadable(page, name, ValueError("a rare kind of L*a*b*")))
    scale = 1 if page.bitspersample == 8 else 256
    lightness = samples[0].view(f"u{samples.itemsize}").astype(np.float64)
    if page.photometric == 8:  # a and b are signed
        ab = samples[1:3].view(f"i{samples.itemsize}").astype(np.float64) / scale
        lightness *= 255 / (scale * 256 - 1)
    else:
        ab = samples[1:3].astype(np.float64) / scale - 128
        lightness *= 1 / scale
    ab = np.rint(ab).clip(-128, 127).astype(np.int8).view(np.uint8)
    lightness = np.rint(lightness).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.stack((lightness, *ab)).transpose(1, 2, 0))
