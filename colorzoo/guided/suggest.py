"""Suggest colours for a point of a photo, to choose a hint from."""

import math

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.guided.hints import is_number
from colorzoo.imaging.border import pixels_of
from colorzoo.imaging.working_size import unpad
from colorzoo.prediction import Prediction

_APART = 18.0  # smallest distance of two suggestions in ab, L*a*b* units
_ALIKE = 12.0  # colours within this distance count as the same, when their shares are added
_WINDOW = 1  # pixels around the point at the working size
_CHROMA, _HUES = 35.0, 12  # of the colours that are suggested when the model knows no others
MOST = 24


def suggest_colors(
    model: Colorizer, prediction: Prediction, x: float, y: float, *, count: int = 8
) -> list[str]:
    """Suggest colours for a point, the most plausible first.

    A model over colour bins knows how likely each colour is there. Any other model gives its own
    colour. What is missing is filled with gray and with hues around the circle. All colours have
    the lightness of the photo at the point.

    Examples:
        >>> model, photo = colorzoo.load("efficientnet-bins"), colorzoo.read_photo("photo.jpg")
        >>> colors = colorzoo.suggest_colors(model, model.predict(photo), 120, 80)
        >>> model.colorize("photo.jpg", hints=[colorzoo.Hint(120, 80, colors[1])]).size
        (600, 400)

    Args:
        model: The model.
        prediction: The prediction of this model for the photo.
        x: Column, in pixels of the photo.
        y: Row, in pixels of the photo.
        count: Number of colours, 1 to 24; there are fewer if the rest would look the same.

    Returns:
        Colours as "#rrggbb", each clearly different from the others.

    Raises:
        ConfigError: If the point lies outside the photo, or the count is out of range.
    """
    lightness = prediction.lightness
    width, height = prediction.size or (lightness.shape[-1], lightness.shape[-2])
    inside = is_number(x) and is_number(y) and 0 <= x < width and 0 <= y < height
    if not inside:
        raise ConfigError(
            f"({x!r:.30}, {y!r:.30}) is no point of the photo of {width} x {height} pixels"
        )
    if type(count) is not int or not 1 <= count <= MOST:
        raise ConfigError(f"count must be a whole number from 1 to {MOST}, got {count!r:.30}")
    row, column = _cell(prediction, x, y, width, height)
    level = float(lightness[0, 0, row, column])
    found: list[str] = []
    kept: list[Tensor] = []
    for ab in _candidates(model, prediction, row, column):
        lab = torch.cat((torch.tensor([level], dtype=torch.float32), ab)).reshape(1, 3, 1, 1)
        rgb = lab_to_rgb(lab, gamut="desaturate")
        shown = rgb_to_lab(rgb)[0, 1:, 0, 0]
        if all((shown - other).norm() >= _APART for other in kept):
            kept.append(shown)
            found.append("#{:02x}{:02x}{:02x}".format(*to_uint8(rgb).flatten().tolist()))
        if len(found) == count:
            break
    return found


def _candidates(model: Colorizer, prediction: Prediction, row: int, column: int) -> list[Tensor]:
    """Return ab at a pixel, best first: those of the model, gray, and hues."""
    around = (
        slice(max(0, row - _WINDOW), row + _WINDOW + 1),
        slice(max(0, column - _WINDOW), column + _WINDOW + 1),
    )
    candidates: list[Tensor] = []
    plausible = model.plausible(prediction.output)
    with torch.inference_mode():
        if plausible is not None:
            shares = unpad(plausible.shares, prediction.lightness, model.stride)
            share = shares[0, :, around[0], around[1]].mean(dim=(1, 2)).float().cpu()
            colours = plausible.colours.float().cpu()
            alike = (torch.cdist(colours, colours) <= _ALIKE).float()
            amount = alike @ share
            centre = (alike * share) @ colours / amount.clamp(min=1e-9)[:, None]
            best = amount.argsort(descending=True)
            candidates += [centre[i] for i in best if amount[i] > 0.01]
        else:
            ab = model.ab_of(prediction)
            candidates.append(ab[0, :, row, column].float().cpu())
    candidates.append(torch.zeros(2))
    for turn in range(_HUES):
        angle = 2 * math.pi * turn / _HUES
        candidates.append(_CHROMA * torch.tensor([math.cos(angle), math.sin(angle)]))
    return candidates


def _cell(prediction: Prediction, x: float, y: float, width: int, height: int) -> tuple[int, int]:
    """Return row and column at the working size; of points in a border, the nearest inside."""
    rows, columns = pixels_of(prediction.box, (height, width))
    down, across = prediction.lightness.shape[-2:]
    row = int((y - rows.start) * down / (rows.stop - rows.start))
    column = int((x - columns.start) * across / (columns.stop - columns.start))
    return min(max(row, 0), down - 1), min(max(column, 0), across - 1)
