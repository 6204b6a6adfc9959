"""Models as ONNX graphs: the same colours as PyTorch's, at any size."""

import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from helpers.bundled import BUNDLED
from helpers.model_tester import create_small
from helpers.toy_families import ToyExemplar, ToyFlow, ToyHints
from torch import nn

import colorzoo
from colorzoo.colorizer import Colorizer
from colorzoo.exporting.graph import export

TRAINED = BUNDLED
# The default model, and one that is built without timm.
QUICK = (colorzoo.DEFAULT_MODEL, "unet-bins")


def refuse(*_):
    raise AssertionError("PyTorch runs the network")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in colorzoo.list_models()
        if not colorzoo.model_info(name).family.network_options  # refused, see below
        and not colorzoo.model_info(name).weights_of  # the same network
    ],
)
def test_every_model_runs_as_a_graph(name, tmp_path, monkeypatch, camera):
    torch.manual_seed(0)
    model = colorzoo.load(name) if name in TRAINED else create_small(name)
    model.save_pretrained(tmp_path / "model")
    running = colorzoo.load(tmp_path / "model", backend="onnx", cache_dir=tmp_path / "cache")
    assert type(running) is type(model) and running.config == model.config
    (file,) = (tmp_path / "cache").rglob("*.onnx")
    exported = colorzoo.load(file)
    assert exported.config == model.config
    assert exported.parameter_count == model.parameter_count

    stride = model.stride
    for size in ((1, 1), (7, 3), (stride, 2 * stride), (2 * stride + 1, 3 * stride - 1), (97, 31)):
        lightness = torch.rand(2, 1, *size) * 100
        with torch.inference_mode():
            expected = model.predict_ab(lightness)
            for found in (running.predict_ab(lightness), exported.predict_ab(lightness)):
                assert found.shape == expected.shape
                assert (found - expected).abs().max() < 1e-2, size

    small = camera[::4, ::3]
    picture = np.asarray(model.colorize(small)).astype(int)
    monkeypatch.setattr(type(model), "forward", refuse)
    again = colorzoo.load(tmp_path / "model", backend="onnx", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*.onnx")) == [file]  # not exported again
    for each in (again, exported):
        assert np.abs(np.asarray(each.colorize(small)) - picture).max() <= 1


def test_other_weights_are_another_graph(tmp_path):
    lightness = torch.rand(1, 1, 32, 32) * 100
    for each in range(2):
        torch.manual_seed(each)
        model = colorzoo.create_model("unet", width=2)
        model.save_pretrained(tmp_path / "model")
        running = colorzoo.load(tmp_path / "model", backend="onnx", cache_dir=tmp_path / "cache")
        assert len(list((tmp_path / "cache").rglob("*.onnx"))) == each + 1
        with torch.inference_mode():
            assert torch.allclose(running(lightness), model(lightness), atol=1e-3)


class Strange(Colorizer):
    stride: ClassVar[int] = 4

    def __init__(self, *, by: str = "value", work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.by, self.head = by, nn.Conv2d(1, 2, 1)

    def forward(self, lightness):
        if self.by == "value" and lightness.mean() > 50:
            return self.head(lightness)
        noise = torch.randn_like(lightness) if self.by == "noise" else 0
        return self.head(lightness) + noise


class SeveralTensors(Strange):
    def forward(self, lightness):
        ab = self.head(lightness)
        return {"ab": ab, "weight": ab}

    def to_ab(self, output, **options):
        return output["ab"] * output["weight"]


class Sampler(Strange):
    def infer(self, lightness, **conditions):
        return self(lightness) + self(lightness)


@pytest.mark.parametrize("by", ["value", "noise"])
def test_what_a_graph_cannot_do_is_refused(by, tmp_path):
    with pytest.raises(colorzoo.ConfigError, match="cannot be exported"):
        export(Strange(by=by), tmp_path / "strange.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        (ToyHints, "its network needs hints besides lightness"),
        (ToyExemplar, "its network needs reference besides lightness"),
        (ToyFlow, "its network needs seed, steps besides lightness"),
        (SeveralTensors, "its network returns several tensors (ab, weight)"),
        (Sampler, "its network runs several times for one picture"),
    ],
)
def test_what_more_than_one_pass_needs_is_refused_in_a_line(family, reason, tmp_path):
    model = family()
    model.architecture = "mine"
    with pytest.raises(colorzoo.ConfigError) as caught:
        export(model, tmp_path / "mine.onnx")
    told = str(caught.value)
    assert told == f"mine cannot be exported to ONNX: {reason}. Use it with PyTorch."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_it_says_what_to_install(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(colorzoo.ConfigError, match=r"pip install 'colorzoo\[onnx\]'"):
        colorzoo.load("unet", backend="onnx", cache_dir=tmp_path)
