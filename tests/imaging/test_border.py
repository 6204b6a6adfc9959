"""Flat borders stay gray, and the network is given what lies inside them."""

import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.imaging.border import WHOLE, content_box


@pytest.fixture
def photo(coffee):
    return np.asarray(Image.fromarray(coffee).convert("L").resize((240, 160)))


def mounted(photo, level, margins=(40, 40, 40, 40), *, grain=0.0):
    """The photo on a mount of that level, wide as left, top, right and bottom say."""
    left, top, right, bottom = margins
    height, width = photo.shape
    sheet = np.full((top + height + bottom, left + width + right), float(level))
    sheet[top : top + height, left : left + width] = photo
    sheet += np.random.default_rng(0).normal(0, grain, sheet.shape)
    return sheet.clip(0, 255).astype(np.uint8)


def as_rgb(gray):
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.mark.parametrize("level", [0, 128, 200, 255])
@pytest.mark.parametrize("margins", [(40, 40, 40, 40), (10, 80, 30, 15)])
@pytest.mark.parametrize("grain", [0.0, 4.0, 6.0])
def test_a_mount_is_found(photo, level, margins, grain):
    sheet = mounted(photo, level, margins, grain=grain)
    left, top, right, bottom = content_box(as_rgb(sheet))
    height, width = sheet.shape
    found = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    assert found == pytest.approx(margins, abs=3)


def test_what_has_no_border_is_taken_whole(photo, coffee, camera):
    half = mounted(photo, 255, (0, 40, 0, 40))  # bars at top and bottom only
    flat = np.full((50, 60), 90, np.uint8)
    dot = mounted(photo[:8, :8], 255, (100, 100, 100, 100))
    for gray in (photo, camera, half, flat, dot, np.zeros((1, 1), np.uint8)):
        assert content_box(as_rgb(gray)) == WHOLE
    assert content_box(coffee) == WHOLE


@pytest.mark.parametrize("name", ["efficientnet-bins", "unet"])
@pytest.mark.parametrize("level", [128, 235])
def test_the_mount_stays_gray_and_the_photo_is_coloured_as_without(photo, name, level):
    model = colorzoo.load(name)
    result = np.asarray(model.colorize(mounted(photo, level)))
    alone = np.asarray(model.colorize(photo)).astype(int)
    lab = rgb_to_lab(torch_of(result))
    chroma = lab[0, 1:].norm(dim=0).numpy()
    assert chroma[:36].max() < 1 and chroma[:, -36:].max() < 1
    inside = result[40:200, 40:280].astype(int)
    assert np.abs(inside - alone).mean() < 6


def torch_of(rgb):
    import torch

    return torch.tensor(rgb).permute(2, 0, 1)[None] / 255


def test_the_border_is_looked_for_on_request(photo):
    model, sheet = colorzoo.load("unet"), colorzoo.read_photo(mounted(photo, 128))
    found = model.predict(sheet)
    assert found.box == pytest.approx((40 / 320, 40 / 240, 280 / 320, 200 / 240), abs=0.01)
    assert found.to("cpu").box == found.box
    assert model.predict(sheet, find_border=False).box == WHOLE
