"""Colour goes into a film's planes as exactly as through RGB, and lightness stays what it was."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.evaluation.metrics import gray
from colorzoo.film.planes import merge_planes
from colorzoo.imaging.quick import merge_quickly
from colorzoo.imaging.recombine import lightness_of, merge_exactly

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from colorzoo.film.pixels import EXACTLY  # noqa: E402


def shown(planes: np.ndarray) -> np.ndarray:
    """What a player shows of the planes: (H, W, 3)."""
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    frame.colorspace, frame.color_range = 1, 1
    return frame.to_ndarray(format="rgb24", interpolation=EXACTLY)


def lab(rgb: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() / 255)


def small_of(photo: np.ndarray, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The true lightness and colour of a photo at a working size."""
    low = F.interpolate(lab(photo)[None], size, mode="area")
    return low[:, :1], low[:, 1:]


@pytest.mark.parametrize("size", [(64, 96), (24, 36)])  # of the latter, in two steps
@pytest.mark.parametrize("saturation", [1.0, 1.5])  # the latter is beyond sRGB in places
def test_planes_are_as_exact_as_those_of_a_merged_photo(coffee, size, saturation):
    photo = coffee[60:300, 120:440]
    frame, (small, ab) = gray(photo), small_of(photo, size)
    ab = saturation * ab
    exact = lab(merge_exactly(frame, small, ab))
    merged = av.VideoFrame.from_ndarray(merge_quickly(frame, small, ab), "rgb24")
    usual = lab(
        merged.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        ).to_ndarray(format="rgb24", interpolation=EXACTLY)
    )
    found = lab(shown(merge_planes(frame, small, ab)))
    distance, usual_distance = ((each - exact).norm(dim=0) for each in (found, usual))
    assert distance.mean() < 1.05 * usual_distance.mean()
    assert distance.quantile(0.999) < 1.15 * usual_distance.quantile(0.999)
    change, usual_change = ((each - lab(frame))[0] for each in (found, usual))
    assert change.abs().mean() < 1.15 * usual_change.abs().mean() and abs(change.mean()) < 0.05


def test_without_colour_planes_are_neutral(coffee):
    frame = gray(coffee)
    small, ab = small_of(coffee, (64, 96))
    planes = merge_planes(frame, small, 0 * ab)
    height = frame.shape[0]
    assert (planes[height:] == 128).all()
    assert np.ptp(shown(planes).astype(int), axis=2).max() == 0
    assert np.abs(shown(planes).astype(int) - frame).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (37, 51)])
def test_odd_sizes_are_rounded_up(coffee, size):
    height, width = size
    frame = gray(coffee)[:height, :width]
    small, ab = torch.full((1, 1, 32, 32), 50.0), torch.full((1, 2, 32, 32), 20.0)
    planes = merge_planes(frame, small, ab)
    assert planes.shape == ((height + 1) // 2 * 3, width + width % 2)
    change = lab(shown(planes)[:height, :width])[0] - lightness_of(frame, ab.device)
    assert change.abs().max() < 1.5
