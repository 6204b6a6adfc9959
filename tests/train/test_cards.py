"""Every model has a card, and every card tells what its metrics.json tells."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from helpers.bundled import BUNDLED
from PIL import Image

import colorzoo
from colorzoo.cli import app as colorzoo_app
from train.commands import app
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
from train.upkeep.publish import publish
from train.upkeep.readme import by_set

TRAINED = BUNDLED


def test_models_with_weights_have_cards_and_no_others():
    infos = map(colorzoo.model_info, colorzoo.list_models())
    assert card_names() == [info.name for info in infos if info.weights or info.published]


@pytest.mark.parametrize("name", ["ddcolor", "ddcolor-tiny", "eccv16", "siggraph17"])
def test_cards_of_the_models_of_others_keep_their_numbers_apart(name):
    card, info = render_card(name), colorzoo.model_info(name)
    assert info.published is not None
    head, text = yaml.safe_load(card.content.split("---")[1]), card.text
    assert (head["library_name"], head["pipeline_tag"]) == ("colorzoo", "image-to-image")
    assert head["license"] == info.published.licence.lower() and head["datasets"]
    assert "model-index" not in head
    told = " ".join(text.split("## Results")[1].split())
    assert "not measured here" in told and " ".join(info.published.numbers_source.split()) in told
    for value in info.published.numbers.values():
        assert f": {value}" in told
    for part in (info.published.sha256, info.published.page, f'colorzoo.load("{name}")'):
        assert part in text, part
    for heading in re.findall(r"^## .*$", text, re.MULTILINE):
        assert text.split(heading)[1].strip(), heading
    assert "{{" not in text and "{%" not in text


@pytest.mark.parametrize("name", TRAINED)
def test_cards_can_be_filled_in(name):
    card = render_card(name, repo_id=f"someone/{name}")
    report = colorzoo.model_info(name).metrics
    assert report is not None
    head, text = yaml.safe_load(card.content.split("---")[1]), card.text
    assert (head["library_name"], head["pipeline_tag"]) == ("colorzoo", "image-to-image")
    assert head["license"] and head["datasets"] and "image-colorization" in head["tags"]
    by_data = {
        result["dataset"]["name"]: {each["type"]: each["value"] for each in result["metrics"]}
        for result in head["model-index"][0]["results"]
    }
    sets = {f"{each['photos']} photos of {each['data']}": each for each in by_set(report)}
    assert by_data.keys() == sets.keys()
    for data, values in by_data.items():
        assert values == {key: sets[data]["scores"][key] for key in values} and "psnr" in values
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


PLACEHOLDERS = {"FOLDER", "test.tar"}  # what a reader has to bring
FILES = re.compile(r"/|\.(tar|safetensors|ckpt|json|jpg|png|txt|csv)$")


def commands_of(text: str) -> list[list[str]]:
    """The words of every command of a card, in blocks and in the text."""
    lines = [
        line.strip()
        for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return [shlex.split(line) for line in lines if re.match(r"python -m |colorzoo \w", line)]


@pytest.mark.parametrize("name", TRAINED)
def test_every_command_of_a_card_can_be_run_by_its_reader(name):
    """It is one of ours, with options that there are, and needs no file of whoever trained it."""
    commands = commands_of(render_card(name).text)
    fits = [words for words in commands if words[2:4] == ["train", "fit"]]
    recipe = None
    with suppress(LookupError):
        recipe = find_recipe(name)
    assert len(fits) == (recipe is not None)
    if recipe is not None:
        assert recipe.start in ("random", "imagenet", *colorzoo.list_models())
    for words in commands:
        assert words[:3] == ["python", "-m", "train"] or words[0] == "colorzoo", words
        training, words = words[0] == "python", words[3 if words[0] == "python" else 1 :]
        group: Any = typer.main.get_command(app if training else colorzoo_app)
        command = group.commands[words[0]]
        with command.make_context(words[0], words[1:]) as context:  # refuses what it does not take
            values = [str(value) for value in context.params.values() if value is not None]
        files = {value for value in values if FILES.search(value)} | {*words} & PLACEHOLDERS
        assert files <= PLACEHOLDERS, (words, files)
    for words in fits:
        group = typer.main.get_command(app)
        fit = group.commands["fit"]
        with fit.make_context("fit", words[4:]) as context:
            assert recipe is not None and context.params["name"] == recipe.model  # of the weights
            assert context.params["data"] == "FOLDER"
            # Without options, the epochs of the recipe are all there is to say.
            stated = context.params["limit_seconds"] or context.params["epochs"]
            assert stated or not recipe.options


@pytest.mark.parametrize("name", TRAINED)
def test_every_python_block_of_a_card_runs(name, tmp_path, monkeypatch, jpeg):
    text = render_card(name).text
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    monkeypatch.chdir(tmp_path)
    names: dict = {"colorzoo": colorzoo, "model": colorzoo.load(name)}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        exec(compile(block, f"card of {name}", "exec"), names)
    assert Image.open("coloured.jpg").size == (600, 400)


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
        own = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"<?https?://\S+|{{.*?}}|`[^`]*`|```.*?```", "", own)
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
    with pytest.raises(
        CardError, match="careful uses the weights of efficientnet-bins: publish efficientnet-bins"
    ):
        publish("efficientnet-bins.careful", "someone/careful")
    whole = (CARDS / "unet.md").read_text().replace("The median of", "{{ nothing }}")
    shutil.copy(CARDS / "_zoo_data.md", tmp_path)
    (tmp_path / "unet.md").write_text(whole)
    with pytest.raises(CardError, match="'nothing' is undefined"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)


def test_everything_measured_is_written_before_anything_is_printed(monkeypatch, capsys):
    """A console may be closed, or lack letters, and measuring takes hours."""
    from train.commands import evaluate

    printed_before: list[str] = []

    def work(result):
        def done(*_, **__):
            printed_before.append(capsys.readouterr().out)
            return result

        return done

    monkeypatch.setattr(evaluate, "find_measures", lambda *_, **__: ({}, []))
    monkeypatch.setattr(evaluate, "measurable_models", lambda: ["unet", "unet-gan"])
    monkeypatch.setattr(evaluate, "evaluate_model", work((Path("metrics.json"), [])))
    monkeypatch.setattr(evaluate, "renew", work("README.md updated"))
    evaluate.evaluate_command("all", [Path("test.tar")])
    assert printed_before == ["", "", ""]
    assert "README.md updated" in capsys.readouterr().out
