"""Which values a hint may have, and that they are plain numbers afterwards."""

from fractions import Fraction

import numpy as np
import pytest
import torch

import colorzoo
from colorzoo import Hint


@pytest.mark.parametrize(
    ("color", "plain"),
    [
        (np.array([176, 48, 32], np.uint8), (176, 48, 32)),
        (tuple(np.array([176, 48, 32], np.uint8)), (176, 48, 32)),
        (np.array([20.5, -3], np.float32), (20.5, -3.0)),
        ([176, 48, 32], (176, 48, 32)),
    ],
)
def test_colours_may_be_numpys(color, plain):
    hint = Hint(1, 2, color)
    assert hint.color == plain and {type(each) for each in hint.color} <= {int, float}
    assert hint == Hint(1, 2, plain) and hash(hint) == hash(Hint(1, 2, plain))


def test_places_and_frames_are_plain_numbers(tmp_path):
    hint = Hint(np.int64(3), torch.tensor(4.5), "red", Fraction(3, 2), np.int32(7))
    values = [hint.x, hint.y, hint.radius, hint.frame]
    assert values == [3, 4.5, 1.5, 7] and [*map(type, values)] == [int, float, float, int]
    colorzoo.save_hints([hint], tmp_path / "a.hints.json")
    assert colorzoo.load_hints(tmp_path / "a.hints.json") == [hint]


@pytest.mark.parametrize(
    "color",
    ["rgb(300, 0, 0)", "rgb(256,0,0)", "hsl(0, 0%, 150%)", b"abc", range(3), np.ones((1, 3)), ()],
)
def test_what_is_no_colour_is_refused(color):
    """rgb(300, 0, 0) was a red that does not exist, and bytes were three numbers."""
    with pytest.raises(colorzoo.ConfigError, match="colour"):
        Hint(1, 1, color)


@pytest.mark.parametrize("hints", ["", "photo.hints.json"])
def test_a_path_is_no_list_of_hints(hints):
    model = colorzoo.create_model("unet", width=2)
    with pytest.raises(colorzoo.ConfigError, match="load_hints.. reads a file"):
        model.check(hints=hints)
