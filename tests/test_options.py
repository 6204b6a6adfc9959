"""What a caller may ask: which values are refused, and where hints and references end up."""

import io

import numpy as np
import pytest
import torch
from helpers.toy_families import ToyExemplar, ToyHints
from PIL import Image

import colorzoo
from colorzoo import Hint
from colorzoo.color import rgb_to_lab
from colorzoo.conditions import draw_hints, draw_reference
from colorzoo.guided.apply import Region
from colorzoo.options import given

RED = (200, 40, 30)
RED_AB = rgb_to_lab(torch.tensor(RED).reshape(3, 1, 1) / 255)[1:, 0, 0]
GRAY = np.full((96, 160), 120, np.uint8)


def drawn(*hints: Hint, photo: tuple[int, int] = (160, 96), small: tuple[int, int] = (80, 48)):
    """The hints on a photo of a width and height, at the working size: (3, h, w)."""
    region = Region(*photo, 0, 0, *photo)
    return draw_hints(hints, region, torch.zeros(1, 1, *small[::-1]))[0]


def box(mask: torch.Tensor) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not 0; it has to be a whole rectangle."""
    rows, columns = mask.nonzero(as_tuple=True)
    left, right = int(columns.min()), int(columns.max()) + 1
    top, bottom = int(rows.min()), int(rows.max()) + 1
    assert mask[top:bottom, left:right].all()
    return left, top, right, bottom


def chroma(image: Image.Image) -> np.ndarray:
    lab = rgb_to_lab(torch.tensor(np.array(image)).permute(2, 0, 1) / 255)
    return lab[1:].norm(dim=0).numpy()


def centre(image: Image.Image) -> tuple[float, float]:
    """Column and row around which the colour of a picture is."""
    weights = chroma(image).clip(3) - 3
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return (columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum()


# Hints as a network gets them ---------------------------------------------------------------------


def test_a_hint_is_drawn_at_its_place():
    found = drawn(Hint(40, 20, RED, radius=6))
    assert box(found[2]) == (17, 7, 23, 13)  # 20 +- 3 and 10 +- 3, at half the photo's size
    assert torch.allclose(found[:2, 10, 20], RED_AB)
    assert found[:, :7].eq(0).all() and found[:, :, 23:].eq(0).all()


@pytest.mark.parametrize("radius", [0, 0.1, 1])
def test_a_hint_covers_a_pixel_at_least(radius):
    for x, y in ((0, 0), (3, 2), (159, 95), (80.9, 47.9)):
        found = drawn(Hint(x, y, RED, radius=radius))
        left, top, right, bottom = box(found[2])
        assert left <= x / 2 < right and top <= y / 2 < bottom
        assert (right - left) * (bottom - top) <= 2 * 2


def test_a_hint_ends_at_the_photo_s_border():
    assert box(drawn(Hint(0, 0, RED, radius=10))[2]) == (0, 0, 5, 5)
    assert box(drawn(Hint(159, 95, RED, radius=10))[2]) == (74, 42, 80, 48)
    assert drawn(Hint(80, 48, RED, radius=1e6))[2].eq(1).all()


def test_gray_is_a_hint_too():
    found = drawn(Hint(40, 20, None, radius=4), Hint(100, 20, "gray", radius=4))
    assert found[2].sum() == 2 * 4 * 4
    assert found[:2].abs().max() < 0.01


def test_the_last_hint_lies_on_top():
    found = drawn(Hint(80, 48, RED, radius=20), Hint(80, 48, None, radius=4))
    assert found[:2, 24, 40].eq(0).all() and torch.allclose(found[:2, 24, 33], RED_AB)


def test_no_hints_are_an_empty_mask():
    assert drawn().eq(0).all()
    model = ToyHints()
    assert chroma(model.colorize(GRAY, hints=[])).max() < 0.1


@pytest.mark.parametrize(("x", "y"), [(160, 20), (20, 96), (1e9, 0)])
def test_a_hint_outside_the_photo_is_refused(x, y):
    with pytest.raises(colorzoo.ConfigError, match=r"hint 2 is at .* outside the photo of 160 x 9"):
        ToyHints().colorize(GRAY, hints=[Hint(159.9, 95.9, RED), Hint(x, y, RED)])


# Hints in a picture -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 96), (101, 67), (67, 101), (31, 640)])
def test_a_hint_colours_its_place_of_any_photo(size):
    """Whatever the size: it is shrunk, padded to the stride of 8, and brought to full size."""
    width, height = size
    x, y = 0.7 * width, 0.4 * height
    hint = Hint(x, y, RED, radius=min(size) / 8)
    result = ToyHints(work_size=60).colorize(np.full(size[::-1], 120, np.uint8), hints=[hint])
    assert centre(result) == pytest.approx((x, y), abs=max(size) / 60)
    assert chroma(result)[int(y), int(x)] > 30
    assert chroma(result)[int(0.9 * height), int(0.1 * width)] < 2


def test_hints_are_of_the_upright_photo(tmp_path):
    """As whoever clicks sees it; the file holds it turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown 96 wide and 160 high
    Image.fromarray(GRAY).save(tmp_path / "turned.jpg", exif=exif)
    hint = Hint(80, 20, RED, radius=8)
    result = ToyHints().colorize(tmp_path / "turned.jpg", hints=[hint])
    assert result.size == (96, 160)
    assert centre(result) == pytest.approx((80, 20), abs=3)
    with pytest.raises(colorzoo.ConfigError, match="outside the photo of 96 x 160"):
        ToyHints().colorize(tmp_path / "turned.jpg", hints=[Hint(120, 20, RED)])


def test_hints_are_of_the_photo_with_its_border(rng):
    """A scan's flat border is not given to the network, but it counts for positions."""
    scan = np.full((160, 240), 250, np.uint8)
    scan[30:130, 60:220] = rng.integers(60, 180, (100, 160))
    hints = [Hint(150, 70, RED, radius=10), Hint(10, 10, "blue", radius=8)]  # the last on paper
    with pytest.warns(UserWarning, match="hint 2 lies in the flat border"):
        result = ToyHints().colorize(scan, hints=hints)
    assert centre(result) == pytest.approx((150, 70), abs=5)
    assert chroma(result)[:25].max() < 1 and chroma(result)[70, 150] > 20


def test_photos_of_a_batch_have_their_own_pixels():
    """A hint is at pixel (60, 30) of each photo, wherever that is at the working size."""
    model, hints = ToyHints(), [Hint(60, 30, RED, radius=6)]
    sizes = [(96, 160), (192, 320), (96, 160), (40, 70)]  # the first three look the same, shrunk
    photos = [colorzoo.read_photo(np.full(size, 120, np.uint8)) for size in sizes]
    for photo, said in zip(photos, model.predict_batch(photos, hints=hints), strict=True):
        result = model.render(photo, said, hints=hints)
        assert centre(result) == pytest.approx((60, 30), abs=5)
        alone = model.predict(photo, hints=hints)
        assert torch.equal(model.ab_of(said), model.ab_of(alone))
    small = colorzoo.read_photo(np.full((20, 30), 120, np.uint8))
    with pytest.raises(colorzoo.ConfigError, match="outside the photo of 30 x 20"):
        model.predict_batch([*photos, small], hints=hints)


def test_hints_of_predict_ab_are_pixels_of_the_lightness():
    ab = ToyHints().predict_ab(torch.full((3, 1, 45, 61), 50.0), hints=[Hint(30, 20, RED, 2)])
    assert ab.shape == (3, 2, 45, 61) and torch.equal(ab[0], ab[2])
    assert box(ab[0].norm(dim=0) > 1) == (28, 18, 32, 22)


def test_hints_need_no_second_run_of_the_network_to_render():
    model, photo, hints = ToyHints(), colorzoo.read_photo(GRAY), [Hint(60, 30, RED, radius=6)]
    said = model.predict(photo, hints=hints)
    model.forward = None  # pyright: ignore[reportAttributeAccessIssue]
    assert centre(model.render(photo, said)) == pytest.approx((60, 30), abs=3)


# References ---------------------------------------------------------------------------------------


def test_a_reference_is_l_a_b_at_the_working_size():
    rgb = np.zeros((100, 300, 3), np.uint8)
    rgb[:, 150:] = RED
    found = draw_reference(colorzoo.read_photo(rgb), 32)
    assert found.shape == (1, 3, 32, 96)
    assert torch.allclose(found[0, 1:, 16, 80], RED_AB, atol=0.1) and found[0, 0, 16, 5] < 1


def test_an_open_file_serves_several_photos_and_models():
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    Image.new("RGB", (50, 31), RED).save(buffer, "PNG")
    buffer.seek(6)
    model, photos = ToyExemplar(), [colorzoo.read_photo(GRAY), colorzoo.read_photo(GRAY[:, :20])]
    for _ in range(2):
        for said in model.predict_batch(photos, reference=buffer):
            assert model.ab_of(said).norm(dim=1).min() > 30


def test_a_reference_can_be_given_like_any_photo(tmp_path):
    reference = Image.new("RGB", (50, 31), RED)
    reference.save(tmp_path / "red.png")
    buffer = io.BytesIO()
    reference.save(buffer, "PNG")
    buffer.seek(0)
    model = ToyExemplar()
    kinds = (tmp_path / "red.png", buffer.getvalue(), buffer, reference, np.asarray(reference))
    first, *others = (np.asarray(model.colorize(GRAY, reference=each)) for each in kinds)
    assert (first[..., 0] > first[..., 2] + 40).all()
    assert all((each == first).all() for each in others)
    with pytest.raises(colorzoo.ImageError, match="nowhere.png"):
        model.colorize(GRAY, reference=tmp_path / "nowhere.png")


# Values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, r"seed must be a whole number from 0 to 2\*\*63 - 1, got -1"),
        ({"seed": 2**63}, "seed must be"),
        ({"seed": 1.0}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"steps": 0}, "steps must be a whole number from 1 to 1000, got 0"),
        ({"steps": 1001}, "steps must be"),
        ({"vividness": -0.1}, "vividness must be between 0 and 1, got -0.1"),
        ({"vividness": 1.01}, "vividness must be"),
        ({"vividness": float("nan")}, "vividness must be"),
        ({"vividness": 10**400}, "vividness must be"),
        ({"vividness": "0.5"}, "vividness must be"),
        ({"vividness": True}, "vividness must be"),
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"temperature": 10**400}, "temperature must be"),
        ({"temperature": "1"}, "temperature must be"),
        ({"hints": "120,80,red"}, "hints must be a list of colorzoo.Hint"),
        ({"hints": [(120, 80, "red")]}, "hints must be a list of colorzoo.Hint"),
        ({"hints": Hint(1, 2, None)}, "hints must be a list of colorzoo.Hint"),
    ],
)
def test_a_value_out_of_range_is_refused(options, message):
    with pytest.raises(colorzoo.ConfigError, match=message):
        given(options)


def test_none_asks_for_nothing():
    assert given(dict.fromkeys(colorzoo.Options.__annotations__)) == {}
    with pytest.raises(TypeError, match="there is no option sed, step; the options are hints, "):
        given({"step": None, "sed": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((-1, 0, None), "a hint's x must be a number of pixels from 0, got -1"),
        ((0, float("nan"), None), "a hint's y must be"),
        ((0, "3", None), "a hint's y must be"),
        ((True, 0, None), "a hint's x must be"),
        ((0, 0, None, -2), "a hint's radius must be"),
        ((0, 0, "#12"), "'#12' is not a colour; give '#rrggbb'"),
        ((0, 0, "no colour"), "'no colour' is not a colour"),
        ((0, 0, (1, 200)), "a and b from -128 to 128"),
        ((0, 0, None, 1, -1), "a hint's frame must be a whole number from 0, got -1"),
        ((0, 0, (1, 2, 256)), "three whole numbers from 0 to 255"),
        ((0, 0, (1.0, 2, 3)), "three whole numbers from 0 to 255"),
        ((0, 0, 7), "three whole numbers from 0 to 255"),
    ],
)
def test_a_hint_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(colorzoo.ConfigError, match=message):
        Hint(*values)


def test_a_colour_can_be_written_in_several_ways():
    for color in ("#ff6347", "tomato", "rgb(255, 99, 71)", (255, 99, 71), [255, 99, 71]):
        assert Hint(0, 0, color).rgb == (255, 99, 71)
    assert Hint(0, 0, None).rgb is None
