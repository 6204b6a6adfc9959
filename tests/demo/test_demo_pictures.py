"""What the first screen shows and gives away, without a browser."""

import re
import time
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from webapp import models as zoo
from webapp import packing, pictures, versions
from webapp.page import head

MODEL = zoo.model_names()[0]


def flat(a: float, b: float) -> np.ndarray:
    return np.stack([np.full((8, 8), a), np.full((8, 8), b)])


def scene(*, scale: float = 1.0) -> np.ndarray:
    """A blue sky above a green meadow."""
    ab = np.zeros((2, 8, 8))
    ab[:, :4] = np.array([-5, -30])[:, None, None]
    ab[:, 4:] = np.array([-25, 30])[:, None, None]
    return ab * scale


@pytest.mark.parametrize("natural", [scene(), scene() * 0.2, flat(2, 2), np.zeros((2, 8, 8))])
def test_one_tint_over_everything_is_no_version(natural):
    assert versions.is_tint(flat(30, 20), natural)
    rng = np.random.default_rng(0)
    assert versions.is_tint(flat(30, 20) + rng.normal(0, 1, (2, 8, 8)), natural)
    assert not versions.is_tint(flat(0.5, 0.5), natural)  # hardly any colour at all
    assert not versions.is_tint(scene() * [[[1]], [[-1]]], scene())


def test_the_network_runs_once_and_no_two_versions_look_the_same(upload, monkeypatch):
    calls = []
    predict = colorzoo.Colorizer.predict
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    monkeypatch.setattr(
        colorzoo.Colorizer, "predict",
        lambda *args, **options: calls.append(1) or predict(*args, **options),
    )  # fmt: skip
    ask = pictures.asked({"path": upload["path"]})
    first, *_, last = pictures.show(ask)
    assert "versions" not in first and Path(first["view"]).exists()
    assert (first["width"], first["height"], first["version"]) == (600, 400, "natural")
    shown = {each["name"]: np.asarray(Image.open(each["thumb"])).astype(int)
             for each in last["versions"]}  # fmt: skip
    assert list(shown)[0] == "Natural" and 3 <= len(shown) <= versions.MOST
    values = list(shown.values())
    for i, one in enumerate(values):
        assert all(np.abs(one - other).mean() > 0.5 for other in values[:i])
    for each in last["versions"]:
        pictures.pick(pictures.asked({"path": upload["path"], "version": each}))
    assert calls == [1]


HINTS = [[500, 60, "#2848c0"], [60, 200, None]]


def test_points_hold_for_every_version_and_file(upload):
    ask = {"path": upload["path"], "hints": HINTS, "mark": 7}
    plain = list(pictures.show(pictures.asked({"path": upload["path"]})))[-1]["versions"]
    told = list(pictures.show(pictures.asked(ask)))[-1]
    keys = ("name", "vividness", "seed")
    assert [[each[key] for key in keys] for each in told["versions"]] == [
        [each[key] for key in keys] for each in plain
    ]
    assert (told["mark"], told["side"]) == (7, 600)
    files = [pictures.pick(pictures.asked(ask | {"version": each}))["view"]
             for each in told["versions"]]  # fmt: skip
    files += [each["thumb"] for each in told["versions"]]
    files += [pictures.save(pictures.asked(ask), ".png")]
    files += [pictures.post(pictures.asked(ask), is_split=False)]
    for path in files:
        with Image.open(path) as image:
            after = image.crop((600, 0, 1200, 400)) if image.width == 1200 else image
            pixels = np.asarray(after.resize((600, 400))).astype(int)
        (red, _, blue), gray = pixels[60, 500], pixels[195:206, 55:66].mean(axis=(0, 1))
        assert blue > red + 15 and np.ptp(gray) < 12, path
    *_, last = packing.archive([pictures.asked(ask)], ".png", lambda: False)
    with zipfile.ZipFile(last.path) as file, Image.open(file.open(file.namelist()[0])) as image:
        assert image.getpixel((500, 60))[2] > image.getpixel((500, 60))[0] + 15


def test_a_point_has_suggestions_and_the_network_does_not_run_again(upload, monkeypatch):
    list(pictures.show(pictures.asked(upload)))
    monkeypatch.setattr(colorzoo.Colorizer, "predict", None)
    told = pictures.suggest({"path": upload["path"], "x": 500, "y": 60})
    assert told["photo"] == upload["path"] and told["point"] == [500, 60]
    assert 3 <= len(told["colours"]) <= 8
    assert all(re.fullmatch("#[0-9a-f]{6}", each) for each in told["colours"])
    for x, y in ((600, 0), (-1, 0), (0, float("nan")), ("1", 1), (None, None), (True, 1), ([], {})):
        with pytest.raises(gr.Error, match="is no point of the photo of 600 x 400"):
            pictures.suggest({"path": upload["path"], "x": x, "y": y})
    for sent in (None, [], {"x": 1, "y": 1}, {"path": "/etc/passwd", "x": 1, "y": 1}):
        with pytest.raises(gr.Error, match="no photo"):
            pictures.suggest(sent)


@pytest.mark.parametrize("suffix", [None, ".jpg", ".tif"])
def test_a_point_outside_the_photo_is_told_in_a_sentence(upload, suffix):
    ask = pictures.asked({"path": upload["path"], "hints": [[600, 10, "#2848c0"]]})
    with pytest.raises(gr.Error, match="outside the photo of 600 x 400"):
        pictures.save(ask, suffix) if suffix else pictures.pick(ask)


def test_a_megapixel_follows_a_point_at_once(upload):
    with Image.open(upload["path"]) as image:
        image.resize((1224, 816)).save(upload["path"])
    ask = {"path": upload["path"], "side": 1600}
    pictures.pick(pictures.asked(ask))
    taken = []
    for number in range(3):
        hints = [[600 + number, 400, "#b03020"], [100, 100, None]]
        start = time.process_time()
        pictures.pick(pictures.asked(ask | {"hints": hints}))
        taken.append(time.process_time() - start)
    assert min(taken) < 0.6  # 300 ms on two cores


@pytest.mark.parametrize("kind", ["same", "tint"])
def test_versions_that_are_none_are_left_out(upload, monkeypatch, kind):
    model = zoo.get_model(MODEL)
    prediction = model.predict(colorzoo.read_photo(upload["path"]))
    natural = model.ab_of(prediction)

    def ab_of(prediction, **options):
        if options.get("seed") is None or kind == "same":
            return natural
        return torch.full_like(natural, 10.0 * options["seed"])

    monkeypatch.setattr(model, "ab_of", ab_of)
    assert [each.name for each in versions.choose(MODEL, prediction, zoo.Settings())] == ["Natural"]


@pytest.mark.parametrize(
    "sent, words",
    [
        (None, "no photo"), ([], "no photo"), ({"path": 5}, "no photo"),
        ({"path": "a", "version": {"vividness": 3}}, "vividness must be"),
        ({"path": "a", "version": {"seed": "x"}}, "seed must be"),
        ({"path": "a", "hints": [[1]]}, "hints must be"),
    ],
)  # fmt: skip
def test_what_a_page_asks_is_checked(sent, words):
    with pytest.raises(gr.Error, match=words):
        pictures.asked(sent)
    odd = pictures.asked({"path": "a", "version": {"name": "../../x"}, "side": 10**9})
    assert re.fullmatch("[a-z0-9-]+", odd.version) and odd.side in pictures.SIDES


@pytest.mark.parametrize("suffix", pictures.FORMATS.values())
def test_a_download_has_the_size_and_the_metadata_of_the_photo(upload, suffix):
    path = pictures.save(pictures.asked({"path": upload["path"]}), suffix)
    assert Path(path).name == f"my-photo-natural{suffix}"
    expected = np.asarray(colorzoo.colorize(upload["path"])).astype(int)
    with Image.open(path) as image:
        assert image.size == (600, 400) and image.getexif()[0x013B] == "Ann"
    if suffix == ".tif":
        import tifffile

        deep = tifffile.imread(path)
        assert deep.dtype == np.uint16 and np.abs(deep / 257 - expected).mean() < 2
    with pytest.raises(gr.Error, match="jpg, png, tif"):
        pictures.save(pictures.asked({"path": upload["path"]}), ".exe")


def test_a_picture_to_post_is_1200_wide_and_has_no_metadata(upload):
    ask = pictures.asked({"path": upload["path"]})
    for is_split, height in ((True, 800), (False, 400)):
        with Image.open(pictures.post(ask, is_split=is_split)) as image:
            assert image.size == (1200, height) and not image.getexif()


def test_a_picture_to_post_is_no_ribbon(upload, coffee):
    for size, split, whole in (
        ((600, 60), (1200, 120), (1200, 244)),  # one above the other
        ((60, 600), (240, 2400), (480, 2400)),
    ):
        Image.fromarray(coffee).resize(size).convert("L").save(upload["path"])
        ask = pictures.asked({"path": upload["path"]})
        for is_split, expected in ((True, split), (False, whole)):
            with Image.open(pictures.post(ask, is_split=is_split)) as image:
                assert image.size == expected, (size, is_split)
                *_, last = np.asarray(image).astype(int)[:, image.width // 4 * 3 :]
                assert np.ptp(last, axis=-1).mean() > 1  # in colour


def test_a_look_at_a_photo_that_the_browser_cannot_show(upload, upload_folder, coffee):
    told = pictures.look(pictures.asked({"path": upload["path"]}))
    with Image.open(told["gray"]) as image:
        assert (
            image.size == (240, 160) and np.ptp(np.asarray(image.convert("RGB")), axis=2).max() < 3
        )
    (upload_folder / "letter.heic").write_text("no photo")
    with pytest.raises(gr.Error, match="letter.heic"):
        pictures.look(pictures.asked({"path": str(upload_folder / "letter.heic")}))


@pytest.fixture
def ddcolor(scratch_registry, monkeypatch):
    """A small one with random weights, as if it had been downloaded."""
    from helpers.model_tester import SMALL, create_vivid
    from helpers.published import CONTENT, pinned

    model, info = create_vivid("ddcolor-tiny"), colorzoo.model_info("ddcolor-tiny")
    name, theirs = "ddcolor-small", pinned(CONTENT, url="http://127.0.0.1:9/toy.pth")
    colorzoo.register_model(
        name, summary="", year=2023, config=SMALL["ddcolor-tiny"], published=theirs
    )(info.family)
    names = zoo.model_names()
    monkeypatch.setattr(zoo, "model_names", lambda: [*names, name])
    monkeypatch.setattr(zoo, "_loaded", {**zoo._loaded, name: model})
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    return model


def test_ddcolor_is_among_the_versions_where_it_is_present(upload, ddcolor, monkeypatch):
    ask = pictures.asked({"path": upload["path"]})
    steps = list(pictures.show(ask))
    shown = [each["name"] for each in steps[-1]["versions"]]
    assert shown[0] == "Natural" and shown[-1] == "Rich" and len(shown) <= versions.MOST
    # What needs no other network comes first.
    assert [each["name"] for each in steps[-2]["versions"]] == shown[:-1]
    rich = steps[-1]["versions"][-1]
    asked = {"path": upload["path"], "version": rich}
    view = np.asarray(Image.open(pictures.pick(pictures.asked(asked))["view"])).astype(int)
    expected = np.asarray(ddcolor.colorize(upload["path"])).astype(int)
    assert np.abs(view - expected).mean() < 2
    assert Path(pictures.save(pictures.asked(asked), ".jpg")).name == "my-photo-rich.jpg"
    # After a reload, the others are those of the best model all the same.
    again = list(pictures.show(pictures.asked(asked)))
    assert [each["name"] for each in again[-1]["versions"]] == shown
    assert np.abs(np.asarray(Image.open(again[0]["view"])).astype(int) - expected).mean() < 2
    # If it is broken, or shows nothing new, there is none; nor any other model by name.
    with monkeypatch.context() as patch:
        patch.setattr(ddcolor, "predict", lambda *args, **options: 1 / 0)
        patch.setattr(zoo, "PREDICTIONS", zoo._Kept())
        assert [each["name"] for each in list(pictures.show(ask))[-1]["versions"]] == shown[:-1]
    assert pictures.asked(asked | {"version": {"model": "unet"}}).model == ""


def test_another_model_must_show_something_new():
    large = scene().repeat(3, axis=1).repeat(2, axis=2)
    assert not versions.is_other(large, scene())
    assert versions.is_other(large * [[[-1]], [[1]]], scene())
    assert not versions.is_other(flat(30, 20), scene())  # a tint


def test_a_zip_names_what_is_missing_and_stops_when_told(upload, upload_folder, monkeypatch):
    (upload_folder / "letter.jpg").write_text("no photo")
    asks = [
        pictures.asked({"path": str(path)})
        for path in (upload["path"], upload_folder / "letter.jpg", upload["path"])
    ]
    *steps, last = packing.archive(asks, ".jpg", lambda: False)
    assert [each.done for each in steps] == [0, 1, 2, 3] and steps[1].seconds_left > 0
    assert len(last.failed) == 1 and "letter.jpg" in last.failed[0]
    with zipfile.ZipFile(last.path) as file:
        assert file.namelist() == ["my-photo-natural.jpg", "my-photo-natural-2.jpg"]
    stops = iter([False, True])
    assert all(each.path is None for each in packing.archive(asks, ".jpg", lambda: next(stops)))
    with pytest.raises(gr.Error, match="letter.jpg"):
        list(packing.archive(asks[1:2], ".jpg", lambda: False))
    for wrong in ([], asks * 20):
        with pytest.raises(gr.Error, match="from 1 to 50"):
            list(packing.archive(wrong, ".jpg", lambda: False))


def test_the_page_is_described_once_and_as_ours():
    theirs = b"""<head><meta property="og:title" content="Gradio" />
      <meta property="og:image"\n content="https://raw.example/x.jpg" />
      <meta name="twitter:creator" content="@Gradio" /><meta name="viewport" content="a" />
      <script>{"root":"https://ann.example/app"}</script></head>"""
    page = head.rewriter("/tmp/x/card.jpg")(theirs).decode()
    for name in ("og:title", "og:description", "og:image", "description"):
        assert len(re.findall(f'(?:property|name)="{name}"', page)) == 1, name
    assert "Gradio" not in page and "raw.example" not in page and 'name="viewport"' in page
    assert 'content="https://ann.example/app/gradio_api/file=/tmp/x/card.jpg"' in page
