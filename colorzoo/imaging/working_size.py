"""The size at which a network looks at a photo, and padding to a multiple of its stride."""

import operator

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ConfigError

# A strip of a panorama beyond this aspect ratio is squeezed for the network, so that its cost
# stays bounded; the colours are stretched back afterwards.
_MAX_ASPECT = 4
_LARGEST = 4096


def check_work_size(work_size: int, stride: int) -> int:
    """Give a working size as a whole number of pixels.

    Raises:
        ConfigError: If it is not one from ``stride`` to 4096.
    """
    try:
        pixels = operator.index(work_size)
    except TypeError:
        pixels = -1
    if not stride <= pixels <= _LARGEST:
        raise ConfigError(
            f"work_size must be a whole number of pixels from {stride} to {_LARGEST}, "
            f"got {work_size!r}"
        )
    return pixels


def shrink(rgb: np.ndarray, work_size: int) -> np.ndarray:
    """Bring (H, W, 3) uint8 to the working size: the short side at it, the long one bounded."""
    height, width = rgb.shape[:2]
    longest = _MAX_ASPECT * work_size
    scale = work_size / min(height, width)
    small = (min(round(width * scale), longest), min(round(height * scale), longest))
    return np.asarray(
        Image.fromarray(rgb).resize(small, Image.Resampling.BICUBIC, reducing_gap=3.0)
    )


def pad(picture: Tensor, stride: int) -> Tensor:
    """Pad (N, C, H, W) with its border so that H and W are multiples of the stride."""
    return F.pad(picture, _margins(picture, stride), mode="replicate")


def unpad(ab: Tensor, picture: Tensor, stride: int) -> Tensor:
    """Bring what was made of a padded picture, at any scale, to the size of the picture itself."""
    height, width = picture.shape[-2:]
    left, right, top, bottom = _margins(picture, stride)
    padded = (top + height + bottom, left + width + right)
    if ab.shape[-2:] != padded:
        ab = F.interpolate(ab, padded, mode="bilinear", align_corners=False)
    return ab[..., top : top + height, left : left + width]


def _margins(picture: Tensor, stride: int) -> tuple[int, int, int, int]:
    """Pixels to add at the left, right, top and bottom for multiples of the stride."""
    more_h, more_w = (-side % stride for side in picture.shape[-2:])
    left, top = more_w // 2, more_h // 2
    return left, more_w - left, top, more_h - top
