"""Read BMP files with run-length encoding, which Pillow decodes wrongly or only if complete."""

import io
import struct
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin

_RLE8, _RLE4 = 1, 2


def open_bmp(
    stream: BinaryIO, check_size: Callable[[int, int], None]
) -> BmpImagePlugin.BmpImageFile:
    """Open a BMP file; one with run lengths is unpacked first.

    Args:
        stream: The file, at its beginning.
        check_size: Called with width and height before pixels are unpacked; raises an ImageError.

    Returns:
        The image, not yet decoded.
    """
    image = BmpImagePlugin.BmpImageFile(stream)
    compression = image.info.get("compression")
    if compression not in (_RLE8, _RLE4):
        return image
    check_size(*image.size)
    stream.seek(0)
    data = stream.read()
    (start,) = struct.unpack_from("<I", data, 10)
    bits = 4 if compression == _RLE4 else 8
    indices = _decode(data[start:], *image.size, bits=bits)
    padded = np.pad(indices, ((0, 0), (0, -indices.shape[1] % (32 // bits))))
    packed = (padded if bits == 8 else padded[:, ::2] << 4 | padded[:, 1::2]).tobytes()
    header = bytearray(data[:start])
    struct.pack_into("<II", header, 30, 0, len(packed))  # no compression
    return BmpImagePlugin.BmpImageFile(io.BytesIO(bytes(header) + packed))


def _decode(data: bytes, width: int, height: int, *, bits: int) -> np.ndarray:
    """Decode RLE4 or RLE8 to (height, width) uint8 indices, in the order of the file.

    Source: Microsoft, "Bitmap Compression".
    """
    pixels = np.zeros((height, width), np.uint8)
    codes = np.frombuffer(data, np.uint8)
    x = y = place = steps = 0
    most = width * height + 4 * height + 4096  # each one draws a pixel, or moves
    while place + 1 < len(data) and y < height:
        steps += 1
        if steps > most:
            raise ValueError("it has more runs than pixels")
        count, value = data[place], data[place + 1]
        if count:
            length = _pairs(codes, place)
            pairs = codes[place : place + 2 * length].reshape(-1, 2)
            run = _drawn(pairs[: max(width - x, 0)], bits)  # none is shorter than a pixel
            end = min(x + len(run), width)
            if end > x:
                pixels[y, x:end] = run[: end - x]
            x, place = x + int(pairs[:, 0].sum(dtype=np.int64)), place + 2 * length
            continue
        place += 2
        if value == 0:  # end of line
            x, y = 0, y + 1
        elif value == 1:  # end of the picture
            break
        elif value == 2:  # skip to the right and up
            if place + 1 < len(data):
                x, y = x + data[place], y + data[place + 1]
            place += 2
        else:  # literal pixels, padded to 16 bits
            size = (value + 1) // 2 if bits == 4 else value
            run = codes[place : place + size]
            if bits == 4:
                run = np.stack((run >> 4, run & 15), axis=1).ravel()[:value]
            place += size + size % 2
            end = min(x + len(run), width)
            if end > x:
                pixels[y, x:end] = run[: end - x]
            x += len(run)
    return pixels


def _pairs(codes: np.ndarray, place: int) -> int:
    """Return how many runs follow each other without anything else between them."""
    window, total = 64, (len(codes) - place) // 2
    while True:
        ends = codes[place : place + 2 * min(window, total) : 2] == 0
        if ends.any():
            return int(ends.argmax())
        if window >= total:
            return total
        window *= 8


def _drawn(pairs: np.ndarray, bits: int) -> np.ndarray:
    """Return the pixels of (N, 2) runs of one colour, or, with 4 bits, of two alternating ones."""
    counts, values = pairs[:, 0], np.repeat(pairs[:, 1], pairs[:, 0])
    if bits == 8:
        return values
    ends = np.cumsum(counts, dtype=np.int64)
    odd = (np.arange(len(values)) - np.repeat(ends - counts, counts)) % 2
    return np.where(odd, values & 15, values >> 4)
