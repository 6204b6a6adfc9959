"""Graphs that `colorzoo export` would not write."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OURS = {"config": '{"architecture": "unet"}', "work_size": "64", "parameters": "2"}
PICTURE = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)

node = helper.make_node


def number(value: object, name: str, kind: type = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def graph_of(
    nodes: Sequence[NodeProto],
    initializers: Sequence[TensorProto] = (),
    *,
    metadata: dict[str, str] = OURS,
    domains: Sequence[str] = (),
    **more: object,
) -> ModelProto:
    """A model from "lightness" to "ab"."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("lightness", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["N", 2, "H", "W"])],
        initializers,
    )
    opsets = [helper.make_opsetid(domain, 18 if not domain else 1) for domain in ("", *domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)
    helper.set_model_props(model, metadata)
    return model


def fine(*before: NodeProto, given: str = "lightness") -> list[NodeProto]:
    """Nodes that colour a picture evenly, after others."""
    return [*before, node("Concat", [given, given], ["ab"], axis=1)]


def writes(
    path: Path, nodes: Sequence[NodeProto], initializers: Sequence[TensorProto] = ()
) -> Path:
    path.write_bytes(graph_of(nodes, initializers).SerializeToString())
    return path


def added(*before: NodeProto) -> list[NodeProto]:
    """Nodes that add the sum of what is called "much" to the picture."""
    more = node("ReduceSum", ["much"], ["sum"], keepdims=0)
    return fine(*before, more, node("Add", ["lightness", "sum"], ["more"]), given="more")


def greedy() -> dict[str, tuple[list[NodeProto], list[TensorProto]]]:
    """Small graphs that need gigabytes, each in its own way."""
    many, half = number([600_000_000], "many"), number(0.5, "half", np.float32)
    one, zero = number(1, "one", np.float32), number(0, "zero", np.float32)
    end = number(6e8, "end", np.float32)
    column = node("Reshape", ["lightness", "down"], ["column"])
    sides = [number([-1, 1], "down"), number([1, -1], "across")]
    row = node("Reshape", ["lightness", "across"], ["row"])
    doubled = [node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(24)]
    doubled[0].input[:] = ["lightness", "lightness"]
    doubled[-1].output[:] = ["much"]
    peak = node("ReduceMax", ["lightness"], ["peak"], keepdims=0)
    flat = number([1], "flat")
    return {
        "ConstantOfShape": (added(node("ConstantOfShape", ["many"], ["much"])), [many]),
        "Expand": (added(peak, node("Expand", ["peak", "many"], ["much"])), [many]),
        "folded Expand": (added(node("Expand", ["half", "many"], ["much"])), [half, many]),
        "Tile": (
            added(
                peak,
                node("Reshape", ["peak", "flat"], ["peaks"]),
                node("Tile", ["peaks", "many"], ["much"]),
            ),
            [many, flat],
        ),
        "Range": (added(node("Range", ["zero", "end", "one"], ["much"])), [zero, one, end]),
        "Concat": (added(*doubled), []),
        "MatMul": (
            added(
                column,
                row,
                node("Concat", ["column"] * 9, ["tall"], axis=0),
                node("Concat", ["row"] * 9, ["wide"], axis=1),
                node("MatMul", ["tall", "wide"], ["much"]),
            ),
            sides,
        ),
        "Mul": (
            added(
                column,
                row,
                node("Concat", ["column"] * 9, ["tall"], axis=0),
                node("Concat", ["row"] * 9, ["wide"], axis=1),
                node("Mul", ["tall", "wide"], ["much"]),
            ),
            sides,
        ),
        "Pad": (
            added(node("Pad", ["lightness", "margins"], ["much"])),
            [number([0, 0, 9000, 0, 0, 0, 9000, 9000], "margins")],
        ),
        "Resize": (
            added(node("Resize", ["lightness", "", "scales"], ["much"])),
            [number([1, 1, 500, 500], "scales", np.float32)],
        ),
        "OneHot": (
            added(
                node("Cast", ["lightness"], ["whole"], to=TensorProto.INT64),
                node("OneHot", ["whole", "depth", "two"], ["much"]),
            ),
            [number(200_000, "depth"), number([0, 1], "two", np.float32)],
        ),
    }
