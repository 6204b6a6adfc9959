"""How much colours flicker: the measure, and what stabilising does to it."""

import re

import numpy as np
import pytest
from skimage import data

import colorzoo
from colorzoo.film.flicker import Flicker, flicker, measure_flicker, pan
from train.upkeep.flicker import END, PAGE, START, measure


def check_flicker(found: Flicker) -> None:
    assert found.alone > 1  # or there would be nothing to stabilise
    assert found.stable <= found.alone / 2
    assert 0.85 < found.chroma_stable / found.chroma_alone < 1.1


def test_the_default_model_flickers_less_than_half_as_much_and_keeps_its_colour(coffee):
    check_flicker(measure_flicker(colorzoo.load(), [coffee]))


@pytest.mark.slow
def test_the_table_of_flicker_is_what_is_measured(root):
    found = measure()
    check_flicker(found)
    shown = (root / PAGE).read_text().partition(START)[2].partition(END)[0]
    rows = dict(re.findall(r"^\| (one by one|stable) \| ([\d.]+) \|", shown, re.MULTILINE))
    assert float(rows["one by one"]) == pytest.approx(found.alone, rel=0.05)
    assert float(rows["stable"]) == pytest.approx(found.stable, rel=0.05)


def test_flicker_is_what_the_same_point_does():
    photo = data.coffee()
    shots = list(pan(photo, frames=4, grain=0))
    coloured = [photo[y : y + 240, x : x + 320] for y, x in (shot.place for shot in shots)]
    places = [shot.place for shot in shots]
    assert places[0] == (0, 0) and places[-1] == (160, 280)
    assert flicker(list(zip(coloured, places, strict=True))) == 0
    still = [(0, 0)] * 4
    assert flicker(list(zip(coloured, still, strict=True))) > 5  # motion that is not told of
    tints = [np.full((8, 8, 3), level, np.uint8) for level in ((99, 99, 99), (110, 90, 99))]
    assert 5 < flicker([(tint, (0, 0)) for tint in tints]) < 20


def test_grain_is_new_in_every_frame_and_the_same_in_every_run(coffee):
    one, other = list(pan(coffee, frames=2)), list(pan(coffee, frames=2))
    assert all((a.rgb == b.rgb).all() for a, b in zip(one, other, strict=True))
    first, second = pan(coffee[:240, :320], frames=2)  # nowhere to go
    assert 7 < (first.rgb.astype(float) - second.rgb).std() < 10
    with pytest.raises(ValueError, match="smaller than a frame"):
        next(pan(coffee[:100]))
