"""Pictures to files and bytes: the one place that encodes."""

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

from colorzoo.atomic import whole_file
from colorzoo.errors import ImageError
from colorzoo.imaging.exif import read_dpi
from colorzoo.imaging.formats import FORMATS
from colorzoo.imaging.read import Photo, read_photo, reason


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

    Examples:
        >>> image = colorzoo.colorize("photo.jpg")
        >>> colorzoo.save_image(image, "coloured.png")

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
    file_format = FORMATS.get(suffix)
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
        raise ImageError(f"{name}: cannot be written ({reason(exc)}); {advice}") from exc


@lru_cache(maxsize=1)
def _srgb_bytes() -> bytes:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A fixed date of creation, so that the same picture gives the same file.
    return data[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + data[36:]


def _encode(image: Image.Image, stream: BinaryIO, file_format: str, quality: int) -> None:
    image = _encodable(image, has_alpha=file_format not in ("JPEG", "BMP"))
    info = {key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)}
    dpi = read_dpi(image)
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
