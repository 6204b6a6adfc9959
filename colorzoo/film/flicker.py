"""Measure how much colours flicker, on pans over photos, where the motion is known exactly."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.evaluation.metrics import gray
from colorzoo.film.stabilize import Stabilizer
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import merge_ab

PROTOCOL = (
    "Each shot pans over a photo in black and white: 16 frames of 320 x 240 pixels from corner to "
    "corner, with new grain in each frame (Gaussian, sigma 6 of 255). Flicker: mean distance in "
    "ab, L*a*b* units, between the colours of one point of the photo in two successive frames, "
    "measured at full size before encoding. Chroma: mean distance from gray. Both are means over "
    "photos."
)
_FRAMES, _SIZE, _GRAIN = 16, (240, 320), 6.0


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame of a pan.

    Attributes:
        rgb: (H, W, 3) uint8, black and white.
        place: Row and column in the photo of the frame's top-left pixel.
    """

    rgb: np.ndarray
    place: tuple[int, int]


@dataclass(frozen=True)
class Flicker:
    """Flicker and chroma, L*a*b* units, of frames coloured one by one and with stable colours."""

    alone: float
    stable: float
    chroma_alone: float
    chroma_stable: float


def pan(
    photo: np.ndarray,
    *,
    frames: int = _FRAMES,
    size: tuple[int, int] = _SIZE,
    grain: float = _GRAIN,
    seed: int = 0,
) -> Iterator[Shot]:
    """Pan over a photo from its top left to its bottom right, by whole pixels.

    Args:
        photo: (H, W, 3) uint8.
        frames: Number of frames.
        size: (h, w) of a frame; not larger than the photo.
        grain: Standard deviation, out of 255, of the noise, which is new in each frame.
        seed: Seed of the noise.

    Yields:
        The frames in order.
    """
    rng = np.random.default_rng(seed)
    room = np.subtract(photo.shape[:2], size)
    if (room < 0).any():
        raise ValueError(f"the photo is {photo.shape[:2]}, smaller than a frame, {size}")
    picture = gray(photo).astype(np.float64)
    for share in np.linspace(0, 1, frames):
        top, left = (int(each) for each in np.rint(room * share))
        part = picture[top : top + size[0], left : left + size[1]]
        noise = rng.normal(0, grain, (*size, 1))
        rgb = np.rint(part + noise).clip(0, 255).astype(np.uint8)
        yield Shot(rgb, (top, left))


def flicker(shots: Sequence[tuple[np.ndarray, tuple[int, int]]]) -> float:
    """Measure how much the colour of the same point changes from frame to frame.

    Args:
        shots: Coloured frames, (H, W, 3) uint8 sRGB of one size, and the row and column in the
            scene of their top-left pixels. Successive frames must overlap.

    Returns:
        Mean distance in ab, in L*a*b* units, over the pixels that successive frames share.
    """
    changes = []
    for (one, (top, left)), (other, (top_now, left_now)) in zip(shots, shots[1:], strict=False):
        down, right = top_now - top, left_now - left
        before, after = _ab(_shared(one, down, right)), _ab(_shared(other, -down, -right))
        changes.append(float((after - before).norm(dim=0).mean()))
    return float(np.mean(changes))


def measure_flicker(colorizer: Colorizer, photos: Iterable[np.ndarray]) -> Flicker:
    """Measure a model on pans over photos; ``PROTOCOL`` describes how.

    Args:
        colorizer: The model.
        photos: (H, W, 3) uint8, at least as large as a frame.
    """
    found = []
    for photo in photos:
        alone, stable, stabilizer = [], [], Stabilizer()
        for shot in pan(photo):
            frame = Photo(shot.rgb, None, "frame", None, None, ())
            prediction = colorizer.predict(frame, find_border=False)
            small, ab = prediction.lightness.float().cpu(), colorizer.ab_of(prediction).cpu()
            alone.append((merge_ab(shot.rgb, small, ab), shot.place))
            steady = stabilizer(small, ab if stabilizer.needs(small) else None)
            stable.append((merge_ab(shot.rgb, small, steady), shot.place))
        found.append((flicker(alone), flicker(stable), _chroma(alone), _chroma(stable)))
    return Flicker(*(float(mean) for mean in np.mean(found, axis=0)))


def _shared(rgb: np.ndarray, down: int, right: int) -> np.ndarray:
    """Crop a frame to the part that it shares with a frame at that offset."""
    height, width = rgb.shape[:2]
    rows = slice(max(down, 0), height + min(down, 0))
    return rgb[rows, max(right, 0) : width + min(right, 0)]


def _chroma(shots: Sequence[tuple[np.ndarray, tuple[int, int]]]) -> float:
    return float(np.mean([float(_ab(rgb).norm(dim=0).mean()) for rgb, _ in shots]))


def _ab(rgb: np.ndarray) -> Tensor:
    """Convert (H, W, 3) uint8 sRGB to (2, H, W) ab."""
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() / 255)[1:]
