"""Models as ONNX graphs: the same colours as PyTorch's, at any size."""

import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from helpers import toy_families
from helpers.bundled import BUNDLED
from helpers.model_tester import create_vivid
from helpers.toy_families import ToyExemplar, ToyFlow, ToyHints
from torch import nn

import colorzoo
from colorzoo import Hint
from colorzoo.colorizer import Colorizer
from colorzoo.exporting.graph import export, with_onnxruntime

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
        if not colorzoo.model_info(name).weights_of  # the same network
        and not colorzoo.model_info(name).family.has_velocity  # see test_steps.py
    ],
)
def test_every_model_runs_as_a_graph(name, tmp_path, monkeypatch, camera):
    torch.manual_seed(0)
    model = colorzoo.load(name) if name in TRAINED else create_vivid(name)
    most = 1e-2 if name in TRAINED else 1e-4
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
                assert (found - expected).abs().max() < most, size

    small = camera[::4, ::3]
    picture = np.asarray(model.colorize(small)).astype(int)
    monkeypatch.setattr(type(model), "forward", refuse)
    again = colorzoo.load(tmp_path / "model", backend="onnx", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*.onnx")) == [file]  # not exported again
    for each in (again, exported):
        assert np.abs(np.asarray(each.colorize(small)) - picture).max() <= 1


def test_other_weights_are_another_graph(tmp_path, scratch_registry):
    toy_families.register()
    lightness = torch.rand(1, 1, 32, 32) * 100
    for each in range(2):
        torch.manual_seed(each)
        model = colorzoo.create_model("toy-foreign")
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


class NeedsHints(Strange):
    network_options: ClassVar[frozenset[str]] = frozenset({"hints"})

    def forward(self, lightness, hints):
        return self.head(lightness) + hints[:, :2]


@pytest.mark.parametrize("by", ["value", "noise"])
def test_what_a_graph_cannot_do_is_refused(by, tmp_path):
    with pytest.raises(colorzoo.ConfigError, match="cannot be exported"):
        export(Strange(by=by), tmp_path / "strange.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        (NeedsHints, "its network needs hints besides lightness"),
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


class OneConfiguration(ToyExemplar):
    """Declares its option in the constructor, as a family does of which some take it."""

    network_options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.declare_network_options("reference")


@pytest.mark.parametrize("family", [ToyExemplar, OneConfiguration])
def test_what_colours_without_its_options_is_exported_without_them(
    family, tmp_path, scratch_registry
):
    colorzoo.register_model("mine", summary="", year=2026)(family)
    model = colorzoo.create_model("mine")
    asked = {"reference": np.full((24, 40, 3), (200, 40, 30), np.uint8)}
    running = with_onnxruntime(model, cache_dir=tmp_path)
    export(model, tmp_path / "mine.onnx")
    exported = colorzoo.load(tmp_path / "mine.onnx")
    lightness = torch.rand(2, 1, 33, 65) * 100
    for each, why in (
        (running, "mine does not support reference in onnxruntime. Load it without backend='onnx'"),
        (exported, "mine.onnx is an ONNX graph, which does not support reference. Load mine from"),
    ):
        with torch.inference_mode():
            assert torch.allclose(each.predict_ab(lightness), model.predict_ab(lightness))
        assert each.options == {"hints"} and not each.taken(**asked)
        with pytest.raises(colorzoo.ConfigError) as caught:
            each.predict_ab(lightness, **asked)
        told = f"{why}{',' if each is running else ' its weights,'} or leave reference out."
        assert str(caught.value) == told
        with pytest.raises(colorzoo.ConfigError, match="does not support seed"):
            each.predict_ab(lightness, seed=1)
    assert model.options == {"hints", "reference"}
    model.predict_ab(lightness, **asked)


def test_hints_are_followed_without_the_network(tmp_path, scratch_registry):
    colorzoo.register_model("mine", summary="", year=2026)(ToyHints)
    model = colorzoo.create_model("mine")
    export(model, tmp_path / "mine.onnx")
    hint = Hint(20, 10, "#c03020", 2)
    lightness = torch.full((2, 1, 33, 65), 50.0)
    for each in (
        with_onnxruntime(model, cache_dir=tmp_path),
        colorzoo.load(tmp_path / "mine.onnx"),
    ):
        ab = each.predict_ab(lightness, hints=[hint])
        assert torch.allclose(ab[:, :, 10, 20], torch.tensor(hint.ab), atol=0.5)
        assert ab[0, :, 12, 30].norm() > 20, "it fills the region"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_it_says_what_to_install(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(colorzoo.ConfigError, match=r"pip install 'colorzoo\[onnx\]'"):
        colorzoo.load("unet", backend="onnx", cache_dir=tmp_path)
