"""What the app offers besides the bundled models: only what is here, or what a Space fetches."""

import pytest
import yaml
from helpers.published import CONTENT, Answer, FileServer, pinned, register_toy
from huggingface_hub import constants

import colorzoo
from webapp import fetching
from webapp import models as zoo
from webapp.tabs import cards, leaderboard


@pytest.fixture
def toy(scratch_registry, tmp_path, monkeypatch):
    """A published model that is not on this machine."""
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(zoo, "_loaded", {})
    with FileServer() as server:
        server.answers["/toy.pth"] = Answer(CONTENT)
        register_toy(pinned(CONTENT, url=f"{server.url}/toy.pth"))
        yield server


def test_a_model_is_offered_once_it_is_here(toy):
    assert "toy-published" not in zoo.model_names() and leaderboard.published() == []
    with pytest.raises(colorzoo.HubError, match="is not on this machine"):
        zoo.get_model("toy-published")  # no visitor starts a download
    assert toy.requests == []
    fetching.fetch(["toy-published"])
    assert zoo.model_names()[:2] == [colorzoo.DEFAULT_MODEL, "toy-published"]
    assert zoo.get_model("toy-published").architecture == "toy-published"
    # Its authors' numbers are not in the table.
    (words,) = leaderboard.published()
    assert "was not measured here. Its authors published FID 4.38 (the paper" in words
    assert "toy-published" not in leaderboard._reports()
    assert "Published by them, not measured here: FID 4.38" in cards.card("toy-published")


def test_the_app_starts_without_what_cannot_be_had(toy, caplog):
    toy.answers["/toy.pth"].status = 404
    fetching.fetch(["toy-published", "no-such-model"])
    assert "toy-published is not offered" in caplog.text and "no-such-model" in caplog.text
    assert "toy-published" not in zoo.model_names()


def test_it_does_not_wait_for_ever(toy):
    toy.answers["/toy.pth"].pause = 0.1
    thread = fetching.fetch(["toy-published"], wait=0.01)
    assert "toy-published" not in zoo.model_names()
    thread.join()
    assert "toy-published" in zoo.model_names()


def test_only_spaces_fetch_by_themselves(monkeypatch, root):
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("COLORZOO_FETCH", raising=False)
    assert fetching.wanted() == []
    monkeypatch.setenv("SPACE_ID", "ann/demo")
    (name,) = fetching.wanted()
    monkeypatch.setenv("COLORZOO_FETCH", "")
    assert fetching.wanted() == []
    monkeypatch.setenv("COLORZOO_FETCH", "ddcolor, siggraph17")
    assert fetching.wanted() == ["ddcolor", "siggraph17"]
    # The file that the Space preloads is the one that is then converted.
    if name in colorzoo.list_models():
        theirs = colorzoo.model_info(name).published
        assert theirs is not None
        head = yaml.safe_load((root / "demo" / "README.md").read_text().split("---")[1])
        assert head["preload_from_hub"] == [f"{theirs.repo_id} {theirs.file} {theirs.revision}"]
