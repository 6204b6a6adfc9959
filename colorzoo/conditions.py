"""Convert hints and reference photos to tensors for the network."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError, printable
from colorzoo.imaging.border import Box, pixels_of
from colorzoo.imaging.read import ImageSource, Photo, read_photo
from colorzoo.imaging.working_size import shrink
from colorzoo.options import Hint


class Region(NamedTuple):
    """A part of a photo, pixels."""

    photo_width: int
    photo_height: int
    left: int
    top: int
    width: int
    height: int


def draw_hints(hints: Sequence[Hint], region: Region, lightness: Tensor) -> Tensor:
    """Draw hints at the working size.

    Args:
        hints: Points of the photo.
        region: The part of the photo that the network gets.
        lightness: (N, 1, h, w), that part at the working size.

    Returns:
        (1, 3, h, w): a, b and a mask that is 1 where there is a hint; 0 elsewhere. Hints outside
        the region are left out.

    Raises:
        ConfigError: If a hint lies outside the photo.
    """
    rows, columns = lightness.shape[-2:]
    drawn = torch.zeros(1, 3, rows, columns, dtype=torch.float32)
    for number, hint in enumerate(hints, start=1):
        if hint.x >= region.photo_width or hint.y >= region.photo_height:
            raise ConfigError(
                f"hint {number} is at ({hint.x:g}, {hint.y:g}), outside the photo of "
                f"{region.photo_width} x {region.photo_height} pixels"
            )
        x, y = hint.x - region.left, hint.y - region.top
        if not (0 <= x < region.width and 0 <= y < region.height):
            continue
        scale_x, scale_y = columns / region.width, rows / region.height
        across = _span(x * scale_x, hint.radius * scale_x, columns)
        down = _span(y * scale_y, hint.radius * scale_y, rows)
        ab = torch.zeros(2, 1, 1, dtype=torch.float32)
        if hint.rgb is not None:
            ab = rgb_to_lab(torch.tensor(hint.rgb).reshape(1, 3, 1, 1).float() / 255)[0, 1:]
        drawn[0, :2, down, across] = ab
        drawn[0, 2, down, across] = 1
    return drawn.to(lightness)


def draw_reference(photo: Photo, work_size: int) -> Tensor:
    """Convert a reference photo to (1, 3, h, w) L*a*b* at the working size."""
    small = torch.tensor(shrink(photo.rgb, work_size)).permute(2, 0, 1)
    return rgb_to_lab(small[None].float() / 255)


def _span(centre: float, radius: float, side: int) -> slice:
    """Return the range of pixels within a radius, at least the one that contains the centre."""
    pixel = min(side - 1, int(centre))
    first, last = round(centre - radius), round(centre + radius)
    return slice(max(0, min(first, pixel)), min(side, max(last, pixel + 1)))


def region_of(rgb: np.ndarray, box: Box) -> Region:
    """Return a box of an (H, W, 3) photo in pixels."""
    rows, columns = pixels_of(box, rgb.shape)
    height, width = rgb.shape[:2]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Region(width, height, columns.start, rows.start, *size)


def read_and_warn(image: ImageSource, *, max_pixels: int) -> Photo:
    """Read a photo and issue its notes as warnings to the caller of colorzoo."""
    photo = read_photo(image, max_pixels=max_pixels)
    for note in photo.notes:
        warnings.warn(printable(f"{photo.name}: {note}"), stacklevel=3)
    return photo


def read_reference(source: Any) -> Photo:
    """Read a reference. A stream is reset to its position, for the next photo or model."""
    if not (hasattr(source, "seekable") and source.seekable()):
        return read_and_warn(source, max_pixels=MAX_PIXELS)
    place = source.tell()
    try:
        return read_and_warn(source, max_pixels=MAX_PIXELS)
    finally:
        source.seek(place)
