"""Resize photos to the working size of a network, and pad them to a multiple of its stride."""

import operator

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ConfigError

# Photos with a larger aspect ratio are squeezed for the network, to limit its computation; the
# colours are stretched back afterwards.
_MAX_ASPECT = 4
_LARGEST = 4096
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
    return np.asarray(
        Image.fromarray(rgb).resize(small, Image.Resampling.BICUBIC, reducing_gap=3.0)
    )


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
