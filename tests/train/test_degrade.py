"""Old photographs, made of new ones."""

import pytest
import torch
from torch import Tensor

from train import degrade as old
from train.degrade import degrade


@pytest.fixture
def lightness(coffee) -> Tensor:
    torch.manual_seed(0)
    gray = torch.tensor(coffee).float().mean(-1)[None, None] / 2.55
    return torch.nn.functional.interpolate(gray, (96, 128), mode="area").repeat(64, 1, 1, 1)


def test_none_is_degraded_unless_asked_for(lightness):
    assert degrade(lightness, 0.0) is lightness


def test_the_share_is_kept_and_the_input_untouched(lightness):
    before = lightness.clone()
    aged = degrade(lightness, 0.5)
    assert torch.equal(lightness, before)
    assert aged.shape == lightness.shape and aged.isfinite().all()
    assert aged.min() >= 0 and aged.max() <= 100
    changed = (aged != lightness).flatten(1).any(1).float().mean().item()
    assert 0.25 < changed < 0.65  # half are chosen, one in 16 of those meets nothing
    assert 0.85 < (degrade(lightness, 1.0) != lightness).flatten(1).any(1).float().mean() <= 1


def detail(lightness: Tensor) -> Tensor:
    return (lightness[..., 1:] - lightness[..., :-1]).abs().mean()


def test_each_step_does_what_it_is_called(lightness):
    assert detail(old._blur(lightness)) < 0.95 * detail(lightness)
    assert detail(old._grain(lightness)) > 1.1 * detail(lightness)
    faded = old._fade(lightness)
    spread = faded.flatten(1).amax(1) - faded.flatten(1).amin(1)
    assert spread.std() > 3 and spread.mean() < (lightness.max() - lightness.min())
    order = lightness[0].flatten().argsort()
    assert (faded[0].flatten()[order].diff() >= -1e-4).all()  # tones keep their order
    coded = old._compress(lightness)
    error = (coded - lightness).abs().mean()
    assert 0.1 < error < 6
    assert (old._compress(coded) - coded).abs().mean() < 2 * error
