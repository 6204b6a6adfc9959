"""Every model has a card, and every card tells what its metrics.json tells."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from PIL import Image

import colorzoo
from train.cards import (
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
    assert head["license"] == "other" and "image-colorization" in head["tags"]
    values = {
        metric["type"]: metric["value"]
        for result in head["model-index"][0]["results"]
        for metric in result["metrics"]
    }
    assert values == {key: report["scores"][key] for key in values} and "psnr" in values
    for part in (
        "gray (ab = 0)",
        report["protocol"],
        report["commit"],
        "## Where it fails",
        SAMPLES,
    ):
        assert part in text, part
    for heading in re.findall(r"^## .*$", text, re.MULTILINE):
        assert text.split(heading)[1].strip(), heading
    assert "{{" not in text and "{%" not in text


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
    (tmp_path / "unet.md").write_text(
        '{% extends "_template.md" %}{% block failures %}{{ nothing }}{% endblock %}'
    )
    with pytest.raises(CardError, match="'nothing' is undefined"):
        render_card("unet", repo_id="someone/unet", folder=tmp_path)
