"""Families over colour bins: the annealed mean, samples and rebalancing, against their papers."""

import numpy as np
import pytest
import torch

import colorzoo
from colorzoo.ab_bins import bin_centres


def _of_strong_opinions() -> colorzoo.Colorizer:
    """Logits that differ: those of random weights are nearly the same."""
    torch.manual_seed(0)
    model = colorzoo.create_model("unet-bins")
    torch.nn.init.normal_(model.get_parameter("head.weight"), std=0.5)
    return model


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_bins_classify_at_the_stride_asked_for(stride):
    model = colorzoo.create_model("unet-bins", logits_stride=stride, width=8)
    lightness = torch.rand(1, 1, 64, 32) * 100
    with torch.inference_mode():
        assert model(lightness).shape == (1, 313, 64 // stride, 32 // stride)
        assert model.predict_ab(lightness).shape == (1, 2, 64, 32)
    with pytest.raises(colorzoo.ConfigError, match="logits_stride must be 1, 2, 4 or 8, got 3"):
        colorzoo.create_model("unet-bins", logits_stride=3)


def test_annealed_mean_goes_from_the_mean_to_the_peak():
    """Against the paper's formula exp(log(z)/T), normalised, on a worked distribution."""
    model = colorzoo.create_model("unet-bins", width=8, dial=[(1.0, 0.38, 1.0)])
    z = torch.full((313,), 1e-9)
    z[0], z[120], z[312] = 0.5, 0.3, 0.2
    logits = z.log().reshape(1, 313, 1, 1)
    for temperature in (1.0, 0.38, 0.05):
        annealed = (z.log() / temperature).exp()
        expected = (annealed / annealed.sum()) @ model.get_buffer("centres")
        found = model.to_ab(logits, temperature=temperature).flatten()
        assert torch.allclose(found, expected, atol=1e-3)
    assert torch.allclose(model.to_ab(logits), model.to_ab(logits, temperature=0.38))
    assert "centres" in model.state_dict()


def test_sampled_colours_are_among_the_likely_ones():
    """Of two equal colours, both get their turn; of a likely and an unlikely one, the first."""
    model = colorzoo.create_model("efficientnet-bins", dial=[(1.0, 1e-3, 1.0)])
    centres = model.get_buffer("centres")
    blue, red = (
        int((centres - torch.tensor(ab)).norm(dim=1).argmin())
        for ab in ((10.0, -60.0), (70.0, 50.0))
    )

    def shares_of_blue(lead: float, seeds: int) -> torch.Tensor:
        logits = torch.full((1, 313, 9, 16), -20.0)
        logits[:, blue], logits[:, red] = lead, 0.0
        sampled = torch.cat([model.to_ab(logits, seed=seed) for seed in range(seeds)])
        is_blue = (sampled[:, 1] + 60).abs() < 1
        is_red = (sampled[:, 1] - 50).abs() < 1
        assert (is_blue | is_red).float().mean() > 0.99  # the mean of both only on their border
        # Near pixels get the same colour.
        assert (is_blue[..., 1:] == is_blue[..., :-1]).float().mean() > 0.9
        return is_blue.float().mean(0)

    even = shares_of_blue(0.0, 300)
    assert even.min() > 0.38 and even.max() < 0.62  # everywhere, on the noise's points and between
    assert shares_of_blue(6.0, 100).min() > 0.99


def test_a_seed_is_an_argument_of_inference(camera):
    model = _of_strong_opinions()
    small = camera[::8, ::8]
    own, *sampled = (
        np.asarray(model.colorize(small, seed=seed, temperature=0.3)) for seed in (None, 1, 2, 1)
    )
    assert (sampled[0] == sampled[2]).all()
    assert (sampled[0] != sampled[1]).any() and (sampled[0] != own).any()
    assert (np.asarray(model.colorize(small, temperature=0.3)) == own).all()
    for wrong in (-1, 1.5, True):
        with pytest.raises(colorzoo.ConfigError, match="seed must be a whole number from 0"):
            model.colorize(small, seed=wrong)


def test_rebalancing_is_that_of_a_training_with_weights():
    """Logits of p become logits of p w, with the paper's weights w for the prior."""
    prior = torch.rand(313) ** 4 + 1e-3
    prior /= prior.sum()
    logits, centres = torch.randn(1, 313, 2, 2), bin_centres()
    for mix in (1.0, 0.5, 0.1):
        model = colorzoo.create_model("efficientnet-bins", width=8, dial=[(mix, 1.0, 1.0)])
        model.get_buffer("prior").copy_(prior)
        weighed = logits.softmax(dim=1) / ((1 - mix) * prior + mix / 313)[:, None, None]
        weighed /= weighed.sum(dim=1, keepdim=True)
        expected = torch.einsum("nqhw,qc->nchw", weighed, centres)
        found = model.to_ab(logits)
        assert torch.allclose(found, expected, atol=1e-3)


def test_temperature_is_an_argument_of_inference(camera):
    model = _of_strong_opinions()
    small = camera[::8, ::8]
    mix, _, gain, lift = model.dial_at(model.vividness)
    other = colorzoo.create_model("unet-bins", dial=[(mix, 0.05, gain, lift)])
    other.load_state_dict(model.state_dict())
    own, cold = np.asarray(model.colorize(small)), np.asarray(other.colorize(small))
    given = np.asarray(model.colorize(small, temperature=0.05))
    assert (given == cold).all() and (given != own).any()
    assert (np.asarray(model.colorize(small)) == own).all()
    with pytest.raises(colorzoo.ConfigError, match="temperature must be above 0, got 0"):
        model.colorize(small, temperature=0)


# The dial ----------------------------------------------------------------------------------------

DIAL = [(1.0, 0.8, 0.5, 0.0), (0.6, 0.4, 1.0, 4.0), (0.4, 0.2, 2.0, 4.0)]


def test_settings_between_two_points_of_the_dial_are_interpolated():
    model = colorzoo.create_model("unet-bins", width=1, dial=DIAL)
    places = {
        0.0: DIAL[0],
        0.25: (0.8, 0.6, 0.75, 2.0),
        0.5: DIAL[1],
        0.9: (0.44, 0.24, 1.8, 4.0),
        1.0: DIAL[2],
    }
    for vividness, expected in places.items():
        assert model.dial_at(vividness) == pytest.approx(expected)  # pyright: ignore
    single = colorzoo.create_model("unet-bins", width=1, dial=DIAL[1:2])
    for vividness in (0.0, 0.3, 1.0):
        assert single.dial_at(vividness) == DIAL[1]  # pyright: ignore


@pytest.mark.parametrize("vividness", [0.0, 0.3, 0.5, 1.0])
def test_vividness_is_a_position_on_the_dial(vividness):
    """It colours as a model that has these settings only, and temperature replaces the dial's."""
    torch.manual_seed(0)
    model = colorzoo.create_model("unet-bins", width=1, dial=DIAL)
    prior = torch.rand(313) ** 4 + 1e-3
    model.get_buffer("prior").copy_(prior / prior.sum())
    point = model.dial_at(vividness)  # pyright: ignore
    logits = torch.randn(1, 313, 4, 4) * 3
    for options in ({}, {"temperature": 0.3}, {"seed": 2}):
        alone = colorzoo.create_model("unet-bins", width=1, dial=[point])
        alone.load_state_dict(model.state_dict())
        started = colorzoo.create_model("unet-bins", width=1, dial=DIAL, vividness=vividness)
        started.load_state_dict(model.state_dict())
        found = model.to_ab(logits, vividness=vividness, **options)
        assert torch.allclose(found, alone.to_ab(logits, **options), atol=1e-4)
        assert torch.equal(found, started.to_ab(logits, **options))


def rms_chroma(ab: torch.Tensor) -> torch.Tensor:
    return ab.square().sum(dim=1).mean(dim=(1, 2)).sqrt()


def model_with_lift(lift: float) -> colorzoo.Colorizer:
    return colorzoo.create_model("unet-bins", width=1, dial=[(1.0, 1.0, 1.0, lift)])


def test_a_lift_adds_the_same_chroma_to_each_photo():
    """Worked example: two colours of different strength, each the same in all pixels."""
    plain, lifted = map(model_with_lift, (0.0, 6.0))
    centres = plain.get_buffer("centres")
    logits = torch.full((3, 313, 2, 2), -100.0)
    gray = int((centres == 0).all(dim=1).nonzero())
    for photo, (colour, share) in enumerate(((0, 1.0), (50, 0.2), (50, 0.01))):
        logits[photo, gray], logits[photo, colour] = np.log(1 - share + 1e-9), np.log(share)
    before, after = plain.to_ab(logits), lifted.to_ab(logits)
    chroma = rms_chroma(before)
    assert chroma[0] > 90 and 1.5 < chroma[2] * 4 < 6
    assert torch.allclose(rms_chroma(after)[:2], chroma[:2] + 6, atol=1e-3)
    assert torch.allclose(after[2], 4 * before[2], atol=1e-4)  # nearly gray: at most four times
    assert torch.allclose(after[0] / chroma[0], before[0] / chroma[0] * (1 + 6 / chroma[0]))
    # Other photos of the batch have no influence, and gray stays gray.
    assert torch.allclose(lifted.to_ab(logits[1:2]), after[1:2])
    logits[:] = -1000.0
    logits[:, gray] = 0.0
    assert torch.equal(lifted.to_ab(logits), torch.zeros(3, 2, 2, 2))


def test_a_pixel_that_stands_out_is_lifted_less():
    plain, lifted = map(model_with_lift, (0.0, 6.0))
    centres = plain.get_buffer("centres")
    logits = torch.full((1, 313, 8, 8), -1000.0)
    logits[:, int((centres == torch.tensor([10, 10])).all(dim=1).nonzero())] = 0.0
    logits[..., 0, 0] = -1000.0
    logits[:, int((centres == torch.tensor([40, 50])).all(dim=1).nonzero()), 0, 0] = 0.0
    before, after = plain.to_ab(logits), lifted.to_ab(logits)
    added = (after.norm(dim=1) - before.norm(dim=1))[0]
    assert added[0, 0] == pytest.approx(6 * 3**0.5, abs=1e-3)
    assert 0.8 < added[1, 1] / 6 < 1  # paler than the photo's root mean square
    assert torch.allclose(after / after.norm(dim=1), before / before.norm(dim=1), atol=1e-5)


@pytest.mark.parametrize("name", [colorzoo.DEFAULT_MODEL, "unet-bins"])
def test_more_vividness_is_more_chroma(name, coffee):
    model, photo = colorzoo.load(name), colorzoo.read_photo(coffee)
    said = model.predict(photo)
    chroma = [float(model.ab_of(said, vividness=step / 8).norm(dim=1).mean()) for step in range(9)]
    assert all(more > less for less, more in zip(chroma, chroma[1:], strict=False)), chroma
    assert chroma[-1] > 1.3 * chroma[0]
    assert float(model.ab_of(said).norm(dim=1).mean()) == chroma[4]  # the default


@pytest.mark.parametrize(
    ("dial", "message"),
    [
        ([], "dial must be a list of at least one point"),
        (3, "dial must be a list of at least one point"),
        ("abc", "dial must be a list of at least one point"),
        ([(1.0, 0.5)], r"a point of the dial must be .* got \(1.0, 0.5\)"),
        ([(1.0, 0.5, 1.0), 0.5], r"a point of the dial must be .* got 0.5"),
        ([(0, 0.5, 1.0)], "mix above 0 and at most 1"),
        ([(1.5, 0.5, 1.0)], "mix above 0 and at most 1"),
        ([(1.0, 0, 1.0)], "temperature above 0"),
        ([(1.0, float("inf"), 1.0)], "config.json cannot hold inf"),
        ([(1.0, 0.5, -1)], "gain from 0 to 4"),
        ([(1.0, 0.5, 5)], "gain from 0 to 4"),
        ([(1.0, 0.5, 1.0, -1)], "lift, which can be left out, from 0 to 40"),
        ([(1.0, 0.5, 1.0, 41)], "lift, which can be left out, from 0 to 40"),
        ([(1.0, 0.5, 1.0, 0, 0)], "a point of the dial must be"),
        ([(1.0, float("nan"), 1.0)], "config.json cannot hold nan"),
        ([(1.0, 10**400, 1.0)], "a point of the dial must be"),
        ([(True, 0.5, 1.0)], "a point of the dial must be"),
        (["123"], "a point of the dial must be"),
        ([("1", "0.5", "1")], "a point of the dial must be"),
        ([None], "a point of the dial must be"),
    ],
)
def test_a_wrong_dial_is_refused(dial, message):
    with pytest.raises(colorzoo.ConfigError, match=message):
        colorzoo.create_model("unet-bins", width=1, dial=dial)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, "1", True, None, 10**400])
def test_a_wrong_default_of_vividness_is_refused(wrong):
    with pytest.raises(colorzoo.ConfigError, match="vividness must be between 0 and 1"):
        colorzoo.create_model("unet-bins", width=1, vividness=wrong)


def test_vividness_must_be_on_the_dial(camera):
    model = colorzoo.create_model("unet-bins", width=1)
    with pytest.raises(colorzoo.ConfigError, match="vividness must be between 0 and 1, got 1.5"):
        model.colorize(camera[::8, ::8], vividness=1.5)
    with pytest.raises(colorzoo.ConfigError, match="unet does not support vividness; effic.* do"):
        colorzoo.create_model("unet", width=1).colorize(camera[::8, ::8], vividness=0.5)
