"""The demo's parts: what kind of photo, re-used predictions, limits, tabs; no server."""

import io
import re
import shutil
import sys
import threading
import time
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.demo_server import DEMO
from PIL import Image

import colorzoo

gr = pytest.importorskip("gradio", reason="the demo needs colorzoo[demo]")
sys.path.insert(0, str(DEMO))  # as `python demo/app.py` and a Space have it

import app  # noqa: E402
from webapp import hub_models, theme, uploads
from webapp import models as zoo
from webapp import session as sessions
from webapp.downloads import Shelf  # noqa: E402
from webapp.tabs import cards, leaderboard

NAMES = zoo.model_names()


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """The folder in which Gradio puts uploads."""
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def upload(uploads, coffee):
    """A colour photo with EXIF and DPI, as gr.Image sends it."""
    exif = Image.Exif()
    exif[0x013B] = "Ann"
    path = uploads / "my photo.jpg"
    Image.fromarray(coffee).save(path, quality=95, exif=exif, dpi=(300, 300))
    return {"path": str(path)}


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

    def counted(self, photo, *, work_size=None):
        calls.append((self.architecture, work_size))
        return predict(self, photo, work_size=work_size)

    monkeypatch.setattr(colorzoo.Colorizer, "predict", counted)


# Photos -------------------------------------------------------------------------------------------


def grainy(pixels, quality=75):
    grain = np.random.default_rng(0).normal(0, 4, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=quality
    )
    return colorzoo.read_photo(buffer.getvalue())


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_the_kind_of_a_photo_is_noticed(name):
    from skimage import data

    photo = getattr(data, name)()
    assert uploads.kind_of(colorzoo.read_photo(photo)) == "colour"
    gray = np.asarray(Image.fromarray(photo).convert("L"))[..., None] / 255
    assert uploads.kind_of(grainy(gray * [255, 255, 255])) == "gray"
    sepia = np.concatenate((gray**0.8 * 255, gray * 235, gray**1.25 * 200), axis=2)
    assert uploads.kind_of(grainy(sepia)) == "toned"
    cyanotype = np.concatenate((gray**1.6 * 200, gray**1.1 * 225, gray**0.8 * 245), axis=2)
    assert uploads.kind_of(grainy(cyanotype)) == "toned"


def test_a_gray_file_is_gray(camera):
    assert uploads.kind_of(colorzoo.read_photo(camera)) == "gray"


def test_the_original_of_a_colour_photo_is_black_and_white(coffee):
    photo = colorzoo.read_photo(coffee)
    original = np.asarray(uploads.original(photo, "colour"))
    expected = np.asarray(colorzoo.load().colorize(coffee, saturation=0))
    assert (original == expected).all() and np.ptp(original, axis=2).max() == 0
    assert (np.asarray(uploads.original(photo, "toned")) == coffee).all()


def test_a_reduced_photo_keeps_its_shape_and_alpha():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 4), dtype=np.uint8)
    photo = colorzoo.read_photo(pixels)
    small = uploads.reduce(photo, 100)
    assert small.rgb.shape == (60, 100, 3) and small.alpha.shape == (60, 100)
    assert uploads.reduce(photo, 500) is photo


@pytest.mark.parametrize("place", ["/etc/hostname", "../outside.png", "", None])
def test_only_uploads_are_read(uploads, place):
    (uploads.parent / "outside.png").write_bytes(b"")
    path = place and (place if place.startswith("/") else str(uploads / place))
    with pytest.raises(gr.Error, match="There is no photo"):
        uploads.read({"path": path})


def test_a_link_out_of_the_uploads_is_not_followed(uploads):
    (uploads / "link.png").symlink_to("/etc/hostname")
    with pytest.raises(gr.Error, match="There is no photo"):
        uploads.read({"path": str(uploads / "link.png")})


# Results ------------------------------------------------------------------------------------------


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
        truth, predicted = (colorzoo.metrics.prepare(each) for each in (photo.rgb, result))
        assert numbers.psnr == pytest.approx(colorzoo.metrics.psnr(predicted, truth), abs=0.3)
        assert numbers.ssim == pytest.approx(colorzoo.metrics.ssim(predicted, truth), abs=0.01)
    visit.truth_shown = False
    assert sessions.TRUTH not in visit.shown() and sessions.TRUTH not in visit.pictures()


def test_a_gray_photo_has_no_truth(uploads, camera):
    Image.fromarray(camera).save(uploads / "camera.png")
    visit = sessions.Visit()
    *_, last = run(visit, {"path": str(uploads / "camera.png")}, names=NAMES[:1])
    assert "black and white" in last.lines[1] and sessions.TRUTH not in visit.tiles
    assert all(tile.numbers is None for tile in visit.tiles.values())


def test_settings_reuse_what_was_computed(upload, monkeypatch):
    calls, visit, names = [], sessions.Visit(), ["unet", "unet-bins"]
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    spy(monkeypatch, calls)
    run(visit, upload, names=names)
    assert len(calls) == len(names)
    run(visit, upload, names=names, saturation=1.5, strength=0.5, temperature=0.3)
    sessions.view(visit, (sessions.BEFORE, names[0]))
    sessions.png(visit, names[-1])
    assert len(calls) == len(names)
    run(visit, upload, names=names, work_size=96)
    assert len(calls) == 2 * len(names) and {size for _, size in calls[len(names) :]} == {96}


def test_the_settings_do_what_they_say(upload):
    photo = uploads.read(upload)
    visit = sessions.Visit()
    run(visit, upload, names=["unet-bins"], saturation=1.3, work_size=96, temperature=0.4)
    model = colorzoo.load("unet-bins").at_temperature(0.4)
    expected = np.asarray(model.colorize_photo(photo, saturation=1.3, work_size=96)).astype(int)
    shown = np.asarray(Image.open(sessions.png(visit, "unet-bins")))
    assert np.abs(shown - expected).max() <= 1
    run(visit, upload, names=["unet-bins"], saturation=1.3, work_size=96, temperature=0.4,
        strength=0.25)  # fmt: skip
    weak = np.asarray(Image.open(sessions.png(visit, "unet-bins")))
    gray = np.asarray(uploads.original(photo, "colour"))
    assert np.abs(weak - (0.25 * expected + 0.75 * gray)).max() <= 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"saturation": 3}, {"strength": float("nan")}, {"work_size": 100}, {"temperature": "x"},
        {"seed": -2}, {"seed": 1.5}, {"seed": True}, {"seed": 2**63},
    ],
)  # fmt: skip
def test_wrong_settings_are_told(wrong):
    with pytest.raises(colorzoo.ConfigError, match=next(iter(wrong))):
        zoo.Settings(**wrong)


@pytest.mark.parametrize("wrong", [-1, 7, 1.5, "2", None, True])
def test_a_wrong_number_of_samples_is_told(wrong):
    with pytest.raises(colorzoo.ConfigError, match="samples must be a whole number from 0 to 6"):
        zoo.seeds(wrong)


def test_samples_are_drawn_from_what_the_network_said_already(uploads, coffee, monkeypatch):
    upload = {"path": str(uploads / "small.png")}
    Image.fromarray(coffee).resize((150, 100)).save(upload["path"])
    calls, visit, names = [], sessions.Visit(), ["unet-bins", "unet"]
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    run(visit, upload, names=names)
    spy(monkeypatch, calls)
    *_, last = run(visit, upload, names=names, samples=2)
    drawn = ["unet-bins 1", "unet-bins 2"]
    assert list(visit.tiles)[2:] == ["unet-bins", *drawn, "unet"]
    assert last.lines[0].startswith("2 of 2 models in")
    first = visit.tiles["unet-bins 1"]
    assert first.caption == f"unet-bins 1 · CF\xa0{first.cf:.0f}"
    assert len({visit.tiles[name].numbers.psnr for name in ("unet-bins", *drawn)}) == 3

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

    model = colorzoo.load("unet-bins")
    assert isinstance(model, colorzoo.BinsColorizer)
    expected = np.asarray(model.colorize(upload["path"], seed=1))
    assert np.abs(pixels(path) - expected).max() <= 1


def test_a_brought_model_over_bins_draws_samples(upload, monkeypatch):
    model = colorzoo.load("unet-bins")
    monkeypatch.setattr(hub_models, "get", lambda key: model)
    visit = sessions.Visit(guests={"ann/bins": "ann/bins@c"})
    run(visit, upload, names=["ann/bins"], samples=1)
    assert list(visit.tiles)[2:] == ["ann/bins", "ann/bins 1"]
    about = app.compare_tab._about("ann/bins 1", visit)
    assert about == "**ann/bins 1**: brought from the Hub, commit c. Drawn with seed 0."


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


def test_a_large_photo_is_reduced_on_the_page_only(uploads, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SHOWN", 500_000)
    Image.linear_gradient("L").resize((1400, 700)).save(uploads / "large.png")
    visit = sessions.Visit()
    *_, last = run(visit, {"path": str(uploads / "large.png")}, names=["unet"])
    assert "reduced" in last.lines[-1]
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
    assert "&lt;gone&gt;" in app.compare_tab.status(*last.lines)
    assert visit.pair() == (sessions.BEFORE, NAMES[1])


def test_a_new_wish_ends_the_run_before(upload):
    visit = sessions.Visit()
    wish = sessions.Wish(upload["path"], tuple(NAMES), zoo.Settings())
    visit.begin(wish)
    steps = sessions.colour(visit, wish, upload)
    next(steps)
    visit.begin(wish._replace(models=("unet",)))
    assert list(steps) == []


# Limits -------------------------------------------------------------------------------------------


def test_each_model_is_loaded_once_for_all(monkeypatch):
    loaded = []

    def load(name):
        loaded.append(name)
        time.sleep(0.05)
        return SimpleNamespace()

    monkeypatch.setattr(zoo, "_loaded", {})
    monkeypatch.setattr(zoo.colorzoo, "load", load)
    threads = [threading.Thread(target=zoo.get_model, args=("unet",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["unet"]


def test_predictions_are_limited_in_bytes(coffee, monkeypatch):
    photo, kept = colorzoo.read_photo(coffee), zoo._Kept()
    monkeypatch.setattr(zoo, "PREDICTIONS", kept)
    ((answer),) = zoo.predict(["unet"], "0", photo, 0)
    size = zoo._size(answer)
    assert kept.bytes == size > 100_000
    monkeypatch.setattr(zoo, "KEPT_BYTES", 3 * size)
    for i in range(6):
        list(zoo.predict(["unet"], str(i), photo, 0))
    assert kept.bytes == 3 * size and [key[0] for key in kept._answers] == ["3", "4", "5"]
    assert kept.get(("0", "unet", 0)) is None
    kept.tidy(max_age=60)
    assert kept.bytes == 3 * size
    kept.tidy(max_age=0)
    assert kept.bytes == 0 and kept.get(("5", "unet", 0)) is None


def test_the_shelf_is_limited_in_bytes_and_in_age():
    shelf = Shelf(max_bytes=250, max_age=0.3)
    paths = [shelf.add(f"{i}.txt", lambda path: path.write_bytes(b"x" * 100)) for i in range(4)]
    left = sorted(path.name for path in shelf.folder.rglob("*.txt"))
    assert left == ["2.txt", "3.txt"]
    assert len({path.split("/")[-2] for path in paths}) == 4  # each at an address of its own
    large = shelf.add("large.txt", lambda path: path.write_bytes(b"x" * 1000))
    assert [str(path) for path in shelf.folder.rglob("*.txt")] == [large]
    time.sleep(0.35)
    shelf.tidy()
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    ["", "unet", "/etc", "./a/b", "~/a", "../a/b", "a/../b", "a/b/c", "a\\b", "C:/a", "a /b"],
)
def test_only_hub_ids_are_brought(words, monkeypatch):
    monkeypatch.setattr(hub_models, "_find_commit", lambda repo_id: pytest.fail(repo_id))
    with pytest.raises(colorzoo.HubError, match="is no Hub id; expected user/repo"):
        hub_models.fetch(words)


def test_brought_models_are_limited_in_number(monkeypatch):
    fetched = []

    def load(key):
        fetched.append(key)
        hub_models._place(key).mkdir()
        return SimpleNamespace()

    monkeypatch.setattr(hub_models, "_load", load)
    monkeypatch.setattr(hub_models, "_models", type(hub_models._models)())
    keys = [f"ann/m{i}@c" for i in range(hub_models.MAX_KEPT + 1)]
    for key in [*keys, keys[-1], keys[0]]:
        hub_models.get(key)
    assert fetched == [*keys, keys[0]] and len(hub_models._models) == hub_models.MAX_KEPT
    assert not hub_models._place(keys[1]).exists() and hub_models._place(keys[0]).exists()
    for key in keys:
        hub_models._place(key).rmdir() if hub_models._place(key).exists() else None


def test_a_brought_model_cannot_ask_for_a_huge_working_size(coffee, monkeypatch):
    model, seen = colorzoo.create_model("unet", width=2, work_size=4096), []
    monkeypatch.setattr(hub_models, "get", lambda key: model)
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    monkeypatch.setattr(
        colorzoo.Colorizer, "predict", lambda self, photo, *, work_size: seen.append(work_size)
    )
    list(zoo.predict(["ann/huge@c"], "coffee", colorzoo.read_photo(coffee), 0))
    assert seen == [hub_models.MAX_WORK_SIZE]


# Tabs ---------------------------------------------------------------------------------------------


def test_the_leaderboard_shows_what_was_measured():
    heads, rows = leaderboard.numbers(leaderboard._reports())
    assert rows[0][0] == leaderboard.GRAY and {row[0] for row in rows[1:]} == set(NAMES)
    for name, _, psnr, *_ in rows[1:]:
        assert psnr == f"{colorzoo.model_info(name).metrics['scores']['psnr']:.2f}"
    assert heads[:3] == ["model", "parameters", "PSNR dB ↑"]
    (told,) = leaderboard.protocol(leaderboard._reports())
    assert colorzoo.metrics.PROTOCOL in told


@pytest.mark.parametrize("accuracy", leaderboard.ACCURACIES)
def test_the_chart_has_a_bubble_a_model_and_no_labels_that_meet(accuracy):
    svg = leaderboard.draw(accuracy)
    assert svg.count("<circle") == len(NAMES) + 1 and "<desc" in svg and 'role="img"' in svg
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">([a-z][^<]*)<', svg)
    labels = [
        (float(x), float(y), name) for x, y, name in found if name in (*NAMES, "gray (ab = 0)")
    ]
    assert len(labels) == len(NAMES) + 1
    for i, (x, y, name) in enumerate(labels):
        for other_x, other_y, other in labels[:i]:
            apart = abs(x - other_x) >= 3.4 * (len(name) + len(other)) or abs(y - other_y) >= 14
            assert apart, (name, other)


def test_a_card_is_shown_without_front_matter_and_pictures(monkeypatch):
    text = "---\nlicense: x\n---\n\n# unet\n\nWords.\n\n![Some](samples.jpg)\n\n---\n\nMore.\n"
    info = SimpleNamespace(card=text)
    monkeypatch.setattr(colorzoo, "model_info", lambda name: info)
    assert cards.card("unet").split() == ["#", "unet", "Words.", "---", "More."]


@pytest.mark.parametrize("name", NAMES)
def test_without_a_card_the_registry_is_asked(name, tmp_path, monkeypatch):
    info = colorzoo.model_info(name)
    without = replace(info, folder=tmp_path)
    shutil.copytree(info.weights, tmp_path, dirs_exist_ok=True)
    (tmp_path / "card.md").unlink()
    monkeypatch.setattr(colorzoo, "model_info", lambda name: without)
    text = cards.card(name)
    assert text.startswith(f"# {name}\n\n{info.summary} ({info.year}).")
    assert f"{info.metrics['parameters']:,} parameters" in text and "Args:" not in text


def test_a_newly_registered_model_appears(monkeypatch):
    info = replace(colorzoo.model_info("unet"), name="brand-new", repo_id="a/b", revision="0" * 40)
    registry = sys.modules["colorzoo.registry"]
    monkeypatch.setitem(registry._REGISTRY, "brand-new", info)
    config = app.build().get_config_file()
    labels = ("Models that run", "Model")
    shown = [c["props"] for c in config["components"] if c["props"].get("label") in labels]
    assert len(shown) == 3 and all("brand-new" in str(props["choices"]) for props in shown)


def test_nothing_but_the_endpoints_is_public():
    dependencies = app.build().get_config_file()["dependencies"]
    public = {each["api_name"] for each in dependencies if each["api_visibility"] != "private"}
    assert public == {"colorize", "compare", "models"}


def test_what_visitors_type_is_no_markup():
    error = theme.problem("'<img src=x>' & more")
    assert error.message == "'&lt;img src=x&gt;' &amp; more"
    assert theme.words_of(error) == "'<img src=x>' & more"
    assert "<img" not in theme.status("<img src=x>") + theme.table("<img>", ["<img>"], [["<img>"]])
