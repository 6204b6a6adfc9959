"""What Pillow leaves out when it reads JPEG 2000: more than 8 bits in colour, and profiles.

Pillow rounds deeper samples beyond the largest byte, so that white becomes black.
Boxes and markers: ITU-T T.800, annexes A and I.
"""

import io
import struct
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image, Jpeg2KImagePlugin

from colorzoo.errors import ImageError
from colorzoo.imaging.pixels import to_uint8

SIGNATURES = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")


def open_jpeg2000(
    stream: BinaryIO, name: str, check_size: Callable[[int, int], None]
) -> tuple[Image.Image, np.ndarray | None, np.ndarray | None]:
    """Open a JPEG 2000 file; colour of more than 8 bits is decoded at once.

    Args:
        stream: The file, at its beginning.
        name: Name of the file for messages.
        check_size: Called with width and height before pixels are decoded; raises an ImageError.

    Returns:
        The image, and, of colour with more than 8 bits, the codes, (H, W, 3) uint16, and the alpha,
        (H, W) uint8, if there is one.

    Raises:
        ImageError: If it has more than 8 bits, and imagecodecs is not installed.
    """
    data = stream.read()
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data))
    deep = alpha = None
    if len(depths := _depths(data)) > 1 and max(depths) > 8:
        check_size(*image.size)
        codes = _decode(data, name, max(depths))
        deep = codes[..., :1].repeat(3, axis=2) if codes.shape[2] < 3 else codes[..., :3]
        if codes.shape[2] in (2, 4):
            alpha = to_uint8(codes[..., -1])
        image = Image.fromarray(to_uint8(deep))
        image.format = "JPEG2000"
    if icc := _profile(data):
        image.info["icc_profile"] = icc
    return image, deep, alpha


def _depths(data: bytes) -> list[int]:
    """Return the bits of every component from the SIZ marker; empty if there is none."""
    place = data.find(SIGNATURES[0])
    if place < 0 or len(data) < place + 42:
        return []
    (count,) = struct.unpack_from(">H", data, place + 40)
    return [(each & 127) + 1 for each in data[place + 42 : place + 42 + 3 * count : 3]]


def _decode(data: bytes, name: str, bits: int) -> np.ndarray:
    """Decode to (H, W, C) uint16 codes over the whole range."""
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageError(
            f"{name}: is a {bits}-bit colour JPEG 2000, which needs imagecodecs: pip install "
            "'colorzoo[tiff]', or save it with 8 bits"
        ) from error
    found = np.asarray(imagecodecs.jpeg2k_decode(data))
    pixels = found.reshape(*found.shape[:2], -1)
    if pixels.dtype.kind != "u" or pixels.shape[2] > 4:
        raise ImageError(
            f"{name}: is a JPEG 2000 with {pixels.shape[2]} channels of {pixels.dtype}, which "
            "colorzoo cannot read; save it as TIFF or PNG"
        )
    return np.rint(pixels * (65535 / (2**bits - 1))).clip(0, 65535).astype(np.uint16)


def _profile(data: bytes) -> bytes | None:
    """Return the ICC profile of a file in boxes (colr in jp2h), or None."""
    place, end = 0, len(data)
    while place + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"jp2h":
            end = min(end, place + size) if size else end
            place += 8
            continue
        if kind == b"colr" and size > 11 and data[place + 8] in (2, 3):
            return data[place + 11 : place + size]
        if size < 8 or kind == b"jp2c":
            return None
        place += size
    return None
