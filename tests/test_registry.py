"""Models by name: what is registered, former names, tags, and what is refused."""

import warnings
from types import SimpleNamespace

import pytest
import torch

import colorzoo
from colorzoo import registry
from colorzoo.colorizer import Colorizer


def test_list_models():
    assert {"unet", "autoencoder"} <= set(colorzoo.list_models())
    assert colorzoo.list_models() == sorted(colorzoo.list_models())
    assert colorzoo.list_models("un?t") == ["unet"]
    assert colorzoo.list_models("nothing*") == []
    assert set(colorzoo.list_models(pretrained=True)) <= set(colorzoo.list_models())


def test_keywords_reach_the_model_and_its_config():
    model = colorzoo.create_model("unet", width=4, work_size=64)
    assert model.config == {"architecture": "unet", "width": 4, "work_size": 64}


def test_unknown_name_names_the_closest():
    with pytest.raises(colorzoo.UnknownModelError, match="'unte'.*Did you mean unet") as caught:
        colorzoo.load("unte")
    assert isinstance(caught.value, colorzoo.ColorzooError)
    with pytest.raises(colorzoo.UnknownModelError, match="list_models"):
        colorzoo.create_model("qqqqqq")


@pytest.mark.parametrize("value", ["wide", None, -1, 0])
def test_a_value_that_does_not_fit_is_a_config_error(value):
    with pytest.raises(colorzoo.ConfigError, match="unet cannot be built"):
        colorzoo.create_model("unet", width=value)


def test_a_name_registered_twice_raises(scratch_registry):
    with pytest.raises(ValueError, match="two models are named 'unet'"):
        registry.register_model("unet", summary="again", year=2026)(Colorizer)


def test_one_class_under_two_names(scratch_registry, tmp_path):
    unet = registry.model_info("unet").family
    registry.register_model("unet-twin", summary="twin", year=2026, config={"width": 3})(unet)
    model = colorzoo.create_model("unet-twin")
    assert model.config["width"] == 3
    model.save_pretrained(tmp_path)
    assert colorzoo.load(tmp_path).architecture == "unet-twin"


@pytest.mark.parametrize("name", ["", "U-Net", "a/b", "a b", ".hidden"])
def test_names_that_could_be_something_else_are_refused(name):
    with pytest.raises(ValueError, match="names may only contain"):
        registry.register_model(name, summary="", year=2026)


def test_only_colorizers_are_registered(scratch_registry):
    with pytest.raises(TypeError, match="only subclasses of Colorizer"):
        registry.register_model("linear", summary="", year=2026)(torch.nn.Linear)  # pyright: ignore


def test_weights_on_the_hub_must_be_pinned():
    with pytest.raises(ValueError, match="pinned"):
        registry.register_model("x", summary="", year=2026, repo_id="a/b")
    with pytest.raises(ValueError, match="40 digits, so that weights are pinned, got 'main'"):
        registry.register_model("x", summary="", year=2026, repo_id="a/b", revision="main")


# Former names -------------------------------------------------------------------------------------


@pytest.fixture
def renamed(scratch_registry, saved, monkeypatch):
    """A model with weights that was called "tiny-old" once; its weights' folder."""
    unet = registry.model_info("unet").family
    registry.register_model(
        "tiny-new", summary="", year=2026, config={"width": 2}, folder=saved,
        aliases={"tiny-old": "1.0"},
    )(unet)  # fmt: skip
    return saved


def test_a_former_name_works_and_warns_once(renamed):
    with pytest.warns(FutureWarning) as caught:
        model = colorzoo.load("tiny-old")
    assert len(caught) == 1
    words = str(caught[0].message)
    assert words == "tiny-old is now called tiny-new; the old name works until version 1.0"
    assert caught[0].filename == __file__  # the caller's line, not one of colorzoo's
    assert model.architecture == "unet"  # what its config.json says
    with pytest.warns(FutureWarning, match="tiny-new.*1.0"):
        assert colorzoo.create_model("tiny-old").architecture == "tiny-new"
    with pytest.warns(FutureWarning, match="tiny-new.*1.0"):
        assert colorzoo.model_info("tiny-old").name == "tiny-new"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colorzoo.load("tiny-new").config == model.config


def test_a_former_name_is_not_listed(renamed):
    assert colorzoo.list_models("tiny*") == ["tiny-new"]
    with pytest.raises(colorzoo.UnknownModelError, match="Did you mean tiny-old"):
        colorzoo.model_info("tiny-ol")


def test_files_of_a_former_name_load(renamed, tmp_path):
    """Whoever saved a model years ago is not to be told about its name."""
    model = colorzoo.create_model("tiny-new")
    model.architecture = "tiny-old"
    model.save_pretrained(tmp_path / "old")
    assert '"architecture": "tiny-old"' in (tmp_path / "old" / "config.json").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colorzoo.load(tmp_path / "old").architecture == "tiny-new"


@pytest.mark.parametrize(
    ("name", "aliases", "taken"),
    [
        ("unet", {}, "unet"),
        ("tiny-old", {}, "tiny-old"),
        ("fresh", {"unet": "1.0"}, "unet"),
        ("fresh", {"tiny-old": "1.0"}, "tiny-old"),
    ],
)
def test_a_name_has_one_model_and_a_model_one_place(renamed, name, aliases, taken):
    before = dict(registry._REGISTRY), dict(registry._ALIASES)
    register = registry.register_model(name, summary="", year=2026, aliases=aliases)
    with pytest.raises(ValueError, match=f"two models are named '{taken}'"):
        register(registry.model_info("unet").family)
    assert (registry._REGISTRY, registry._ALIASES) == before


def test_a_former_name_is_another_name():
    with pytest.raises(ValueError, match="x: an alias must differ from the name"):
        registry.register_model("x", summary="", year=2026, aliases={"x": "1.0"})
    with pytest.raises(ValueError, match="names may only contain a-z.*'U-Net'"):
        registry.register_model("x", summary="", year=2026, aliases={"U-Net": "1.0"})


# Tags ---------------------------------------------------------------------------------------------


def test_a_name_without_its_tag_is_the_first_one_registered(scratch_registry, tmp_path):
    unet = registry.model_info("unet").family
    for tag, width in (("places", 3), ("faces", 5)):
        folder = tmp_path / tag
        colorzoo.create_model("unet", width=width).save_pretrained(folder)
        registry.register_model(
            f"tiny.{tag}", summary="", year=2026, config={"width": width}, folder=folder
        )(unet)
    assert colorzoo.list_models("tiny*") == ["tiny.faces", "tiny.places"]
    for name, width in (("tiny", 3), ("tiny.places", 3), ("tiny.faces", 5)):
        assert colorzoo.load(name).config["width"] == width
        assert colorzoo.create_model(name).config["width"] == width
    assert colorzoo.create_model("tiny").architecture == "tiny.places"
    colorzoo.create_model("tiny.faces").save_pretrained(tmp_path / "saved")
    assert colorzoo.load(tmp_path / "saved").architecture == "tiny.faces"
    with pytest.raises(colorzoo.UnknownModelError, match="'tiny.fa'.*Did you mean tiny.faces"):
        colorzoo.load("tiny.fa")
    registry.register_model("tiny", summary="", year=2026, config={"width": 7})(unet)
    assert colorzoo.create_model("tiny").config["width"] == 7  # a name of its own comes first


# Other packages -----------------------------------------------------------------------------------


def test_a_package_brings_models_and_a_broken_one_breaks_nothing(scratch_registry, monkeypatch):
    """Without an installation; tests/test_contributing.py installs such a package with pip."""
    unet = registry.model_info("unet").family

    def entry(value: str, load) -> SimpleNamespace:
        return SimpleNamespace(value=value, load=load, dist=SimpleNamespace(name="ann-colors"))

    def broken():
        raise ImportError("No module named 'nothing'")

    def twin():
        registry.register_model("unet", summary="", year=2026)(type("Twin", (unet,), {}))

    entries = [
        entry("broken", broken),
        entry("ann", lambda: registry.register_model("ann", summary="", year=2026)(unet)),
        entry("twin", twin),
    ]
    asked = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or entries)
    registry._import_families.cache_clear()
    with pytest.warns(UserWarning, match="package ann-colors") as caught:
        assert "ann" in colorzoo.list_models()
    colorzoo.list_models()  # they are imported once
    assert asked == ["colorzoo.models"]
    words = [str(each.message) for each in caught]
    assert len(words) == 2
    assert "importing broken failed (ImportError: No module named 'nothing')" in words[0]
    assert "importing twin failed (ValueError: two models are named 'unet'" in words[1]
    assert colorzoo.model_info("unet").family is unet
