"""Training with simulated hints: what is drawn, what a step sees, and a run from start to end."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.training import fit
from torch import Tensor

import colorzoo
from colorzoo import Hint
from train.hints_module import FASTER, SHOWN, HintsModule
from train.initial_weights import initialise
from train.recipes import find_recipe
from train.simulated_hints import simulate_hints

FLAGSHIP, NAME = "efficientnet-bins", "efficientnet-bins-hints"


def photos(count: int, side: int) -> Tensor:
    lab = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 100
    return lab - torch.tensor([0.0, 50, 50]).reshape(3, 1, 1)


def test_a_hint_is_a_small_square_with_its_mean_colour():
    lab = photos(200, 48)
    drawn = simulate_hints(lab, np.random.default_rng(0), count=1)
    sides, centres = [], []
    for photo, hint in zip(lab, drawn, strict=True):
        rows, columns = (hint[2].amax(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert len(rows) == len(columns) and (hint[2][inside] == 1).all()
        mean = photo[(slice(1, None), *inside)].mean(dim=(1, 2))
        patch = hint[(slice(2), *inside)].flatten(1)
        assert torch.allclose(patch, mean[:, None].expand_as(patch), atol=1e-3)
        assert not (hint * (hint[2] == 0)).any()
        sides.append(len(rows))
        centres.append([(each[0] + each[-1] + 1).item() / 2 for each in (rows, columns)])
    assert set(sides) == set(range(1, 10))
    middle, spread = np.mean(centres, axis=0), np.std(centres, axis=0)
    assert np.abs(middle - 24).max() < 2.5 and np.abs(spread - 11).max() < 2  # a little is cut off


def test_the_number_of_hints_is_geometric_and_can_be_none():
    lab = photos(3000, 16)
    counted = np.random.default_rng(0).geometric(1 / 8, len(lab)) - 1
    drawn = simulate_hints(lab, np.random.default_rng(0))
    everywhere = drawn[:, 2].flatten(1).all(dim=1).numpy()
    none = ~drawn[:, 2].flatten(1).any(dim=1).numpy()
    assert none.mean() == pytest.approx(1 / 8, abs=0.02) and counted.mean() == pytest.approx(
        7, abs=0.5
    )
    assert (counted[none] == 0).all() and everywhere.mean() >= 0.005
    assert torch.equal(drawn[everywhere, :2], lab[everywhere, 1:]) or everywhere.sum() > 15
    assert not simulate_hints(lab[:2], np.random.default_rng(0), count=0).any()


def test_every_process_and_step_has_its_own_hints(monkeypatch):
    """And a run that is resumed goes on with those that it would have drawn."""
    module = HintsModule(find_recipe(NAME))
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    seen = []
    module.model.register_forward_pre_hook(
        lambda _, __, given: seen.append(given.get("hints")), with_kwargs=True
    )
    lab = photos(2, 64)
    for rank, step in ((0, 0), (1, 0), (0, 1), (1, 0)):
        module._trainer = SimpleNamespace(global_rank=rank, global_step=step)  # pyright: ignore
        assert module.training_step(lab, 0).isfinite()
    assert torch.equal(seen[1], seen[3])
    assert not any(torch.equal(seen[i], seen[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    with torch.no_grad():
        scores = module.eval().scores("val", lab)
    assert seen[4] is None and seen[5][:, 2].flatten(1).sum(dim=1).min() > SHOWN
    assert scores["val_psnr"] == scores["val_psnr_with_hints"]  # its weights for hints are 0


def test_only_the_weights_for_hints_learn_faster():
    module = HintsModule(find_recipe(NAME))
    optimizer = module.configure_optimizers()["optimizer"]  # pyright: ignore
    most, few = optimizer.param_groups
    assert [each.shape for each in few["params"]] == [(32, 3, 3, 3)]
    assert len(most["params"]) + 1 == len(list(module.model.parameters()))
    assert few["lr"] == pytest.approx(FASTER * most["lr"])


def test_it_starts_exactly_as_the_flagship(camera):
    model = colorzoo.create_model(NAME)
    key = "encoder.model.conv_stem.hints.weight"
    model.get_parameter(key).data.fill_(1.0)
    note = initialise(model, FLAGSHIP)
    assert note.endswith("tensors start from efficientnet-bins, with weights of 0 for the hints")
    flagship = colorzoo.create_model(FLAGSHIP)
    flagship.load_state_dict(colorzoo.load(FLAGSHIP).state_dict())
    lightness = torch.rand(2, 1, 50, 70) * 100
    hints = [Hint(20, 30, "#b03020", 4), Hint(40, 9, None)]
    with torch.inference_mode():
        for options in ({}, {"hints": []}, {"hints": hints}):
            expected = flagship.predict_ab(lightness, **options)
            assert torch.equal(model.predict_ab(lightness, **options), expected)
    assert (np.asarray(model.colorize(camera)) == np.asarray(flagship.colorize(camera))).all()


def test_weights_without_hints_are_not_loaded_as_if_they_had_them(tmp_path):
    colorzoo.load(FLAGSHIP).save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"hints": false', '"hints": true'))
    with pytest.raises(colorzoo.WeightsError, match="hints.weight"):
        colorzoo.load(tmp_path)


def test_a_run_from_start_to_end(shards, tmp_path, camera):
    run = fit(NAME, shards, tmp_path, "--epochs", 1, "--batch-size", 16, "--sides", 32,
              "--learning-rate", 0.1)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "335 of 336 tensors start from efficientnet-bins, with" in run.stdout
    assert "2 steps in" in run.stdout and " dB, with hints " in run.stdout
    model = colorzoo.load(tmp_path / "weights")
    assert model.architecture == NAME and model.network_options == {"hints"}
    photo, hints = colorzoo.read_photo(camera), [Hint(256, 256, "#b03020", 60)]
    plain, hinted = model.predict(photo), model.predict(photo, hints=hints)
    assert not torch.equal(plain.output, hinted.output)  # pyright: ignore
    # The network has hardly learned, but what is still off at the hint is made right.
    ab = model.ab_of(hinted, hints=hints)
    assert torch.allclose(ab[0, :, 64, 64], torch.tensor(hints[0].ab), atol=1)
