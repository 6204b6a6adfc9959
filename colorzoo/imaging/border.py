"""Flat borders around a photo: mounts, passe-partouts, the white of a scanned page.

A network mistakes a large flat area for sky or a wall, which affects the whole photo. Therefore the
network only gets the part inside the border, and the border stays gray.
"""

import numpy as np
from PIL import Image, ImageFilter

_SIDE = 512  # px; photos are reduced to this size to find borders
_SHARE = 0.98  # share of a row's pixels that must have the border's level; the rest may be dust
_TOLERANCE = 5.0  # levels; for grain and JPEG artefacts, after a slight blur
_SMALLEST, _LEAST_INSIDE = 0.01, 0.25  # smallest border and smallest inside, as shares of a side

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def content_box(rgb: np.ndarray) -> Box:
    """Find the part of a picture inside a flat border that reaches the edge on all four sides.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        Left, top, right and bottom of that part, as fractions of width and height. WHOLE if
        there is no such border, or if the part inside is very small.
    """
    picture = Image.fromarray(rgb).convert("L")
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    picture = picture.filter(ImageFilter.BoxBlur(1))  # grain of photos that are small already
    gray = np.asarray(picture, dtype=np.float32)
    edge = np.concatenate((gray[0], gray[-1], gray[:, 0], gray[:, -1]))
    level = np.median(edge)
    flat = np.abs(gray - level) <= _TOLERANCE
    height, width = gray.shape
    spans = []
    for lines, side in ((flat, height), (flat.T, width)):
        is_border = lines.mean(axis=1) >= _SHARE
        inside = np.flatnonzero(~is_border)
        if not len(inside):
            return WHOLE
        spans.append((inside[0], inside[-1] + 1, side))
    (top, bottom, _), (left, right, _) = spans
    widths = (top / height, 1 - bottom / height, left / width, 1 - right / width)
    is_large = bottom - top >= _LEAST_INSIDE * height and right - left >= _LEAST_INSIDE * width
    if min(widths) < _SMALLEST or not is_large:
        return WHOLE
    edges = (left / width, top / height, right / width, bottom / height)
    return float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])


def pixels_of(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a box in an array of shape (H, W, ...)."""
    height, width = shape[:2]
    left, top, right, bottom = box
    return (
        slice(round(top * height), max(round(top * height) + 1, round(bottom * height))),
        slice(round(left * width), max(round(left * width) + 1, round(right * width))),
    )
