"""Read image files, PIL images and arrays as upright sRGB. All decoding is done here."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.imaging.exif import read_dpi, read_exif
from colorzoo.imaging.pixels import read_pixels, tiles, to_uint8

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray


MAX_SIDE: int = 65_535


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, upright and in sRGB. Its arrays share no memory with the source.

    Examples:
        >>> colorzoo.read_photo("photo.jpg").rgb.dtype
        dtype('uint8')

    Attributes:
        rgb: (H, W, 3) uint8, gamma-encoded sRGB, not premultiplied.
        alpha: (H, W) uint8, 255 is opaque; None if the source has none.
        name: File name for messages; "image", "array" or "bytes" if there is none.
        exif: EXIF block without orientation and thumbnail, at most 65,533 bytes; None if missing.
        dpi: Horizontal and vertical dots per inch; None if missing.
        notes: Notes for the user, for example that only the first frame is used.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    name: str
    exif: bytes | None
    dpi: tuple[float, float] | None
    notes: tuple[str, ...]


def read_photo(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture of any supported kind as upright 8-bit sRGB.

    Files may be JPEG (including MPO), PNG, WebP, TIFF, BMP or GIF. If there are several frames or
    pages, the first is read. Embedded colour profiles are converted to sRGB; pixels without a
    profile are assumed to be sRGB. Gray with more than 8 bits is scaled, never clipped: 16-bit from
    0..65535, or from fewer bits if the file declares them; 32-bit integers and floats from the
    narrowest of 0..1 (for floats), 0..255 and 0..65535 that contains every finite value, otherwise
    from their own minimum..maximum. NaN is black.

    Examples:
        >>> photo = colorzoo.read_photo("photo.jpg")
        >>> photo.rgb.shape, photo.name, photo.notes
        ((400, 600, 3), 'photo.jpg', ())

    Args:
        source: A path (``~`` is expanded), encoded bytes, a binary file object (read from its
            current position, left open), a PIL image (its current frame), or an array of shape
            (H, W), (H, W, 1), (H, W, 2) gray and alpha, (H, W, 3) or (H, W, 4), with dtype bool,
            uint8, uint16 or float in [0, 1]. The source is never modified.
        max_pixels: Largest width * height to accept, checked before the pixels are decoded.

    Returns:
        The photo; its arrays share no memory with the source.

    Raises:
        ImageError: If the file is missing or not readable, the format is not supported, the picture
            is damaged, has too many pixels or more than 65,535 on a side, or the shape, dtype or
            range of an array is wrong.
    """
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source), max_pixels)
    if isinstance(source, Image.Image):
        name = Path(os.fsdecode(getattr(source, "filename", "") or "image")).name
        return _from_image(source, name, max_pixels, [])
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_stream(io.BytesIO(source), "bytes", max_pixels)
    if isinstance(source, str | os.PathLike):
        return _from_path(source, max_pixels)
    if hasattr(source, "read"):
        return _from_stream(*_buffered(source), max_pixels)
    raise ImageError(
        f"cannot read a picture from {type(source).__module__}.{type(source).__qualname__}; pass a "
        "path, bytes, a binary file object, a PIL image or a NumPy array"
    )


def stored_size(source: Path | bytes) -> tuple[int, int] | None:
    """Read the width and height from a file's header, as stored, without decoding pixels.

    Args:
        source: The file, or its content.

    Returns:
        Width and height, or None if they cannot be read; :func:`read_photo` then raises the reason.
    """
    with suppress(ImageError, OSError, ValueError), _decoding("photo"):
        if isinstance(source, bytes):
            return _open(io.BytesIO(source), "photo").size
        if source.is_file():  # a pipe can be read only once
            with source.open("rb") as stream:
                return _open(stream, source.name).size
    return None


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF reader without Pillow's pixel limit that does not rotate: ``read_pixels`` does."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)
        super().load_prepare()

    def load_end(self) -> None:
        self._size = self._tile_size
        with suppress(Exception):
            self.getexif()  # before load() closes the file


class _WebP(WebPImagePlugin.WebPImageFile):
    """A WebP reader that frees the decoder's two canvases (8 bytes a pixel) after one frame."""

    def _get_next(self) -> tuple[bytes, int, int]:
        frame = super()._get_next()
        self._decoder = None  # type: ignore[assignment]
        return frame


# Image.open() enforces a pixel limit that can only be changed for the whole process, so the readers
# are called directly. The JPEG reader returns the first picture of an MPO and ignores the rest.
_READERS: tuple[tuple[tuple[bytes, ...], type[ImageFile.ImageFile]], ...] = (
    ((b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ((b"RIFF",), _WebP),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _Tiff),
    ((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ((b"BM",), BmpImagePlugin.BmpImageFile),
)


def _from_path(source: str | os.PathLike[str], max_pixels: int) -> Photo:
    path = Path(os.fsdecode(source))
    name = path.name or str(path)
    try:
        path = path.expanduser()
        if path.is_dir():
            raise ImageError(f"{name}: is a folder, expected a picture; give a file")
        stream = path.open("rb")
    except ImageError:
        raise
    except FileNotFoundError as exc:
        raise ImageError(f"{name}: there is no such file; check the path") from exc
    except PermissionError as exc:
        raise ImageError(f"{name}: permission denied; change the file's permissions") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        raise ImageError(f"{name}: cannot be opened ({reason(exc)}); check the path") from exc
    with stream:
        return _from_stream(stream if stream.seekable() else _buffered(stream)[0], name, max_pixels)


def _buffered(stream: BinaryIO) -> tuple[io.BytesIO, str]:
    """Read a caller's stream to its end; return the content and a name for messages."""
    label = getattr(stream, "name", None)
    name = Path(label).name if isinstance(label, str) and label else "image"
    try:
        data = stream.read()
    except Exception as exc:
        raise ImageError(f"{name}: cannot be read ({reason(exc)}); pass an open file") from exc
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(f'{name}: reads {type(data).__name__}, expected bytes; open it with "rb"')
    return io.BytesIO(data), name


def _from_stream(stream: BinaryIO, name: str, max_pixels: int) -> Photo:
    notes: list[str] = []
    with _decoding(name):
        image = _open(stream, name)
        try:
            photo = _from_image(image, name, max_pixels, notes)
            # Counting frames seeks in the file, so it comes after decoding.
            notes += _frames(image)
        finally:
            image.close()
    return replace(photo, notes=tuple(notes))


def _open(stream: BinaryIO, name: str) -> ImageFile.ImageFile:
    head = stream.read(16)
    stream.seek(0)
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes), expected a picture; copy the file again")
    for signatures, reader in _READERS:
        if head.startswith(signatures):
            image = reader(stream)
            if isinstance(image, _Tiff):
                _reject_raw(image, name)
            _match_transparency(image)
            return image
    raise ImageError(
        f"{name}: is not a JPEG, PNG, WebP, TIFF, BMP or GIF file; convert other formats (HEIC, "
        "AVIF, SVG, PDF, ...) to one of these first"
    )


def _reject_raw(image: _Tiff, name: str) -> None:
    """Reject camera raw files, whose first TIFF page is only a thumbnail."""
    is_reduced = image.tag_v2.get(254) == 1 and 330 in image.tag_v2
    if is_reduced or 50706 in image.tag_v2:
        raise ImageError(f"{name}: is a camera raw file; export it as JPEG, PNG or TIFF first")


def _match_transparency(image: ImageFile.ImageFile) -> None:
    """Scale a PNG's transparent colour to the bit depth that Pillow decodes to."""
    colour = image.info.get("transparency")
    raw_mode = image.tile[0].args if image.tile else None
    if isinstance(colour, tuple) and raw_mode == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    steps = {"1": 255, "L;2": 85, "L;4": 17}
    if isinstance(colour, int) and raw_mode in steps:
        image.info["transparency"] = min(255, colour * steps[raw_mode])


def _frames(image: ImageFile.ImageFile) -> list[str]:
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later frame does not matter
        count = None
    if count == 1:
        return []
    unit = "pages" if image.format == "TIFF" else "frames"
    return [f"it has {count or 'several'} {unit}: only the first one is used"]


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn any exception of a decoder into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as exc:
        raise ImageError(
            f"{name}: cannot be decoded ({reason(exc)}); it is damaged, cut short or of a rare "
            "kind: copy it again, or save it as JPEG or PNG in an image editor"
        ) from exc


def reason(exc: BaseException) -> str:
    """Return an exception's message in one line of at most 200 characters, or its class name."""
    text = " ".join(str(getattr(exc, "strerror", None) or exc).split())[:200]
    return text if any(map(str.isalpha, text)) else type(exc).__name__


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width * height == 0:
        raise ImageError(f"{name}: has no pixels ({width} x {height}); give another picture")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: has {width} x {height} pixels, more than the limit of {max_pixels:,}; make "
            f"it smaller or, if you trust it, raise the limit with max_pixels={width * height} "
            f"(on the command line, --max-pixels {width * height})"
        )
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"{name}: has a side of {max(width, height):,} pixels, more than the {MAX_SIDE:,} that "
            "a JPEG can have; cut it into pieces"
        )


def _from_image(image: Image.Image, name: str, max_pixels: int, notes: list[str]) -> Photo:
    _check_size(name, *image.size, max_pixels)
    with _decoding(name):
        image.load()
        orientation, exif = read_exif(image, notes)
        rgb, alpha = read_pixels(image, orientation, notes)
    dpi = read_dpi(image)
    upright_dpi = dpi if dpi is None or orientation < 5 else (dpi[1], dpi[0])
    return Photo(rgb, alpha, name, exif, upright_dpi, tuple(notes))


def _from_array(array: np.ndarray, max_pixels: int) -> Photo:
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 2, 3, 4))
    is_known = array.dtype.kind in "bf" or array.dtype.newbyteorder("=") in (np.uint8, np.uint16)
    if not (is_image and is_known):
        is_planar = array.ndim == 3 and array.shape[0] in (1, 2, 3, 4) and not is_image
        advice = "array.transpose(1, 2, 0)" if is_planar else "one picture, converted,"
        raise ImageError(
            f"array: has shape {array.shape} and dtype {array.dtype}, expected (H, W) or (H, W, 1 "
            f"to 4) and bool, uint8, uint16 or float in [0, 1]; pass {advice} instead"
        )
    height, width = array.shape[:2]
    _check_size("array", width, height, max_pixels)
    channels = array.reshape(height, width, -1)
    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if channels.shape[2] in (2, 4) else None
    for left, top, right, bottom in tiles(width, height):
        tile = to_uint8(channels[top:bottom, left:right])
        rgb[top:bottom, left:right] = tile[..., :3] if tile.shape[2] > 2 else tile[..., :1]
        if alpha is not None:
            alpha[top:bottom, left:right] = tile[..., -1]
    return Photo(rgb, alpha, "array", None, None, ())
