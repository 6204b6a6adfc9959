"""Resize photos to the working size of a network, and pad them to a multiple of its stride."""

import operator

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ConfigError
from colorzoo.imaging.gray import in_strips, is_gray, rows_at_a_time

# Photos with a larger aspect ratio are squeezed for the network, to limit its computation; the
# colours are stretched back afterwards.
_MAX_ASPECT = 4
_LARGEST = 4096
# Photos are reduced by averaging blocks until they are this many times as large as they should be.
_GAP = 3.0
_LARGE = 4_000_000  # pixels
# A stranger's model must not decide how much memory and time a photo takes.
_LARGEST_OWN = 512


def check_work_size(work_size: int, stride: int) -> int:
    """Return a working size as an int.

    Raises:
        ConfigError: If it is not a whole number of pixels from ``stride`` to 4096.
    """
    return _check(work_size, stride, _LARGEST, "")


def own_work_size(work_size: int, stride: int) -> int:
    """Return the working size that a model has by itself, as an int.

    Raises:
        ConfigError: If it is not a whole number of pixels from ``stride`` to 512.
    """
    more = f" for a model; callers of colorize() can choose up to {_LARGEST}"
    return _check(work_size, stride, _LARGEST_OWN, more)


def _check(work_size: int, stride: int, most: int, more: str) -> int:
    try:
        pixels = operator.index(work_size)
    except TypeError:
        pixels = -1
    if not stride <= pixels <= most:
        raise ConfigError(
            f"work_size must be a whole number of pixels from {stride} to {most}{more}, "
            f"got {work_size!r}"
        )
    return pixels


def shrink(rgb: np.ndarray, work_size: int) -> np.ndarray:
    """Resize (H, W, 3) uint8 so that the short side is ``work_size``; the long side is limited."""
    height, width = rgb.shape[:2]
    longest = _MAX_ASPECT * work_size
    scale = work_size / min(height, width)
    small = (min(round(width * scale), longest), min(round(height * scale), longest))
    if height * width <= _LARGE:
        planes = np.ascontiguousarray(rgb[..., 0]) if is_gray(rgb) else rgb
        resized = Image.fromarray(planes).resize(small, Image.Resampling.BICUBIC, reducing_gap=_GAP)
    else:  # the same, without a copy of the photo
        across, down = (
            int(full / part / _GAP) or 1 for full, part in zip((width, height), small, strict=True)
        )
        resized = Image.fromarray(_reduced(rgb, across, down)).resize(
            small, Image.Resampling.BICUBIC, (0, 0, width / across, height / down)
        )
    found = np.asarray(resized)
    return found if found.ndim == 3 else found[..., None].repeat(3, axis=2)


def _reduced(rgb: np.ndarray, across: int, down: int) -> np.ndarray:
    """Average blocks of pixels: (H, W, 3) uint8 to (h, w, 3)."""
    height, width = (-(-side // by) for side, by in zip(rgb.shape, (down, across), strict=False))
    out = np.empty((height, width, 3), np.uint8)

    def reduce(rows: slice) -> None:
        strip = rgb[rows.start * down : rows.stop * down]
        if is_gray(strip):  # a third of the work
            part = Image.fromarray(np.ascontiguousarray(strip[..., 0]))
            out[rows] = np.asarray(part.reduce((across, down)))[..., None]
        else:
            out[rows] = np.asarray(Image.fromarray(strip).reduce((across, down)))

    in_strips(reduce, height, max(1, rows_at_a_time(*rgb.shape[:2]) // down))
    return out


def pad(picture: Tensor, stride: int) -> Tensor:
    """Pad (N, C, H, W) by replicating its border, so that H and W are multiples of the stride."""
    return F.pad(picture, _margins(picture, stride), mode="replicate")


def unpad(ab: Tensor, picture: Tensor, stride: int) -> Tensor:
    """Resize and crop the ab of a padded picture, at any scale, to the size of the picture."""
    height, width = picture.shape[-2:]
    left, right, top, bottom = _margins(picture, stride)
    padded = (top + height + bottom, left + width + right)
    if ab.shape[-2:] != padded:
        ab = F.interpolate(ab, padded, mode="bilinear", align_corners=False)
    return ab[..., top : top + height, left : left + width]


def _margins(picture: Tensor, stride: int) -> tuple[int, int, int, int]:
    """Compute the padding at the left, right, top and bottom for multiples of the stride."""
    more_h, more_w = (-side % stride for side in picture.shape[-2:])
    left, top = more_w // 2, more_h // 2
    return left, more_w - left, top, more_h - top
