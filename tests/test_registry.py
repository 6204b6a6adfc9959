"""Models by name: what is registered, former names, tags, and what is refused."""

import warnings
from types import SimpleNamespace

import numpy as np
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


# Settings of other weights ------------------------------------------------------------------------


@pytest.fixture
def dialled(scratch_registry, tmp_path):
    """tiny-bins, which has weights, and tiny-bins.careful, other settings of them; the folder."""
    family = registry.model_info("unet-bins").family
    torch.manual_seed(0)
    folder = tmp_path / "tiny-bins"
    registry.register_model(
        "tiny-bins", summary="", year=2026, config={"width": 1, "work_size": 32}, folder=folder
    )(family)
    model = colorzoo.create_model("tiny-bins")
    torch.nn.init.normal_(model.get_parameter("head.weight"), std=0.5)
    model.save_pretrained(folder)
    registry.register_model(
        "tiny-bins.careful", summary="", year=2026, config={"vividness": 0.0},
        folder=tmp_path / "tiny-bins.careful", weights_of="tiny-bins",
    )(family)  # fmt: skip
    return folder


def test_settings_of_other_weights_load_them(dialled, tmp_path, camera):
    info, small = colorzoo.model_info("tiny-bins.careful"), camera[::4, ::4]
    assert info.weights == dialled and info.folder == tmp_path / "tiny-bins.careful"
    assert info.metrics is None and info.card is None  # those of the base are not its own
    assert "tiny-bins.careful" in colorzoo.list_models(pretrained=True)
    base, careful = colorzoo.load("tiny-bins"), colorzoo.load("tiny-bins.careful")
    assert (base.architecture, careful.architecture) == ("tiny-bins", "tiny-bins.careful")
    assert careful.config == {
        **base.config, "architecture": "tiny-bins.careful", "vividness": 0.0
    }  # fmt: skip
    expected = np.asarray(base.colorize(small, vividness=0.0))
    assert (np.asarray(careful.colorize(small)) == expected).all()
    assert (np.asarray(base.colorize(small)) != expected).any()
    assert (np.asarray(careful.colorize(small, vividness=0.5)) == base.colorize(small)).all()


def test_settings_override_the_keywords_of_the_file(dialled):
    """Those in the file are the base's own; what is not overridden is kept."""
    dial = [[1.0, 0.9, 0.5], [1.0, 0.5, 1.5]]
    colorzoo.create_model("tiny-bins", dial=dial, vividness=0.9).save_pretrained(dialled)
    for name, vividness in (("tiny-bins", 0.9), ("tiny-bins.careful", 0.0)):
        config = colorzoo.load(name).config
        assert (config["dial"], config["vividness"]) == (dial, vividness)
    untrained = colorzoo.create_model("tiny-bins.careful")
    assert (untrained.config["width"], untrained.config["vividness"]) == (1, 0.0)
    assert colorzoo.create_model("tiny-bins.careful", vividness=0.3).config["vividness"] == 0.3


def test_a_saved_setting_is_kept(dialled, tmp_path, camera):
    careful = colorzoo.load("tiny-bins.careful")
    careful.save_pretrained(tmp_path / "saved")
    expected = np.asarray(careful.colorize(camera[::4, ::4]))
    again = colorzoo.load(tmp_path / "saved"), type(careful).from_pretrained(tmp_path / "saved")
    for each in again:
        assert each.config == careful.config
        assert (np.asarray(each.colorize(camera[::4, ::4])) == expected).all()


def test_settings_are_of_a_registered_model_of_the_same_class(dialled):
    unet, bins = (registry.model_info(name).family for name in ("unet", "unet-bins"))
    for base, family in (("nothing", bins), ("tiny-bins", unet)):
        register = registry.register_model("other", summary="", year=2026, weights_of=base)
        with pytest.raises(ValueError, match=f"cannot use the weights of {base}: register that"):
            register(family)
    assert "other" not in colorzoo.list_models()
    with pytest.raises(ValueError, match="other uses the weights of tiny-bins: leave repo_id out"):
        registry.register_model(
            "other", summary="", year=2026, weights_of="tiny-bins", repo_id="a/b",
            revision="0" * 40,
        )  # fmt: skip


def test_settings_of_published_weights_are_on_the_hub_with_them(scratch_registry):
    family = registry.model_info("unet-bins").family
    register = registry.register_model
    register("far", summary="", year=2026, repo_id="a/b", revision="0" * 40)(family)
    register("far.vivid", summary="", year=2026, weights_of="far")(family)
    info = colorzoo.model_info("far.vivid")
    assert (info.weights, info.repo_id, info.revision) == (None, "a/b", "0" * 40)
    assert "far.vivid" in colorzoo.list_models(pretrained=True)


@pytest.mark.parametrize(("name", "vividness"), [("careful", 0.0), ("vivid", 1.0)])
def test_the_zoo_s_own_settings(name, vividness, camera):
    base, model = (
        colorzoo.load(each) for each in ("efficientnet-bins", f"efficientnet-bins.{name}")
    )
    small = camera[::4, ::4]
    expected = np.asarray(base.colorize(small, vividness=vividness))
    assert (np.asarray(model.colorize(small)) == expected).all()
    assert (np.asarray(base.colorize(small)) != expected).any()


@pytest.mark.parametrize(
    ("former", "name"),
    [("mobilenetv2-bins", "efficientnet-bins"), ("mobilenetv2-huber", "efficientnet-bins.careful")],
)
def test_the_models_that_were_replaced_keep_their_names(former, name):
    with pytest.warns(FutureWarning, match=f"{former} is now called {name}; .* version 1.0"):
        assert colorzoo.load(former).architecture == name


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
