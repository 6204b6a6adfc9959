"""Get all 16 bits of colour images from Pillow, which has no mode for them.

Pillow keeps the high byte of every sample. The same file, read as if its byte order were the
opposite one, gives the low bytes.
"""

import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from PIL import Image, ImageFile

from colorzoo.imaging.pixels import cut

Box = tuple[int, int, int, int]
_OPPOSITE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_MODES = ("RGB;16", "RGBA;16", "RGBX;16")


def raw_mode(image: Image.Image) -> str:
    """Return how the samples of an image that is not decoded yet are stored, or ""."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else ()
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args or "")


def deep_reader(
    raw: str, high: Image.Image, reopen: Callable[[], ImageFile.ImageFile]
) -> Callable[[Box], np.ndarray] | None:
    """Return a function that reads the 16-bit codes of a box.

    Args:
        raw: The raw mode of the image.
        high: The decoded image, with the high bytes.
        reopen: Opens the file again.

    Returns:
        A function from (left, top, right, bottom) to (h, w, 3) or (h, w, 1) uint16; None if the
        image does not have 16 bits a channel, or is of a kind of which Pillow gives only 8.
    """
    if raw == "LA;16B":
        # Each pixel is four bytes, as in RGBA: the two of gray, then the two of alpha.
        pairs = _load(reopen(), "RGBA", "RGBA")

        def read_gray(box: Box) -> np.ndarray:
            both = np.asarray(cut(pairs, box))[..., :2].astype(np.uint16)
            return (both[..., :1] << 8) | both[..., 1:]

        return read_gray
    if not raw.startswith(_MODES) or raw[-1] not in _OPPOSITE:
        return None
    low = _load(reopen(), high.mode, raw[:-1] + _OPPOSITE[raw[-1]])

    def read(box: Box) -> np.ndarray:
        codes = np.asarray(cut(high, box))[..., :3].astype(np.uint16) << 8
        codes |= np.asarray(cut(low, box))[..., :3]
        return codes

    return read


def _load(image: ImageFile.ImageFile, mode: str, raw: str) -> ImageFile.ImageFile:
    """Decode an image in another mode and raw mode."""
    cast(Any, image)._mode = mode
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]
    image.load()
    return image
