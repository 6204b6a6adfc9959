"""Colouring beside decoding and encoding: what is reported is what was measured."""

import multiprocessing
import time

import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.evaluation import benchmark as bench
from colorzoo.evaluation.benchmark import FLOOR, draw_photo, measure


@pytest.mark.slow
def test_floor_and_model_are_measured(tmp_path):
    floor, model = measure(["unet"], [0.1])
    assert (floor.model, model.model) == (FLOOR, "unet")
    assert (floor.width, floor.height) == (model.width, model.height) == (365, 274)
    assert floor.ratio == 1 and model.ratio == pytest.approx(model.milliseconds / model.floor)
    assert model.milliseconds > model.floor > 0.5
    assert model.photos_per_second == pytest.approx(1000 / model.milliseconds)
    assert 50 < floor.peak_mb < model.peak_mb < 3000


def test_a_model_is_measured_in_turn_with_the_floor(tmp_path, monkeypatch):
    """As ``measure`` does it in a process of its own, which takes seconds to start."""
    monkeypatch.setattr(bench, "_SECONDS", 0.0)
    runs = []
    seconds = bench._seconds
    monkeypatch.setattr(
        bench, "_seconds", lambda model, *paths: runs.append(model) or seconds(model, *paths)
    )
    draw_photo(0.1, tmp_path / "photo.jpg")
    threads = torch.get_num_threads()
    found = bench._measure_one("unet", str(tmp_path / "photo.jpg"), "cpu", 1)
    torch.set_num_threads(threads)
    assert found.milliseconds > found.floor > 0.5 and found.peak_mb > 50
    assert 0 < found.network < found.milliseconds
    assert [model is None for model in runs] == [True, False] * 4  # the first pair is not counted


def test_the_photo_is_as_large_as_asked_for(tmp_path):
    for megapixels in (0.1, 2.0):
        width, height = draw_photo(megapixels, tmp_path / "a.jpg")
        assert Image.open(tmp_path / "a.jpg").size == (width, height)
        assert width * height / 1e6 == pytest.approx(megapixels, rel=0.01)
        assert width / height == pytest.approx(4 / 3, abs=0.01)


def test_wrong_wishes_cost_no_time(monkeypatch):
    monkeypatch.setattr(bench, "draw_photo", lambda *_: pytest.fail("it began"))
    with pytest.raises(colorzoo.ConfigError, match="megapixels must be from 0.01 to 500, got 900"):
        list(measure(["unet"], [900]))
    with pytest.raises(colorzoo.ColorzooError, match="There is no model named 'no-such'"):
        list(measure(["no-such"], [1]))


def test_a_peer_and_other_load(monkeypatch):
    """Without new processes: which models run under which load, and how they are compared."""
    asked = []

    def measured(what, arguments):
        name, _, _, _, is_random = arguments
        asked.append((what, name, is_random))
        return bench._Measured({None: 5.0, "unet": 20.0}.get(name, 300.0), 5.0, 3.0, 100.0)

    monkeypatch.setattr(bench, "_under", measured)
    loads = bench.LOADS[:2]
    timings = list(measure(["unet"], [0.01], peer="ddcolor-tiny", loads=loads))
    random = not colorzoo.model_info("ddcolor-tiny").is_local
    names = [(None, False), ("ddcolor-tiny", random), ("unet", False)]
    assert asked == [(what, *name) for what in loads for name in names]
    assert [each.load for each in timings] == [loads[0]] * 3 + [loads[1]] * 3
    assert [each.beside_peer for each in timings] == [None, None, 15.0] * 2
    assert timings[1].model.startswith("ddcolor-tiny (random" if random else "ddcolor-tiny")


def test_a_busy_process_ends(monkeypatch):
    monkeypatch.setattr(bench, "_spin", _begin_and_wait)
    context = multiprocessing.get_context("forkserver")
    with bench._busy(context):
        (child,) = multiprocessing.active_children()
        assert child.is_alive()
    assert not child.is_alive()


def _begin_and_wait(begun):
    begun.set()
    time.sleep(60)
