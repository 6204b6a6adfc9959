"""Models as ONNX graphs: the same colours as PyTorch's, at any size, by onnxruntime alone."""

import sys
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import colorzoo
from colorzoo.colorizer import Colorizer
from colorzoo.exporting.graph import export
from colorzoo.exporting.int8 import export_int8

TRAINED = colorzoo.list_models(pretrained=True)


def refuse(*_):
    raise AssertionError("PyTorch runs the network")


@pytest.mark.slow
@pytest.mark.parametrize("name", colorzoo.list_models())
def test_every_model_runs_as_a_graph(name, tmp_path, monkeypatch, camera):
    torch.manual_seed(0)
    model = colorzoo.load(name) if name in TRAINED else colorzoo.create_model(name)
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


@pytest.fixture(scope="session")
def bins(tmp_path_factory):
    """unet-bins, run by onnxruntime, and its graph."""
    cache = tmp_path_factory.mktemp("cache")
    model = colorzoo.load("unet-bins", backend="onnx", cache_dir=cache)
    (file,) = cache.rglob("*.onnx")
    return model, file


def test_bins_keep_temperature_and_seed(bins, coffee):
    running, _ = bins
    model = colorzoo.load("unet-bins")
    small = coffee[::4, ::4]
    for choice in ({}, {"temperature": 0.2}, {"seed": 3}, {"work_size": 64, "saturation": 0.5}):
        expected = np.asarray(model.colorize(small, **choice)).astype(int)
        assert np.abs(np.asarray(running.colorize(small, **choice)) - expected).max() <= 1, choice


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


def test_the_graph_serves_others(bins):
    """What the file says of itself is enough to use it without colorzoo."""
    _, file = bins
    session = onnxruntime.InferenceSession(file)
    (given,) = session.get_inputs()
    assert given.name == "lightness" and given.shape == ["N", 1, "H", "W"]
    assert [(each.name, each.shape[:2]) for each in session.get_outputs()] == [
        ("ab", ["N", 2]),
        ("output", ["N", 313]),
    ]
    ab, output = session.run(None, {"lightness": np.zeros((1, 1, 33, 20), np.float32)})
    assert ab.shape == (1, 2, 33, 20) and output.shape == (1, 313, 12, 8)
    text = str(onnx.load(file, load_external_data=False).graph.node)
    assert ".py" not in text  # where on a disk it was exported


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


@pytest.mark.parametrize("by", ["value", "noise"])
def test_what_a_graph_cannot_do_is_refused(by, tmp_path):
    with pytest.raises(colorzoo.ConfigError, match="cannot be exported"):
        export(Strange(by=by), tmp_path / "strange.onnx")
    assert not list(tmp_path.iterdir())


def add_weights(path, *, location=None, metadata=None):
    """Write a graph that adds weights to its input; not one of colorzoo's."""
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [2], [1.0, 2.0])
    if location:
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
    graph = helper.make_graph(
        [helper.make_node("Add", ["lightness", "weights"], ["ab"])],
        "graph",
        [helper.make_tensor_value_info("lightness", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, [2])],
        [weights],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())


OURS = {"config": '{"architecture": "unet"}', "work_size": "64", "parameters": "2"}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "no graph of"),
        (OURS | {"config": "[]"}, "no graph of"),
        (OURS | {"config": "{}"}, "no graph of"),
        (OURS | {"work_size": "many"}, "no graph of"),
        (OURS | {"work_size": "99999"}, "work_size must be"),
    ],
)
def test_files_of_others_are_refused(tmp_path, metadata, reason):
    add_weights(tmp_path / "a.onnx", metadata=metadata)
    with pytest.raises(colorzoo.ColorzooError, match=reason):
        colorzoo.load(tmp_path / "a.onnx")


def test_a_file_reads_no_other_file(tmp_path, monkeypatch, capfd):
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    monkeypatch.chdir(tmp_path)
    for location in ("secret.bin", str(tmp_path / "secret.bin")):
        add_weights(tmp_path / "a.onnx", location=location, metadata=OURS)
        with pytest.raises(colorzoo.WeightsError, match="onnxruntime cannot run"):
            colorzoo.load("a.onnx")
    assert capfd.readouterr() == ("", "")  # it is told once


def test_missing_and_damaged_files_are_explained(tmp_path):
    with pytest.raises(colorzoo.WeightsError, match="There is no file"):
        colorzoo.load("nowhere.onnx")
    (tmp_path / "letter.onnx").write_text("Dear aunt,")
    with pytest.raises(colorzoo.WeightsError, match="cannot run .*letter.onnx"):
        colorzoo.load(tmp_path / "letter.onnx")


def test_a_file_is_no_weights(bins, tmp_path):
    running, file = bins
    exported = colorzoo.load(file)
    with pytest.raises(colorzoo.ConfigError, match="copy the file"):
        exported.save_pretrained(tmp_path / "weights")
    for model in (exported, running):
        with pytest.raises(colorzoo.ConfigError, match="graph already"):
            export(model, tmp_path / "b.onnx")
    with pytest.raises(colorzoo.ConfigError, match="are for weights"):
        colorzoo.load(file, source="hub")
    with pytest.raises(colorzoo.ConfigError, match="must end in .onnx"):
        export(colorzoo.create_model("unet", width=2), tmp_path / "b.pt")
    with pytest.raises(colorzoo.ConfigError, match="backend must be"):
        colorzoo.load("unet", backend="tensorflow")  # pyright: ignore


@pytest.mark.slow
def test_int8_holds_the_quality(tmp_path, monkeypatch, coffee):
    photos = [np.ascontiguousarray(np.roll(coffee, 97 * i, axis=(0, 1))) for i in range(6)]
    model = colorzoo.load("resnet34")
    export(model, tmp_path / "float.onnx")
    found = export_int8(model, tmp_path / "int8.onnx", photos)
    assert found.photos == 3 and found.after == pytest.approx(found.before, abs=0.1)
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "float.onnx")]
    assert sizes[0] < 0.35 * sizes[1]
    rounded, whole = (colorzoo.load(tmp_path / name) for name in ("int8.onnx", "float.onnx"))
    assert rounded.config == whole.config == model.config
    results = [np.asarray(each.colorize(coffee)).astype(int) for each in (rounded, whole)]
    assert 0 < np.abs(results[0] - results[1]).mean() < 3

    monkeypatch.setattr("colorzoo.quantize.MAX_LOSS", -9)
    with pytest.raises(colorzoo.ConfigError, match="does not bear int8: PSNR falls from"):
        export_int8(model, tmp_path / "worse.onnx", photos)
    with pytest.raises(colorzoo.ImageError, match="at least 2"):
        export_int8(model, tmp_path / "worse.onnx", photos[:1])
    assert not (tmp_path / "worse.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_it_says_what_to_install(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(colorzoo.ConfigError, match=r"pip install 'colorzoo\[onnx\]'"):
        colorzoo.load("unet", backend="onnx", cache_dir=tmp_path)
