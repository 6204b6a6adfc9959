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
from colorzoo.imaging.boxes import boxes_of
from colorzoo.imaging.pixels import to_uint8

_MOST_COMPONENTS, _MOST_TILES = 5, 4096  # CMYK and alpha; tiles of 128 pixels
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
    _check(data, name, check_size)
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


def size_of(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and number of channels from the SIZ marker; None if there is none."""
    siz = _siz(data)
    if siz is None:
        return None
    right, bottom, left, top, *_ = siz
    return right - left, bottom - top, siz[-1]


def _codestream(data: bytes) -> int | None:
    """Return where the codestream with a whole SIZ marker is; None if there is none.

    Raises:
        ValueError: If it is in too many boxes.
    """
    place = 0
    if not data.startswith(SIGNATURES[0]):
        place = next((box.start for box in boxes_of(data) if box.kind == b"jp2c"), -1)
    is_whole = data.startswith(SIGNATURES[0], place) and len(data) >= place + 42
    return place if place >= 0 and is_whole else None


def _siz(data: bytes) -> tuple[int, ...] | None:
    """Return right, bottom, left and top, the same of the first tile, and the components."""
    place = _codestream(data)
    if place is None:
        return None
    return struct.unpack_from(">8IH", data, place + 8)


def _check(data: bytes, name: str, check_size: Callable[[int, int], None]) -> None:
    """Refuse what takes much more memory or time than its pixels.

    Raises:
        ImageError: If it is too large, or has too many components or tiles.
    """
    siz = _siz(data)
    for box in boxes_of(data) if siz is not None and data[4:8] == b"jP  " else ():
        if box.kind == b"jp2h":
            boxes_of(data, box.start, box.end)  # Pillow reads all of them
    if siz is None:
        raise ImageError(f"{name}: is a JPEG 2000 without a size; it is damaged: copy it again")
    right, bottom, left, top, across, down, first, second, components = siz
    check_size(max(right - left, 0), max(bottom - top, 0))
    tiles = -(-(right - first) // max(across, 1)) * -(-(bottom - second) // max(down, 1))
    if components > _MOST_COMPONENTS or tiles > _MOST_TILES:
        raise ImageError(
            f"{name}: is a JPEG 2000 with {components:,} channels in {tiles:,} tiles, which "
            "colorzoo does not read; save it as TIFF or PNG"
        )


def _depths(data: bytes) -> list[int]:
    """Return the bits of every component from the SIZ marker; empty if there is none."""
    place = _codestream(data)
    if place is None:
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
    for head in boxes_of(data) if data.startswith(SIGNATURES[1]) else ():
        if head.kind != b"jp2h":
            continue
        for box in boxes_of(data, head.start, head.end):
            if box.kind == b"colr" and data[box.start : box.start + 1] in (b"\2", b"\3"):
                return data[box.start + 3 : box.end] or None
    return None
