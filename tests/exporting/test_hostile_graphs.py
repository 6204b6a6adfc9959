"""Graphs of strangers: what is no arithmetic is refused, and memory and time are bounded."""

import math
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from exporting.graphs import OURS, PICTURE, added, fine, graph_of, greedy, node, number, writes
from helpers.limits import used_by
from onnx import AttributeProto, ModelProto, TensorProto, helper

import colorzoo
from colorzoo.exporting import untrusted
from colorzoo.exporting.runtime import start_session

SECRET = "secret.bin"  # below the working folder, as a system file is below /


def external(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=SECRET)
    return tensor


def in_initializer() -> ModelProto:
    plus = node("Add", ["lightness", "weights"], ["more"])
    return graph_of(fine(plus, given="more"), [external("weights")])


def in_constant() -> ModelProto:
    weights = node("Constant", [], ["weights"], value=external("weights"))
    return graph_of(fine(weights, node("Add", ["lightness", "weights"], ["more"]), given="more"))


def in_list() -> ModelProto:
    weights = node("Constant", [], ["weights"], value_float=1.0)
    kind = AttributeProto.TENSORS
    weights.attribute.add(name="more", type=kind, tensors=[external("weights")])
    return graph_of(fine(weights, node("Add", ["lightness", "weights"], ["more"]), given="more"))


def in_subgraph(operator: str = "If") -> ModelProto:
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    copy = node("Identity", ["weights"], ["out"])
    inner = helper.make_graph([copy], "inner", [], [out], [external("weights")])
    test = node("Constant", [], ["test"], value=number(True, "test", np.bool_))
    branch = node(operator, ["test"], ["sum"], then_branch=inner, else_branch=inner)
    return graph_of(fine(test, branch, node("Add", ["lightness", "sum"], ["more"]), given="more"))


def in_function(name: str = "F", inside: str = "Identity") -> ModelProto:
    opset = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    body = [node(inside, ["x"], ["y"], domain="own" if inside == name else "")]
    function = helper.make_function("own", name, ["x"], ["y"], body, opset)
    call = node(name, ["lightness"], ["more"], domain="own")
    return graph_of(fine(call, given="more"), domains=["own"], functions=[function])


def in_sparse() -> ModelProto:
    model = graph_of(fine(node("Add", ["lightness", "weights"], ["more"]), given="more"))
    model.graph.sparse_initializer.add(
        values=external("weights"), indices=number([0], "at"), dims=[1]
    )
    return model


def in_training() -> ModelProto:
    model = graph_of(fine())
    model.training_info.add().initialization.initializer.append(external("weights"))
    return model


def loop(operator: str = "Loop") -> ModelProto:
    values = [
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))
    ]
    on = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    body = helper.make_graph([node("Identity", ["go"], ["on"])], "body", values, [on])
    return graph_of(
        fine(node(operator, ["count", "go"], [], body=body)),
        [number(2**62, "count"), number(True, "go", np.bool_)],
    )


def operator(name: str, domain: str = "") -> ModelProto:
    call = node(name, ["lightness"], ["more"], domain=domain)
    return graph_of(fine(call, given="more"), domains=[domain] if domain else [])


def text(kind: str) -> ModelProto:
    constant = node("Constant", [], ["words"], value_strings=["a" * 100])
    cast = node("Cast", ["lightness"], ["words"], to=TensorProto.STRING)
    return graph_of(fine(constant if kind == "constant" else cast))


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (in_initializer(), "weights in another file"),
        (in_constant(), "weights in another file"),
        (in_list(), "graphs, types or sparse tensors in the operator Constant"),
        (in_subgraph(), "the operator If"),
        (in_subgraph("Identity"), "graphs, types or sparse tensors in the operator Identity"),
        (in_function(), "functions"),
        (in_function("F", "F"), "functions"),  # that call themselves
        (in_function("Relu"), "functions"),
        (in_sparse(), "sparse tensors"),
        (in_training(), "training information"),
        (loop(), "the operator Loop"),
        (loop("Scan"), "the operator Scan"),
        (loop("SequenceMap"), "the operator SequenceMap"),
        (operator("Attack", "com.example"), r"the operator com\.example\.Attack"),
        (operator("FusedConv", "com.microsoft"), r"the operator com\.microsoft\.FusedConv"),
        (operator("NonMaxSuppression"), "the operator NonMaxSuppression"),
        (operator("DFT"), "the operator DFT"),
        (operator("StringConcat"), "the operator StringConcat"),
        (operator("\x1b[2J" + "x" * 10_000), r"the operator \\x1b\[2Jx"),
        (text("constant"), "text"),
        (text("cast"), "text"),
        (graph_of(fine(*[node("Relu", ["lightness"], [f"{i}"]) for i in range(8_000)])), "8,001"),
    ],
)
def test_what_is_no_arithmetic_is_refused(tmp_path, monkeypatch, model, what):
    (tmp_path / SECRET).write_bytes(np.float32(5).tobytes())
    monkeypatch.chdir(tmp_path)
    Path("a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(colorzoo.WeightsError, match=rf"a\.onnx has .*{what}.*export` writes") as e:
        colorzoo.load("a.onnx")
    assert len(str(e.value)) < 500


def many_dimensions(way: str) -> ModelProto:
    """A tensor of thousands of dimensions, and operators after it; onnxruntime stores them all."""
    ones, axes = number([1] * 20_000, "ones"), number(list(range(4, 20_000)), "axes")
    initializers = [ones, axes, number([1] * 20, "few"), number(np.zeros([1] * 20), "places")]
    first = {
        "input": [],
        "Reshape": [node("Reshape", ["lightness", "ones"], ["v0"])],
        "Expand": [node("Expand", ["lightness", "ones"], ["v0"])],
        "ConstantOfShape": [node("ConstantOfShape", ["ones"], ["v0"])],
        "Unsqueeze": [node("Unsqueeze", ["lightness", "axes"], ["v0"])],
        "Concat": [
            node("Concat", ["few"] * 1_000, ["many"], axis=0),
            node("Identity", ["many"], ["same"]),
            node("Reshape", ["lightness", "same"], ["v0"]),
        ],
        "Shape": [
            node("Shape", ["lightness"], ["s0"]),
            *(node("Concat", [f"s{i}"] * 2, [f"s{i + 1}"], axis=0) for i in range(20)),
            node("Reshape", ["lightness", "s20"], ["v0"]),
        ],
        "Gather": [
            node("Gather", ["lightness", "places"], ["g0"]),
            *(node("Gather", [f"g{i}", "places"], [f"g{i + 1}"]) for i in range(100)),
            node("Identity", ["g100"], ["v0"]),
        ],
    }[way]
    chain = [node("Relu", [f"v{i}"], [f"v{i + 1}"]) for i in range(100)]
    if way == "input":
        chain[0].input[:] = ["lightness"]
    model = graph_of(fine(*first, *chain), initializers)
    if way == "input":
        sides = model.graph.input[0].type.tensor_type.shape.dim
        sides.extend([sides[0]] * 20_000)
    return model


WAYS = ("input", "Reshape", "Expand", "ConstantOfShape", "Unsqueeze", "Concat", "Shape", "Gather")


@pytest.mark.parametrize("way", WAYS)
def test_thousands_of_dimensions_are_refused(tmp_path, way):
    (tmp_path / "a.onnx").write_bytes(many_dimensions(way).SerializeToString())
    with pytest.raises(colorzoo.WeightsError, match="a tensor of more than 32 dimensions"):
        colorzoo.load(tmp_path / "a.onnx")


def test_a_shape_that_is_not_known_is_refused(tmp_path):
    nodes = fine(
        node("NonZero", ["lightness"], ["places"]),
        node("Reshape", ["lightness", "places"], ["a"]),
    )
    with pytest.raises(colorzoo.WeightsError, match="a shape that depends on the picture"):
        colorzoo.load(writes(tmp_path / "a.onnx", nodes))
    late = [node("Relu", ["b"], ["a"]), node("Relu", ["lightness"], ["b"])]
    with pytest.raises(colorzoo.WeightsError, match="operators that are not in their order"):
        colorzoo.load(writes(tmp_path / "b.onnx", fine(*late)))


@pytest.mark.parametrize("kind", ["shared", "few outputs"])
def test_weights_that_become_gigabytes_are_refused(tmp_path, kind):
    few = kind == "few outputs"
    weights = number(np.zeros((1, 1, 3000, 3000) if few else (100, 1, 100, 100)), "w", np.float32)
    nodes = [node("Conv", ["lightness", "w"], [f"c{i}"]) for i in range(1 if few else 300)]
    writes(tmp_path / "a.onnx", fine(*nodes), [weights])
    with pytest.raises(colorzoo.WeightsError, match=r"weights of .* bytes that become [\d,]{11}"):
        colorzoo.load(tmp_path / "a.onnx")


@pytest.mark.parametrize("model", [in_initializer(), in_constant(), in_subgraph()])
def test_onnxruntime_too_finds_no_other_file(tmp_path, monkeypatch, model, capfd):
    """The second door: graphs that are not folded away, and that nobody has checked."""
    (tmp_path / SECRET).write_bytes(np.float32(5).tobytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(colorzoo.WeightsError, match=r"onnxruntime cannot run a\.onnx"):
        start_session(model.SerializeToString(), "a.onnx")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert onnx.load("a.onnx").ByteSize()  # onnx itself finds it
    assert capfd.readouterr() == ("", "")


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""
    size, head = len(content), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size]) + content


def in_graph(content: bytes) -> bytes:
    return field(7, content)


def nested(depth: int) -> bytes:
    """Graphs in graphs."""
    data = b""
    for _ in range(depth):
        data = field(1, field(5, field(6, data)))  # graph.node, its attribute, and that one's graph
    return data


def refused(path: Path) -> str:
    try:
        colorzoo.load(path).colorize(PICTURE)
    except colorzoo.WeightsError as error:
        return str(error)
    return "coloured"


def bombs() -> dict[str, bytes]:
    sides = field(11, field(2, field(1, field(2, b"\x0a\x00" * 1_900_000))))  # of an input
    relu = field(1, node("Relu", ["lightness"], ["a"]).SerializeToString())
    weights = TensorProto(data_type=1, dims=[1], name="w", float_data=[1.0] * 1_100_000)
    return {
        "small operators": in_graph(relu * 200_000),
        "empty operators": in_graph(b"\x0a\x00" * 3_000_000),
        "empty weights": in_graph(b"\x2a\x00" * 3_000_000),
        "empty graphs": b"\x3a\x00" * 3_000_000,
        "empty metadata": b"\x72\x00" * 3_000_000,
        "empty attributes": in_graph(field(1, b"\x2a\x00" * 1_900_000)),
        "empty dimensions": in_graph(sides),
        "packed numbers": in_graph(field(1, field(5, field(8, b"\x01" * 20_000_000)))),
        "numbers that are not raw": in_graph(field(5, weights.SerializeToString())),
        "graphs in graphs": in_graph(nested(3_000)),
        "unknown fields": b"\xfa\x3e\x00" * 2_000_000,
        "groups": b"\x0b" * 20_000_000,
        "other format": b"\x08\x00\x00\x00ORTM" + bytes(1000),
        "endless number": b"\xff" * 1_000_000,
        "cut": graph_of(fine()).SerializeToString()[:-40],
        "empty": b"",
    }


def all_bombs(folder: Path) -> list[str]:
    found = []
    for name, data in bombs().items():
        (folder / "a.onnx").write_bytes(data)
        told = refused(folder / "a.onnx")
        if "a.onnx has " not in told and "is not an ONNX file" not in told:
            told = f"UNEXPECTED {told}"
        found.append(f"{name}: {told}")
    return found


def all_greedy(folder: Path) -> list[str]:
    found = []
    for name, (nodes, initializers) in greedy().items():
        told = refused(writes(folder / "a.onnx", nodes, initializers))
        if "cannot be run on a picture of" not in told or "MB of memory" not in told:
            told = f"UNEXPECTED {told}"
        found.append(f"{name}: {told}")
    return found


@pytest.mark.parametrize("attacks", [all_bombs, all_greedy])
def test_bombs_are_refused_within_bounds(tmp_path, attacks):
    """All in one process: its peak is that of the worst, and its time that of all."""
    told = used_by(attacks, tmp_path).check()
    assert told.startswith("[") and "UNEXPECTED" not in told, told


def test_a_run_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "_FIXED_SECONDS", 0.2)
    monkeypatch.setattr(untrusted, "_SECONDS_PER_PIXEL", 0.0)
    powers = [node("MatMul", [f"m{i}", f"m{i}"], [f"m{i + 1}"]) for i in range(2_000)]
    powers[0].input[:] = ["square", "square"]
    powers[-1].output[:] = ["much"]
    square = node("Expand", ["peak", "size"], ["square"])
    peak = node("ReduceMin", ["lightness"], ["peak"], keepdims=0)
    writes(tmp_path / "a.onnx", added(peak, square, *powers), [number([400, 400], "size")])
    model = colorzoo.load(tmp_path / "a.onnx")
    with pytest.raises(colorzoo.WeightsError, match=r"a\.onnx cannot be run .* more than 0 s"):
        model.colorize(PICTURE)


def test_what_could_be_folded_is_not_computed_while_loading(tmp_path):
    powers = [node("MatMul", [f"m{i}", f"m{i}"], [f"m{i + 1}"]) for i in range(1_000)]
    powers[0].input[:] = ["square", "square"]
    powers[-1].output[:] = ["much"]
    square = number(np.zeros((400, 400)), "square", np.float32)
    writes(tmp_path / "a.onnx", added(*powers), [square])
    used_by(colorzoo.load, tmp_path / "a.onnx").check()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Identity", ["lightness"], ["ab"])], r"ab is \(1, 1, .*expected\s+\(1, 2,"),
        (
            [node("ReduceMax", ["lightness"], ["ab"], keepdims=0)],
            r"ab is \(\) float32|cannot be run",
        ),
        (fine(node("Reshape", ["lightness", "wrong"], ["a"]), given="a"), "cannot be run"),
    ],
)
def test_other_outputs_are_told(tmp_path, nodes, message):
    writes(tmp_path / "a.onnx", nodes, [number([7, 7, 7, 7], "wrong")])
    with pytest.raises(colorzoo.WeightsError, match=message):
        colorzoo.load(tmp_path / "a.onnx").colorize(PICTURE)


def test_larger_pictures_get_more_memory(tmp_path, monkeypatch):
    """The bound grows with the picture, and small ones run again after it has been reached."""
    monkeypatch.setattr(untrusted, "_FIXED_BYTES", 200_000)
    monkeypatch.setattr(untrusted, "_BYTES_PER_PIXEL", 120)
    monkeypatch.setattr(untrusted, "_LEAST_PIXELS", 64 * 64)
    grown = [node("Concat", ["lightness"] * 20, ["much"], axis=1)]
    model = colorzoo.load(writes(tmp_path / "a.onnx", added(*grown)))
    for size in (64, 128, 64):
        assert model.colorize(PICTURE, work_size=size).size == (64, 48)
    greedy_too = [node("Concat", ["lightness"] * 400, ["much"], axis=1)]
    model = colorzoo.load(writes(tmp_path / "b.onnx", added(*greedy_too)))
    with pytest.raises(colorzoo.WeightsError, match=r"more than 1 MB of memory"):
        model.colorize(PICTURE, work_size=64)


@pytest.mark.parametrize(
    "config", ["[" * 100_000, '{"architecture": ' + "[" * 5_000, "1" * 5_000, "null", "{}"]
)
def test_metadata_that_is_absurd_is_refused(tmp_path, config):
    model = graph_of(fine(), metadata=OURS | {"config": config})
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(colorzoo.WeightsError, match="was not written by"):
        colorzoo.load(tmp_path / "a.onnx")


@pytest.mark.skipif(os.name == "nt", reason="makes a pipe")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(colorzoo.WeightsError, match="There is no file"):
        colorzoo.load(tmp_path / "a.onnx")
    with (tmp_path / "b.onnx").open("wb") as stream:
        stream.truncate(3 << 30)
    with pytest.raises(colorzoo.WeightsError, match="larger than an ONNX file can be"):
        colorzoo.load(tmp_path / "b.onnx")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_colours_that_are_no_numbers_are_an_error(tmp_path, value):
    constant = node("Constant", [], ["v"], value_float=value)
    nodes = fine(constant, node("Add", ["lightness", "v"], ["a"]), given="a")
    with pytest.raises(colorzoo.WeightsError, match="NaN or infinity"):
        colorzoo.load(writes(tmp_path / "a.onnx", nodes)).colorize(PICTURE)
