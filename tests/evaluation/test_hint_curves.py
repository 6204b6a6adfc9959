"""PSNR against the number of hints."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.evaluation import guided
from colorzoo.evaluation.metrics import gray, prepare, psnr


@pytest.fixture
def model():
    torch.manual_seed(0)
    return colorzoo.create_model("autoencoder", width=4, work_size=64).eval()


def test_hints_are_the_means_of_their_squares_at_places_of_the_seed(coffee):
    truth = prepare(coffee)
    hints = guided.draw_hints(truth, seed=3)
    assert len(hints) == 100 and hints == guided.draw_hints(truth, seed=3)
    assert hints != guided.draw_hints(truth, seed=4)
    lab = rgb_to_lab(torch.tensor(truth).permute(2, 0, 1).float() / 255)
    for hint in hints[:5]:
        x, y = int(hint.x), int(hint.y)
        square = lab[1:, y - 3 : y + 3, x - 3 : x + 3]
        assert square.shape == (2, 6, 6)
        np.testing.assert_allclose(hint.ab, square.mean(dim=(1, 2)), atol=1e-4)


def test_more_hints_come_closer(model, coffee):
    curve = guided.measure_hints(model, [coffee, coffee[::2, 300:]])
    assert curve.photos == 2 and len(curve.psnr) == len(guided.COUNTS)
    plain = [
        psnr(np.asarray(model.colorize(gray(prepare(photo)))), prepare(photo))
        for photo in (coffee, coffee[::2, 300:])
    ]
    np.testing.assert_allclose(curve.psnr[0], np.mean(plain), atol=0.01)
    assert curve.gains[0] == 0 < curve.gains[4] < curve.gains[-1] and curve.gains[-1] > 3
    assert curve.as_json()["counts"] == [0, 1, 2, 5, 10, 20, 50, 100]


def test_the_plot_is_a_picture():
    picture = Image.open(io.BytesIO(guided.draw_curves({"mine": range(20, 28)})))
    assert picture.format == "PNG" and picture.width > 400


def test_without_photos(model):
    with pytest.raises(ValueError, match="no photo"):
        guided.measure_hints(model, [])
