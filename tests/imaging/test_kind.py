"""A gray photo is told from a toned one and from one in colour, on real pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.imaging.kind import is_gray, kind_of


def grainy(pixels, quality=75) -> np.ndarray:
    """A copy with grain, as a scan to JPEG has it."""
    grain = np.random.default_rng(0).normal(0, 4, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=quality
    )
    return colorzoo.read_photo(buffer.getvalue()).rgb


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_the_kind_of_a_photo_is_noticed(name):
    from skimage import data

    photo = getattr(data, name)()
    assert kind_of(photo) == "colour"
    gray = np.asarray(Image.fromarray(photo).convert("L"))[..., None] / 255
    assert kind_of(grainy(gray * [255, 255, 255])) == "gray"
    sepia = np.concatenate((gray**0.8 * 255, gray * 235, gray**1.25 * 200), axis=2)
    assert kind_of(grainy(sepia)) == "toned"
    cyanotype = np.concatenate((gray**1.6 * 200, gray**1.1 * 225, gray**0.8 * 245), axis=2)
    assert kind_of(grainy(cyanotype)) == "toned"


def test_a_gray_file_is_gray(camera):
    assert kind_of(np.stack((camera,) * 3, axis=2)) == "gray"


def test_training_and_the_app_mean_the_same_by_gray(camera, coffee):
    """``is_gray`` is what ``kind_of`` asks first; a tint up to that of JPEG does not count."""
    gray = np.stack((camera,) * 3, axis=2)
    tinted = grainy(gray * [1.0, 0.99, 0.97], quality=40)
    for rgb, expected in ((gray, True), (tinted, True), (coffee, False)):
        small = np.array(Image.fromarray(rgb).resize((128, 128), Image.Resampling.BOX))
        ab = rgb_to_lab(torch.tensor(small).permute(2, 0, 1)[None] / 255)[:, 1:]
        assert is_gray(ab).tolist() == [expected]
        assert (kind_of(rgb) == "gray") is expected
    both = torch.cat((torch.zeros_like(ab), ab))
    assert is_gray(both).tolist() == [True, False]
