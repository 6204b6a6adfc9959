"""Apply hints to the colours of any model, at the working size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guided.hints import UNCHANGED, Area, Hint, check_places
from colorzoo.guided.propagate import Anchors, fill_regions, spread_widely
from colorzoo.guided.reference import Matches, match, towards_palette
from colorzoo.imaging.recombine import without_colour
from colorzoo.imaging.upsample import GuidedUpsampler

# Larger predictions are guided in a smaller copy, so that hints take milliseconds.
_MOST_PIXELS = 32_768
# Of the matches with a reference: the largest number, from all parts of the photo, which are this
# many a side; and how strongly the best of them pull.
_MOST_MATCHES, _PARTS, _BELIEF = 400, 20, 0.01


class Region(NamedTuple):
    """A part of a photo, pixels."""

    photo_width: int
    photo_height: int
    left: int
    top: int
    width: int
    height: int


class Reference(NamedTuple):
    """A reference photo as the network sees it.

    Attributes:
        lab: (1, 3, H, W) L*a*b*.
        features: (1, C, ...) of the encoder.
        ours: (N, C, ...) features of the photos.
        half: Cosine similarity of features at which a match is half believed.
    """

    lab: Tensor
    features: Tensor
    ours: Tensor
    half: float


def guide(
    ab: Tensor,
    lightness: Tensor,
    hints: Sequence[Hint | Area],
    region: Region,
    *,
    spread: Tensor | None = None,
    reference: Reference | None = None,
) -> Tensor:
    """Change a model's colours so that they follow hints and a reference.

    Args:
        ab: (N, 2, h, w), the colours of a region of each photo, in L*a*b* units.
        lightness: (N, 1, h, w), its L in [0, 100].
        hints: Points and areas of the photo. Those outside the region have no effect.
        region: The part of the photo that ``ab`` covers.
        spread: (N, 1, h, w), standard deviation of the colours, if the model knows it.
        reference: A photo whose colours to use. Hints come first.

    Returns:
        (N, 2, h, w) float32, on the same device.

    Raises:
        ConfigError: If a hint lies outside the photo, or a mask has another aspect ratio.
    """
    height, width = lightness.shape[-2:]
    masks = [
        (area, torch.from_numpy(_inside(area, region, width, height)).to(ab.device))
        for area in hints
        if isinstance(area, Area)
    ]
    points = [hint for hint in hints if isinstance(hint, Hint)]
    drawn = draw_points(points, region, width, height)
    guided = []
    for n in range(len(ab)):
        predicted, level = ab[n : n + 1].float(), lightness[n : n + 1].float()
        deviation = None if spread is None else spread[n : n + 1].float()
        base, matches = predicted, None
        if reference is not None:
            base = base + towards_palette(level, base, reference.lab)
            ours = reference.ours[n : n + 1]
            matches = match(ours, reference.features, level, reference.lab, half=reference.half)
        for area, mask in masks:
            if area.ab is not None and not area.stays_gray:
                base = base + mask * (base.new_tensor(area.ab)[:, None, None] - base)
        result = base + _residual(base, level, drawn, deviation, matches)
        for area, mask in masks:
            if area.color == UNCHANGED:
                result = torch.where(mask == 1, predicted, result + mask * (predicted - result))
            elif area.stays_gray:
                result = result * (1 - mask)
        guided.append(result)
    return torch.cat(guided)


def draw_points(hints: Sequence[Hint], region: Region, width: int, height: int) -> np.ndarray:
    """Draw points at the working size.

    Args:
        hints: Points of the photo.
        region: The part of the photo that is drawn.
        width: Of the drawing, pixels.
        height: Of the drawing, pixels.

    Returns:
        (4, height, width) float32: a, b, a mask that is 1 where there is a hint, and the number of
        the hint, from 1. Later hints cover earlier ones; those outside the region are left out.

    Raises:
        ConfigError: If a hint lies outside the photo.
    """
    drawn = np.zeros((4, height, width), np.float32)
    check_places(hints, region.photo_width, region.photo_height)
    for number, hint in enumerate(hints, start=1):
        x, y = hint.x - region.left, hint.y - region.top
        if 0 <= x < region.width and 0 <= y < region.height:
            scale_x, scale_y = width / region.width, height / region.height
            across = _span(x * scale_x, hint.radius * scale_x, width)
            down = _span(y * scale_y, hint.radius * scale_y, height)
            drawn[:, down, across] = np.array((*hint.ab, 1, number))[:, None, None]
    return drawn


def keep_gray(rgb: np.ndarray, photo: np.ndarray, hints: Sequence[Hint | Area]) -> np.ndarray:
    """Remove all colour, at full size, from the areas that stay gray.

    Args:
        rgb: (H, W, 3) uint8 or uint16, the result.
        photo: (H, W, 3) uint8 the photo, or (H, W) uint16 its gray levels.
        hints: What was asked.

    Returns:
        The result, or a copy of it: exactly gray where a mask is white.
    """
    areas = [area for area in hints if isinstance(area, Area) and area.stays_gray]
    if not areas:
        return rgb
    height, width = rgb.shape[:2]
    gray = without_colour(photo) if photo.ndim == 3 else photo[..., None].repeat(3, axis=2)
    out = rgb.copy()
    for area in areas:
        shares = area.sized(width, height)
        for row, share in enumerate(shares):  # floats of a whole photo would be large
            (some,) = share.nonzero()
            old, new = (each[row, some].astype(np.float32) for each in (out, gray))
            mixed = old + (new - old) * (share[some, None] / np.float32(255))
            out[row, some] = mixed.round().astype(out.dtype)
    return out


def _residual(
    base: Tensor,
    lightness: Tensor,
    drawn: np.ndarray,
    spread: Tensor | None,
    matches: Matches | None,
) -> Tensor:
    """Return what to add to (1, 2, h, w) colours, so that they follow (4, h, w) drawn hints."""
    if not drawn[2].any() and (matches is None or not len(matches.ab)):
        return torch.zeros_like(base)
    height, width = lightness.shape[-2:]
    shrink = (height * width / _MOST_PIXELS) ** 0.5
    if shrink > 1:
        rows = max(1, int(height / shrink))  # rounded down: once is enough
        size = (rows, max(1, min(int(width / shrink), _MOST_PIXELS // rows)))
        small, ab = (F.interpolate(each, size, mode="area") for each in (lightness, base))
        if spread is not None:
            spread = F.interpolate(spread, size, mode="area")
        added = _residual(ab, small, _shrunk(drawn, size), spread, matches)
        return GuidedUpsampler(small, added, size=(height, width)).rows(0, lightness)
    ab, level = (each.detach().double().cpu().numpy()[0] for each in (base, lightness))
    firm, number = drawn[2].astype(np.float64), drawn[3].astype(int)
    asked = np.where(firm > 0, drawn[:2] - ab, 0.0)
    anchors = _anchors(asked, number)
    if matches is not None:
        borrowed = _borrowed(matches, ab)
        free = number[borrowed.rows, borrowed.columns] == 0
        borrowed = Anchors(*(each[free] for each in borrowed))
        places = (borrowed.rows, borrowed.columns)
        firm[places] = _BELIEF / borrowed.doubt
        asked[(slice(None), *places)] = borrowed.residuals.T
        anchors = Anchors(*map(np.concatenate, zip(anchors, borrowed, strict=True)))
    deviation = None if spread is None else spread.detach().double().cpu().numpy()[0, 0]
    wide = spread_widely(level[0], ab, deviation, anchors)
    filled = fill_regions(level[0], ab + wide, ab + asked, firm)
    return torch.from_numpy(filled - ab)[None].to(base)


def _borrowed(matches: Matches, ab: np.ndarray) -> Anchors:
    """Return the best matches of every part of the photo as anchors of (2, h, w) colours."""
    cells, theirs, confidence = (each.double().cpu().numpy() for each in matches)
    # The best of the whole photo could all lie in one place: of the same scene, nearly all are
    # good. So first the best match of every part, then the second best, until there are enough.
    part = (cells * _PARTS).astype(int) @ (_PARTS, 1)
    by_part = np.lexsort((-confidence, part))
    _, starts, counts = np.unique(part[by_part], return_index=True, return_counts=True)
    rank = np.empty(len(part), int)
    rank[by_part] = np.arange(len(part)) - np.repeat(starts, counts)
    best = np.lexsort((-confidence, rank))[:_MOST_MATCHES]
    cells, theirs, confidence = cells[best], theirs[best], confidence[best]
    height, width = ab.shape[1:]
    rows, columns = (cells * (height, width)).astype(int).T
    return Anchors(rows, columns, theirs - ab[:, rows, columns].T, 1 / confidence)


def _anchors(asked: np.ndarray, number: np.ndarray) -> Anchors:
    """Return one anchor per hint: the middle of its visible pixels, and their mean residual."""
    rows, columns = np.nonzero(number)
    order = np.argsort(number[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    _, starts, counts = np.unique(number[rows, columns], return_index=True, return_counts=True)
    middle = starts + counts // 2
    means = np.zeros((0, 2))
    if len(starts):
        means = (np.add.reduceat(asked[:, rows, columns], starts, axis=1) / counts).T
    return Anchors(rows[middle], columns[middle], means, np.ones(len(starts)))


def _shrunk(drawn: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink drawn hints so that none of them disappears."""
    out = np.zeros((4, *size), np.float32)
    rows, columns = np.nonzero(drawn[2])
    down = rows * size[0] // drawn.shape[1]
    across = columns * size[1] // drawn.shape[2]
    out[:, down, across] = drawn[:, rows, columns]
    return out


def _inside(area: Area, region: Region, width: int, height: int) -> np.ndarray:
    """Return how far each pixel at the working size is inside an area: (h, w) from 0 to 1."""
    photo = (region.photo_width, region.photo_height)
    box = (
        region.left / photo[0],
        region.top / photo[1],
        (region.left + region.width) / photo[0],
        (region.top + region.height) / photo[1],
    )
    return area.sized(width, height, photo=photo, box=box).astype(np.float32) / 255


def _span(centre: float, radius: float, side: int) -> slice:
    """Return the range of pixels within a radius, at least the one that contains the centre."""
    pixel = min(side - 1, int(centre))
    first, last = round(centre - radius), round(centre + radius)
    return slice(max(0, min(first, pixel)), min(side, max(last, pixel + 1)))
