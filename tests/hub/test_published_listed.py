"""Published weights are listed with where they are from, and fetched only by their name."""

import numpy as np
import pytest
from helpers import commands
from helpers.published import PAGE, ToyPublished
from huggingface_hub import constants
from PIL import Image

import colorzoo
from colorzoo import gallery
from colorzoo.evaluation import benchmark


def test_where_weights_are_from_is_listed(answer, file_server, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path))
    info = colorzoo.model_info("toy-published")
    assert info.origin == "published by its authors, 3 kB, not downloaded" and not info.is_local
    assert info.licence == "Apache-2.0" and info.metrics is None
    assert "toy-published" in colorzoo.list_models(pretrained=True)
    assert "toy-published" not in colorzoo.list_models(local=True)
    shown = commands.run_colorzoo("info", "toy-published").stdout
    assert "Published by its authors, not measured here" in shown
    assert "FID 4.38 (the paper, on 5,000 photos)" in shown
    for word in (info.origin, "licence = Apache-2.0", f"{file_server.url}/toy.pth", PAGE):
        assert word in shown
    listed = " ".join(commands.run_colorzoo("list").stdout.split())
    assert "toy-published" in listed and "4.38" not in listed  # never among our own numbers
    # Nothing that asks for "all models" downloads.
    asked: list[str] = []

    def load(name, **_):
        asked.append(name)
        return colorzoo.create_model("toy-published")

    monkeypatch.setattr(gallery, "load", load)
    colorzoo.compare(np.zeros((9, 9), np.uint8))
    assert "unet" in asked and "toy-published" not in asked
    assert file_server.requests == []
    colorzoo.load("toy-published")
    assert info.origin == "published by its authors, 3 kB, downloaded" and info.is_local
    assert "toy-published" in colorzoo.list_models(local=True)


@pytest.mark.parametrize(
    "words",
    [
        ["colorize", "photo.png", "-o", "out.png", "--model"],
        ["compare", "photo.png", "-o", "out.png", "--model"],
        ["batch", ".", "out", "--model"],
        ["benchmark", "--model"],
        ["evaluate"],
        ["export"],
    ],
)
def test_commands_can_be_kept_from_downloading(answer, file_server, tmp_path, words, camera):
    Image.fromarray(camera[::8, ::8]).save(tmp_path / "photo.png")
    last = {"evaluate": ["photo.png"], "export": ["out.onnx"]}.get(words[0], [])
    run = commands.run_colorzoo(*words, "toy-published", *last, "--no-download", cwd=tmp_path)
    assert run.returncode == 1 and "leaving out --no-download." in run.stderr
    assert file_server.requests == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["photo.png"]


def test_a_benchmark_takes_random_weights_for_what_is_not_here(answer, file_server, monkeypatch):
    asked = []

    def measured(load, arguments):
        asked.append((arguments[0], arguments[-1]))
        return benchmark._Measured(2.0, 1.0, 0.5, 100.0)

    monkeypatch.setattr(benchmark, "_under", measured)
    names = [
        timing.model
        for timing in benchmark.measure(["unet", "toy-published"], [0.01], random_weights=True)
    ]
    assert names == [benchmark.FLOOR, "unet", "toy-published (random weights)"]
    assert asked == [(None, False), ("unet", False), ("toy-published", True)]
    assert file_server.requests == []
    model = benchmark._random("toy-published", "cpu")
    assert isinstance(model, ToyPublished) and not model.training
