"""Gray levels with the lightness of colours, and work on the rows of a picture in threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import (
    linear_to_rgb,
    luminance_to_lightness,
    rgb_to_linear,
    to_uint8,
)
from colorzoo.srgb import LUMINANCE

# Pixels processed at a time, few enough for the processor's cache
CACHED_PIXELS = 250_000
_FEW = 16


def in_strips(work: Callable[[slice], object], height: int, step: int) -> None:
    """Process the rows of a picture in threads: NumPy and Pillow release the GIL."""
    strips = [slice(start, min(start + step, height)) for start in range(0, height, step)]
    threads = min(torch.get_num_threads(), len(strips))
    if threads <= 1:  # starting one would only take time
        for strip in strips:
            work(strip)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, strips))


def rows_at_a_time(height: int, width: int) -> int:
    """Return how many rows ``in_strips`` should process at a time: each thread gets some."""
    share = -(-height // torch.get_num_threads())
    return max(1, min(CACHED_PIXELS // width, share))


def gray_of(rgb: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 to (H, W) uint8 gray of the same lightness."""
    height, width = rgb.shape[:2]
    gray = np.empty((height, width), np.uint8)

    def take(rows: slice) -> None:
        gray[rows] = _gray_levels(rgb[rows])

    in_strips(take, height, rows_at_a_time(height, width))
    return gray


def is_gray(rgb: np.ndarray) -> bool:
    """Tell whether the three channels of (H, W, 3) are equal."""
    some = rgb[::_FEW, ::_FEW]  # enough to know it of most photos in colour
    return _has_equal_channels(some) and _has_equal_channels(rgb)


def _has_equal_channels(rgb: np.ndarray) -> bool:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return bool((red == green).all() and (red == blue).all())


def _gray_levels(rgb: np.ndarray) -> np.ndarray:
    if is_gray(rgb):
        return rgb[..., 0]
    shares, levels = _luminance_tables()
    luminance = shares[0].take(rgb[..., 0])
    luminance += shares[1].take(rgb[..., 1])
    luminance += shares[2].take(rgb[..., 2])
    return levels.take(luminance)


@lru_cache(maxsize=1)
def _luminance_tables() -> tuple[np.ndarray, np.ndarray]:
    """Tabulate each channel's share of luminance, times 65,535, and the gray level of the sum."""
    linear = rgb_to_linear(torch.arange(256, dtype=torch.float64, device="cpu") / 255)
    shares = torch.tensor(LUMINANCE, dtype=torch.float64, device="cpu")[:, None] * linear * 65535
    whole = torch.arange(65536, dtype=torch.float64, device="cpu") / 65535
    return shares.round().to(torch.uint16).numpy(), to_uint8(linear_to_rgb(whole)).numpy()


@lru_cache(maxsize=1)
def lightness_of_levels() -> np.ndarray:
    """Return L of the gray levels 0 to 255: (256,) float32."""
    return luminance_to_lightness(rgb_to_linear(levels())).numpy()


def levels() -> Tensor:
    """Return the gray levels 0 to 255 as (256,) float32 in [0, 1]."""
    return torch.arange(256, dtype=torch.float32, device="cpu") / 255
