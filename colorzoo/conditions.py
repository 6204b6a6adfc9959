"""Convert hints and reference photos to tensors for the network."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from colorzoo.caller import warn
from colorzoo.color import rgb_to_lab
from colorzoo.guided.apply import Region, check_gamut, draw_points
from colorzoo.guided.hints import Area, Hint
from colorzoo.imaging.border import Box, pixels_of
from colorzoo.imaging.read import Photo
from colorzoo.imaging.working_size import shrink
from colorzoo.options import Options
from colorzoo.sources import as_photo


def draw_hints(hints: Sequence[Hint | Area], region: Region, lightness: Tensor) -> Tensor:
    """Draw hints for a network that was trained with them.

    Args:
        hints: Points of the photo. Areas are left out: they are applied to the result.
        region: The part of the photo that the network gets.
        lightness: (N, 1, h, w), that part at the working size.

    Returns:
        (1, 3, h, w): a, b and a mask that is 1 where there is a hint; 0 elsewhere. Hints outside
        the region are left out.

    Raises:
        ConfigError: If a hint lies outside the photo.
    """
    rows, columns = lightness.shape[-2:]
    points = [hint for hint in hints if isinstance(hint, Hint)]
    drawn = draw_points(points, region, columns, rows)
    return torch.from_numpy(drawn[None, :3]).to(lightness)


def draw_reference(photo: Photo, work_size: int) -> Tensor:
    """Convert a reference photo to (1, 3, h, w) L*a*b* at the working size."""
    small = torch.tensor(shrink(photo.rgb, work_size)).permute(2, 0, 1)
    return rgb_to_lab(small[None].float() / 255)


def region_of(width: int, height: int, box: Box) -> Region:
    """Return a box of a photo in pixels."""
    rows, columns = pixels_of(box, (height, width))
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Region(width, height, columns.start, rows.start, *size)


def warn_of_gamut(photo: Photo, hints: Sequence[Hint | Area] | None) -> None:
    """Warn the caller of colorzoo of hints whose colour sRGB cannot show."""
    for note in check_gamut(hints or (), photo.rgb):
        warn(f"{photo.name}: {note}")


def with_reference(options: Options) -> Options:
    """Return options whose reference is read, so that it is not read again for every photo."""
    reference = options.get("reference")
    if reference is None:
        return options
    known: Options = {**options, "reference": read_reference(reference)}
    return known


def read_reference(source: Any) -> Photo:
    """Read a reference. A stream is reset to its position, for the next photo or model."""
    if not (hasattr(source, "seekable") and source.seekable()):
        return as_photo(source)
    place = source.tell()
    try:
        return as_photo(source)
    finally:
        source.seek(place)
