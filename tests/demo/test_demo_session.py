"""A visitor's session without the page: results, samples, downloads, and what is re-used."""

import zipfile
from contextlib import nullcontext
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo.evaluation import metrics
from webapp import hub_models, theme, uploads
from webapp import models as zoo
from webapp import session as sessions
from webapp.tabs import compare

NAMES = zoo.model_names()


def run(visit, upload, *, names=NAMES, samples=0, **settings):
    wish = sessions.Wish(upload["path"], tuple(names), zoo.Settings(**settings), zoo.seeds(samples))
    visit.begin(wish)
    return list(sessions.colour(visit, wish, upload))


def pixels(file):
    with Image.open(file) as image:
        return np.asarray(image).astype(int)


def spy(monkeypatch, calls):
    """Count the runs of networks."""
    predict = colorzoo.Colorizer.predict

    def counted(self, photo, *, work_size=None, **options):
        calls.append((self.architecture, work_size))
        return predict(self, photo, work_size=work_size, **options)

    monkeypatch.setattr(colorzoo.Colorizer, "predict", counted)


def test_a_colour_photo_is_the_truth(upload):
    visit, names = sessions.Visit(), NAMES[::2]
    *_, last = run(visit, upload, names=names)
    assert visit.kind == "colour" and "The photo is in colour" in last.lines[1]
    assert list(visit.tiles) == [sessions.BEFORE, sessions.TRUTH, *names]
    assert visit.tiles[sessions.TRUTH].numbers == (100, pytest.approx(1), 0)
    photo = uploads.read(upload)
    for name in names:
        numbers = visit.tiles[name].numbers
        result = np.asarray(colorzoo.load(name).colorize_photo(photo))
        truth, predicted = (metrics.prepare(each) for each in (photo.rgb, result))
        assert numbers.psnr == pytest.approx(metrics.psnr(predicted, truth), abs=0.3)
        assert numbers.ssim == pytest.approx(metrics.ssim(predicted, truth), abs=0.01)
    visit.truth_shown = False
    assert sessions.TRUTH not in visit.shown() and sessions.TRUTH not in visit.pictures()


def test_a_gray_photo_has_no_truth(upload_folder, camera):
    Image.fromarray(camera).save(upload_folder / "camera.png")
    visit = sessions.Visit()
    *_, last = run(visit, {"path": str(upload_folder / "camera.png")}, names=NAMES[:1])
    assert "black and white" in last.lines[1] and sessions.TRUTH not in visit.tiles
    assert all(tile.numbers is None for tile in visit.tiles.values())


def test_settings_reuse_what_was_computed(upload, monkeypatch):
    calls, visit, names = [], sessions.Visit(), ["unet", "unet-bins"]
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    spy(monkeypatch, calls)
    run(visit, upload, names=names)
    assert len(calls) == len(names)
    run(visit, upload, names=names, saturation=1.5, strength=0.5, vividness=0.3)
    sessions.view(visit, (sessions.BEFORE, names[0]))
    sessions.png(visit, names[-1])
    assert len(calls) == len(names)
    run(visit, upload, names=names, work_size=96)
    assert len(calls) == 2 * len(names) and {size for _, size in calls[len(names) :]} == {96}


def test_the_settings_do_what_they_say(upload):
    photo = uploads.read(upload)
    visit = sessions.Visit()
    run(visit, upload, names=["unet-bins"], saturation=1.3, work_size=96, vividness=0.8)
    colours = colorzoo.load("unet-bins").colorize_photo(
        photo, saturation=1.3, work_size=96, vividness=0.8
    )
    expected = np.asarray(colours).astype(int)
    shown = np.asarray(Image.open(sessions.png(visit, "unet-bins")))
    assert np.abs(shown - expected).max() <= 1
    run(visit, upload, names=["unet-bins"], saturation=1.3, work_size=96, vividness=0.8,
        strength=0.25)  # fmt: skip
    weak = np.asarray(Image.open(sessions.png(visit, "unet-bins")))
    gray = np.asarray(uploads.original(photo, "colour"))
    assert np.abs(weak - (0.25 * expected + 0.75 * gray)).max() <= 2


def test_samples_come_from_what_the_network_said_already(upload_folder, coffee, monkeypatch):
    upload = {"path": str(upload_folder / "small.png")}
    Image.fromarray(coffee).resize((150, 100)).save(upload["path"])
    calls, visit, names = [], sessions.Visit(), ["unet-bins", "unet"]
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    run(visit, upload, names=names)
    spy(monkeypatch, calls)
    *_, last = run(visit, upload, names=names, samples=2)
    sampled = ["unet-bins 1", "unet-bins 2"]
    assert list(visit.tiles)[2:] == ["unet-bins", *sampled, "unet"]
    assert last.lines[0].startswith("2 of 2 models in")
    first = visit.tiles["unet-bins 1"]
    assert first.caption == f"unet-bins 1 · CF\xa0{first.cf:.0f}"
    assert len({visit.tiles[name].numbers.psnr for name in ("unet-bins", *sampled)}) == 3

    visit.chosen = (sessions.BEFORE, "unet-bins 2")
    assert visit.pair() == visit.chosen
    path = sessions.png(visit, "unet-bins 2")
    assert path.endswith("/small-unet-bins-2.png")
    with zipfile.ZipFile(sessions.archive(visit)) as file:
        assert file.namelist() == [
            f"small-{name}.png" for name in ("unet-bins", "unet-bins-1", "unet-bins-2", "unet")
        ]
        assert (pixels(file.open("small-unet-bins-2.png")) == pixels(path)).all()

    # Another number of them leaves those that are there as they are; other settings do not.
    run(visit, upload, names=names, samples=1)
    assert list(visit.tiles)[2:] == ["unet-bins", "unet-bins 1", "unet"]
    assert visit.tiles["unet-bins 1"] is first
    run(visit, upload, names=names, samples=1, saturation=0)
    assert visit.tiles["unet-bins 1"].cf == 0
    assert calls == []

    expected = np.asarray(colorzoo.load("unet-bins").colorize(upload["path"], seed=2))
    assert np.abs(pixels(path) - expected).max() <= 1


def test_a_model_of_the_visitor_s_own_can_be_sampled(upload, monkeypatch):
    model = colorzoo.load("unet-bins")
    monkeypatch.setattr(hub_models, "get", lambda key: model)
    visit = sessions.Visit(guests={"ann/bins": "ann/bins@c"})
    run(visit, upload, names=["ann/bins"], samples=1)
    assert list(visit.tiles)[2:] == ["ann/bins", "ann/bins 1"]
    about = compare._about("ann/bins 1", visit)
    assert about == "**ann/bins 1**: added from the Hub, commit c. Sampled with seed 1."


def test_downloads_are_whole_and_keep_the_metadata(upload, coffee):
    visit = sessions.Visit()
    run(visit, upload)
    path = sessions.png(visit, "unet")
    assert path.endswith("/my-photo-unet.png")
    with Image.open(path) as image:
        assert image.format == "PNG" and image.size == (600, 400)
        assert image.getexif()[0x013B] == "Ann" and image.info["dpi"] == pytest.approx(
            (300, 300), 0.01
        )
        expected = colorzoo.load("unet").colorize(upload["path"])
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1
    with zipfile.ZipFile(sessions.archive(visit)) as file:
        assert sorted(file.namelist()) == sorted(f"my-photo-{name}.png" for name in NAMES)
        with Image.open(file.open("my-photo-unet.png")) as image:
            assert image.size == (600, 400) and image.getexif()[0x013B] == "Ann"
    with Image.open(sessions.sheet(visit)) as sheet:
        assert sheet.width > 1400 and sheet.format == "JPEG"


def test_without_a_photo_there_is_nothing_to_take_home():
    for make in (sessions.archive, sessions.sheet, lambda visit: sessions.png(visit, "unet")):
        with pytest.raises(gr.Error, match="choose a photo first"):
            make(sessions.Visit())


def test_a_large_photo_is_reduced_on_the_page_only(upload_folder, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SHOWN", 500_000)
    Image.linear_gradient("L").resize((1400, 700)).save(upload_folder / "large.png")
    visit = sessions.Visit()
    *_, last = run(visit, {"path": str(upload_folder / "large.png")}, names=["unet"])
    assert "downloads have the full size" in last.lines[-1]
    sizes = {Image.open(path).size for path in sessions.view(visit, (sessions.BEFORE, "unet"))}
    assert sizes == {(1000, 500)}
    assert Image.open(sessions.png(visit, "unet")).size == (1400, 700)


def test_a_failing_model_does_not_stop_the_others(upload, monkeypatch):
    def get_model(name):
        if name == NAMES[0]:
            raise colorzoo.WeightsError("its weights are <gone>")
        return colorzoo.load(name)

    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    monkeypatch.setattr(zoo, "get_model", get_model)
    visit = sessions.Visit()
    *_, last = run(visit, upload)
    assert visit.tiles[NAMES[0]].error and visit.tiles[NAMES[0]].caption == f"{NAMES[0]} · failed"
    assert [name for name in visit.pictures() if sessions.is_model(name)] == NAMES[1:]
    assert f"{NAMES[0]} failed: its weights are <gone>" in last.lines
    assert "&lt;gone&gt;" in theme.status(*last.lines)
    assert visit.pair() == (sessions.BEFORE, NAMES[1])


def test_a_new_wish_ends_the_run_before(upload):
    visit = sessions.Visit()
    wish = sessions.Wish(upload["path"], tuple(NAMES), zoo.Settings())
    visit.begin(wish)
    steps = sessions.colour(visit, wish, upload)
    next(steps)
    visit.begin(wish._replace(models=("unet",)))
    assert list(steps) == []


@pytest.mark.parametrize("is_readable", [True, False])
def test_each_step_has_the_gallery(is_readable, upload):
    """Gradio's client takes back an update that it has not shown, if the next step lacks it."""
    with gr.Blocks():
        desk = compare._Desk(*compare.lay_out())
    if not is_readable:
        Path(upload["path"]).write_bytes(b"no photo")
    visit = sessions.Visit()
    asked = (upload, ["unet"], 1.0, 1.0, 0, 0.5, 0, visit)
    steps = [desk.begin(*asked)]
    with nullcontext() if is_readable else pytest.raises(gr.Error):
        steps.extend(desk.run(*asked))
    assert len(steps) == (4 if is_readable else 2)
    assert all(desk.results.gallery in step for step in steps)


def test_an_old_run_does_not_overwrite_the_words_of_a_newer_one(upload, monkeypatch):
    """The newer one may be done while the older one still draws its last picture."""
    with gr.Blocks():
        desk = compare._Desk(*compare.lay_out())
    visit, draw = sessions.Visit(), sessions._result

    def interrupted(*arguments):
        tile = draw(*arguments)
        desk.begin(upload, [], 1.0, 1.0, 0, 0.5, 0, visit)  # every model is unticked
        return tile

    asked = (upload, ["unet", "autoencoder"], 1.0, 1.0, 0, 0.5, 0, visit)
    desk.begin(*asked)
    steps = desk.run(*asked)
    assert "Colouring with" in next(steps)[desk.results.line]
    monkeypatch.setattr(sessions, "_result", interrupted)
    assert list(steps) == []

    desk.begin(*asked)
    monkeypatch.setattr(
        sessions, "colour", lambda *_: iter([desk.begin(*asked[:1], [], *asked[2:])])
    )
    (step,) = desk.run(*asked)  # Gradio clears what a run without any step would have changed
    assert list(step) == [desk.results.line] and "value" not in step[desk.results.line]


def test_requests_that_overtake_one_another_end_with_the_newest():
    old, new = (sessions.Wish("a.png", ("unet",), zoo.Settings(each)) for each in (0.5, 1.0))
    visit = sessions.Visit()
    for wish in (old, new):
        visit.begin(wish)
    assert [visit.take_up(wish) for wish in (old, new)] == [False, True] and visit.wish == new
    for wish in (new, old):  # the older one comes late
        visit.begin(wish)
    # By then, the page asks for its newest settings in every run.
    assert [visit.take_up(new) for _ in range(2)] == [False, True] and visit.wish == new
    assert visit.take_up(new) and not visit.due
