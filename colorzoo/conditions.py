"""Convert hints and reference photos to tensors for the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from colorzoo.caller import warn
from colorzoo.color import rgb_to_lab
from colorzoo.guided.apply import Region, draw_points
from colorzoo.guided.hints import Area, Hint
from colorzoo.guided.notes import notes_on
from colorzoo.imaging.border import Box, pixels_of
from colorzoo.imaging.kind import kind_of
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


def warn_of_hints(photo: Photo, hints: Sequence[Hint | Area] | None) -> None:
    """Warn the caller of colorzoo of hints that cannot be followed as they are."""
    for note in notes_on(hints or (), photo.rgb):
        warn(f"{photo.name}: {note}")


@dataclass(frozen=True, eq=False)
class _KnownReference(Photo):
    """A reference that was read for a run.

    Attributes:
        seen: What each model that has seen it computed of it.
        lock: So that only one thread computes it.
    """

    seen: WeakKeyDictionary[nn.Module, tuple[Tensor, Tensor]] = field(
        default_factory=WeakKeyDictionary
    )
    lock: Lock = field(default_factory=Lock)


def with_reference(options: Options) -> Options:
    """Return options with whose reference nothing is done again for every photo.

    It is read now, and its features are computed for the first photo. They live as long as the
    options that are returned, which are for one run: weights do not change during it.
    """
    reference = options.get("reference")
    if reference is None or isinstance(reference, _KnownReference):
        return options
    known: Options = {**options, "reference": _KnownReference(**vars(read_reference(reference)))}
    return known


def see_reference(
    source: Any, model: nn.Module, see: Callable[[Photo], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Return what a model computes of a reference, which is known if ``with_reference`` read it.

    Args:
        source: The reference.
        model: The model.
        see: Returns L*a*b* and features of the photo, on the model's device.
    """
    photo = read_reference(source)
    if not isinstance(photo, _KnownReference):
        return see(photo)
    with photo.lock:
        found = photo.seen.get(model)
        if found is None:
            found = photo.seen[model] = see(photo)
    return found


def read_reference(source: Any) -> Photo:
    """Read a reference, and warn the caller of colorzoo if it has no colours.

    A stream is reset to its position, for the next photo or model.
    """
    if isinstance(source, _KnownReference):
        return source
    if hasattr(source, "seekable") and source.seekable():
        place = source.tell()
        try:
            photo = as_photo(source)
        finally:
            source.seek(place)
    else:
        photo = as_photo(source)
    if kind_of(photo.rgb) == "gray":
        warn(
            f"{photo.name}: the reference is black and white, so what looks like it becomes gray; "
            "give a colour photo"
        )
    return photo
