"""Samplers against equations with a known solution, and the noise that they start from."""

import math

import pytest
import torch
from helpers.toy_families import ToyDiffusion

from colorzoo.models import _sampling as sampling


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("midpoint", 2)])
def test_samplers_converge_with_their_order(name, order):
    """Of dx/dt = x cos(t), from 1 at time 0, the solution is exp(sin(t))."""
    errors = []
    for steps in (20, 40):
        end = sampling.SAMPLERS[name](
            lambda x, t: x * math.cos(t), torch.ones(1), sampling.flow_times(steps)
        )
        errors.append(abs(end.item() - math.exp(math.sin(1))))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


@pytest.mark.parametrize("name", sampling.SAMPLERS)
def test_the_state_is_float32_whatever_the_network_is(name):
    seen = []

    def velocity(x, t):
        seen.append(x.dtype)
        return torch.full_like(x, 1.001).bfloat16()

    end = sampling.SAMPLERS[name](velocity, torch.ones(3), sampling.flow_times(64))
    assert end.dtype == torch.float32 and set(seen) == {torch.float32}
    step = torch.tensor(1.001).bfloat16().item()
    assert torch.allclose(end, torch.full((3,), 1 + step), atol=1e-5)


def test_the_same_samplers_follow_a_diffusion():
    """For Gaussian colours, the probability flow scales the noise to their deviation."""
    torch.manual_seed(0)
    model = ToyDiffusion(steps=18).eval()
    lightness = torch.rand(1, 1, 16, 16) * 100
    noise = sampling.seeded_noise(5, torch.zeros(1, 2, 16, 16))
    with torch.inference_mode():
        mean = model(lightness)
        start, low = mean + 80 * noise, 0.05
        exact = mean + (start - mean) * math.sqrt((100 + low**2) / (100 + 80**2))
        found = [model.infer(lightness, seed=5, steps=steps) for steps in (18, 36)]
    # infer starts from the noise alone, as it is usual: the mean is small beside it.
    offset = mean * math.sqrt((100 + low**2) / (100 + 80**2))
    errors = [(each - (exact - offset)).abs().max().item() for each in found]
    assert errors[0] < 0.5 and errors[1] < errors[0] / 3


def test_noise_belongs_to_its_seed():
    like = torch.zeros(3, 2, 4, 5, dtype=torch.float16)
    rows = sampling.seeded_noise([7, 8, 7], like)
    assert rows.dtype == torch.float32 and rows.shape == like.shape
    assert torch.equal(rows[0], rows[2]) and not torch.equal(rows[0], rows[1])
    assert torch.equal(sampling.seeded_noise(8, like), rows[1].expand(3, -1, -1, -1))
    before = torch.get_rng_state()
    sampling.seeded_noise(8, like)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_levels_fall_to_the_last():
    sigmas = sampling.karras_sigmas(10, low=0.05, high=80.0)
    assert len(sigmas) == 11 and sigmas == sorted(sigmas, reverse=True)
    assert sigmas[0] == pytest.approx(80) and sigmas[-1] == pytest.approx(0.05)


def test_the_first_steps_of_a_flow_can_be_shorter():
    assert sampling.flow_times(4) == [0, 0.25, 0.5, 0.75, 1]
    times = sampling.flow_times(8, rho=1.5)
    steps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert (times[0], times[-1]) == (0, 1) and steps == sorted(steps) and steps[0] < 0.05
