"""What the tabs show is what the registry and the measurements say."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

import app
import colorzoo
from colorzoo import registry
from colorzoo.evaluation.eye import counted
from colorzoo.evaluation.metrics import PROTOCOL
from webapp import examples, theme
from webapp import models as zoo
from webapp.tabs import cards, leaderboard

NAMES = zoo.model_names()


def test_the_leaderboard_shows_what_was_measured():
    heads, rows = leaderboard.numbers(leaderboard._reports())
    assert rows[0][0] == leaderboard.GRAY and {row[0] for row in rows[1:]} == set(NAMES)
    for name, _, psnr, *_ in rows[1:]:
        assert psnr == f"{colorzoo.model_info(name).metrics['scores']['psnr']:.2f}"
    assert heads[:3] == ["model", "parameters", "PSNR dB ↑"]
    (told,) = leaderboard.protocol(leaderboard._reports())
    assert PROTOCOL in told


def test_what_people_found_leads_the_leaderboard():
    heads, rows = leaderboard.by_eye()
    found = {name: counted(colorzoo.model_info(name)) for name in NAMES}
    assert heads[0] == "model" and {row[0] for row in rows} == set(NAMES)
    for name, *cells in rows:
        assert cells == [str(found[name].get(photos, "–")) for photos in heads[1:]]
    judged = [sum(c.plausible for c in found[row[0]].values()) for row in rows if found[row[0]]]
    assert judged == sorted(judged, reverse=True)
    ids = [each["props"].get("elem_id") for each in app.build().get_config_file()["components"]]
    assert ids.index("by-eye") < ids.index("leaderboard")
    assert ids.index("card-pictures") < ids.index("card")


def test_a_card_begins_with_pictures_by_the_model(upload_folder, monkeypatch):
    monkeypatch.setattr(examples, "get_upload_folder", lambda: str(upload_folder))
    examples.place()
    html = cards.pictures("unet")
    paths = re.findall(r'<img src="gradio_api/file=([^"]+)" alt="[^"]+ coloured by unet">', html)
    assert len(paths) == 4 and all(Path(path).stat().st_size for path in paths)
    with pytest.raises(gr.Error, match="no model named"):
        cards.pictures("../unet")


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
    monkeypatch.setitem(registry._REGISTRY, "brand-new", info)
    config = app.build().get_config_file()
    labels = ("Models to use", "Model")
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
