"""Write pictures to files and bytes. All encoding is done here."""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms

from colorzoo.atomic import write_whole
from colorzoo.caller import warn
from colorzoo.errors import ImageError
from colorzoo.imaging.exif import read_dpi
from colorzoo.imaging.formats import FORMATS
from colorzoo.imaging.metadata import MADE_BY, info_of, made_by, writer_for
from colorzoo.imaging.read import Photo, read_photo, reason
from colorzoo.imaging.repack import compression_of, png_with, tiff_with


def to_pil(rgb: np.ndarray, like: Photo, *, model: str | None = None) -> Image.Image:
    """Wrap new pixels as a PIL image with the alpha and metadata of a photo.

    Args:
        rgb: (H, W, 3) uint8, sRGB, of the size of ``like``.
        like: The photo that the pixels were made from.
        model: The model that coloured them, which :func:`save_image` names in the file's metadata;
            None if they are not a result.

    Returns:
        An image of mode RGB, or RGBA if ``like`` has alpha. Its ``info`` contains the sRGB
        ``icc_profile`` and, if ``like`` has them, ``exif``, ``xmp``, ``photoshop`` (its IPTC),
        ``comment``, ``text``, ``dpi`` and, of a TIFF, ``compression``.

    Raises:
        ImageError: If the shape or dtype of ``rgb`` is wrong.
    """
    if rgb.shape != like.rgb.shape or rgb.dtype != np.uint8:
        raise ImageError(
            f"{like.name}: new pixels are {rgb.dtype} of shape {rgb.shape}, expected uint8 of "
            f"shape {like.rgb.shape}; resize or convert them first"
        )
    image = Image.fromarray(rgb)
    if like.alpha is not None:
        image.putalpha(Image.fromarray(like.alpha))
    info = {
        "icc_profile": _srgb_bytes(),
        "exif": like.exif,
        "dpi": like.dpi,
        "compression": like.compression,
        MADE_BY: made_by(model) if model else None,
        **info_of(like.metadata),
    }
    image.info = {key: value for key, value in info.items() if value is not None}
    return image


def save_image(image: Image.Image, path: str | os.PathLike[str], *, quality: int = 95) -> None:
    """Write an image atomically, in the format of the file's suffix.

    The colour profile, DPI and metadata (EXIF, XMP, IPTC, comment and PNG text) in ``image.info``
    are written; what the format has no place for is left out with a warning. In formats without
    alpha (JPEG, BMP), transparent pixels are placed on white. Modes other than RGB, RGBA and plain
    L are converted with :func:`read_photo` first.

    Examples:
        >>> image = colorzoo.colorize("photo.jpg")
        >>> colorzoo.save_image(image, "coloured.png")

    Args:
        image: The picture.
        path: Where to write; ``~`` is expanded, an existing file is replaced. The suffix is one of
            .jpg, .jpeg, .jpe, .jfif, .png, .webp, .tif, .tiff and .bmp, in upper or lower case.
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        ImageError: If the suffix is unknown, the quality is out of range, or the file cannot be
            encoded or written. An existing file is then left unchanged.
    """
    if not isinstance(path, str | os.PathLike):
        raise ImageError(
            f"expected a path to save to, got {type(path).__name__}; the image comes first, as in "
            'save_image(image, "coloured.png")'
        )
    for note in write_image(image, path, quality=quality):
        warn(f"{Path(path).name}: {note}")


def write_image(
    image: Image.Image,
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    within: Path | None = None,
) -> tuple[str, ...]:
    """Do what :func:`save_image` does, but return its warnings as notes for the user.

    With ``within``, a folder above the file, no link below that folder is followed.
    """
    if not isinstance(image, Image.Image):
        raise ImageError(
            f"{Path(path).name}: expected a PIL image to save, got {_kind(image)}; the results of "
            'colorize() are PIL images. The image comes first, as in save_image(image, "x.png")'
        )
    with _encoding(Path(path).name, quality) as file_format:
        # Encoded in memory first: Pillow does not notice when a disk takes only a part of a write.
        stream = io.BytesIO()
        notes = _encode(image, stream, file_format, quality)
        _write(path, stream.getbuffer(), within)
    return notes


def save_deep(
    pixels: np.ndarray, path: str | os.PathLike[str], *, like: Photo, model: str | None = None
) -> None:
    """Write 16 bits a channel atomically, as TIFF or PNG, with the alpha and metadata of a photo.

    Examples:
        >>> photo = colorzoo.read_photo("scan.tif", deep=True)
        >>> model = colorzoo.load("unet")
        >>> pixels = colorzoo.render_deep(model, photo, model.predict(photo))
        >>> colorzoo.save_deep(pixels, "coloured.png", like=photo)

    Args:
        pixels: (H, W, 3) uint16, gamma-encoded sRGB, of the size of ``like``.
        path: Where to write; ``~`` is expanded, an existing file is replaced. The suffix is .tif,
            .tiff or .png. A TIFF is compressed if ``like`` comes from a compressed one.
        like: The photo that the pixels were made from.
        model: Name of the model that coloured it, for the metadata.

    Raises:
        ImageError: If the shape, dtype or suffix is wrong, or the file cannot be written. An
            existing file is then left unchanged.
    """
    for note in write_deep(pixels, path, like=like, model=model):
        warn(f"{Path(path).name}: {note}")


def write_deep(
    pixels: np.ndarray,
    path: str | os.PathLike[str],
    *,
    like: Photo,
    model: str | None = None,
    within: Path | None = None,
) -> tuple[str, ...]:
    """Do what :func:`save_deep` does, but return its warnings; see ``write_image``."""
    name = Path(path).name
    if pixels.shape != like.rgb.shape or pixels.dtype != np.uint16:
        raise ImageError(
            f"{name}: pixels are {pixels.dtype} of shape {pixels.shape}, expected uint16 of shape "
            f"{like.rgb.shape}; render_deep() returns them"
        )
    with _encoding(name, 100) as file_format:
        if file_format not in ("PNG", "TIFF"):
            raise ImageError(f"{name}: {file_format} has no 16 bits a channel; use .tif or .png")
        whole = to_pil(like.rgb, like, model=model)
        small = whole.crop((0, 0, 1, 1))
        small.info = {key: value for key, value in whole.info.items() if key != "compression"}
        stream = io.BytesIO()
        notes = _encode(small, stream, file_format, 100)
        if like.alpha is not None:
            pixels = np.dstack((pixels, like.alpha.astype(np.uint16) * 257))
        if file_format == "PNG":
            data = png_with(stream.getvalue(), pixels)
        else:
            data = tiff_with(stream.getvalue(), pixels, compression_of(like.compression))
        _write(path, data, within)
    return notes


def image_bytes(image: Image.Image, suffix: str, *, quality: int = 95) -> bytes:
    """Return what :func:`save_image` would write to a file with that suffix, such as ".png".

    Raises:
        ImageError: If the suffix is unknown, the quality is out of range, or the picture cannot be
            encoded.
    """
    stream = io.BytesIO()
    with _encoding(f"image{suffix}", quality) as file_format:
        notes = _encode(image, stream, file_format, quality)
    for note in notes:
        warn(f"image{suffix}: {note}")
    return stream.getvalue()


def _kind(thing: object) -> str:
    """Say what was given instead of an image, and how to make one of it if that is easy."""
    if isinstance(thing, np.ndarray):
        return "a NumPy array (Image.fromarray makes an image of it)"
    if isinstance(thing, str | os.PathLike):
        return f"the path {os.fspath(thing)!r}"
    return type(thing).__name__


def _write(path: str | os.PathLike[str], data: bytes | memoryview, within: Path | None) -> None:
    if within is None:  # if the path is a link, replace the file that it points to
        path = os.path.realpath(Path(path).expanduser())
    write_whole(Path(path), data, within=within)


@contextmanager
def _encoding(name: str, quality: int) -> Iterator[str]:
    """Yield the format for a file's name, and turn any encoder exception into an ImageError."""
    suffix = Path(name).suffix.lower()
    file_format = FORMATS.get(suffix)
    if file_format is None:
        raise ImageError(
            f"{name}: colorzoo cannot write {suffix or 'a file without a suffix'}; use the suffix "
            ".jpg, .png, .webp, .tif or .bmp"
        )
    if not 1 <= quality <= 100:
        raise ImageError(f"{name}: quality must be between 1 and 100, got {quality}")
    try:
        yield file_format
    except ImageError:
        raise
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno is not None:
            advice = "check that the folder exists, that you may write to it and that it has space"
        else:
            advice = f"{file_format} may not support pictures of this size; try .png or .tif"
        raise ImageError(f"{name}: cannot be written ({reason(exc)}); {advice}") from exc


@lru_cache(maxsize=1)
def _srgb_bytes() -> bytes:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A fixed creation date, so that the same picture always gives the same file.
    return data[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + data[36:]


def _encode(
    image: Image.Image, stream: BinaryIO, file_format: str, quality: int
) -> tuple[str, ...]:
    """Write an image; return notes about metadata that was left out."""
    image = _encodable(image, has_alpha=file_format not in ("JPEG", "BMP"))
    profile = image.info.get("icc_profile")
    metadata = writer_for(image, file_format)
    dpi = read_dpi(image)
    options = {
        "JPEG": {
            "quality": quality,
            "subsampling": 0,
        },  # no chroma subsampling
        "WEBP": {"quality": quality},
        "PNG": {"compress_level": 4},  # under half the time of Pillow's default 6, and 3 % larger
        "TIFF": {"compression": "raw"},
    }.get(file_format, {})
    options |= metadata.options
    options |= {"icc_profile": profile} if profile else {}
    options |= {"dpi": dpi} if dpi else {}
    packed = compression_of(image.info.get("compression")) if file_format == "TIFF" else "raw"
    if packed != "raw" and image.mode in ("RGB", "RGBA"):
        small = io.BytesIO()
        image.crop((0, 0, 1, 1)).save(small, file_format, **options)
        metadata.finish(small)
        stream.write(tiff_with(small.getvalue(), np.asarray(image), packed))
        return metadata.notes
    image.save(stream, file_format, **options)
    metadata.finish(stream)
    return metadata.notes


def _encodable(image: Image.Image, *, has_alpha: bool) -> Image.Image:
    """Convert an image to a mode that its format can write: RGB, L or, with alpha, RGBA."""
    is_plain = image.mode in ("RGB", "RGBA", "L") and "transparency" not in image.info
    if not is_plain or (image.mode == "L" and "icc_profile" in image.info):
        photo = read_photo(image, max_pixels=image.width * image.height)
        signature = {key: image.info[key] for key in (MADE_BY,) if key in image.info}
        image = to_pil(photo.rgb, photo)
        image.info |= signature
    if image.mode == "RGBA" and not has_alpha:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        white.info = {**image.info, "text": getattr(image, "text", image.info.get("text"))}
        image = white
    return image
