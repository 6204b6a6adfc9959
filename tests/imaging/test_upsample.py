"""Colour brought from low to full resolution: closer than bicubic, and with edges kept."""

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.imaging.upsample import GuidedUpsampler, upsample


def reduce(image: torch.Tensor, short_side: int) -> torch.Tensor:
    scale = short_side / min(image.shape[-2:])
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bicubic", antialias=True)


def guided(lightness: torch.Tensor, ab: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    height, width = guide.shape[-2:]
    return GuidedUpsampler(lightness, ab, size=(height, width)).rows(0, guide)


def psnr(ab: torch.Tensor, lightness: torch.Tensor, truth: torch.Tensor) -> float:
    rgb = lab_to_rgb(torch.cat((lightness, ab), dim=1), gamut="desaturate")
    return float(-10 * torch.log10((rgb - truth).square().mean()))


@pytest.mark.parametrize("short_side", [64, 128])
def test_closer_to_the_truth_than_bicubic(short_side):
    gains = []
    for picture in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        truth = torch.tensor(picture).permute(2, 0, 1)[None] / 255
        lab = rgb_to_lab(truth)
        lightness, small = lab[:, :1], reduce(lab, short_side)
        plain = F.interpolate(small[:, 1:], lab.shape[-2:], mode="bicubic")
        ours = guided(small[:, :1], small[:, 1:], lightness)
        gains.append(psnr(ours, lightness, truth) - psnr(plain, lightness, truth))
    assert min(gains) > 0
    assert np.mean(gains) > 0.7


def test_colour_stops_at_edges():
    """A red half meets a blue half at an edge that the small picture cannot place exactly."""
    lightness = torch.full((1, 1, 160, 160), 30.0)
    lightness[..., 75:] = 70
    ab = torch.zeros(1, 2, 160, 160)
    ab[:, 0, :, :75], ab[:, 1, :, 75:] = 60, -60
    small_l, small_ab = reduce(lightness, 16), reduce(ab, 16)
    plain = (F.interpolate(small_ab, (160, 160), mode="bicubic") - ab).abs()
    ours = (guided(small_l, small_ab, lightness) - ab).abs()
    bleeding = (slice(None), slice(None), slice(None), slice(65, 85))
    assert ours[bleeding].mean() < 0.5 * plain[bleeding].mean()


def test_flat_colour_stays_exact():
    lightness = torch.rand(1, 1, 90, 70) * 100
    ab = torch.tensor([20.0, -35.0]).view(1, 2, 1, 1).expand(1, 2, 9, 7)
    out = guided(reduce(lightness, 7), ab, lightness)
    assert (out - ab[..., :1, :1]).abs().max() < 1e-3


def test_invents_no_colour():
    torch.manual_seed(0)
    lightness, ab = torch.rand(1, 1, 8, 8) * 100, torch.randn(1, 2, 8, 8) * 40
    out = guided(lightness, ab, torch.rand(1, 1, 64, 64) * 100)
    for channel in range(2):
        assert out[:, channel].min() >= ab[:, channel].min() - 1e-3
        assert out[:, channel].max() <= ab[:, channel].max() + 1e-3


@pytest.mark.parametrize("size", [(61, 45), (8, 8), (5, 3), (1, 1), (1, 50)])
def test_strips_equal_the_whole(size):
    torch.manual_seed(0)
    lightness, ab = torch.rand(1, 1, 8, 8) * 100, torch.randn(1, 2, 8, 8)
    guide = torch.rand(1, 1, *size) * 100
    upsampler = GuidedUpsampler(lightness, ab, size=size)
    strips = [upsampler.rows(i, guide[:, :, i : i + 7]) for i in range(0, size[0], 7)]
    assert torch.allclose(torch.cat(strips, dim=2), upsampler.rows(0, guide), atol=1e-4)
    assert torch.cat(strips, dim=2).shape == (1, 2, *size)


@pytest.mark.parametrize("size", [(61, 45), (8, 8), (5, 3), (1, 50), (24, 24)])
def test_at_once_is_the_same(size):
    torch.manual_seed(0)
    lightness, ab = torch.rand(1, 1, 8, 8) * 100, torch.randn(1, 2, 8, 8)
    guide = torch.rand(1, 1, *size) * 100
    by_rows = GuidedUpsampler(lightness, ab, size=size).rows(0, guide)
    assert torch.allclose(upsample(lightness, ab, guide), by_rows, atol=1e-4)
