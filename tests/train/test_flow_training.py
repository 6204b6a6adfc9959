"""Flow matching: the objective, its log, resuming, and a short run from photos to samples."""

from dataclasses import replace
from types import SimpleNamespace

import lightning as pl
import numpy as np
import pytest
import torch
from helpers.synthetic import photo
from helpers.training import fit
from torch.nn import functional as F

import colorzoo
from colorzoo.evaluation.metrics import colorfulness
from colorzoo.models.flow import SCALE
from train.data.loaders import PhotoData
from train.export import export_checkpoint
from train.flow_module import FlowModule
from train.recipe import FlowMatching
from train.recipes import find_recipe
from train.report import read_log

KEYWORDS = (("encoder", "mobilenetv2_035"), ("width", 8))
SMALL = [word for name, value in KEYWORDS for word in ("--keyword", f"{name}={value}")]


@pytest.fixture
def module():
    torch.manual_seed(0)
    recipe = find_recipe("flow")
    made = recipe.objective.build(replace(recipe, keywords=KEYWORDS, sides=((0.0, 32),)))
    assert isinstance(made, FlowModule)
    return made


def test_the_error_is_that_of_the_straight_path(module):
    """With a network that predicts nothing, it is the length of the path, at any time."""
    lab = torch.rand(4, 3, 32, 32) * 60
    truth = F.interpolate(lab[:, 1:], (8, 8), mode="area")
    for name in ("weight", "bias"):
        torch.nn.init.zeros_(module.flow.get_parameter(f"network.leave.2.{name}"))
    kept, times = torch.ones(4, dtype=torch.bool), torch.tensor([0.0, 0.3, 0.6, 0.9])
    with torch.no_grad():
        found = module.errors(lab, lab[:, :1], times, kept, torch.Generator().manual_seed(3))
        noise = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(3))
        start = module.flow.start(module.flow.condition(lab[:, :1]), noise)
    path = (truth - start) / SCALE
    assert torch.allclose(found, path.square().mean(dim=(1, 2, 3)), rtol=1e-4)


def test_the_network_sees_the_state_between_noise_and_colours(module, monkeypatch):
    seen = {}

    def velocity(condition, ab, time, kept):
        seen.update(ab=ab, kept=kept)
        return torch.zeros_like(ab)

    monkeypatch.setattr(module.flow, "velocity", velocity)
    lab = torch.rand(2, 3, 32, 32) * 60
    kept = torch.tensor([True, False])
    chance = torch.Generator().manual_seed(0)
    module.errors(lab, lab[:, :1], torch.tensor([1.0, 0.0]), kept, chance)
    truth = F.interpolate(lab[:, 1:], (8, 8), mode="area")
    assert torch.allclose(seen["ab"][0], truth[0], atol=1e-4) and seen["kept"].tolist() == [1, 0]
    assert (seen["ab"][1] - truth[1]).std() > 10


def test_processes_and_steps_draw_their_own_numbers(module, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        module, "errors", lambda lab, light, time, kept, chance: drawn.append(time) or time
    )
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    lab = torch.rand(4, 3, 32, 32)
    for rank, step in ((0, 0), (1, 0), (0, 1), (1, 1), (0, 0)):
        module._trainer = SimpleNamespace(world_size=2, global_rank=rank, global_step=step)
        monkeypatch.setattr(type(module), "global_rank", rank)
        monkeypatch.setattr(type(module), "global_step", step)
        module.training_step(lab, 0)
    firsts = [float(time[0]) for time in drawn]
    assert len({*firsts}) == 4 and firsts[0] == firsts[-1]
    quarters = (drawn[0] * 4).long().sort().values
    assert quarters.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # spread evenly over the path
    first, second = drawn[0].reshape(4, 2).T  # the paths of each photo as well
    assert torch.allclose((first - second).abs(), torch.tensor(0.5), atol=1e-6)


def test_each_path_of_a_photo_has_its_own_noise(module):
    """Its error is the one that it has without the others."""
    lab = torch.rand(2, 3, 32, 32) * 60
    kept, times = torch.ones(4, dtype=torch.bool), torch.tensor([0.1, 0.6, 0.3, 0.8])
    with torch.no_grad():
        chance = torch.Generator().manual_seed(3)
        together = module.errors(lab, lab[:, :1], times, kept, chance)
        twice = lab.repeat_interleave(2, dim=0)
        chance = torch.Generator().manual_seed(3)
        alone = module.errors(twice, twice[:, :1], times, kept, chance)
        same = module.errors(lab, lab[:, :1], torch.full((4,), 0.5), kept, chance)
    assert torch.allclose(together, alone, rtol=1e-4)
    assert not torch.isclose(same[0], same[1], rtol=0.01)


def test_a_short_run_learns_resumes_and_samples(shards, tmp_path):
    options = ("--start", "random", "--sides", 32, "--batch-size", 4, "--learning-rate", 3e-3)
    run = fit("flow", shards, tmp_path, *options, *SMALL, "--epochs", 2)
    assert run.returncode == 0, run.stderr
    more = ("--epochs", 7, "--resume", "--overwrite")
    run = fit("flow", shards, tmp_path, *options, *SMALL, *more)
    assert run.returncode == 0, run.stderr
    rows = read_log(tmp_path)
    for key in ("train_loss", "val_loss"):
        losses = [float(row[key]) for row in rows if row[key]]
        assert len(losses) == 7 and losses[-1] < 0.9 * losses[0], (key, losses)
    for key in ("train_error_0", "train_error_3", "val_loss", "val_psnr", "val_cf", "val_cf_truth"):
        assert len([row for row in rows if row.get(key)]) == 7, key

    for folder in (tmp_path / "weights", tmp_path / "again"):
        if folder.name == "again":
            export_checkpoint(tmp_path, folder)
        model = colorzoo.load(folder)
        assert model.architecture == "flow"
        lightness = np.asarray(photo(1000).convert("L"))
        results = [np.asarray(each) for each in model.colorize_samples(lightness, 3)]
        assert len({each.tobytes() for each in results}) == 3
        assert all(colorfulness(each) > 5 for each in results)
        assert (np.asarray(model.colorize(lightness, seed=2)) == results[2]).mean() > 0.99


def test_the_flagship_inside_starts_from_its_weights():
    from train.initial_weights import initialise

    model = colorzoo.create_model("flow", width=8)
    said = initialise(model, "efficientnet-bins")
    assert said == "takes base from efficientnet-bins; the rest starts from random weights"
    flagship = colorzoo.load("efficientnet-bins").state_dict()
    for key, value in model.get_submodule("base").state_dict().items():
        assert torch.equal(value, flagship[key]), key
    other = colorzoo.create_model("flow", encoder="mobilenetv2_035")
    with pytest.raises(colorzoo.WeightsError, match="do not fit base, which has other keywords"):
        initialise(other, "efficientnet-bins")


@pytest.mark.slow
def test_a_compiled_network_takes_steps_in_bfloat16(module, shards):
    module.model.compile(backend="eager")  # traced as for a GPU, without its minute of compiling
    data = PhotoData(str(shards), replace(module.recipe, batch_size=8))
    before = {key: value.clone() for key, value in module.model.named_parameters()}
    pl.Trainer(
        accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=1,
        precision="bf16-mixed",
    ).fit(module, data)  # fmt: skip
    for key, value in module.model.named_parameters():
        assert key.startswith("base.") == torch.equal(value, before[key]), key


def test_flow_matching_takes_no_terms():
    with pytest.raises(ValueError, match="no picture to add terms on"):
        FlowMatching("mse", terms=(("gradient", 1.0),))
