"""Read image files, PIL images and arrays as upright sRGB. All decoding is done here."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Union

import numpy as np
from PIL import Image

from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.files import regular_only
from colorzoo.imaging.decoders import open_picture
from colorzoo.imaging.deep import raw_mode
from colorzoo.imaging.exif import Source, read_dpi, read_exif, read_tags_of, read_tiff_tags
from colorzoo.imaging.metadata import Metadata, read_metadata
from colorzoo.imaging.pixels import Extra, is_bilevel, read_pixels, tiles, to_uint8

if TYPE_CHECKING:
    import torch
    from typing_extensions import TypeIs

# In quotes, so that PyTorch is not needed to read files.
ImageSource = Union[  # noqa: UP007
    str, "os.PathLike[str]", bytes, BinaryIO, Image.Image, np.ndarray, "torch.Tensor"
]


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
        gray16: (H, W) uint16, sRGB gray levels with the lightness of the source; only if it has
            more than 8 bits a channel and they were asked for.
        compression: How a TIFF was compressed, by Pillow's name, such as "tiff_lzw"; None for an
            uncompressed TIFF and for other formats.
        metadata: XMP, IPTC, comment and PNG text.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    name: str
    exif: bytes | None
    dpi: tuple[float, float] | None
    notes: tuple[str, ...]
    gray16: np.ndarray | None = None
    compression: str | None = None
    metadata: Metadata = Metadata()


def read_photo(source: ImageSource, *, max_pixels: int = MAX_PIXELS, deep: bool = False) -> Photo:
    """Read a picture of any supported kind as upright 8-bit sRGB.

    Files may be JPEG (including MPO), PNG, WebP, TIFF, BMP, GIF, AVIF or JPEG 2000, and, if their
    packages are installed (``colorzoo[heic]``, ``pillow-jxl-plugin``), HEIC or JPEG XL. If there
    are several frames, the first is read; of several pages of a TIFF, the largest. Embedded colour
    profiles, and the gamma and primaries that a PNG states, are converted to sRGB; other pixels are
    assumed to be sRGB. Damage that does not affect the pixels, or only the last rows of a JPEG,
    gives a note. Gray with more than 8 bits is scaled, never clipped: 16-bit from
    0..65535, or from fewer bits if the file declares them; 32-bit integers and floats from the
    narrowest of 0..1 (for floats), 0..255 and 0..65535 that contains every finite value, otherwise
    from their own minimum..maximum. NaN is black.

    Examples:
        >>> photo = colorzoo.read_photo("photo.jpg")
        >>> photo.rgb.shape, photo.name, photo.notes
        ((400, 600, 3), 'photo.jpg', ())

    Args:
        source: A path (``~`` is expanded), encoded bytes, a binary file object (read from its
            current position, or from its start if that is its end, where writing leaves it; left
            open), a PIL image (its current frame), an array of shape (H, W), (H, W, 1), (H, W, 2)
            gray and alpha, (H, W, 3) or (H, W, 4), or a PyTorch tensor of shape (H, W) or
            (C, H, W) with the same channels. Arrays and tensors are bool, uint8, uint16 or float
            in [0, 1]. The source is never modified.
        max_pixels: Largest width * height to accept, checked before the pixels are decoded.
        deep: Also compute ``gray16``, for results with 16 bits a channel.

    Returns:
        The photo; its arrays share no memory with the source.

    Raises:
        ImageError: If the file is missing or not readable, the format is not supported, the picture
            is damaged, has too many pixels or more than 65,535 on a side, or the shape, dtype or
            range of an array is wrong.
    """
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source), max_pixels)
    if _is_tensor(source):
        from colorzoo.imaging.tensors import array_of

        return replace(_from_array(array_of(source), max_pixels), name="tensor")
    if isinstance(source, Image.Image):
        name = Path(os.fsdecode(getattr(source, "filename", "") or "image")).name
        return _from_image(
            source, name, max_pixels, [], Extra(wants_deep=deep), read_tiff_tags(source)
        )
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_stream(io.BytesIO(source), "bytes", max_pixels, deep=deep)
    if isinstance(source, str | os.PathLike):
        return _from_path(source, max_pixels, deep=deep)
    if hasattr(source, "read"):
        return _from_stream(*_buffered(source), max_pixels, deep=deep)
    raise ImageError(
        f"cannot read a picture from {type(source).__module__}.{type(source).__qualname__}; pass a "
        "path, bytes, a binary file object, a PIL image, a NumPy array or a PyTorch tensor"
    )


def _is_tensor(source: object) -> "TypeIs[torch.Tensor]":
    """Tell whether it is a tensor, without importing PyTorch: who has one has imported it."""
    module = sys.modules.get("torch")
    return module is not None and isinstance(source, module.Tensor)


def read_file(path: Path, *, max_pixels: int = MAX_PIXELS, deep: bool = False) -> Photo:
    """Do what :func:`read_photo` does for a path, but refuse named pipes and devices."""
    return _from_path(path, max_pixels, deep=deep, opener=regular_only)


def stored_size(source: Path | bytes) -> tuple[int, int] | None:
    """Read the width and height from a file's header, as stored, without decoding pixels.

    Args:
        source: The file, or its content.

    Returns:
        Width and height, or None if they cannot be read; :func:`read_photo` then raises the reason.
    """
    found: list[tuple[int, int]] = []

    def stop(width: int, height: int) -> None:
        """End the reading: the next step would be to decode pixels."""
        found.append((width, height))
        raise ImageError("the size is known")

    with suppress(ImageError, OSError, ValueError), _decoding("photo"):
        if isinstance(source, bytes):
            return open_picture(io.BytesIO(source), "photo", stop, []).image.size
        if source.is_file():  # a pipe can be read only once
            with open(source, "rb", opener=regular_only) as stream:
                return open_picture(stream, source.name, stop, []).image.size
    return found[0] if found else None


def _from_path(
    source: str | os.PathLike[str],
    max_pixels: int,
    *,
    deep: bool,
    opener: Callable[[str, int], int] | None = None,
) -> Photo:
    path = Path(os.fsdecode(source))
    name = path.name or str(path)
    try:
        path = path.expanduser()
        if path.is_dir():
            raise ImageError(f"{name}: is a folder, expected a picture; give a file")
        stream = open(path, "rb", opener=opener)
    except ImageError:
        raise
    except FileNotFoundError as exc:
        raise ImageError(f"{name}: there is no such file; check the path") from exc
    except PermissionError as exc:
        raise ImageError(f"{name}: permission denied; change the file's permissions") from exc
    except (OSError, ValueError, RuntimeError) as exc:
        raise ImageError(f"{name}: cannot be opened ({reason(exc)}); check the path") from exc
    with stream:
        seekable = stream if stream.seekable() else _buffered(stream)[0]
        return _from_stream(seekable, name, max_pixels, deep=deep)


def _buffered(stream: BinaryIO) -> tuple[io.BytesIO, str]:
    """Read a caller's stream to its end; return the content and a name for messages."""
    label = getattr(stream, "name", None)
    name = Path(label).name if isinstance(label, str) and label else "image"
    try:
        data = stream.read()
        if not data and stream.seekable() and stream.tell() > 0:  # it has just been written to
            stream.seek(0)
            data = stream.read()
    except Exception as exc:
        raise ImageError(f"{name}: cannot be read ({reason(exc)}); pass an open file") from exc
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(f'{name}: reads {type(data).__name__}, expected bytes; open it with "rb"')
    return io.BytesIO(data), name


def _from_stream(stream: BinaryIO, name: str, max_pixels: int, *, deep: bool) -> Photo:
    notes: list[str] = []
    with _decoding(name):
        check_size = partial(_check_size, name, max_pixels=max_pixels)
        opened = open_picture(stream, name, check_size, notes)
        image = opened.image
        try:
            check_size(*image.size)
            raw = raw_mode(image)
            tags = read_tags_of(stream, opened.page) if opened.page is not None else None
            opened.load()
            image = opened.image
            read_deep = opened.deep_reader(raw) if deep else None
            extra = Extra(opened.space, read_deep, wants_deep=deep, alpha=opened.alpha)
            photo = _from_image(image, name, max_pixels, notes, extra, tags)
            # Counting frames seeks in the file, so it comes after decoding.
            notes += _frames(image)
            if raw.startswith(("RGB;16", "RGBA;16", "RGBX;16")) and 0 < photo.rgb.max() < 16:
                notes.append("16 bits a channel, but all are small: it will look nearly black")
            if deep and photo.gray16 is None and opened.is_deep(raw):
                notes.append("only 8 of its 16 bits a channel are used")
        finally:
            image.close()
    return replace(photo, notes=tuple(notes))


def _frames(image: Image.Image) -> list[str]:
    if image.format == "TIFF":  # its pages were looked at when it was opened
        return []
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later frame does not matter
        count = None
    if count == 1:
        return []
    return [f"it has {count or 'several'} frames: only the first one is used"]


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


def _check_size(name: str, width: int, height: int, *, max_pixels: int) -> None:
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


def _from_image(
    image: Image.Image,
    name: str,
    max_pixels: int,
    notes: list[str],
    extra: Extra,
    tags: Source | None,
) -> Photo:
    _check_size(name, *image.size, max_pixels=max_pixels)
    with _decoding(name):
        image.load()
        orientation, exif = read_exif(image, tags, notes)
        metadata = read_metadata(image, tags, notes, is_turned=orientation >= 5)
        pixels = read_pixels(image, orientation, notes, extra)
    if is_bilevel(pixels.rgb):
        notes.append(
            "it has only black and white pixels, on which colour cannot show; scan it in gray, or "
            "blur it first"
        )
    dpi = read_dpi(image)
    upright_dpi = dpi if dpi is None or orientation < 5 else (dpi[1], dpi[0])
    packed = image.info.get("compression") if image.format == "TIFF" else None
    return Photo(
        rgb=pixels.rgb,
        alpha=pixels.alpha,
        name=name,
        exif=exif,
        dpi=upright_dpi,
        notes=tuple(notes),
        gray16=pixels.gray16,
        compression=packed if isinstance(packed, str) and packed != "raw" else None,
        metadata=metadata,
    )


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
    _check_size("array", width, height, max_pixels=max_pixels)
    channels = array.reshape(height, width, -1)
    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if channels.shape[2] in (2, 4) else None
    for left, top, right, bottom in tiles(width, height):
        tile = to_uint8(channels[top:bottom, left:right])
        rgb[top:bottom, left:right] = tile[..., :3] if tile.shape[2] > 2 else tile[..., :1]
        if alpha is not None:
            alpha[top:bottom, left:right] = tile[..., -1]
    return Photo(rgb, alpha, "array", None, None, ())
