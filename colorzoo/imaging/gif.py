"""The structure of a GIF, looked at before Pillow reads it: it appends comments to each other.

GIF89a specification: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from typing import BinaryIO

from PIL import GifImagePlugin

from colorzoo.errors import ImageError

# What comes between frames: blocks of at most 255 bytes, comments and other extensions, and bytes
# that are neither, which are read one by one.
_MOST_BLOCKS, _MOST_EXTENSIONS, _MOST_JUNK = 1 << 16, 256, 1 << 16
# Blocks of the pixels of a frame: 64 MB
_MOST_PIXELS = 1 << 18


class Gif(GifImagePlugin.GifImageFile):
    """A reader whose frames are only counted if that takes no longer than decoding one."""

    can_be_counted = True

    @property
    def n_frames(self) -> int:
        """Number of frames.

        Raises:
            ValueError: If counting would take long.
        """
        if not self.can_be_counted:
            raise ValueError("too many blocks")
        return super().n_frames


def open_gif(stream: BinaryIO, name: str) -> Gif:
    """Open a GIF.

    Args:
        stream: The file, at its beginning.
        name: Name of the file for messages.

    Raises:
        ImageError: If there is much more before its first frame than in other files.
    """
    data = stream.read()
    stream.seek(0)
    first = _after_frame(data, _start(data))
    if first is None:
        raise ImageError(
            f"{name}: is a GIF with too many comments or blocks before its first frame; save it "
            "anew in an image editor"
        )
    place, count = first, 1
    while place is not None and place < len(data) and count < _MOST_EXTENSIONS:
        place, count = _after_frame(data, place), count + 1
    image = Gif(stream)
    image.can_be_counted = place is not None and place >= len(data)
    return image


def _start(data: bytes) -> int:
    """Return where the blocks begin: after the header and the palette."""
    flags = data[10] if len(data) > 10 else 0
    return 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)


def _after_frame(data: bytes, place: int) -> int | None:
    """Return where the next frame ends; None if too much comes before it, or in it."""
    blocks = extensions = junk = 0
    while place < len(data):
        kind = data[place]
        if kind == 0x3B:  # the end
            return len(data)
        if kind == 0x2C:
            flags = data[place + 9] if place + 9 < len(data) else 0
            start = place + 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
            count, end = _skip(data, start, _MOST_PIXELS)
            return end if count < _MOST_PIXELS else None
        if kind == 0x21:
            count, place = _skip(data, place + 2, _MOST_BLOCKS)
            blocks, extensions = blocks + count, extensions + 1
        else:
            place, junk = place + 1, junk + 1
        if blocks >= _MOST_BLOCKS or extensions > _MOST_EXTENSIONS or junk > _MOST_JUNK:
            return None
    return len(data)


def _skip(data: bytes, place: int, most: int) -> tuple[int, int]:
    """Return the number of blocks up to an empty one, at most so many, and where they end."""
    count = 0
    while place < len(data) and data[place] and count < most:
        place, count = place + 1 + data[place], count + 1
    return count, place + 1
