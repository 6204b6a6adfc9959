"""Colouring beside decoding and encoding: what is reported is what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import colorzoo
from colorzoo.evaluation import benchmark as bench
from colorzoo.evaluation.benchmark import FLOOR, draw_photo, measure

COMMAND = Path(sys.executable).with_name("colorzoo")


def test_floor_and_model_are_measured(tmp_path):
    floor, model = measure(["unet"], [0.1])
    assert (floor.model, model.model) == (FLOOR, "unet")
    assert (floor.width, floor.height) == (model.width, model.height) == (365, 274)
    assert floor.ratio == 1 and model.ratio == pytest.approx(model.milliseconds / model.floor)
    assert model.milliseconds > model.floor > 0.5
    assert model.photos_per_second == pytest.approx(1000 / model.milliseconds)
    assert 50 < floor.peak_mb < model.peak_mb < 3000


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
    with pytest.raises(colorzoo.ColorzooError, match="No colorizer is called 'no-such'"):
        list(measure(["no-such"], [1]))


def test_the_command(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [COMMAND, "benchmark", "--model", "unet", "-o", tmp_path,
             "--megapixels", "0.05", *arguments], capture_output=True, text=True,
        )  # fmt: skip

    done = run()
    assert done.returncode == 0, done.stderr
    assert FLOOR in done.stdout and "times the floor" in done.stdout
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert [each["model"] for each in report["timings"]] == [FLOOR, "unet"]
    assert report["hardware"] and "grain" in report["photo"]
    assert Image.open(tmp_path / "benchmark.png").width > 500
    again = run()
    assert again.returncode == 1 and "--overwrite" in again.stderr
