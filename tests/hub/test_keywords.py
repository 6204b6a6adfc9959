"""Constructor keywords come back from config.json unchanged, or the model is not built."""

import enum
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import colorzoo
from colorzoo.colorizer import Colorizer
from colorzoo.hub.checkpoint import CONFIG_FILE


class Anything(Colorizer):
    """Takes any keyword, and notes what it got."""

    def __init__(self, *, act=nn.ReLU, sizes=(1, 2), rest=None, work_size=32, **more) -> None:
        super().__init__(work_size=work_size)
        self.got = {"act": act, "sizes": sizes, "rest": rest, **more}
        self.layer = nn.Conv2d(1, 2, 1)

    def forward(self, lightness):
        return self.layer(lightness)


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (10**30, 10**30),
        (0.1, 0.1),
        (np.float64(0.3), 0.3),  # is a float
        ("é\ud800", "é\ud800"),
        ([1, [2.5, None]], [1, [2.5, None]]),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": {"b": (1,)}}, {"a": {"b": [1]}}),
        ([], []),
    ],
)
@pytest.mark.parametrize("key", ["rest", "further"])
def test_values_of_json_come_back(key, value, expected, tmp_path):
    model = Anything(**{key: value})
    model.save_pretrained(tmp_path)
    again = Anything.from_pretrained(tmp_path)
    assert again.got[key] == expected and type(again.got[key]) is type(expected)
    assert again.config == model.config and again.config[key] == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (nn.Tanh, "a type"),
        (nn.Tanh(), "a torch.nn.modules.activation.Tanh"),
        (math.sin, "a builtin_function_or_method"),
        ({1, 2}, "a set"),
        (b"abc", "a bytes"),
        (1j, "a complex"),
        (Path("a"), "a pathlib"),
        (Colour.RED, "Colour"),
        (np.int64(3), "a numpy.int64"),
        (np.float32(3), "a numpy.float32"),
        (np.bool_(True), "a numpy.bool"),
        (np.zeros(2), "a numpy.ndarray"),
        (torch.zeros(2), "a torch.Tensor"),
        (torch.float16, "a torch.dtype"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float64("nan"), "nan"),
        ([1, (2, math.inf)], "inf"),
        ({"a": {3: 4}}, "a dict with the key 3"),
        ({"a": [{5}]}, "a set"),
    ],
)
@pytest.mark.parametrize("key", ["rest", "further"])
def test_other_values_are_refused_when_the_model_is_built(key, value, reason):
    with pytest.raises(colorzoo.ConfigError) as caught:
        Anything(**{key: value})
    said = str(caught.value)
    assert said.startswith(f"Anything cannot be saved with {key}=") and reason in said
    assert "\n" not in said or isinstance(value, np.ndarray)


def test_a_list_that_contains_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(colorzoo.ConfigError, match="levels of lists"):
        Anything(rest=endless)


def test_create_model_says_the_same(scratch_registry):
    colorzoo.register_model("anything", summary="A test", year=2026)(Anything)
    with pytest.raises(colorzoo.ConfigError, match="anything cannot be built with .*a type"):
        colorzoo.create_model("anything", act=nn.Tanh)


def test_a_default_that_json_does_not_have_stays_the_default(tmp_path):
    for model in (Anything(), Anything(act=nn.ReLU)):
        assert "act" not in model.config
        model.save_pretrained(tmp_path)
        assert Anything.from_pretrained(tmp_path).got["act"] is nn.ReLU
    with pytest.raises(colorzoo.ConfigError, match="name of a class instead of the class"):
        Anything(act=nn.Tanh)


def test_config_is_what_was_passed_and_not_what_became_of_it():
    sizes = [1, 2]
    model = Anything(sizes=sizes)
    sizes.append(3)
    model.config["sizes"].append(4)
    assert model.config["sizes"] == [1, 2]


def test_defaults_are_written_too(tmp_path):
    Anything().save_pretrained(tmp_path)
    written = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert written["sizes"] == [1, 2] and written["work_size"] == 32 and written["rest"] is None


@pytest.mark.parametrize("name", ["architecture", "colorzoo_version"])
def test_a_keyword_that_config_json_uses_itself_is_refused(name):
    with pytest.raises(colorzoo.ConfigError, match=f"has a keyword '{name}'"):
        Anything(**{name: "x"})


def test_a_keyword_called_config_is_one_like_the_others(tmp_path):
    Anything(config={"depth": 3}).save_pretrained(tmp_path)
    assert Anything.from_pretrained(tmp_path).got["config"] == {"depth": 3}


class Positional(Colorizer):
    def __init__(self, *widths: int) -> None:
        super().__init__(work_size=32)


def test_arguments_without_a_name_are_refused():
    with pytest.raises(colorzoo.ConfigError, match="positional arguments .widths."):
        Positional(3, 4)


def test_arguments_that_a_constructor_does_not_have_are_its_own_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        colorzoo.model_info("unet").family(widht=3)


def test_pickled_models_keep_their_keywords():
    model = pickle.loads(pickle.dumps(colorzoo.create_model("unet", width=2)))  # noqa: S301
    assert model.config == {"architecture": "unet", "width": 2, "work_size": 128}
