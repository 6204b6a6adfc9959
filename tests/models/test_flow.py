"""Flow matching on chroma: what is trained, what the network sees, and guidance."""

from typing import Any

import numpy as np
import pytest
import torch

import colorzoo
from colorzoo.imaging.recombine import lightness_of
from colorzoo.models.flow import SCALE, Flow, VelocityNet
from train.data.photos import _to_lab

SMALL: dict[str, Any] = {"encoder": "mobilenetv2_035", "width": 8}


@pytest.fixture
def model() -> Flow:
    torch.manual_seed(0)
    return Flow(**SMALL).eval()


def test_at_most_four_million_parameters_are_trained():
    with torch.device("meta"):
        model = Flow()
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert 1e6 < trained <= 4e6
    assert not any(each.requires_grad for each in model.base.parameters())


def test_the_part_that_is_not_trained_keeps_its_statistics(model):
    before = {key: value.clone() for key, value in model.base.state_dict().items()}
    model.train()(torch.rand(2, 1, 64, 64) * 100).sum().backward()
    assert model.training and not model.base.training
    for key, value in model.base.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_positions_reach_the_lowest_resolution():
    """In the middle of a blank picture, where no border is seen, only they differ."""
    torch.manual_seed(0)
    network = VelocityNet(3, 8)
    blank, time, seen = torch.ones(1, 2, 96, 96), torch.zeros(1), torch.ones(1, 3, 96, 96)

    def differs() -> bool:
        with torch.inference_mode():
            out = network(blank, time, seen)
        return not torch.allclose(out[..., 40:44, 40:44], out[..., 52:56, 52:56], atol=1e-6)

    assert differs()
    torch.nn.init.zeros_(network.place.weight)
    assert not differs()


def test_guidance_goes_on_from_the_velocity_without_the_condition(model):
    condition = model.condition(torch.rand(2, 1, 32, 64) * 100)
    ab, time, one = 20 * torch.randn(2, 2, 8, 16), torch.tensor([0.2, 0.7]), torch.ones(2)
    with torch.inference_mode():
        seen, blind = (model.velocity(condition, ab, time, each) for each in (one, 0 * one))
        assert not torch.allclose(seen, blind)
        for guidance in (0.0, 1.0, 3.0):
            model.guidance = guidance
            expected = blind + guidance * (seen - blind)
            found = model._with_guidance(condition, ab, time)
            assert torch.allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("source", ["gray", "mean"])
def test_samples_start_from_noise_around_the_source(source):
    torch.manual_seed(0)
    model = Flow(source=source, **SMALL).eval()
    torch.nn.init.normal_(model.get_parameter("base.head.bias"), std=3)  # a mean that is not gray
    for name in ("weight", "bias"):
        torch.nn.init.zeros_(model.get_parameter(f"network.leave.2.{name}"))
    lightness = torch.rand(1, 1, 64, 64) * 100
    with torch.inference_mode():  # without a velocity, the sample is its start
        ab, condition = model.infer(lightness, seed=3), model.condition(lightness)
        other = model.infer(lightness, seed=[4, 3])
    mean = condition[:, 1:3] * SCALE
    assert mean.abs().mean() > 3 and torch.allclose(other[1], ab[0])
    noise = (ab - mean if source == "mean" else ab) / SCALE
    assert noise.mean().abs() < 0.1 and noise.std() == pytest.approx(1, abs=0.1)


def test_the_network_is_told_how_unsure_the_model_inside_is(model):
    """The deviations of a and b, each, belong to the distribution over bins."""
    lightness = torch.rand(1, 1, 32, 32) * 100
    with torch.inference_mode():
        deviation = model.condition(lightness)[:, 3:5] * SCALE
        total = model.base.uncertainty(model.base(lightness))
    assert torch.allclose(deviation.square().sum(dim=1, keepdim=True).sqrt(), total, atol=1e-3)
    assert not torch.allclose(deviation[:, 0], deviation[:, 1], rtol=0.05)


def test_integration_is_float32_in_half_precision(model):
    lightness = torch.rand(1, 1, 32, 32) * 100
    with torch.inference_mode():
        expected = model.infer(lightness, steps=16)
        found = model.bfloat16().infer(lightness.bfloat16(), steps=16)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.1 * expected.std()


def test_training_and_sampling_see_the_same_lightness(coffee):
    square = np.ascontiguousarray(coffee[:128, :128])
    trained = _to_lab([square])[0][..., 0].float()
    sampled = lightness_of(square, torch.device("cpu"))[:, 0]
    assert (trained - sampled).abs().max() < 0.05  # photos in memory are float16


def test_what_runs_in_the_loop_is_compiled(model):
    model.compile(backend="eager")
    for part in (model.network, model.base.encoder):
        assert part._compiled_call_impl is not None
    assert model._compiled_call_impl is None


@pytest.mark.parametrize(
    ("keyword", "value", "told"),
    [
        ("source", "black", "source must be 'gray' or 'mean', got 'black'"),
        ("sampler", "ddim", "sampler must be 'euler' or 'heun' or 'midpoint', got 'ddim'"),
        ("output_stride", 8, "output_stride must be 2 or 4, got 8"),
        ("width", 12, "width must be a multiple of 8, got 12"),
        ("guidance", 11, "guidance must be a number from 0 to 10, got 11"),
        ("steps", 0, "steps must be a whole number from 1 to 1000, got 0"),
    ],
)
def test_wrong_keywords_are_explained(keyword, value, told):
    with pytest.raises(colorzoo.ConfigError, match=told):
        colorzoo.create_model("flow", **{**SMALL, keyword: value})


def test_a_finer_grid_can_be_chosen():
    model = Flow(output_stride=2, **SMALL).eval()
    with torch.inference_mode():
        assert model.infer(torch.rand(1, 1, 32, 64) * 100).shape == (1, 2, 16, 32)
