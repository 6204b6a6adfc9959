"""Graphs run by onnxruntime: options are kept, and files of others are refused."""

import copy
import pickle

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import colorzoo
from colorzoo.exporting.graph import export


def test_bins_keep_their_options(bins, coffee):
    running, _ = bins
    model = colorzoo.load("unet-bins")
    small = coffee[::4, ::4]
    choices = (
        {}, {"temperature": 0.2}, {"vividness": 0.9}, {"seed": 3},
        {"work_size": 64, "saturation": 0.5},
    )  # fmt: skip
    for choice in choices:
        expected = np.asarray(model.colorize(small, **choice)).astype(int)
        assert np.abs(np.asarray(running.colorize(small, **choice)) - expected).max() <= 1, choice


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


def test_graphs_are_pickled_by_their_path_or_say_why_not(bins, coffee, tmp_path):
    running, file = bins
    copied = tmp_path / "net.onnx"
    copied.write_bytes(file.read_bytes())
    graph = colorzoo.load(copied, work_size=48)
    saved = pickle.dumps(graph)
    for again in (pickle.loads(saved), copy.deepcopy(graph)):  # noqa: S301
        assert again.work_size == 48 and not again.training
        small = coffee[::8, ::8]
        assert (np.asarray(again.colorize(small)) == np.asarray(graph.colorize(small))).all()
    other = onnx.load(copied)
    other.doc_string = "another file"
    onnx.save(other, copied)
    with pytest.raises(colorzoo.WeightsError, match="has changed since the model was pickled"):
        pickle.loads(saved)  # noqa: S301
    for refused in (pickle.dumps, copy.deepcopy):
        with pytest.raises(colorzoo.ConfigError, match="pickled or copied: load it in each"):
            refused(running)


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
        ({}, "was not written by"),
        (OURS | {"config": "[]"}, "was not written by"),
        (OURS | {"config": "{}"}, "was not written by"),
        (OURS | {"work_size": "many"}, "was not written by"),
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
        with pytest.raises(colorzoo.WeightsError, match="a.onnx has weights in another file"):
            colorzoo.load("a.onnx")
    assert capfd.readouterr() == ("", "")  # it is told once


def test_missing_and_damaged_files_are_explained(tmp_path):
    with pytest.raises(colorzoo.WeightsError, match="There is no file"):
        colorzoo.load("nowhere.onnx")
    (tmp_path / "letter.onnx").write_text("Dear aunt,")
    with pytest.raises(colorzoo.WeightsError, match="letter.onnx is not an ONNX file"):
        colorzoo.load(tmp_path / "letter.onnx")


def test_a_file_takes_no_options(bins, coffee):
    _, file = bins
    exported = colorzoo.load(file)
    assert exported.options == {"hints"}
    with pytest.raises(colorzoo.ConfigError) as caught:
        exported.colorize(coffee, seed=3)
    told = f"{file.name} is an ONNX graph, which does not support seed. Load unet-bins from its"
    assert str(caught.value) == f"{told} weights, or leave seed out."


def test_a_file_is_no_weights(bins, tmp_path):
    running, file = bins
    exported = colorzoo.load(file)
    with pytest.raises(colorzoo.ConfigError, match="copy the file"):
        exported.save_pretrained(tmp_path / "weights")
    assert not (tmp_path / "weights").exists()
    for model in (exported, running):
        with pytest.raises(colorzoo.ConfigError, match="already runs in onnxruntime"):
            export(model, tmp_path / "b.onnx")
    with pytest.raises(colorzoo.ConfigError, match="is an ONNX file"):
        colorzoo.load(file, source="hub")
    with pytest.raises(colorzoo.ConfigError, match="must end in .onnx"):
        export(colorzoo.create_model("unet", width=2), tmp_path / "b.pt")
    with pytest.raises(colorzoo.ConfigError, match="backend must be"):
        colorzoo.load("unet", backend="tensorflow")  # pyright: ignore
