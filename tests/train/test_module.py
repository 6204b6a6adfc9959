"""A step of training: losses, terms, learning rates, and the two networks of a GAN."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import lightning as pl
import numpy as np
import pytest
import torch

from colorzoo.color import rgb_to_lab
from train.data.loaders import PhotoData
from train.gan_module import AdversarialModule
from train.lightning_module import ColorizerModule
from train.losses import BinsLoss, ColorfulnessLoss
from train.recipe import Adversarial, Objective
from train.recipes import find_recipe


def take_steps(module: pl.LightningModule, data: pl.LightningDataModule) -> None:
    """Take four steps."""
    pl.Trainer(
        accelerator="cpu", max_steps=4, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    ).fit(module, data)  # fmt: skip


@pytest.mark.parametrize(("variant", "r1"), [("bce", 0.0), ("hinge", 0.0), ("hinge", 1.0)])
@pytest.mark.parametrize("learner", ["model", "discriminator"])
def test_both_networks_of_a_gan_take_their_own_steps(variant, r1, learner, shards):
    """With the other's learning rate at 0, only one of them changes."""
    recipe = replace(find_recipe("unet-gan"), epochs=1, batch_size=8)
    objective = Adversarial(
        "l1",
        variant=variant,
        r1_weight=r1,
        learning_rate=1e-3 * (learner == "discriminator"),
        width=8,
    )
    module = objective.build(
        replace(recipe, objective=objective, learning_rate=1e-3 * (learner == "model"))
    )
    assert isinstance(module, AdversarialModule)
    before = {key: value.clone() for key, value in module.named_parameters()}
    take_steps(module, PhotoData(str(shards), recipe))
    changed = {key for key, value in module.named_parameters() if (value != before[key]).any()}
    # Under the hinge, real and fake pull the last bias with equal force.
    assert {key for key in before if key.startswith(learner) and "bias" not in key} <= changed
    assert all(key.startswith(learner) for key in changed)


@pytest.mark.parametrize(("progress", "learns"), [(0.1, False), (0.3, True)])
def test_a_discriminator_can_learn_first(progress, learns, shards, monkeypatch):
    monkeypatch.setattr(AdversarialModule, "progress", progress)
    recipe = replace(find_recipe("unet-gan"), epochs=1, batch_size=8)
    objective = Adversarial("l1", width=8, discriminator_alone=0.2)
    module = objective.build(replace(recipe, objective=objective))
    before = {key: value.clone() for key, value in module.named_parameters()}
    take_steps(module, PhotoData(str(shards), recipe))
    changed = {key for key, value in module.named_parameters() if (value != before[key]).any()}
    assert any(key.startswith("discriminator.") for key in changed)
    assert any(key.startswith("model.") for key in changed) == learns


@pytest.mark.parametrize("alone", [-0.1, 1.0])
def test_a_generator_that_never_learns_is_refused(alone):
    with pytest.raises(ValueError, match="alone for a share of the run"):
        Adversarial("l1", discriminator_alone=alone)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0])
def test_the_encoder_learns_at_its_own_rate(factor, shards):
    recipe = replace(
        find_recipe("resnet34"), epochs=1, batch_size=8, start="random", encoder_rate=factor
    )
    module = ColorizerModule(recipe)
    before = {key: value.clone() for key, value in module.model.named_parameters()}
    take_steps(module, PhotoData(str(shards), recipe))
    changed = {
        key for key, value in module.model.named_parameters() if (value != before[key]).any()
    }
    assert any(key.startswith("decoder.") for key in changed)
    assert any(key.startswith("encoder.") for key in changed) == (factor > 0)
    rates = {group["lr"] for group in module.optimizers().param_groups}
    assert len(rates) == 1 + (factor != 1)


def test_a_model_without_an_encoder_takes_no_rate_for_it():
    module = ColorizerModule(replace(find_recipe("unet"), encoder_rate=0.1))
    module.model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="no encoder"):
        module.configure_optimizers()


def test_a_term_is_added_at_its_weight(coffee):
    module, plain = (
        ColorizerModule(replace(find_recipe("unet"), objective=Objective("l1", terms=terms)))
        for terms in ((("colorfulness", 2.0),), ())
    )
    plain.model.load_state_dict(module.model.state_dict())
    rgb = torch.tensor(coffee[:64, :64]).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(rgb)
    with torch.no_grad():
        loss, alone = (each._loss(lab, lab[:, :1])[0] for each in (module, plain))
        ab = plain._loss(lab, lab[:, :1])[1]
        term = ColorfulnessLoss()(torch.cat((lab[:, :1], ab), dim=1), lab)
    assert loss.item() == pytest.approx((alone + 2 * term).item(), rel=1e-5)


def test_a_model_over_bins_learns_how_common_they_are(shards):
    recipe = replace(
        find_recipe("efficientnet-bins"), epochs=1, batch_size=8, start="random", sides=((0, 32),)
    )
    module = ColorizerModule(recipe)
    take_steps(module, PhotoData(str(shards), recipe))
    assert isinstance(module.loss, BinsLoss)
    prior = module.model.get_buffer("prior")
    assert torch.equal(prior, module.loss.prior) and prior.std() > 0
    assert prior.sum().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_scores_do_not_depend_on_the_precision_of_training(precision, coffee):
    """Truth compared with itself but for 8-bit rounding, where bfloat16 would be far off."""
    rgb = torch.tensor(np.ascontiguousarray(coffee[:128, :128])).permute(2, 0, 1)[None] / 255
    lab = rgb_to_lab(rgb)
    module = ColorizerModule(find_recipe("unet"))
    module.model.to_ab = lambda output: lab[:, 1:]  # pyright: ignore
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = lambda values, **_: logged.update(values)  # pyright: ignore
    module._trainer = SimpleNamespace(world_size=1)  # pyright: ignore
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"), torch.no_grad():
        module.validation_step(lab, 0)
    assert logged["val_ssim"].item() == pytest.approx(1, abs=1e-5) and logged["val_psnr"] > 90


def test_plateaus_lower_the_rate():
    recipe = replace(find_recipe("unet"), schedule="plateau")
    optimizers: Any = ColorizerModule(recipe).configure_optimizers()
    schedule, optimizer = optimizers["lr_scheduler"]["scheduler"], optimizers["optimizer"]
    rates = []
    for _ in range(7):
        schedule.step(1.0)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3] * 3 + [5e-4] * 3 + [2.5e-4])
    with pytest.raises(ValueError, match="unet-gan cannot be trained with the plateau schedule"):
        replace(find_recipe("unet-gan"), schedule="plateau")
