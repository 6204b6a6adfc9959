"""The short way from colour to a large photo, against the exact one."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.color import deltaE_cie76, rgb2lab

import colorzoo
from colorzoo.imaging import quick
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.recombine import lightness_of, merge_ab, merge_exactly


def enlarged(name: str, size: tuple[int, int] = (1200, 900)) -> np.ndarray:
    photo = Image.fromarray(getattr(data, name)()).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(photo.convert("RGB"))


def said_by(model: str, rgb: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Lightness and ab, twice as bold as the model means it."""
    prediction = colorzoo.load(model).predict(read_photo(rgb))
    ab = 2 * colorzoo.load(model).predict_ab(prediction.lightness)
    return prediction.lightness, ab.detach()


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera"])
@pytest.mark.parametrize("size", [(480, 360), (800, 600), (1000, 750)], ids=str)
def test_photos_come_out_the_same(name, size, monkeypatch):
    """Smaller than what is enlarged along edges, larger, and large enough for a table."""
    rgb = enlarged(name, size)
    monkeypatch.setattr(quick, "_TABLE_PIXELS", 600_000)
    small, ab = said_by("unet", rgb)
    short, exact = merge_ab(rgb, small, ab), merge_exactly(rgb, small, ab)
    assert not np.array_equal(short, exact)  # or they went the same way
    before, short_lab, exact_lab = (rgb2lab(picture) for picture in (rgb, short, exact))
    difference = deltaE_cie76(short_lab, exact_lab)
    assert difference.mean() < 0.5 and np.percentile(difference, 99) < 2
    assert np.abs(short_lab - before)[..., 0].max() < 0.75


def test_lightness_is_kept_where_colours_leave_the_gamut():
    rgb = enlarged("coffee")
    small = torch.rand(1, 1, 90, 120) * 100
    ab = torch.tensor([110.0, -110.0]).view(1, 2, 1, 1).expand(1, 2, 90, 120)
    short = merge_ab(rgb, small, ab)
    assert np.abs(rgb2lab(short) - rgb2lab(rgb))[..., 0].max() < 0.75


@pytest.mark.parametrize("most", [0, 10**9], ids=["by table", "by grid"])
def test_strips_do_not_show(monkeypatch, most):
    monkeypatch.setattr(quick, "_TABLE_PIXELS", most)
    rgb = enlarged("coffee", (600, 450))
    small, ab = torch.rand(1, 1, 45, 60) * 100, torch.randn(1, 2, 45, 60) * 20
    whole = merge_ab(rgb, small, ab)
    for threads in (1, 7):
        monkeypatch.setattr("colorzoo.imaging.gray.CACHED_PIXELS", threads * 600)
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        assert np.array_equal(merge_ab(rgb, small, ab), whole)


def test_no_colour_leaves_gray_as_it_was():
    gray = np.stack([data.camera()] * 3, axis=-1)
    nothing = torch.zeros(1, 2, 40, 40)
    assert np.array_equal(merge_ab(gray, torch.zeros(1, 1, 40, 40), nothing), gray)
    rgb = enlarged("coffee", (600, 450))
    neutral = merge_ab(rgb, torch.zeros(1, 1, 40, 60), torch.zeros(1, 2, 40, 60))
    assert np.ptp(neutral, axis=-1).max() == 0
    assert np.abs(rgb2lab(neutral) - rgb2lab(rgb))[..., 0].max() < 0.75


def test_one_colour_everywhere():
    rgb = enlarged("camera", (480, 360))
    small, ab = torch.rand(1, 1, 36, 48) * 100, torch.tensor([12.0, -7.0]).view(1, 2, 1, 1)
    ab = ab.expand(1, 2, 36, 48).contiguous()
    difference = np.abs(merge_ab(rgb, small, ab).astype(int) - merge_exactly(rgb, small, ab))
    assert difference.max() <= 2


def test_tiny_photos_are_merged_exactly():
    rgb, small, ab = (
        enlarged("coffee", (256, 256)),
        torch.rand(1, 1, 64, 64),
        torch.ones(1, 2, 64, 64),
    )
    assert np.array_equal(merge_ab(rgb, small, ab), merge_exactly(rgb, small, ab))


@pytest.mark.parametrize("shape", [(3000, 40), (40, 3000)])
def test_narrow_photos(shape, rng):
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    small, ab = torch.rand(1, 1, 2, 2) * 100, torch.randn(1, 2, 2, 2) * 20
    lightness = lightness_of(merge_ab(rgb, small, ab), ab.device)
    assert (lightness - lightness_of(rgb, ab.device)).abs().max() < 1
