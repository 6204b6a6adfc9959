"""Notes for the user on hints that cannot be followed as they are."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.guided.hints import Area, Hint
from colorzoo.imaging.border import content_box, pixels_of
from colorzoo.imaging.recombine import lightness_of

_OUTSIDE = 0.02  # deviation from [0, 1] of a channel that is not rounding
_MOST = 3  # notes on colours; of many hints, the rest are counted
_SIDE = 64  # px; photos are reduced to this size to look at the lightness of an area
IN_BORDER = "lies in the flat border around the photo, which stays gray, so it has no effect"


def notes_on(
    hints: Sequence[Hint | Area], rgb: np.ndarray, *, frame: int | None = None
) -> tuple[str, ...]:
    """Tell which hints have no effect, or a colour that sRGB can't show at the photo's lightness.

    Args:
        hints: Points and areas of the photo.
        rgb: (H, W, 3) uint8, the photo.
        frame: Look only at the hints on this frame, if it is one of a film.

    Returns:
        One note for each of the first such hints, and how many more there are.
    """
    if not hints:
        return ()
    height, width = rgb.shape[:2]
    box = (0.0, 0.0, 1.0, 1.0) if frame is not None else content_box(rgb)
    rows, columns = pixels_of(box, rgb.shape)
    hidden, pale, number, count = [], [], 0, 0
    for hint in hints:
        if isinstance(hint, Area):
            count += 1
            if hint.ab is None or hint.stays_gray:
                continue
            if not (hint.sized(_SIDE, _SIDE, photo=(width, height), box=box) > 127).any():
                hidden.append(f"area {count} {IN_BORDER}")
            elif shade := _shade_of_area(hint, rgb):
                pale.append(_paler(f"area {count}", hint, f"{shade} as most of the photo there"))
            continue
        number += 1
        x, y = int(hint.x), int(hint.y)
        if x >= width or y >= height or (frame is not None and hint.frame != frame):
            continue
        inside = rows.start <= hint.y < rows.stop and columns.start <= hint.x < columns.stop
        if not inside:
            hidden.append(f"hint {number} {IN_BORDER}")
        elif shade := _shade(hint.ab, _lightness(rgb[y : y + 1, x : x + 1])):
            pale.append(_paler(f"hint {number}", hint, f"{shade} as the photo there"))
    return (*_some(hidden, "have no effect either"), *_some(pale, "get a paler colour, too"))


def _paler(name: str, hint: Hint | Area, shade: str) -> str:
    color = hint.color
    if not isinstance(color, str):
        color = "colour {}".format(", ".join(f"{value:g}" for value in color or ()))
    return f"{name}: sRGB has no {color} that is as {shade}, so a paler one is used"


def _some(notes: Sequence[str], same: str) -> Iterable[str]:
    more = len(notes) - _MOST
    return notes if more <= 1 else (*notes[:_MOST], f"{more} more hints {same}")


def _lightness(rgb: np.ndarray) -> Tensor:
    return lightness_of(rgb, torch.device("cpu")).flatten()


def _shade_of_area(area: Area, rgb: np.ndarray) -> str | None:
    height, width = rgb.shape[:2]
    across, down = min(_SIDE, width), min(_SIDE, height)
    inside = area.sized(across, down, photo=(width, height)) > 127
    small = np.asarray(Image.fromarray(rgb).resize((across, down), Image.Resampling.BOX))
    return _shade(area.ab or (0.0, 0.0), _lightness(small[inside][None])) if inside.any() else None


def _shade(ab: tuple[float, float], lightness: Tensor) -> str | None:
    """Return "dark" or "bright" if sRGB lacks the colour at most of (n,) L; None if it has it."""
    asked = torch.tensor(ab, dtype=torch.float32)[:, None].expand(2, len(lightness))
    exact = lab_to_rgb(torch.cat((lightness[None], asked))[None, ..., None], gamut="none")
    lacks = (exact.amin(dim=1) < -_OUTSIDE) | (exact.amax(dim=1) > 1 + _OUTSIDE)
    if lacks.float().mean() <= 0.5:
        return None
    return "dark" if lightness.median() < 50 else "bright"
