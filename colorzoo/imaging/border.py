"""Flat borders around a photo: mounts, passe-partouts, the white of a scanned page.

A network mistakes a large flat area for sky or a wall, which affects the whole photo. Therefore the
network only gets the part inside the border, and the border stays gray.
"""

import numpy as np
from PIL import Image, ImageFilter

_SIDE = 512  # px; photos are reduced to this size to find borders
_SHARE = 0.97  # share of a row's pixels that must have the border's level; the rest may be dust
_ROUGHLY, _MOST = 30.0, 0.9  # levels, and share of the outermost pixels; grain included
_TOLERANCE = (5.0, 9.0)  # levels, after a slight blur: of clean flat areas, and with much grain
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
    if not _has_flat_edge(rgb):
        return WHOLE
    picture = Image.fromarray(rgb).convert("L")
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    picture = picture.filter(ImageFilter.BoxBlur(1))  # grain of photos that are small already
    gray = np.asarray(picture, dtype=np.float32)
    edge = np.concatenate((gray[0], gray[-1], gray[:, 0], gray[:, -1]))
    level = np.median(edge)
    deviation = 1.4826 * np.median(np.abs(edge - level))  # of the grain, if the edge is flat
    flat = np.abs(gray - level) <= np.clip(3 * deviation, *_TOLERANCE)
    height, width = gray.shape
    spans = []
    for lines in (flat, flat.T):
        is_border = lines.mean(axis=1) >= _SHARE
        inside = np.flatnonzero(~is_border)
        if not len(inside):
            return WHOLE
        spans.append((inside[0], inside[-1] + 1))
    (top, bottom), (left, right) = spans
    widths = (top / height, 1 - bottom / height, left / width, 1 - right / width)
    is_large = bottom - top >= _LEAST_INSIDE * height and right - left >= _LEAST_INSIDE * width
    if min(widths) < _SMALLEST or not is_large:
        return WHOLE
    edges = (left / width, top / height, right / width, bottom / height)
    return float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])


def _has_flat_edge(rgb: np.ndarray) -> bool:
    """Check the outermost pixels alone: most photos need no closer look."""
    edge = np.concatenate((rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1])).astype(np.float32).mean(axis=1)
    return np.mean(np.abs(edge - np.median(edge)) <= _ROUGHLY) >= _MOST


def pixels_of(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a box in an array of shape (H, W, ...)."""
    height, width = shape[:2]
    left, top, right, bottom = box
    return (
        slice(round(top * height), max(round(top * height) + 1, round(bottom * height))),
        slice(round(left * width), max(round(left * width) + 1, round(right * width))),
    )
