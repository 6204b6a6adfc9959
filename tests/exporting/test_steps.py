"""Models that sample in onnxruntime: the graph of the velocity, and the loop outside."""

from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import colorzoo
from colorzoo.cli import app
from colorzoo.exporting import graph
from colorzoo.models._sampling import flow_times, sample_euler

LOOP = ["condition", "ab", "time", "kept"]
pytest.importorskip("onnxruntime", reason="needs colorzoo[onnx]")
pytestmark = pytest.mark.slow  # the two graphs take about 15 seconds to export


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model in a folder, and its graph in the cache."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("flow")
    model = colorzoo.create_model("flow", encoder="mobilenetv2_035", width=8)
    model.save_pretrained(path / "model")
    colorzoo.load(path / "model", backend="onnx", cache_dir=path / "cache")
    return path


def test_onnxruntime_samples_as_pytorch_does(folder, camera, monkeypatch):
    model: Any = colorzoo.load(folder / "model")
    running: Any = colorzoo.load(folder / "model", backend="onnx", cache_dir=folder / "cache")
    assert len(list((folder / "cache").rglob("*.onnx"))) == 1
    assert running.options == model.options == {"hints", "seed", "steps"}
    photo = camera[::4, ::3]
    expected = [np.asarray(each).astype(int) for each in model.colorize_samples(photo, 2, steps=3)]
    monkeypatch.setattr(type(model.base), "forward", None)  # PyTorch runs nothing
    monkeypatch.setattr(type(model.network), "forward", None)
    for seed, each in enumerate(expected):
        found = np.asarray(running.colorize(photo, seed=seed, steps=3)).astype(int)
        assert np.abs(found - each).max() <= 1
    running.guidance = 2.0
    assert (np.asarray(running.colorize(photo, seed=0, steps=3)) != expected[0]).any()


def test_other_programs_can_run_the_loop(folder, tmp_path):
    """As docs/gpu-and-onnx.md shows it."""
    import onnx
    import onnxruntime

    (file,) = (folder / "cache").rglob("*.onnx")
    sessions = []
    for inputs, output in ((["lightness"], "conditions"), (LOOP, "velocity")):
        onnx.utils.extract_model(file, tmp_path / "part.onnx", inputs, [output])
        sessions.append(onnxruntime.InferenceSession(tmp_path / "part.onnx"))
    once, step = sessions
    random = np.random.default_rng(3)
    lightness = 100 * random.random((1, 1, 64, 96), np.float32)
    (condition,) = once.run(None, {"lightness": lightness})
    noise = random.standard_normal((1, 2, 16, 24), np.float32)
    ab, kept = 20 * noise, np.ones(1, np.float32)
    for i in range(8):
        time = np.full(1, i / 8, np.float32)
        given = {"condition": condition, "ab": ab, "time": time, "kept": kept}
        (velocity,) = step.run(None, given)
        ab = ab + velocity / 8
    model: Any = colorzoo.load(folder / "model")
    with torch.inference_mode():
        inside = model.condition(torch.from_numpy(lightness))
        expected = sample_euler(
            lambda x, t: model.velocity(inside, x, torch.full((1,), t), torch.ones(1)),
            20 * torch.from_numpy(noise),
            flow_times(8),
        )
    np.testing.assert_allclose(ab, expected, atol=0.01)


def test_the_graph_alone_is_not_a_model(folder, tmp_path, monkeypatch):
    (file,) = (folder / "cache").rglob("*.onnx")
    with pytest.raises(colorzoo.WeightsError, match="a network that a sampler runs in a loop"):
        colorzoo.load(file)
    monkeypatch.setattr(graph, "export", lambda model, path: 0.0)  # as above
    run = CliRunner().invoke(app, ["export", str(folder / "model"), str(tmp_path / "f.onnx")])
    assert run.exit_code == 0, run.output
    assert "differs" in run.output and "without" not in run.output
