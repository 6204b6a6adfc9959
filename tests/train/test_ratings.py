"""Counts by eye: they belong to weights and settings, and are dropped when these change."""

from dataclasses import replace

import pytest
from helpers.training import train

import colorzoo
from colorzoo import registry
from train.commands import judge
from train.upkeep import readme
from train.upkeep.ratings import Counts, counted, record


@pytest.fixture
def unet(tmp_path):
    """The U-Net's entry in the registry, with small untrained weights in a folder of its own."""
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "unet")
    return replace(colorzoo.model_info("unet"), folder=tmp_path / "unet")


def test_counts_are_kept_with_the_weights_they_are_of(unet, monkeypatch):
    assert counted(unet) == {}
    record(unet, "3 photos", Counts(2, 1, 0))
    record(unet, "9 old photos", Counts(4, 4, 1))
    record(unet, "3 photos", Counts(1, 1, 1))
    assert counted(unet) == {"3 photos": Counts(1, 1, 1), "9 old photos": Counts(4, 4, 1)}
    monkeypatch.setattr(readme, "list_models", lambda pretrained: ["unet"])
    monkeypatch.setattr(readme, "model_info", lambda name: unet)
    heading, _, row = readme._by_eye()[0].splitlines()
    assert heading == "| by eye: plausible / odd / wrong | 9 old photos | 3 photos |"
    assert row == "| `unet` | 4 / 4 / 1 | 1 / 1 / 1 |"
    colorzoo.create_model("unet", width=4).save_pretrained(unet.folder)
    assert counted(unet) == {} and readme._by_eye() == []
    record(unet, "9 old photos", Counts(9, 0, 0))  # the counts of the older weights are gone
    assert counted(unet) == {"9 old photos": Counts(9, 0, 0)}


def test_counts_are_of_the_settings_too(unet):
    record(unet, "3 photos", Counts(2, 1, 0))
    assert counted(replace(unet, summary="Another summary"))
    assert counted(replace(unet, config={"work_size": 96})) == {}
    config = unet.folder / "config.json"
    before = config.read_text()
    config.write_text(before.replace("128", "96"))
    assert counted(unet) == {}
    config.write_text(before)
    assert counted(unet) == {"3 photos": Counts(2, 1, 0)}


def test_settings_of_other_weights_have_counts_of_their_own(scratch_registry, unet, tmp_path):
    registry._REGISTRY["unet"] = unet
    small = replace(
        unet, name="unet.small", config={"work_size": 64}, folder=tmp_path / "unet.small",
        weights_of="unet",
    )  # fmt: skip
    record(small, "3 photos", Counts(0, 3, 0))  # its folder is made
    assert counted(small) == {"3 photos": Counts(0, 3, 0)} and counted(unet) == {}
    colorzoo.create_model("unet", width=3).save_pretrained(unet.folder)
    assert counted(small) == {}


def test_counts_need_weights(unet):
    record(unet, "3 photos", Counts(1, 1, 1))
    (unet.folder / "model.safetensors").unlink()
    for call in (lambda: counted(unet), lambda: record(unet, "3 photos", Counts(1, 1, 1))):
        with pytest.raises(colorzoo.WeightsError, match="unet has no bundled weights"):
            call()


@pytest.mark.parametrize("wrong", [Counts(0, 0, 0), Counts(3, -1, 0)])
def test_wrong_counts_are_refused(unet, wrong):
    with pytest.raises(ValueError, match=f"whole numbers from 0, not all 0, got {wrong}"):
        record(unet, "3 photos", wrong)
    assert counted(unet) == {}


@pytest.mark.parametrize("photos", ["4 photos", "30 photos", "photos of my aunt"])
def test_counts_have_to_add_up_to_what_is_said(unet, photos):
    with pytest.raises(ValueError, match="3 photos of|says 4|says 30"):
        record(unet, photos, Counts(1, 1, 1))
    assert counted(unet) == {}


def test_the_command(unet, monkeypatch):
    monkeypatch.setattr(judge, "model_info", lambda name: unet)
    done = train("judge", "unet", "3 photos", 2, 1, 0)
    assert done.returncode == 0, done.stderr
    assert counted(unet) == {"3 photos": Counts(2, 1, 0)}
    wrong = train("judge", "unet", "3 photos", 0, 0, 0)
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: counts are whole numbers")
    monkeypatch.undo()
    wrong = train("judge", "unte", "3 photos", 1, 0, 0)
    assert wrong.returncode == 1 and "Did you mean unet" in wrong.stderr
