"""Recipes, and what the command line may change of them."""

import json
from dataclasses import replace

import pytest

import colorzoo
from train.lightning_module import ColorizerModule
from train.recipe import (
    Adversarial,
    Objective,
    Recipe,
    parse_keywords,
    parse_sides,
    parse_split,
    parse_terms,
    with_options,
)
from train.recipes import find_recipe


def test_every_registered_recipe_names_a_model():
    for info in map(colorzoo.model_info, colorzoo.list_models()):
        if info.published:  # others trained it
            with pytest.raises(LookupError, match=f"no recipe for '{info.name}'"):
                find_recipe(info.name)
        else:
            assert find_recipe(info.name).model == (info.weights_of or info.name)
    # Settings of other weights have the recipe of those, and former names still work.
    assert find_recipe("efficientnet-bins.careful") == find_recipe("efficientnet-bins")
    for former in ("mobilenetv2-bins", "mobilenetv2-huber"):
        assert find_recipe(former) == find_recipe("efficientnet-bins")
    with pytest.raises(LookupError, match="no recipe for 'nothing'.*unet-gan: add a file"):
        find_recipe("nothing")


@pytest.mark.parametrize("wrong", ["64,96", "0.5:64", "64,0.6:96,0.3:128", "64,1:96", "8", "", "a"])
def test_wrong_resolutions_are_refused(wrong):
    with pytest.raises(ValueError, match="look like 64 or 96,0.7:128"):
        parse_sides(wrong)


def test_a_models_keywords_can_be_set_for_a_run():
    keywords = parse_keywords(["attention=true", "width=8", "encoder=resnet18"])
    assert keywords == (("attention", True), ("width", 8), ("encoder", "resnet18"))
    recipe = replace(find_recipe("efficientnet-bins"), keywords=keywords)
    model = ColorizerModule(recipe).model
    assert model.config["attention"] is True and model.config["encoder"] == "resnet18"
    for wrong in ("attention", "=1", "a b=2", "width="):
        with pytest.raises(ValueError, match="a model's keyword is NAME=VALUE"):
            parse_keywords([wrong])


@pytest.mark.parametrize("wrong", ["colorfulness", "beauty=1", "perceptual=much", "=1"])
def test_wrong_terms_are_refused(wrong):
    with pytest.raises(ValueError, match="NAME=WEIGHT, and NAME is colorfulness, gradient or per"):
        parse_terms(["perceptual=0.5", wrong])
    assert parse_terms(["perceptual=0.5"]) == (("perceptual", 0.5),)


def test_a_loss_that_does_not_suit_the_model_is_refused():
    for name, loss in (("unet", "bins"), ("unet-bins", "l1"), ("unet-gan", "bins-hard")):
        with pytest.raises(ValueError, match=f"{name} can be trained with .*, not {loss}"):
            with_options(find_recipe(name), loss=loss)
    assert with_options(find_recipe("unet"), loss="mse").objective == Objective("mse")
    assert with_options(find_recipe("unet")) == find_recipe("unet")


def test_splits_can_be_written_in_percent():
    assert parse_split("70/15/15") == pytest.approx((0.7, 0.15, 0.15))
    assert parse_split("0.8/0.1/0.1") == pytest.approx((0.8, 0.1, 0.1))
    for wrong in ("70/30", "a/b/c", "70/-10/40"):
        with pytest.raises(ValueError, match="a split looks like"):
            parse_split(wrong)
    with pytest.raises(ValueError, match="add up to 1"):
        Recipe("unet", Objective("l1"), split=parse_split("70/15/10"))


def test_schedule_rises_falls_and_grows():
    recipe = Recipe("unet", Objective("l1"), warmup=0.1)
    rates = [recipe.rate_at(i / 100) for i in range(101)]
    assert rates[0] < 0.02 and rates[10] == pytest.approx(1) and rates[100] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in zip(rates[10:], rates[11:], strict=False))
    sides = [recipe.side_at(i / 100) for i in range(101)]
    assert sides == sorted(sides) and set(sides) == {side for _, side in recipe.sides}
    assert json.loads(json.dumps(recipe.describe()))["loss"] == "l1"


# Objectives ---------------------------------------------------------------------------------------


def test_a_gan_is_an_objective_of_its_own():
    """What trains, with which strategy and schedules: nobody asks whether it is a GAN."""
    plain, gan = find_recipe("unet").objective, find_recipe("unet-gan").objective
    assert (plain.strategy, gan.strategy) == ("ddp", "ddp_find_unused_parameters_true")
    assert (plain.schedules, gan.schedules) == (("cosine", "plateau"), ("cosine",))
    assert isinstance(gan, Adversarial) and gan.losses == ("l1",)
    for objective in (plain, gan):
        path, _, name = objective.module.partition(":")
        module = objective.build(find_recipe("unet-gan"))
        assert (type(module).__module__, type(module).__name__) == (path, name)
    with pytest.raises(ValueError, match="the objective of unet is not adversarial"):
        gan.build(find_recipe("unet"))


def test_a_described_recipe_is_flat_and_tells_every_number():
    plain, gan = (find_recipe(name).describe() for name in ("unet", "unet-gan"))
    assert gan.keys() - plain.keys() == {
        "variant", "l1_weight", "r1_weight", "width", "critic_learning_rate", "discriminator_alone"
    }  # fmt: skip
    assert (gan["learning_rate"], gan["critic_learning_rate"]) == (2e-4, 4e-4)
    for described in (plain, gan):
        assert not any(isinstance(value, dict) for value in described.values())
        json.dumps(described)
