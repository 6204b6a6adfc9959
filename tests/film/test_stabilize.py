"""Colours over time, without any file: what is carried along and what begins anew."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional as F

from colorzoo.evaluation.metrics import gray
from colorzoo.film.stabilize import Stabilizer, _box, optical_flow
from colorzoo.imaging.recombine import lightness_of

SIZE = (96, 128)


def lightness(photo: np.ndarray) -> torch.Tensor:
    full = lightness_of(gray(photo), torch.device("cpu"))
    return F.interpolate(full, SIZE, mode="area")


@pytest.fixture(scope="module")
def coffee_l() -> torch.Tensor:
    return lightness(data.coffee())


@pytest.fixture(scope="module")
def cat_l() -> torch.Tensor:
    return lightness(data.chelsea())


def grainy(picture: torch.Tensor, seed: int) -> torch.Tensor:
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + noise).clamp(0, 100)


def cuts_of(frames: list[torch.Tensor]) -> list[int]:
    """At which frames the colours began anew."""
    stabilizer, found = Stabilizer(), []
    for i, frame in enumerate(frames):
        before = stabilizer.cuts
        stabilizer(grainy(frame, i), torch.full((1, 2, *frame.shape[-2:]), float(i)))
        found += [i] * (stabilizer.cuts - before)
    return found


@pytest.mark.parametrize("motion", [(0, 0), (3, -2), (-9, 14)])
def test_flow_finds_a_pan(coffee, motion):
    full = lightness_of(gray(coffee), torch.device("cpu"))
    scene = F.interpolate(full, (160, 240), mode="area")
    down, right = motion
    before = scene[..., 30:126, 50:178]
    after = scene[..., 30 + down : 126 + down, 50 + right : 178 + right]
    flow = optical_flow(before, after)[0, :, 20:-20, 20:-20]
    expected = torch.tensor([right, down]).float()[:, None, None]
    assert (flow - expected).norm(dim=0).median() < 0.3


def test_what_moves_keeps_its_colour_and_what_is_revealed_gets_the_new_one(coffee):
    full = lightness_of(gray(coffee), torch.device("cpu"))
    scene = F.interpolate(full, (96, 240), mode="area")
    old, new = torch.full((1, 2, *SIZE), 20.0), torch.full((1, 2, *SIZE), -20.0)
    stabilizer = Stabilizer()
    stabilizer(scene[..., :128], old)
    found = stabilizer(scene[..., 12:140], new)
    assert found[..., 10:-10, 10:-24].median() > 14
    assert (found[..., -8:] == -20).float().mean() > 0.95


def test_white_noise_is_steadied_to_a_fraction(coffee_l):
    stabilizer, alone, stable = Stabilizer(), [], []
    for i in range(40):
        noise = torch.randn(1, 2, 12, 16, generator=torch.Generator().manual_seed(i))
        ab = 20 + 5 * F.interpolate(noise, SIZE, mode="bilinear")
        alone.append(ab)
        stable.append(stabilizer(grainy(coffee_l, i), ab))

    def change(frames):
        return float(np.mean([(b - a).abs().mean() for a, b in pairwise(frames[20:])]))

    assert change(stable) < 0.25 * change(alone)
    assert stable[-1].mean() == pytest.approx(20, abs=1.5)


def test_the_first_frame_after_a_cut_has_the_networks_colours(coffee_l, cat_l):
    stabilizer = Stabilizer()
    shades = [torch.full((1, 2, *SIZE), shade) for shade in (10.0, 14.0, -30.0)]
    assert torch.equal(stabilizer(coffee_l, shades[0]), shades[0])
    assert stabilizer(coffee_l, shades[1]).mean() < 11
    assert torch.equal(stabilizer(cat_l, shades[2]), shades[2]) and stabilizer.cuts == 1


def test_reset_forgets(coffee_l):
    stabilizer, ab = Stabilizer(), torch.ones(1, 2, *SIZE)
    stabilizer(coffee_l, ab)
    stabilizer.reset()
    assert torch.equal(stabilizer(coffee_l, -ab), -ab) and stabilizer.cuts == 0


def test_cuts_between_photos_are_found(coffee_l, cat_l):
    rocket, woman = lightness(data.rocket()), lightness(data.astronaut())
    shots = [coffee_l, cat_l, rocket, woman, cat_l]
    assert cuts_of([shot for shot in shots for _ in range(6)]) == [6, 12, 18, 24]


def test_fades_dissolves_and_exposure_are_no_cuts(coffee_l, cat_l):
    fade = [coffee_l * (1 - i / 12) for i in range(12)]
    assert cuts_of(fade) == []
    assert cuts_of([coffee_l * (1 - i / 12) + cat_l * (i / 12) for i in range(13)]) == []
    assert cuts_of([coffee_l * (1 + 0.15 * (-1) ** i) for i in range(10)]) == []


def test_after_a_flash_the_scene_has_its_colours_back(coffee_l):
    stabilizer, old, new = Stabilizer(), torch.full((1, 2, *SIZE), 20.0), torch.zeros(1, 2, *SIZE)
    stabilizer(coffee_l, old)
    white = torch.full_like(coffee_l, 100.0)
    assert torch.equal(stabilizer(white, new), new)  # nothing of the scene is in it
    assert stabilizer(grainy(coffee_l, 0), new).median() > 15


def test_another_size_begins_anew(coffee_l):
    stabilizer = Stabilizer()
    stabilizer(coffee_l, torch.ones(1, 2, *SIZE))
    ab = torch.zeros(1, 2, 20, 30)
    assert torch.equal(stabilizer(torch.zeros(1, 1, 20, 30), ab), ab) and stabilizer.cuts == 1


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (16, 16)])
def test_pictures_of_any_size(size):
    stabilizer = Stabilizer()
    for seed in range(3):
        noise = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(seed)) * 100
        assert stabilizer(noise, torch.ones(1, 2, *size)).isfinite().all()


def test_the_same_frames_give_the_same_colours(coffee_l):
    def run():
        stabilizer = Stabilizer()
        return [stabilizer(grainy(coffee_l, i), coffee_l.repeat(1, 2, 1, 1) + i) for i in range(3)]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_a_scene_that_hardly_changes_needs_every_second_prediction(coffee_l, cat_l):
    stabilizer, needed, before = Stabilizer(), [], torch.zeros(1)
    for i in range(9):
        frame = grainy(cat_l if i == 5 else coffee_l, i)
        needed.append(stabilizer.needs(frame))
        ab = torch.full((1, 2, *SIZE), float(i))
        found = stabilizer(frame, ab if needed[-1] else None)
        if not needed[-1] and i != 6:
            assert (found - before).abs().mean() < 0.05
        before = found
    # The cat appears in frame 5; then the coffee is back, whose colours are known.
    assert needed == [True, False, True, False, True, True, False, True, False]
    # The frame after one without a prediction gets as much of the new as two would have.
    still = Stabilizer()
    for i, ab in enumerate((0.0, None, 10.0)):
        given = None if ab is None else torch.full((1, 2, *SIZE), ab)
        found = still(grainy(coffee_l, i), given)
    assert found.mean() == pytest.approx(10 * (1 - 0.9**2), rel=0.35) and found.mean() > 1.5


def test_what_a_pan_reveals_needs_a_prediction(coffee):
    full = lightness_of(gray(coffee), torch.device("cpu"))
    scene = F.interpolate(full, (96, 240), mode="area")
    stabilizer = Stabilizer()
    for i in range(4):
        frame = scene[..., 12 * i : 12 * i + 128]
        assert stabilizer.needs(frame)
        stabilizer(frame, torch.ones(1, 2, *SIZE))


@pytest.mark.parametrize("radius", [1, 5, 15])
def test_windows_are_smaller_at_the_edges(radius):
    x = torch.rand(1, 2, 9, 40, generator=torch.Generator().manual_seed(1))
    rows = [x[..., max(0, i - radius) : i + radius + 1, :].mean(-2) for i in range(9)]
    part = torch.stack(rows, dim=-2)
    columns = [part[..., max(0, i - radius) : i + radius + 1].mean(-1) for i in range(40)]
    expected = torch.stack(columns, dim=-1)
    torch.testing.assert_close(_box(x, radius), expected)
