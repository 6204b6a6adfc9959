"""Open encoded pictures: choose the decoder by the first bytes, and repair what can be repaired."""

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import (
    AvifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from colorzoo.errors import ImageError
from colorzoo.imaging import jpeg, jpegxl, png
from colorzoo.imaging.bmp import open_bmp
from colorzoo.imaging.boxes import without_unsafe_exif
from colorzoo.imaging.claims import is_safe_for_pillow
from colorzoo.imaging.deep import Box, deep_reader
from colorzoo.imaging.gif import open_gif
from colorzoo.imaging.jpeg2000 import SIGNATURES as JPEG_2000
from colorzoo.imaging.jpeg2000 import open_jpeg2000
from colorzoo.imaging.pixels import tiles
from colorzoo.imaging.space import Space
from colorzoo.imaging.tiff import DecodedPage, PillowTiff, decoded_by_tifffile, open_tiff

# Entries of a PNG's ``info`` that are no texts.
_NOT_TEXT = ("transparency", "interlace", "icc_profile", "exif", "gamma", "dpi", "xmp")
CheckSize = Callable[[int, int], None]

_JPEG_XL = (jpegxl.CODESTREAM, jpegxl.CONTAINER)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


_MOST_JXL_CHANNELS = 5  # CMYK and alpha


@dataclass(eq=False)
class Opened:
    """A picture whose header was read.

    Attributes:
        image: The image.
        space: Its colour space if neither sRGB nor described by a profile.
        prepare: Called before the pixels are decoded: returns a completed image, or None.
        repair: Called if the pixels cannot be decoded: returns a repaired image, or None.
        reopen: Opens the file again, to read the low bytes of 16-bit samples.
        page: The page of a TIFF, from 0; None for other formats.
        codes: (H, W, 3) uint16, if all bits were decoded when it was opened.
        planes: (H, W) uint8 alpha, if it was decoded then and is not in the image.
        deep_key: The transparent colour of a PNG with 16 bits a channel.
    """

    image: Image.Image
    space: Space | None = None
    prepare: Callable[[], ImageFile.ImageFile | None] | None = None
    repair: Callable[[], Image.Image | None] | None = None
    reopen: Callable[[], ImageFile.ImageFile] | None = None
    page: int | None = None
    codes: np.ndarray | None = None
    planes: np.ndarray | None = None
    deep_key: tuple[int, ...] | None = None

    def load(self) -> None:
        """Decode the pixels."""
        if self.prepare is not None:
            self.image = self.prepare() or self.image
        try:
            self.image.load()
        except Exception:
            repaired = self.repair() if self.repair is not None else None
            if repaired is None:
                raise
            repaired.load()
            self.image = repaired
        key = self.image.info.get("transparency")
        if self.reopen is not None and isinstance(key, tuple) and self.deep_key is not None:
            self.planes = self._alpha_of(self.deep_key)
            del self.image.info["transparency"]

    def _alpha_of(self, key: tuple[int, ...]) -> np.ndarray:
        """Return (H, W) uint8 alpha that is 0 where all 16 bits of a pixel are those of the key."""
        read = self.deep_reader("RGB;16B")
        assert read is not None
        alpha = np.empty(self.image.size[::-1], np.uint8)
        for box in tiles(*self.image.size):
            opaque = (read(box) != np.array(key, np.uint16)).any(axis=2)
            alpha[box[1] : box[3], box[0] : box[2]] = opaque * np.uint8(255)
        return alpha

    @property
    def alpha(self) -> np.ndarray | None:
        """(H, W) uint8 alpha as stored, if it is not in the image."""
        return self.image.alpha if isinstance(self.image, DecodedPage) else self.planes

    def is_deep(self, raw: str) -> bool:
        """Tell whether the file has more than 8 bits a channel; see ``deep_reader``."""
        if isinstance(self.image, DecodedPage):
            return self.image.tag_v2[258][0] > 8
        return (";16" in raw and not raw.startswith("BGR")) or self.image.mode.startswith("I;16")

    def deep_reader(self, raw: str) -> Callable[[Box], np.ndarray] | None:
        """Return a function that reads 16-bit codes of a box; None for other images.

        Args:
            raw: The raw mode that the image had before it was decoded.
        """
        deep = self.image.deep if isinstance(self.image, DecodedPage) else self.codes
        if deep is not None:
            return lambda box: deep[box[1] : box[3], box[0] : box[2]]
        return deep_reader(raw, self.image, self.reopen) if self.reopen is not None else None


def open_picture(stream: BinaryIO, name: str, check_size: CheckSize, notes: list[str]) -> Opened:
    """Open a picture of any supported format.

    Image.open() is not used: it enforces a pixel limit that can only be changed for the whole
    process, and it knows formats that nobody has checked here.

    Args:
        stream: The file, at its beginning.
        name: Name of the file for messages.
        check_size: Called with width and height before pixels are decoded here; raises an
            ImageError if there are too many.
        notes: Notes for the user are appended to it.

    Raises:
        ImageError: If the file is empty, or of another format.
    """
    head = stream.read(32)
    stream.seek(0)
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes), expected a picture; copy the file again")
    if head.startswith(b"\xff\xd8\xff"):
        return _open_jpeg(stream, name, notes)
    if head.startswith(png.SIGNATURE):
        return _open_png(stream, name, notes)
    if head.startswith(_TIFF):
        return _open_tiff(stream, name, check_size, notes)
    if head.startswith(b"BM"):
        return Opened(open_bmp(stream, check_size))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Opened(_WebP(stream))
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Opened(_with_scaled_transparency(open_gif(stream, name)))
    if head.startswith(JPEG_2000):
        image, deep, alpha = open_jpeg2000(stream, name, check_size)
        return Opened(image, codes=deep, planes=alpha)
    if head.startswith(_JPEG_XL):
        return _open_jpeg_xl(stream, name, check_size)
    if head[4:8] == b"ftyp" and (opened := _open_boxed(stream, head, name, notes)) is not None:
        return opened
    raise ImageError(
        f"{name}: is not a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF or JPEG 2000 file; convert "
        "other formats (camera raw, SVG, PDF, ...) to one of these first"
    )


def _open_tiff(stream: BinaryIO, name: str, check_size: CheckSize, notes: list[str]) -> Opened:
    image = open_tiff(stream, name, check_size, notes)
    if not isinstance(image, PillowTiff):
        return Opened(image, page=image.page)

    def by_tifffile() -> Image.Image | None:
        decoded = decoded_by_tifffile(stream, image.page, name, notes)
        if decoded is None or sorted(decoded.size) != sorted(image.size):
            return None
        return decoded

    return Opened(image, repair=by_tifffile, reopen=image.opened_again, page=image.page)


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG reader that does not let a malicious EXIF block fill the memory."""

    def _read_dpi_from_exif(self) -> None:
        if is_safe_for_pillow(self.info.get("exif")):
            super()._read_dpi_from_exif()


def _open_jpeg(stream: BinaryIO, name: str, notes: list[str]) -> Opened:
    jpeg.check(stream.read(), name)
    stream.seek(0)
    # The reader returns the first picture of an MPO and ignores the rest.
    image = _Jpeg(stream)

    # Not now: a caller may only want the size.
    def complete() -> ImageFile.ImageFile | None:
        stream.seek(0)
        data = stream.read()
        found = jpeg.completed(data) if jpeg.lacks_end(data) else None
        if found is None:
            return None
        notes.append(found[1])
        return _Jpeg(io.BytesIO(found[0]))

    return Opened(image, prepare=complete)


def _open_png(stream: BinaryIO, name: str, notes: list[str]) -> Opened:
    data = stream.read()
    png.check(data, name)
    stream.seek(0)
    dropped: list[str] = []

    def repaired() -> ImageFile.ImageFile | None:
        nonlocal data
        data, removed = png.without_damage(data)
        if not removed:
            return None
        dropped.extend(removed)
        notes.append(f"damaged parts of the file are ignored: {', '.join(removed[:5])}")
        return _png(data)

    try:
        image = _png(data)
    except Exception:
        image = repaired()
        if image is None:
            raise
    chunks = png.chunks_of(data, until=b"IDAT")
    return Opened(
        image,
        space=png.space_of(chunks, notes),
        deep_key=png.deep_key(chunks),
        repair=None if dropped else repaired,
        reopen=lambda: PngImagePlugin.PngImageFile(io.BytesIO(data)),
    )


def _png(data: bytes) -> PngImagePlugin.PngImageFile:
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    # Pillow stores texts under their keywords, where they pass for other things.
    for key in _NOT_TEXT:
        if isinstance(image.info.get(key), str):
            del image.info[key]
    png.add_raw_profiles(image.info)
    if data[28:29] == b"\1":
        image.info["interlace"] = 1
    _with_scaled_transparency(image)
    return image


class _WebP(WebPImagePlugin.WebPImageFile):
    """A WebP reader that frees the decoder's two canvases (8 bytes a pixel) after one frame."""

    def _get_next(self) -> tuple[bytes, int, int]:
        frame = super()._get_next()
        self._decoder = None  # type: ignore[assignment]
        return frame


def _open_jpeg_xl(stream: BinaryIO, name: str, check_size: CheckSize) -> Opened:
    data = stream.read()
    size = jpegxl.size_of(data)
    if size is None or size[2] > _MOST_JXL_CHANNELS:
        kind = "without a size" if size is None else f"with {size[2]:,} channels"
        raise ImageError(
            f"{name}: is a JPEG XL {kind}, which colorzoo cannot read; save it as TIFF or PNG"
        )
    check_size(*size[:2])
    # The plugin decodes at once.
    whole = io.BytesIO(jpegxl.without_parts(data))
    image = _optional("pillow_jxl.JpegXLImagePlugin", "JXLImageFile", whole, name)
    # The plugin states 8 bits for gray with alpha, also where it has decoded 16.
    stored = {"LA": 2, "RGB": 3, "RGBA": 4}.get(image.mode, 0) * image.width * image.height
    if stored and len(getattr(image, "_data", b"")) != stored:
        raise ImageError(
            f"{name}: is a JPEG XL with more than 8 bits and alpha, which colorzoo cannot read; "
            "save it as TIFF or PNG"
        )
    return Opened(image)


def _open_boxed(stream: BinaryIO, head: bytes, name: str, notes: list[str]) -> Opened | None:
    """Open HEIC or AVIF, by the brands in the first box; None for films and others."""
    size = int.from_bytes(head[:4], "big")
    box = stream.read(min(max(size, 16), 1024))
    stream.seek(0)
    brands = {box[8:12], *(box[i : i + 4] for i in range(16, len(box) - 3, 4))}
    if brands & _AVIF_BRANDS:
        data = stream.read()
        safe = without_unsafe_exif(data)
        if safe is not data:
            notes.append("its EXIF is damaged, and was left out")
        return Opened(AvifImagePlugin.AvifImageFile(io.BytesIO(safe)))
    if brands & _HEIF_BRANDS:
        return Opened(_optional("pi_heif", "HeifImageFile", stream, name))
    return None


def _optional(module: str, reader: str, stream: BinaryIO, name: str) -> Image.Image:
    """Open a picture with a package that may not be installed.

    Raises:
        ImageError: If it is not installed; the message says how to install it.
    """
    kind, package = {
        "pi_heif": ("HEIC", "'colorzoo[heic]'"),
        "pillow_jxl.JpegXLImagePlugin": ("JPEG XL", "pillow-jxl-plugin"),
    }[module]
    try:
        opener = getattr(importlib.import_module(module), reader)
    except ImportError as error:
        raise ImageError(
            f"{name}: is a {kind} file, which needs a package: pip install {package}, or save the "
            "photo as JPEG, PNG or TIFF"
        ) from error
    return cast(Image.Image, cast(Any, opener)(stream))


def _with_scaled_transparency(image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Scale a PNG's transparent colour to the bit depth that Pillow decodes to."""
    colour = image.info.get("transparency")
    raw_mode = image.tile[0].args if image.tile else None
    steps = {"1": 255, "L;2": 85, "L;4": 17}
    if isinstance(colour, int) and raw_mode in steps:
        image.info["transparency"] = min(255, colour * steps[raw_mode])
    return image
