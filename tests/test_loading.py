"""Which name is taken for what, and what loading gives."""

import numpy as np
import pytest
import torch

import colorzoo
from colorzoo import registry
from colorzoo.colorizer import Colorizer
from colorzoo.hub.mixin import save_weights


def test_a_model_with_no_weights_says_how_to_get_some(scratch_registry):
    unet = registry.model_info("unet").family
    registry.register_model("unet-untrained", summary="", year=2026)(unet)
    with pytest.raises(colorzoo.WeightsError, match="python -m train fit unet-untrained"):
        colorzoo.load("unet-untrained")


@pytest.mark.parametrize("how", [str, lambda path: path, lambda path: f"{path}/"])
def test_load_a_folder(saved, how):
    model = colorzoo.load(how(saved))
    assert model.config == {"architecture": "unet", "width": 2, "work_size": 128}


def test_a_device_that_is_not_there(saved):
    with pytest.raises(
        colorzoo.ConfigError, match="The device 'cuda:99' is not available.*Try 'cpu'"
    ):
        colorzoo.load(saved, device="cuda:99")


def test_load_a_relative_folder(saved, monkeypatch):
    monkeypatch.chdir(saved.parent.parent)
    assert colorzoo.load(f"./{saved.parent.name}/model").config["width"] == 2
    assert colorzoo.load(f"{saved.parent.name}/model").config["width"] == 2


def test_a_bare_name_is_never_a_folder(saved, monkeypatch):
    saved.rename(saved.with_name("autoencoder"))
    monkeypatch.chdir(saved.parent)
    assert colorzoo.load("autoencoder").architecture == "autoencoder"
    assert colorzoo.load("./autoencoder").architecture == "unet"
    saved.with_name("mine").mkdir()
    with pytest.raises(colorzoo.UnknownModelError, match="Write './mine' for a folder"):
        colorzoo.load("mine")


def test_a_missing_folder_is_no_hub_id(tmp_path):
    with pytest.raises(colorzoo.WeightsError, match="There is no folder"):
        colorzoo.load(f"{tmp_path}/nowhere")
    with pytest.raises(colorzoo.WeightsError, match="There is no folder"):
        colorzoo.load("./nowhere")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_type_is_what_is_asked_for(tmp_path, camera, dtype):
    model = colorzoo.create_model("unet", width=2)
    save_weights(model, tmp_path, dtype=torch.float16)
    assert {each.dtype for each in colorzoo.load(tmp_path).parameters()} == {torch.float32}
    loaded = colorzoo.load(tmp_path, dtype=dtype)
    assert {each.dtype for each in loaded.parameters()} == {dtype}
    difference = np.asarray(loaded.colorize(camera)).astype(int) - model.colorize(camera)
    assert np.abs(difference).mean() < 1
    with pytest.raises(colorzoo.ConfigError, match="dtype must be float32, .*int8"):
        colorzoo.load(tmp_path, dtype=torch.int8)


def test_where_a_model_is_taken_from(saved, monkeypatch):
    def refused(error, message, name, **options):
        with pytest.raises(error, match=message):
            colorzoo.load(name, **options)

    assert colorzoo.load("unet", source="bundled").architecture == "unet"
    refused(colorzoo.WeightsError, "unet is not on the Hub; .*bundled", "unet", source="hub")
    refused(colorzoo.WeightsError, "unet is not on the Hub", "unet", revision="main")
    refused(
        colorzoo.WeightsError,
        "no weights for user/repo on this machine",
        "user/repo",
        source="bundled",
    )
    refused(colorzoo.ConfigError, "is a folder: leave out revision", saved, revision="main")
    refused(colorzoo.ConfigError, "is a folder: leave out revision", f"{saved}/", source="hub")
    refused(
        colorzoo.ConfigError, "leave out revision='v1'", "unet", source="bundled", revision="v1"
    )
    refused(colorzoo.ConfigError, "'auto', 'bundled' or 'hub', got 'disk'", "unet", source="disk")
    monkeypatch.chdir(saved.parent.parent)
    both = f"{saved.parent.name}/model"
    assert colorzoo.load(both).config["width"] == 2
    refused(colorzoo.HubError, "not in the cache", both, source="hub")


def test_a_family_loads_its_own_models_only(saved):
    unet = registry.model_info("unet").family
    assert unet.from_pretrained(saved, work_size=64).config["work_size"] == 64
    found = Colorizer.from_pretrained(saved, work_size=64)  # the base class finds it
    assert type(found) is unet and found.config["work_size"] == 64
    with pytest.raises(colorzoo.WeightsError, match="does not fit Autoencoder"):
        registry.model_info("autoencoder").family.from_pretrained(saved)


@pytest.mark.parametrize("name", ["user/repo", "user/a/b", "a//b", "user/re po"])
def test_hub_failures_are_one_kind_of_error(name, tmp_path):
    """Offline, as tests are: nothing is cached, and an impossible id is told apart."""
    with pytest.raises(colorzoo.HubError, match="not in the cache|neither a Hub repository id"):
        colorzoo.load(name, cache_dir=tmp_path)
