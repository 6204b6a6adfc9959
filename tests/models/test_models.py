"""Every registered model keeps the contract; a new family is tested by being registered."""

from functools import partial

import pytest
from helpers.model_tester import ColorizerTester

import colorzoo

NAMES = colorzoo.list_models()


class TestRegisteredModels(ColorizerTester):
    models = {name: partial(colorzoo.create_model, name) for name in NAMES}

    def test_size_is_what_the_zoo_allows(self, name, model):
        count = model.parameter_count
        assert count <= 6_000_000, f"{name} has {count:,} parameters; the zoo holds up to 6 million"


@pytest.mark.parametrize("name", NAMES)
def test_a_family_with_one_name_needs_no_registry(name):
    """``UNetBins()`` is ``create_model("unet-bins")``; what a family has several names for, not."""
    info = colorzoo.model_info(name)
    if info.family.architecture != name:
        pytest.skip(f"{info.family.__name__}() is {info.family.architecture}")
    assert not info.config
    model, made = info.family(), colorzoo.create_model(name)
    assert model.config == made.config
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in made.state_dict().items()
    }


def test_every_family_has_a_name_of_its_own():
    families = {colorzoo.model_info(name).family for name in NAMES}
    assert {family.architecture for family in families} <= set(NAMES)
    assert len({family.architecture for family in families}) == len(families)
