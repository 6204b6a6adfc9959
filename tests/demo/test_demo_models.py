"""The models behind the page: settings, kept predictions, models of the Hub."""

import threading
import time
from types import SimpleNamespace

import pytest
import torch
from helpers import toy_families

import colorzoo
from webapp import hub_models
from webapp import models as zoo
from webapp.downloads import Shelf


@pytest.mark.parametrize(
    "wrong",
    [
        {"saturation": 3}, {"strength": float("nan")}, {"work_size": 100},
        {"vividness": "x"}, {"vividness": 1.5},
        {"seed": -2}, {"seed": 1.5}, {"seed": True}, {"seed": 2**63},
        {"steps": -1}, {"steps": 101}, {"steps": 2.0},
    ],
)  # fmt: skip
def test_wrong_settings_are_told(wrong):
    with pytest.raises(colorzoo.ConfigError, match=next(iter(wrong))):
        zoo.Settings(**wrong)


def test_the_middle_of_the_slider_is_the_default_of_each_model():
    """So that a model without that option, or with another default, is left alone."""
    assert zoo.Settings().options["vividness"] is None
    assert [zoo.Settings(vividness=x).options["vividness"] for x in (0, 0.45, 1)] == [0, 0.45, 1]


def test_only_models_with_weights_of_their_own_are_offered():
    names = zoo.model_names()
    assert names[0] == colorzoo.DEFAULT_MODEL and "unet" in names
    assert not any(colorzoo.model_info(name).weights_of for name in names)


@pytest.mark.parametrize("wrong", [-1, 7, 1.5, "2", None, True])
def test_a_wrong_number_of_samples_is_told(wrong):
    with pytest.raises(colorzoo.ConfigError, match="samples must be a whole number from 0 to 6"):
        zoo.seeds(wrong)


def test_each_model_is_loaded_once_for_all(monkeypatch):
    loaded = []

    def load(name, **_):
        loaded.append(name)
        time.sleep(0.05)
        return SimpleNamespace()

    monkeypatch.setattr(zoo, "_loaded", {})
    monkeypatch.setattr(zoo.colorzoo, "load", load)
    threads = [threading.Thread(target=zoo.get_model, args=("unet",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["unet"]


def test_predictions_are_limited_in_bytes(coffee, monkeypatch):
    photo, kept = colorzoo.read_photo(coffee), zoo._Kept()
    monkeypatch.setattr(zoo, "PREDICTIONS", kept)
    (answer,) = zoo.predict(["unet"], "0", photo, zoo.Settings())
    size = zoo._size(answer)
    assert kept.bytes == size > 100_000
    monkeypatch.setattr(zoo, "KEPT_BYTES", 3 * size)
    for i in range(6):
        list(zoo.predict(["unet"], str(i), photo, zoo.Settings()))
    assert kept.bytes == 3 * size and [key[0] for key in kept._answers] == ["3", "4", "5"]
    assert kept.get(("0", "unet", 0, ())) is None
    kept.tidy(max_age=60)
    assert kept.bytes == 3 * size
    kept.tidy(max_age=0)
    assert kept.bytes == 0 and kept.get(("5", "unet", 0, ())) is None


def test_the_shelf_is_limited_in_bytes_and_in_age():
    shelf = Shelf(max_bytes=250, max_age=0.3)
    paths = [shelf.add(f"{i}.txt", lambda path: path.write_bytes(b"x" * 100)) for i in range(4)]
    left = sorted(path.name for path in shelf.folder.rglob("*.txt"))
    assert left == ["2.txt", "3.txt"]
    assert len({path.split("/")[-2] for path in paths}) == 4  # each at an address of its own
    large = shelf.add("large.txt", lambda path: path.write_bytes(b"x" * 1000))
    assert [str(path) for path in shelf.folder.rglob("*.txt")] == [large]
    time.sleep(0.35)
    shelf.tidy()
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    ["", "unet", "/etc", "./a/b", "~/a", "../a/b", "a/../b", "a/b/c", "a\\b", "C:/a", "a /b"],
)
def test_only_hub_ids_are_brought(words, monkeypatch):
    monkeypatch.setattr(hub_models, "_find_commit", lambda repo_id: pytest.fail(repo_id))
    with pytest.raises(colorzoo.HubError, match="is not a Hub id; expected user/repo"):
        hub_models.fetch(words)


def test_brought_models_are_limited_in_number(monkeypatch):
    fetched = []

    def load(key):
        fetched.append(key)
        hub_models._place(key).mkdir()
        return SimpleNamespace()

    monkeypatch.setattr(hub_models, "_load", load)
    monkeypatch.setattr(hub_models, "_models", type(hub_models._models)())
    keys = [f"ann/m{i}@c" for i in range(hub_models.MAX_KEPT + 1)]
    for key in [*keys, keys[-1], keys[0]]:
        hub_models.get(key)
    assert fetched == [*keys, keys[0]] and len(hub_models._models) == hub_models.MAX_KEPT
    assert not hub_models._place(keys[1]).exists() and hub_models._place(keys[0]).exists()
    for key in keys:
        hub_models._place(key).rmdir() if hub_models._place(key).exists() else None


def test_a_brought_model_cannot_ask_for_a_huge_working_size(coffee, monkeypatch):
    model, seen = colorzoo.create_model("unet", width=2, work_size=512), []
    monkeypatch.setattr(hub_models, "get", lambda key: model)
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())

    def predict(self, photo, *, work_size, **options):
        seen.append(work_size)

    monkeypatch.setattr(colorzoo.Colorizer, "predict", predict)
    list(zoo.predict(["ann/huge@c"], "coffee", colorzoo.read_photo(coffee), zoo.Settings()))
    assert seen == [hub_models.MAX_WORK_SIZE]


def test_predictions_of_other_options_are_others(scratch_registry, coffee, monkeypatch):
    """What the network is told is part of the key; what only colours, is not."""
    toy_families.register()
    models = {name: colorzoo.create_model(name) for name in ("toy-bins", "toy-flow", "toy-hints")}
    monkeypatch.setattr(zoo, "_loaded", models)
    monkeypatch.setattr(zoo, "PREDICTIONS", zoo._Kept())
    photo = colorzoo.read_photo(coffee)

    def told(name: str, **settings) -> torch.Tensor:
        (answer,) = zoo.predict([name], "coffee", photo, zoo.Settings(**settings))
        assert answer.prediction is not None, answer.error
        output = answer.prediction.output
        return output["state"] if isinstance(output, dict) else output

    assert told("toy-bins") is told("toy-bins", seed=1, vividness=0.8, saturation=0.5)
    assert told("toy-flow") is told("toy-flow", vividness=0.8)
    others = [told("toy-flow", **each) for each in ({}, {"seed": 1}, {"seed": 2}, {"steps": 5})]
    assert len({id(each) for each in others}) == 4
    red, blue = (colorzoo.Hint(99, 99, color) for color in ("red", "blue"))
    assert told("toy-hints", hints=(red,)) is told("toy-hints", hints=(red,), seed=1)
    assert not torch.equal(told("toy-hints", hints=(red,)), told("toy-hints", hints=(blue,)))
