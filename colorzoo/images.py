"""Image files, PIL images and arrays to upright sRGB, and back: the one place that decodes."""

import io
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from colorzoo._partial import whole_file
from colorzoo._pixels import read_pixels, tiles, to_uint8
from colorzoo.errors import ImageError

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
# WebP's and progressive JPEG's decoders hold a picture twice, 12 bytes a pixel: under 1 GB.
MAX_PIXELS: int = 80_000_000
MAX_SIDE: int = 65_535

# Suffix -> format to write; None where colorzoo reads the format but does not write it.
_FORMATS: dict[str, str | None] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **{".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"},
    **dict.fromkeys((".gif", ".mpo", ".apng")),
}
SUFFIXES: frozenset[str] = frozenset(_FORMATS)
WRITABLE: frozenset[str] = frozenset(suffix for suffix, kind in _FORMATS.items() if kind)

_EXIF_LIMIT = 65_533  # bytes; what fits in a JPEG segment
_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
# The descriptive tags of a picture. The others say how its old file was laid out.
_EXIF_KEPT = {0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B}
_EXIF_KEPT |= {0x013C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0)}


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, upright and in sRGB; it owns its arrays.

    Attributes:
        rgb: (H, W, 3) uint8, gamma-encoded sRGB, not premultiplied.
        alpha: (H, W) uint8, 255 is opaque; None when the source has none.
        name: File name for messages; "image", "array" or "bytes" where there is none.
        exif: EXIF block without orientation and thumbnail, at most 65,533 bytes; None when none.
        dpi: Horizontal and vertical dots per inch; None when none.
        notes: What the reader should know, for example that only the first frame is used.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    name: str
    exif: bytes | None
    dpi: tuple[float, float] | None
    notes: tuple[str, ...]


def read_photo(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture of any supported kind as upright 8-bit sRGB.

    Files may be JPEG (MPO included), PNG, WebP, TIFF, BMP or GIF; of several frames or pages the
    first is read. Embedded colour profiles are converted to sRGB; without one the values are taken
    as sRGB. Gray deeper than 8 bits is scaled, never clipped: 16-bit from 0..65535, or from fewer
    bits where the file declares them; 32-bit integers and floats from the narrowest of 0..1 (for
    floats), 0..255 and 0..65535 that holds every finite value, otherwise from their own
    minimum..maximum. NaN is black.

    Args:
        source: A path (``~`` is expanded), encoded bytes, a binary file object (read from where it
            stands, left open), a PIL image (its current frame), or an array of shape (H, W),
            (H, W, 1), (H, W, 2) gray and alpha, (H, W, 3) or (H, W, 4), with dtype bool, uint8,
            uint16 or float in [0, 1]. Sources are never modified.
        max_pixels: Largest width * height to accept, checked before the pixels are decoded.

    Returns:
        The photo; its arrays share no memory with the source.

    Raises:
        ImageError: If there is no such file, it may not be read, it is no supported or intact
            picture, it has too many pixels or more than 65,535 on a side, or the array has another
            shape, dtype or range.
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


def is_photo_name(path: PurePath) -> bool:
    """Tell whether a file is named like a photo, and neither it nor a folder above it is hidden."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def photos_below(
    folder: Path,
    *,
    skip: Path | None = None,
    is_named: Callable[[PurePath], bool] = is_photo_name,
) -> Iterator[Path]:
    """Yield the files in a folder, and in those below it, that are named like photos.

    Args:
        folder: The folder; hidden ones inside it are passed over.
        skip: A folder inside it to leave out, such as the one that results are written to.
        is_named: Asked of paths in the folder instead, to find other files.
    """
    left_out = skip.resolve() if skip else None
    inside = left_out is not None and folder.resolve() in left_out.parents
    for path in sorted(folder.rglob("*")):
        if not is_named(path.relative_to(folder)) or not path.is_file():
            continue
        if not (inside and left_out in path.resolve().parents):
            yield path


def stored_size(source: Path | bytes) -> tuple[int, int] | None:
    """Give the width and height that a file says it has, as stored; no pixels are decoded.

    Args:
        source: The file, or what is in it.

    Returns:
        None where that cannot be told; :func:`read_photo` says why.
    """
    with suppress(ImageError, OSError, ValueError), _decoding("photo"):
        if isinstance(source, bytes):
            return _open(io.BytesIO(source), "photo").size
        if source.is_file():  # a pipe can be read only once
            with source.open("rb") as stream:
                return _open(stream, source.name).size
    return None


def to_pil(rgb: np.ndarray, like: Photo) -> Image.Image:
    """Wrap new pixels as a PIL image with the alpha and metadata of a photo.

    Args:
        rgb: (H, W, 3) uint8, sRGB, of the size of ``like``.
        like: The photo the pixels were made from.

    Returns:
        An image of mode RGB, or RGBA where ``like`` has alpha; its ``info`` carries the sRGB
        ``icc_profile`` and, where ``like`` has them, ``exif`` and ``dpi``.

    Raises:
        ImageError: If ``rgb`` has another shape or dtype.
    """
    if rgb.shape != like.rgb.shape or rgb.dtype != np.uint8:
        raise ImageError(
            f"{like.name}: new pixels are {rgb.dtype} of shape {rgb.shape}, expected uint8 of "
            f"shape {like.rgb.shape}; resize or convert them first"
        )
    image = Image.fromarray(rgb)
    if like.alpha is not None:
        image.putalpha(Image.fromarray(like.alpha))
    info = {"icc_profile": _srgb_bytes(), "exif": like.exif, "dpi": like.dpi}
    image.info = {key: value for key, value in info.items() if value is not None}
    return image


def save_image(image: Image.Image, path: str | os.PathLike[str], *, quality: int = 95) -> None:
    """Write an image in the format its suffix names, whole or not at all.

    The EXIF, DPI and colour profile in ``image.info`` are written where the format has them.
    Transparent pixels are laid over white where it has no alpha (JPEG, BMP). Modes other than RGB,
    RGBA and plain L go through :func:`read_photo` first.

    Args:
        image: The picture.
        path: Where to write; ``~`` is expanded, an existing file is replaced. The suffix is one of
            .jpg, .jpeg, .jpe, .jfif, .png, .webp, .tif, .tiff and .bmp, in either case.
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        ImageError: If the suffix or the quality is unknown, or the file cannot be encoded or
            written. What was at ``path`` before is then still there.
    """
    with _encoding(Path(path).name, quality) as file_format:
        # Through a link, the file it points to is replaced and not the link.
        with whole_file(Path(os.path.realpath(Path(path).expanduser()))) as stream:
            _encode(image, stream, file_format, quality)


def image_bytes(image: Image.Image, suffix: str, *, quality: int = 95) -> bytes:
    """Give what :func:`save_image` would write to a file of that suffix, such as ".png".

    Raises:
        ImageError: If the suffix or the quality is unknown, or the picture cannot be encoded.
    """
    stream = io.BytesIO()
    with _encoding(f"image{suffix}", quality) as file_format:
        _encode(image, stream, file_format, quality)
    return stream.getvalue()


@contextmanager
def _encoding(name: str, quality: int) -> Iterator[str]:
    """Give the format for a file's name, and turn whatever an encoder raises into an ImageError."""
    suffix = Path(name).suffix.lower()
    file_format = _FORMATS.get(suffix)
    if file_format is None:
        raise ImageError(
            f"{name}: colorzoo cannot write {suffix or 'a file without a suffix'}; give the name "
            "the suffix .jpg, .png, .webp, .tif or .bmp"
        )
    if not 1 <= quality <= 100:
        raise ImageError(f"{name}: quality must be between 1 and 100, got {quality}")
    try:
        yield file_format
    except ImageError:
        raise
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            advice = "check that the folder exists, that you may write there and that it has room"
        else:
            advice = f"{file_format} may not hold a picture of this size; try .png or .tif"
        raise ImageError(f"{name}: cannot be written ({_reason(exc)}); {advice}") from exc


# Finding the picture ------------------------------------------------------------------------------


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF without Pillow's pixel limit, and left as stored: turning it is done here."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)
        super().load_prepare()

    def load_end(self) -> None:
        self._size = self._tile_size
        with suppress(Exception):
            self.getexif()  # load() lets go of the file next


class _WebP(WebPImagePlugin.WebPImageFile):
    """A WebP that gives back the decoder's two canvases (8 bytes a pixel) after the first frame."""

    def _get_next(self) -> tuple[bytes, int, int]:
        frame = super()._get_next()
        self._decoder = None  # type: ignore[assignment]
        return frame


# Image.open() enforces a process-wide pixel limit that no thread can lift for itself, so the
# readers are called directly. That of JPEG takes the first picture of an MPO and ignores the rest.
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
            raise ImageError(f"{name}: is a folder, expected a picture; name a file in it")
        stream = path.open("rb")
    except ImageError:
        raise
    except FileNotFoundError as exc:
        raise ImageError(f"{name}: there is no such file; check the path") from exc
    except PermissionError as exc:
        raise ImageError(f"{name}: may not be read; change the file's permissions") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        raise ImageError(f"{name}: cannot be opened ({_reason(exc)}); check the path") from exc
    with stream:
        return _from_stream(stream if stream.seekable() else _buffered(stream)[0], name, max_pixels)


def _buffered(stream: BinaryIO) -> tuple[io.BytesIO, str]:
    """Read a caller's stream to its end: what is left of it, and its name."""
    label = getattr(stream, "name", None)
    name = Path(label).name if isinstance(label, str) and label else "image"
    try:
        data = stream.read()
    except Exception as exc:
        raise ImageError(f"{name}: cannot be read ({_reason(exc)}); pass an open file") from exc
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(f'{name}: gives {type(data).__name__}, expected bytes; open it with "rb"')
    return io.BytesIO(data), name


def _from_stream(stream: BinaryIO, name: str, max_pixels: int) -> Photo:
    notes: list[str] = []
    with _decoding(name):
        image = _open(stream, name)
        try:
            photo = _from_image(image, name, max_pixels, notes)
            # Counting moves through the file, so it comes after the pixels are out.
            notes += _frames(image)
        finally:
            image.close()
    return replace(photo, notes=tuple(notes))


def _open(stream: BinaryIO, name: str) -> ImageFile.ImageFile:
    head = stream.read(16)
    stream.seek(0)
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes), expected a picture; fetch the file again")
    for signatures, reader in _READERS:
        if head.startswith(signatures):
            image = reader(stream)
            if isinstance(image, _Tiff):
                _reject_raw(image, name)
            _match_transparency(image)
            return image
    raise ImageError(
        f"{name}: is no picture that colorzoo reads, expected JPEG, PNG, WebP, TIFF, BMP or GIF; "
        "convert it (HEIC, AVIF, SVG, PDF, ...) to one of them first"
    )


def _reject_raw(image: _Tiff, name: str) -> None:
    """Refuse camera raw files, whose first TIFF page is only a thumbnail."""
    is_reduced = image.tag_v2.get(254) == 1 and 330 in image.tag_v2
    if is_reduced or 50706 in image.tag_v2:
        raise ImageError(f"{name}: is a camera raw file; export it as JPEG, PNG or TIFF first")


def _match_transparency(image: ImageFile.ImageFile) -> None:
    """Bring a PNG's transparent colour to the depth that Pillow decodes to."""
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
    kind, unit = ("several", "pages") if image.format == "TIFF" else ("animated", "frames")
    detail = "" if count is None else f", {count} {unit}"
    return [f"{kind}{detail}: the first one is used"]


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as exc:
        raise ImageError(
            f"{name}: cannot be decoded ({_reason(exc)}); it is damaged, cut short or of a rare "
            "kind: fetch it again, or save it anew as JPEG or PNG in an image editor"
        ) from exc


def _reason(exc: BaseException) -> str:
    text = " ".join(str(getattr(exc, "strerror", None) or exc).split())[:200]
    return text if any(map(str.isalpha, text)) else type(exc).__name__


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width * height == 0:
        raise ImageError(f"{name}: has no pixels ({width} x {height}); pass a picture with some")
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


# Pixels of a PIL image ----------------------------------------------------------------------------


def _from_image(image: Image.Image, name: str, max_pixels: int, notes: list[str]) -> Photo:
    _check_size(name, *image.size, max_pixels)
    with _decoding(name):
        image.load()
        orientation, exif = _read_exif(image, notes)
        rgb, alpha = read_pixels(image, orientation, notes)
    dpi = _dpi(image)
    upright_dpi = dpi if dpi is None or orientation < 5 else (dpi[1], dpi[0])
    return Photo(rgb, alpha, name, exif, upright_dpi, tuple(notes))


@lru_cache(maxsize=1)
def _srgb_bytes() -> bytes:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A fixed date of creation, so that the same picture gives the same file.
    return data[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + data[36:]


# Metadata -----------------------------------------------------------------------------------------


def _read_exif(image: Image.Image, notes: list[str]) -> tuple[int, bytes | None]:
    """Read the orientation, 1 to 8, and the EXIF to keep; damage costs the EXIF, not the photo."""
    orientation = 1
    try:
        source = image.getexif()
        stored = source.get(_ORIENTATION, 1)
        orientation = stored if stored in range(1, 9) else 1
        kept = _kept_exif(source, *image.size, is_turned=orientation >= 5)
        if kept is None or len(kept) <= _EXIF_LIMIT:
            return orientation, kept
        notes.append(f"its EXIF of {len(kept):,} bytes is too long to be kept")
    except Exception:
        notes.append("its EXIF is damaged: left out")
    return orientation, None


def _kept_exif(source: Image.Exif, width: int, height: int, *, is_turned: bool) -> bytes | None:
    """Copy the descriptive tags; those about colour and size are set to what the photo is now."""
    kept = Image.Exif()
    for tag in _EXIF_KEPT.intersection(source):
        kept[tag] = source[tag]
    if is_turned:
        width, height = height, width
        if 0x011A in kept and 0x011B in kept:  # the resolutions across and down
            kept[0x011A], kept[0x011B] = kept[0x011B], kept[0x011A]
    details, place = dict(source.get_ifd(_EXIF_IFD)), dict(source.get_ifd(_GPS_IFD))
    for tag in (_ORIENTATION, 0xA005):  # some put it here too; interoperability may say Adobe RGB
        details.pop(tag, None)
    for tag, value in ((0xA001, 1), (0xA002, width), (0xA003, height)):
        if tag in details:
            details[tag] = value
    for tag, directory in ((_EXIF_IFD, details), (_GPS_IFD, place)):
        if directory:
            kept[tag] = directory
    return kept.tobytes() if len(kept) else None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    # 1 is what Pillow says of a TIFF without a resolution.
    return (across, down) if 1 < across < 65536 and 1 < down < 65536 else None


# Arrays -------------------------------------------------------------------------------------------


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


# Writing ------------------------------------------------------------------------------------------


def _encode(image: Image.Image, stream: BinaryIO, file_format: str, quality: int) -> None:
    image = _encodable(image, has_alpha=file_format not in ("JPEG", "BMP"))
    info = {key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)}
    dpi = _dpi(image)
    options = {
        "JPEG": {"quality": quality, "subsampling": 0},  # colour is the product: keep all of it
        "WEBP": {"quality": quality},
        "PNG": {"compress_level": 4},  # less than half the time of Pillow's 6, for 3 % more bytes
        "TIFF": {"compression": "raw"},  # Pillow loses the EXIF of a compressed TIFF
    }.get(file_format, {})
    image.save(stream, file_format, **info, **({"dpi": dpi} if dpi else {}), **options)


def _encodable(image: Image.Image, *, has_alpha: bool) -> Image.Image:
    """Bring an image to a mode that every writer has: RGB, L or, where it may be, RGBA."""
    is_plain = image.mode in ("RGB", "RGBA", "L") and "transparency" not in image.info
    if not is_plain or (image.mode == "L" and "icc_profile" in image.info):
        photo = read_photo(image, max_pixels=image.width * image.height)
        image = to_pil(photo.rgb, photo)
    if image.mode == "RGBA" and not has_alpha:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        white.info = dict(image.info)
        image = white
    return image
