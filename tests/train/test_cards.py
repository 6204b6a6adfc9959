"""Every model has a card, and every card tells what its metrics.json tells."""

import os
import re
import shutil
import subprocess
import sys

import click
import pytest
import typer
import yaml
from PIL import Image

import colorzoo
from train.__main__ import app
from train.recipes import find_recipe
from train.upkeep import cards
from train.upkeep.cards import (
    CARDS,
    FAILURES,
    SAMPLES,
    CardError,
    card_names,
    render_card,
    usage,
    write_card,
)

TRAINED = colorzoo.list_models(pretrained=True)


def test_models_with_weights_have_cards_and_no_others():
    assert card_names() == TRAINED


@pytest.mark.parametrize("name", TRAINED)
def test_cards_can_be_filled_in(name):
    card = render_card(name, repo_id=f"someone/{name}")
    report = colorzoo.model_info(name).metrics
    assert report is not None
    head, text = yaml.safe_load(card.content.split("---")[1]), card.text
    assert (head["library_name"], head["pipeline_tag"]) == ("colorzoo", "image-to-image")
    assert head["license"] and head["datasets"] and "image-colorization" in head["tags"]
    values = {
        metric["type"]: metric["value"]
        for result in head["model-index"][0]["results"]
        for metric in result["metrics"]
    }
    assert values == {key: report["scores"][key] for key in values} and "psnr" in values
    for part in (
        "gray (ab = 0)",
        report["protocol"].replace("*", "\\*"),
        report["commit"],
        "## Where it fails",
        SAMPLES,
    ):
        assert part in text, part
    for heading in re.findall(r"^## .*$", text, re.MULTILINE):
        assert text.split(heading)[1].strip(), heading
    assert "{{" not in text and "{%" not in text


@pytest.mark.parametrize("name", TRAINED)
def test_the_bundled_card_is_the_one_of_today(name):
    """`python -m train readme` renews it."""
    card = colorzoo.model_info(name).card
    assert card == str(render_card(name))
    assert card and f'colorzoo.load("{name}")' in card


@pytest.mark.parametrize("name", TRAINED)
def test_the_command_that_reproduces_is_one(name):
    lines = re.findall(r"`python -m (train fit .*?)`", render_card(name).text)
    try:
        find_recipe(name)
    except LookupError:
        assert not lines
        return
    (line,) = lines
    command: click.Group = typer.main.get_command(app)  # type: ignore[assignment]
    words = line.split()[1:]
    fit = command.commands[words[0]]
    with fit.make_context("fit", words[1:]) as context:  # refuses what fit does not take
        assert context.params["name"] == name and context.params["data"] == "FOLDER"
        assert context.params["limit_seconds"] or context.params["epochs"]


def test_a_card_has_its_own_terms_and_needs_no_recipe(tmp_path, monkeypatch):
    shutil.copy(CARDS / "_template.md", tmp_path)
    (tmp_path / "unet.md").write_text(
        "---\nlicense: mit\ndatasets: [ann/photos]\n---\n"
        '{% extends "_template.md" %}{% block data %}My own photos.{% endblock %}'
        "{% block description %}A net.{% endblock %}{% block failures %}Red.{% endblock %}"
        "{% block citation %}Me.{% endblock %}"
    )

    def find_nothing(name):
        raise LookupError(name)

    monkeypatch.setattr(cards, "find_recipe", find_nothing)
    card = render_card("unet", folder=tmp_path)
    assert (card.data.license, card.data.datasets) == ("mit", ["ann/photos"])
    assert card.data.pipeline_tag == "image-to-image"  # the template's
    assert "My own photos." in card.text and "ImageNet" not in card.text
    assert "train fit" not in card.text


def test_no_card_types_a_number_by_hand():
    """Measured numbers reach a card through metrics.json only: its own text has no decimals."""
    for path in [CARDS / "_template.md", *(CARDS / f"{name}.md" for name in TRAINED)]:
        text = re.sub(
            r"<?https?://\S+|{{.*?}}|`[^`]*`|```.*?```", "", path.read_text(encoding="utf-8")
        )
        allowed = re.compile(r"\b0\.38\b|Apache-2\.0")
        assert not re.search(r"\d\.\d", allowed.sub("", text)), path.name


def test_a_written_card_has_its_pictures(tmp_path):
    path = write_card("unet", repo_id="someone/unet", folder=tmp_path / "card")
    assert path.name == "README.md" and path.read_text(encoding="utf-8").startswith("---\n")
    for picture in (SAMPLES, FAILURES):
        assert f"]({picture})" in path.read_text(encoding="utf-8")
        assert Image.open(tmp_path / "card" / picture).width > 600


def test_the_lines_of_use_run_as_shown(tmp_path, jpeg):
    """With a folder in the place of the Hub repository."""
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    weights = colorzoo.model_info("unet").weights
    assert weights is not None
    shutil.copytree(weights, tmp_path / "someone" / "unet")
    run = subprocess.run(
        [sys.executable, "-c", usage("someone/unet")], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert Image.open(tmp_path / "coloured.jpg").size == (600, 400)


def test_what_is_missing_is_explained(tmp_path):
    with pytest.raises(CardError, match="write one that extends _template.md"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
    shutil.copy(CARDS / "_template.md", tmp_path)
    (tmp_path / "unet.md").write_text("---\nlicense: [\n---\n{% extends '_template.md' %}")
    with pytest.raises(CardError, match="unet.md cannot be read"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
    (tmp_path / "unet.md").write_text('{% extends "_template.md" %}')
    with pytest.raises(CardError, match="lacks datasets and license"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
    head = "---\nlicense: mit\ndatasets: [ann/photos]\n---\n"
    (tmp_path / "unet.md").write_text(head + '{% extends "_template.md" %}')
    with pytest.raises(CardError, match="Required block 'description' not found"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
    whole = (CARDS / "unet.md").read_text().replace("The median of", "{{ nothing }}")
    shutil.copy(CARDS / "_zoo_data.md", tmp_path)
    (tmp_path / "unet.md").write_text(whole)
    with pytest.raises(CardError, match="'nothing' is undefined"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
