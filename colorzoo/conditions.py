"""What a caller asks for, as tensors that a network can be given."""

from collections.abc import Sequence

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ConfigError
from colorzoo.imaging.read import Photo
from colorzoo.imaging.working_size import shrink
from colorzoo.options import Hint


def draw_hints(hints: Sequence[Hint], photo_size: tuple[int, int], lightness: Tensor) -> Tensor:
    """Draw hints at the working size.

    Args:
        hints: Points of the photo.
        photo_size: Its width and height, pixels.
        lightness: (N, 1, h, w), the photo at the working size.

    Returns:
        (1, 3, h, w): a, b, and a mask that is 1 where there is a hint; all are 0 elsewhere.

    Raises:
        ConfigError: If a hint lies outside the photo.
    """
    width, height = photo_size
    rows, columns = lightness.shape[-2:]
    drawn = torch.zeros(1, 3, rows, columns)
    for number, hint in enumerate(hints, start=1):
        if hint.x >= width or hint.y >= height:
            raise ConfigError(
                f"hint {number} is at ({hint.x:g}, {hint.y:g}), outside the photo of {width} x "
                f"{height} pixels"
            )
        across = _span(hint.x * columns / width, hint.radius * columns / width, columns)
        down = _span(hint.y * rows / height, hint.radius * rows / height, rows)
        ab = torch.zeros(2, 1, 1)
        if hint.rgb is not None:
            ab = rgb_to_lab(torch.tensor(hint.rgb).reshape(1, 3, 1, 1) / 255)[0, 1:]
        drawn[0, :2, down, across] = ab
        drawn[0, 2, down, across] = 1
    return drawn.to(lightness)


def draw_reference(photo: Photo, work_size: int) -> Tensor:
    """Give a reference photo as (1, 3, h, w) L*a*b* at the working size."""
    small = torch.tensor(shrink(photo.rgb, work_size)).permute(2, 0, 1)
    return rgb_to_lab(small[None] / 255)


def _span(centre: float, radius: float, side: int) -> slice:
    """Give the pixels within a radius, at least the one that holds the centre."""
    pixel = min(side - 1, int(centre))
    first, last = round(centre - radius), round(centre + radius)
    return slice(max(0, min(first, pixel)), min(side, max(last, pixel + 1)))
