"""Hints on models that were not trained with them: where colours go, and where they stop."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import colorzoo
from colorzoo import Area, Hint
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guided.apply import Region, guide, keep_gray
from colorzoo.guided.notes import IN_BORDER, notes_on
from colorzoo.imaging.read import Photo

SIDE = 96
WHOLE = Region(SIDE, SIDE, 0, 0, SIDE, SIDE)


def colours(lightness, hints, *, predicted=(4.0, 8.0), region=WHOLE, spread=None):
    """Guide a model that predicts one colour everywhere: (2, h, w) ab."""
    level = torch.tensor(lightness, dtype=torch.float32)[None, None]
    ab = torch.tensor(predicted)[None, :, None, None].expand(1, 2, *level.shape[-2:]).clone()
    return guide(ab, level, hints, region, spread=spread)[0].numpy()


def shape(seed):
    """Draw a noisy shape on another gray: (SIDE, SIDE) L, its mask and its middle."""
    random = np.random.default_rng(seed)
    x, y = random.integers(30, SIDE - 30, 2)
    r = random.integers(10, 24)
    outline = ((x - r, y - r, x + r, y + r), ((x, y - r), (x - r, y + r), (x + r, y + r)))
    mask = Image.new("1", (SIDE, SIDE))
    draw = ImageDraw.Draw(mask)
    kind = (draw.ellipse, draw.rectangle, draw.polygon)[seed % 3]
    kind(outline[seed % 3 == 2], fill=1)
    inside = np.asarray(mask)
    light, dark = random.uniform(20, 40), random.uniform(65, 90)
    levels = np.where(inside, *((light, dark) if seed % 2 else (dark, light)))
    return levels + random.normal(0, 0.7, levels.shape), inside, int(x), int(y)


@pytest.mark.parametrize("seed", range(50))
def test_a_colour_fills_its_shape_and_stops_at_the_edge(seed):
    lightness, inside, x, y = shape(seed)
    color = ("#b03020", "#2040b0", "#30a030", "#e0c020", None)[seed % 5]
    hint = Hint(x, y, color, radius=2)
    ab = colours(lightness, [hint])
    np.testing.assert_allclose(ab[:, y, x], hint.ab, atol=0.5)
    moved = np.hypot(ab[0] - 4, ab[1] - 8)
    asked = np.hypot(*(np.array(hint.ab) - (4, 8)))
    assert np.mean(moved[~inside] < 3) >= 0.95, "it bleeds"
    assert np.mean(moved[inside] > 0.7 * asked) >= 0.8, "it does not fill the shape"


def test_a_small_correction_also_reaches_what_looks_alike():
    lightness, inside, x, y = shape(7)
    twice = np.concatenate((lightness, lightness), axis=1)
    region = Region(2 * SIDE, SIDE, 0, 0, 2 * SIDE, SIDE)
    near = (6.0, 16.0)  # the model is a little too gray
    ab = colours(twice, [Hint(x, y, near)], region=region)
    away = ab[:, :, SIDE:][:, inside].mean(axis=1)
    assert away[1] > 8 + 0.25 * (16 - 8)
    red = colours(twice, [Hint(x, y, (70.0, 50.0))], region=region)
    np.testing.assert_allclose(red[:, :, SIDE:][:, inside].mean(axis=1), (4, 8), atol=1.5)


def test_hints_far_apart_do_not_disturb_each_other():
    lightness = np.full((SIDE, 2 * SIDE), 60.0)
    lightness[:, SIDE - 3 : SIDE + 3] = 20.0
    region = Region(2 * SIDE, SIDE, 0, 0, 2 * SIDE, SIDE)
    one, other = Hint(40, 40, "#b03020", radius=2), Hint(150, 40, "#2040b0", radius=2)
    both = colours(lightness, [one, other], region=region)
    for hint, side in ((one, slice(0, SIDE - 4)), (other, slice(SIDE + 4, None))):
        alone = colours(lightness, [hint], region=region)
        assert np.abs(both - alone)[:, :, side].mean() < 2
        np.testing.assert_allclose(both[:, 40, int(hint.x)], hint.ab, atol=0.5)


def test_the_last_of_two_hints_at_one_place_counts():
    lightness = np.full((SIDE, SIDE), 50.0)
    ab = colours(lightness, [Hint(40, 40, "red"), Hint(40, 40, "blue")])
    np.testing.assert_allclose(ab[:, 40, 40], Hint(0, 0, "blue").ab, atol=1)


def test_where_the_model_is_sure_a_correction_elsewhere_changes_less():
    lightness = np.full((SIDE, SIDE), 50.0)
    lightness[:, 46:50] = 0
    spread = torch.full((1, 1, SIDE, SIDE), 20.0)
    spread[..., 48:] = 2.0
    ab = colours(lightness, [Hint(20, 40, (10.0, 18.0))], spread=spread)
    same = colours(lightness, [Hint(20, 40, (10.0, 18.0))])
    assert abs(ab[1, 40, 80] - 8) < 0.5 * abs(same[1, 40, 80] - 8)


def test_many_hints_and_large_predictions_are_bounded():
    random = np.random.default_rng(0)
    side = 512
    lightness = 50 + 10 * random.standard_normal((side, side))
    hints = [Hint(*xy, "teal") for xy in random.uniform(0, side, (1000, 2)).tolist()]
    ab = colours(lightness, hints, region=Region(side, side, 0, 0, side, side))
    assert ab.shape == (2, side, side) and np.isfinite(ab).all()
    np.testing.assert_allclose(ab.mean(axis=(1, 2)), Hint(0, 0, "teal").ab, atol=3)
    with pytest.raises(colorzoo.ConfigError, match="at most 1,000 hints, got 10,000"):
        colorzoo.create_model("autoencoder").check(hints=hints * 10)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return colorzoo.create_model("autoencoder", width=4).eval()


@pytest.fixture
def photo(camera):
    return colorzoo.read_photo(camera[::2, ::2])


def pixels(image):
    return np.asarray(image).astype(int)


def test_without_hints_nothing_changes(model, photo):
    plain = pixels(model.colorize_photo(photo))
    for none in ([], (), None):
        assert (pixels(model.colorize_photo(photo, hints=none)) == plain).all()
    unchanged = Area(np.ones(photo.rgb.shape[:2], bool), "unchanged")
    assert (pixels(model.colorize_photo(photo, hints=[unchanged])) == plain).all()


def test_the_photo_keeps_its_lightness_and_gets_the_colour(model, photo):
    hint = Hint(60, 30, (12.0, 16.0), radius=3)
    result = model.colorize_photo(photo, hints=[hint], saturation=0.2)
    lab = rgb_to_lab(torch.tensor(pixels(result)).permute(2, 0, 1)[None] / 255.0)[0]
    before = rgb_to_lab(torch.tensor(photo.rgb).permute(2, 0, 1)[None] / 255.0)[0]
    assert (lab[0] - before[0]).abs().mean() < 0.5
    assert (lab[1:, 30, 60] - torch.tensor(hint.ab)).norm() < 6, "saturation is not for hints"


def test_hints_are_pixels_of_the_photo_whatever_copy_is_rendered(model, camera):
    large, small = colorzoo.read_photo(camera), colorzoo.read_photo(camera[::4, ::4])
    hint = Hint(300, 100, "#b03020", radius=8)
    prediction = model.predict(large)
    for photo, scale in ((large, 1), (small, 4)):
        result = pixels(model.render(photo, prediction, hints=[hint]))
        red, _, blue = result[100 // scale, 300 // scale]
        assert red > blue + 40


def test_hints_work_inside_a_mount(model, camera):
    mount = np.full((300, 320), 235, np.uint8)
    mount[40:260, 60:280] = camera[100:320, 100:320]
    photo = colorzoo.read_photo(mount)
    result = pixels(model.colorize_photo(photo, hints=[Hint(100, 60, "#b03020", radius=4)]))
    assert result[60, 100, 0] > result[60, 100, 2] + 20
    assert (result[:30] == result[:30, :, :1]).all(), "the mount stays gray"
    outside = Hint(10, 10, "red")
    left = pixels(model.colorize_photo(photo, hints=[outside]))
    assert (left == pixels(model.colorize_photo(photo))).all()
    assert notes_on([outside, Hint(100, 60, (1, 1))], photo.rgb) == (f"hint 1 {IN_BORDER}",)
    on_mount = np.zeros((300, 320), bool)
    on_mount[:30] = True
    areas = [Area(on_mount, "red"), Area(on_mount, None), Area(on_mount, "unchanged")]
    assert notes_on(areas, photo.rgb) == (f"area 1 {IN_BORDER}",)


def test_an_area_stays_gray_to_the_pixel(model, photo):
    mask = np.zeros(photo.rgb.shape[:2], bool)
    mask[:, 100:] = True
    for area, gray in ((Area(mask, None), mask), (Area(mask, None, inverted=True), ~mask)):
        result = pixels(model.colorize_photo(photo, hints=[area, Hint(150, 50, "red")]))
        assert (result[gray] == result[gray][:, :1]).all()
        assert (np.ptp(result[~gray], axis=1) > 0).mean() > 0.5
    stream = io.BytesIO()
    Image.fromarray(photo.rgb[..., 0].astype(np.uint16) * 256 + 7).save(stream, "PNG")
    deep = colorzoo.read_photo(stream.getvalue(), deep=True)
    prediction = model.predict(deep)
    sixteen = colorzoo.render_deep(model, deep, prediction, hints=[Area(mask, None)])
    assert (sixteen[mask] == deep.gray16[mask][:, None]).all()
    model.defaults = {"hints": [Area(mask, None)]}  # as load(hints=...) sets them
    assert (colorzoo.render_deep(model, deep, prediction) == sixteen).all()


def test_an_area_gets_its_colour_and_nothing_else_does(model, photo):
    mask = Image.new("L", (64, 64))
    mask.paste(255, (8, 8, 32, 40))
    area = Area(mask, "#5080c0")
    prediction = model.predict(photo)
    plain, ab = model.ab_of(prediction), model.ab_of(prediction, hints=[area])
    inside = area.sized(ab.shape[-1], ab.shape[-2]) / 255
    np.testing.assert_allclose(ab[0, :, inside == 1].T, [area.ab] * (inside == 1).sum(), atol=1e-3)
    assert (ab[0, :, inside == 0] == plain[0, :, inside == 0]).all()


def test_an_unchanged_area_keeps_the_models_colours(model, photo):
    mask = np.zeros(photo.rgb.shape[:2], bool)
    mask[:, :128] = True
    hints = [Hint(20, 20, "red", radius=9), Hint(200, 20, "red", radius=9)]
    prediction = model.predict(photo)
    plain = model.ab_of(prediction)
    ab = model.ab_of(prediction, hints=[*hints, Area(mask, "unchanged")])
    half = plain.shape[-1] // 2
    assert (ab[..., : half - 1] == plain[..., : half - 1]).all()
    assert (ab[..., half + 1 :] - plain[..., half + 1 :]).abs().max() > 20


def test_soft_masks_blend():
    result = np.full((4, 4, 3), (200, 100, 100), np.uint8)
    gray = np.full((4, 4, 3), 120, np.uint8)
    half = Area(np.pad(np.full((4, 3), 0.5), ((0, 0), (1, 0)), constant_values=1.0), None)
    out = keep_gray(result, gray, [half]).astype(int)
    assert (out[:, 0] == 120).all()
    np.testing.assert_allclose(out[:, 1:], np.full((4, 3, 3), (160, 110, 110)), atol=1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 8), bool), "must have white pixels"),
        (np.zeros((8, 8), np.uint8), "must have white pixels"),
        (np.eye(8, dtype=np.uint8), "its brightest level is 1; make it black and white"),
        (Image.fromarray(np.eye(8, dtype=np.uint8) * 100), "its brightest level is 100"),
        (np.eye(8) * 255, "float values from 0 to 255, expected 0 to 1"),
        (np.eye(8) * 2 - 1, "float values from -1 to 1, expected 0 to 1"),
    ],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_a_mask_without_an_area_or_white_is_refused(mask, message, inverted):
    """Of labels, 0 and 1, all would be "not white": inverted, the whole photo stayed gray."""
    if inverted and not np.asarray(mask).any():
        assert Area(mask, None, inverted=True).mask.all()
        return
    with pytest.raises(colorzoo.ColorzooError, match=message):
        Area(mask, None, inverted=inverted)


def test_float_masks_may_leave_the_range_by_rounding():
    assert (Area(np.eye(8) * 1.001 - 0.0005, None).mask == np.eye(8) * 255).all()


def test_a_mask_of_another_shape_is_refused(model, photo):
    with pytest.raises(colorzoo.ConfigError, match="100 x 20 pixels, the photo has 256 x 256"):
        model.colorize_photo(photo, hints=[Area(np.ones((20, 100), bool), None)])


def test_masks_from_files_and_with_alpha(tmp_path):
    levels = np.zeros((10, 20, 4), np.uint8)
    levels[:, 10:] = 255
    levels[5:, :, 3] = 0
    Image.fromarray(levels).save(tmp_path / "mask.png")
    area = Area(tmp_path / "mask.png", "#102030")
    assert (area.mask[:5, 10:] == 255).all() and area.mask.sum() == 50 * 255
    assert area == Area(area.mask, "#102030") and hash(area) == hash(Area(area.mask, "#102030"))
    assert area != Area(area.mask, None)


def test_a_colour_that_cannot_be_that_bright_is_noted():
    photo = Photo(np.full((4, 4, 3), 240, np.uint8), None, "x", None, None, ())
    notes = notes_on([Hint(1, 1, "#0000ff"), Hint(2, 2, "#fff0f0")], photo.rgb)
    assert notes == (
        "hint 1: sRGB has no #0000ff that is as bright as the photo there, so a paler one is used",
    )


def test_areas_too_are_noted_and_many_notes_are_counted():
    rgb = np.full((40, 60, 3), 240, np.uint8)
    rgb[:20] = 20
    dark = np.zeros((40, 60), bool)
    dark[:18] = True
    notes = notes_on([Area(dark, "yellow"), Area(~dark, "#fff0f0"), Area(dark, None)], rgb)
    assert notes == (
        "area 1: sRGB has no yellow that is as dark as most of the photo there, so a paler one is "
        "used",
    )
    notes = notes_on([Hint(x, 30, "#0000ff") for x in range(50)], rgb)
    assert len(notes) == 4 and notes[3] == "47 more hints get a paler colour, too"


def test_many_photos_warn_as_one_does_and_a_folder_skips_what_does_not_fit(model, tmp_path):
    for name, side in (("a.png", 40), ("b.png", 8), ("c.png", 40)):
        Image.new("L", (side, side), 240).save(tmp_path / name)
    hints = [Hint(20, 20, "#0000ff")]
    with pytest.warns(UserWarning) as told:
        images = list(model.colorize_batch(tmp_path, hints=hints))
    assert [Path(image.info["source"]).name for image in images] == ["a.png", "c.png"]
    small = f"skipped: {tmp_path / 'b.png'}: hint 1 is at (20, 20), outside the photo of 8 x 8"
    assert any(str(each.message).startswith(small) for each in told)
    assert sum("sRGB has no #0000ff" in str(each.message) for each in told) == 2
    with pytest.raises(colorzoo.ConfigError, match=r"^b.png: hint 1 is at .20, 20., outside"):
        list(model.colorize_batch([tmp_path / "b.png"], hints=hints))


def test_the_result_is_as_colourful_as_srgb_allows(model):
    flat = colorzoo.read_photo(np.full((64, 64), 240, np.uint8))
    result = pixels(model.colorize_photo(flat, hints=[Hint(32, 32, "#0000ff", radius=9)]))[32, 32]
    lab = torch.tensor([[[95.0]], [[79.0]], [[-108.0]]])[None]
    assert result[2] == 255 and lab_to_rgb(lab, gamut="desaturate")[0, 2] > 0.99
