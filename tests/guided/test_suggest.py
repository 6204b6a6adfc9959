"""Suggested colours for a point."""

import numpy as np
import pytest
import torch
from PIL import ImageColor

import colorzoo
from colorzoo.ab_bins import nearest_bin
from colorzoo.color import rgb_to_lab
from colorzoo.guided.suggest import suggest_colors


def lab_of(color):
    rgb = torch.tensor(ImageColor.getrgb(color), dtype=torch.float32).reshape(1, 3, 1, 1)
    return rgb_to_lab(rgb / 255).flatten()


def test_the_most_likely_colours_come_first(scratch_registry):
    model = colorzoo.create_model("efficientnet-bins", width=8).eval()
    photo = colorzoo.read_photo(np.full((120, 200), 130, np.uint8))
    prediction = model.predict(photo)
    logits = torch.full_like(prediction.output, -20.0)
    for share, ab in ((3.0, (30.0, 30.0)), (2.0, (-30.0, 20.0)), (1.0, (5.0, -40.0))):
        logits[0, int(nearest_bin(torch.tensor(ab)[None, :, None, None]))] = share
    said = colorzoo.Prediction(prediction.lightness, logits, prediction.box, prediction.size)
    colors = suggest_colors(model, said, 199, 119, count=5)
    assert len(colors) == len(set(colors)) == 5
    found = [lab_of(color) for color in colors]
    for got, ab in zip(found, ((30, 30), (-30, 20), (5, -40), (0, 0)), strict=False):
        np.testing.assert_allclose(got[1:], ab, atol=8)
    level = float(prediction.lightness.mean())
    assert all(abs(float(each[0]) - level) < 1 for each in found)


def test_a_model_without_a_distribution_suggests_its_own_colour_first(camera):
    torch.manual_seed(0)
    model = colorzoo.create_model("autoencoder", width=4).eval()
    prediction = model.predict(colorzoo.read_photo(camera[::4, ::4]))
    colors = suggest_colors(model, prediction, 10, 100, count=24)
    own = model.ab_of(prediction)[0, :, 100 * prediction.lightness.shape[-2] // 128, 10]
    np.testing.assert_allclose(lab_of(colors[0])[1:], own, atol=2)
    assert len(colors) == 5, "sRGB has few colours that are so dark"
    assert len(suggest_colors(model, prediction, 10, 10, count=24)) > 8


@pytest.mark.parametrize(
    ("x", "y", "count", "message"),
    [
        (128, 0, 8, "is no point of the photo of 128 x 128 pixels"),
        (0, -1, 8, "is no point"),
        (float("nan"), 0, 8, "is no point"),
        ("3", 0, 8, "is no point"),
        (0, 0, 0, "count must be a whole number from 1 to 24, got 0"),
    ],
)
def test_what_makes_no_sense(camera, x, y, count, message):
    model = colorzoo.create_model("autoencoder", width=2)
    prediction = model.predict(colorzoo.read_photo(camera[::4, ::4]))
    with pytest.raises(colorzoo.ConfigError, match=message):
        suggest_colors(model, prediction, x, y, count=count)
