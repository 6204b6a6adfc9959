"""Toy families of every kind (bins, flow, hints, exemplar, foreign) keep the same contract."""

from functools import partial

import pytest
from helpers import toy_families
from helpers.model_tester import ColorizerTester

import colorzoo


class TestToyFamilies(ColorizerTester):
    models = {name: partial(colorzoo.create_model, name) for name in toy_families.NAMES}
    learns = False

    @pytest.fixture(autouse=True)
    def registered(self, scratch_registry):
        toy_families.register()
