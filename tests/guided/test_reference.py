"""Colours from a reference photo: the same scene, another scene, and the palette."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorzoo.evaluation.metrics import gray, prepare, psnr
from colorzoo.guided.apply import _borrowed
from colorzoo.guided.reference import Matches, match, towards_palette
from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.pipeline import colorize_jobs
from colorzoo.jobs.plan import How, plan

# PSNR in dB that the same scene reaches at least.
REACHED = {"efficientnet-bins": 24, "resnet34": 22}


@pytest.fixture(scope="module", params=[*REACHED])
def model(request):
    return colorzoo.load(request.param)


def turned_hues(rgb):
    """Exchange the colours of a photo: ab turned by 120 degrees."""
    lab = rgb_to_lab(torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255)
    cos, sin = -0.5, 0.75**0.5
    a, b = lab[:, 1:2], lab[:, 2:]
    lab = torch.cat((lab[:, :1], cos * a - sin * b, sin * a + cos * b), dim=1)
    return to_uint8(lab_to_rgb(lab, gamut="desaturate")[0].permute(1, 2, 0)).numpy()


@pytest.mark.parametrize("change", [np.asarray, turned_hues], ids=["own", "other"])
def test_the_same_scene_gives_its_colours(model, coffee, change):
    truth = change(prepare(coffee))
    reference = truth[12:-12, :-20][:, ::-1]  # mirrored, and another part of it
    source = colorzoo.read_photo(gray(truth))
    plain = psnr(np.asarray(model.colorize_photo(source)), truth)
    result = psnr(np.asarray(model.colorize_photo(source, reference=reference)), truth)
    assert result > plain + 3 and result > REACHED[model.architecture]


def test_of_the_very_same_picture_every_part_gets_its_colours(model, coffee):
    """All cells match then, and the best matches alone would lie in one part of the photo."""
    truth = prepare(coffee)
    source = colorzoo.read_photo(gray(truth))
    result = psnr(np.asarray(model.colorize_photo(source, reference=truth)), truth)
    assert result > REACHED[model.architecture] + 3


def test_matches_are_taken_from_the_whole_photo():
    rows, columns = np.mgrid[:40, :40].reshape(2, -1) / 40 + 1 / 80
    cells = torch.tensor(np.stack((rows, columns), axis=1))
    confidence = torch.tensor(1 - rows / 10)  # the best are at the top
    anchors = _borrowed(Matches(cells, torch.ones(1600, 2), confidence), np.zeros((2, 80, 80)))
    parts = set(zip(anchors.rows // 4, anchors.columns // 4, strict=True))
    assert len(anchors.rows) == len(parts) == 400
    assert (anchors.rows % 4 < 2).all(), "the best of each part"


def test_an_unrelated_photo_does_little_harm(model, coffee):
    from skimage import data

    losses = []
    for truth, other in (
        (coffee, data.astronaut()),
        (data.astronaut(), coffee),
        (coffee, data.cat()),
    ):
        source = colorzoo.read_photo(gray(prepare(truth)))
        before = psnr(np.asarray(model.colorize_photo(source)), prepare(truth))
        after = np.asarray(model.colorize_photo(source, reference=other))
        losses.append(before - psnr(after, prepare(truth)))
    assert max(losses) < 0.5


def test_hints_come_before_the_reference(model, coffee):
    truth = prepare(coffee)
    source = colorzoo.read_photo(gray(truth))
    hint = colorzoo.Hint(40, 40, (-20.0, -10.0), radius=5)
    prediction = model.predict(source)
    ab = model.ab_of(prediction, hints=[hint], reference=truth)
    place = 40 * model.work_size // 256
    np.testing.assert_allclose(ab[0, :, place, place], hint.ab, atol=1.5)


def test_a_gray_reference_is_no_error(model, coffee):
    source = colorzoo.read_photo(gray(prepare(coffee)))
    with pytest.warns(UserWarning, match="the reference is black and white.*give a colour photo"):
        image = model.colorize_photo(source, reference=gray(prepare(coffee)))
    result = np.asarray(image).astype(int)
    plain = np.asarray(model.colorize_photo(source)).astype(int)
    assert np.ptp(result, axis=2).mean() < 0.5 * np.ptp(plain, axis=2).mean()


def test_references_of_any_shape(model, coffee):
    photo = colorzoo.read_photo(coffee[::4, ::4])
    for reference in (coffee[:40, :400], coffee[:400, :30], Image.fromarray(coffee)):
        assert model.colorize_photo(photo, reference=reference).size == (150, 100)


def test_models_without_an_encoder_say_so(camera, coffee):
    unet = colorzoo.create_model("unet", width=2)
    with pytest.raises(
        colorzoo.ConfigError, match="unet does not support reference; .*efficientnet-b"
    ):
        unet.colorize(camera, reference=coffee)


def test_a_few_matches_are_taken_for_chance():
    torch.manual_seed(0)
    ours, theirs = torch.randn(1, 64, 16, 16), torch.randn(1, 64, 16, 16)
    theirs[..., :1, :4] = ours[..., :1, :4]  # 4 of 256 cells are equal
    lab = torch.tensor([50.0, 30.0, 20.0])[None, :, None, None].expand(1, 3, 32, 32)
    assert len(match(ours, theirs, lab[:, :1], lab, half=0.6).ab) == 0
    same = match(ours, ours, lab[:, :1], lab, half=0.6)
    assert len(same.ab) == 256 and (same.confidence > 0.9).all()
    np.testing.assert_allclose(same.ab, [(30.0, 20.0)] * 256)
    np.testing.assert_allclose(same.cells[17], (1.5 / 16, 1.5 / 16))


def test_a_palette_pulls_weakly_at_the_same_lightness():
    lightness = torch.cat((torch.full((1, 1, 8, 8), 25.0), torch.full((1, 1, 8, 8), 75.0)), dim=3)
    ab = torch.zeros(1, 2, 8, 16)
    colours = torch.zeros(1, 2, 8, 16)
    colours[:, 0, :, :8], colours[:, 1, :, 8:] = 40.0, 40.0  # dark is red, light is yellow
    change = towards_palette(lightness, ab, torch.cat((lightness, colours), dim=1))
    assert (change[0, 0, :, :8] > 1).all() and (change[0, 0, :, :8] < 8).all()
    assert (change[0, 1, :, 8:] > 1).all() and change[0, 1, :, :8].abs().max() < 0.1


class Sees(colorzoo.Colorizer):
    """Counts the pictures that it computes features of."""

    render_options = frozenset({"reference"})

    def __init__(self, *, work_size: int = 16) -> None:
        super().__init__(work_size=work_size)
        self.ab = torch.nn.Parameter(torch.tensor([30.0, 20.0]))
        self.seen = []

    def forward(self, lightness):
        return self.ab.view(1, 2, 1, 1).expand(len(lightness), 2, *lightness.shape[-2:])

    def describe(self, lightness):
        self.seen.append(tuple(lightness.shape[-2:]))
        return torch.nn.functional.avg_pool2d(lightness, 4)


def in_a_batch(model, paths, reference, out):
    return [np.asarray(each) for each in model.colorize_batch(paths, reference=reference)]


def in_a_folder(model, paths, reference, out):
    how = How(options={"reference": reference})
    done = list(colorize_jobs(model, plan([paths[0].parent], out), how))
    return [np.asarray(Image.open(each.job.target)) for each in done]


def in_rows(model, paths, reference, out):
    work = Colorize("unet", reference=reference)
    work.__dict__["model"] = model
    rows = [work({"path": [str(path)]})["coloured"][0] for path in paths]
    return [np.asarray(Image.open(io.BytesIO(row))) for row in rows]


@pytest.mark.parametrize("run", [in_a_batch, in_a_folder, in_rows])
def test_a_reference_is_looked_at_once_in_a_run(run, coffee, tmp_path):
    photos = [gray(coffee[i::25, i::25]) for i in range(3)]
    paths = [tmp_path / "photos" / f"{i}.png" for i in range(3)]
    paths[0].parent.mkdir()
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    reference, model = coffee[::10, 200:400:10], Sees()
    expected = [np.asarray(model.colorize(photo, reference=reference)) for photo in photos]
    alone = list(model.seen)
    assert len(set(alone)) == 2 and len(alone) == 6
    model.seen.clear()
    found = run(model, paths, reference, tmp_path / "out")
    assert sorted(map(np.ndarray.tobytes, found)) == sorted(map(np.ndarray.tobytes, expected))
    assert sorted(model.seen) == sorted([alone[0], *alone[1::2]])  # the reference, then the photos
    model.seen.clear()  # another run has another reference
    run(model, paths, coffee[::10, :400:10], tmp_path / "other")
    assert len(model.seen) == 4
