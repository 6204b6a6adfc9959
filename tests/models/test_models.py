"""Every registered model keeps the contract; a new family is tested by being registered."""

from functools import partial

import pytest
import torch
from helpers.model_tester import SMALL, ColorizerTester, create_small

import colorzoo
from colorzoo.registry import build_model

NAMES = colorzoo.list_models()


def is_other_name(name):
    """Whether a model is the network of another name, as the suite builds it."""
    info = colorzoo.model_info(name)
    small_twin = info.published is not None and info.family.architecture != name
    return info.weights_of is not None or small_twin


class TestRegisteredModels(ColorizerTester):
    models = {name: partial(create_small, name) for name in NAMES if not is_other_name(name)}

    def test_overfits_one_picture(self, name, model):
        if name.startswith("ddcolor"):
            pytest.skip("it learns, but its output is in L*a*b* units: 60 steps are too few")
        super().test_overfits_one_picture(model)

    def test_size_is_what_the_zoo_allows(self, name, model):
        if colorzoo.model_info(name).published:
            pytest.skip("its weights are not bundled, and this is a small variant")
        count = model.parameter_count
        assert count <= 6_000_000, f"{name} has {count:,} parameters; the zoo holds up to 6 million"


@pytest.mark.parametrize("name", NAMES)
def test_a_family_with_one_name_needs_no_registry(name):
    """``UNetBins()`` is ``create_model("unet-bins")``; what a family has several names for, not."""
    info = colorzoo.model_info(name)
    if info.family.architecture != name:
        pytest.skip(f"{info.family.__name__}() is {info.family.architecture}")
    assert not info.config
    with torch.device("meta"):
        model, made = info.family(), build_model(info, {})
    assert model.config == made.config
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in made.state_dict().items()
    }


@pytest.mark.parametrize("name", [*filter(is_other_name, NAMES)])
def test_other_names_are_the_same_network_with_other_settings(name):
    info = colorzoo.model_info(name)
    base = colorzoo.model_info(info.weights_of or info.family.architecture)
    assert info.family is base.family and info.config
    with torch.device("meta"):
        model, other = create_small(name), create_small(base.name, **SMALL.get(name, {}))
    settings = {} if info.published else info.config
    assert model.config == {**other.config, **settings, "architecture": name}
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in other.state_dict().items()
    }
    assert model.options == other.options


def test_every_family_has_a_name_of_its_own():
    families = {colorzoo.model_info(name).family for name in NAMES}
    assert {family.architecture for family in families} <= set(NAMES)
    assert len({family.architecture for family in families}) == len(families)


def test_the_suite_builds_the_models_of_others_small():
    assert SMALL.keys() == {name for name in NAMES if colorzoo.model_info(name).published}
