"""Export models that sample: two graphs in one file, and the loop outside.

The first one, from ``lightness`` to ``conditions``, runs once for a photo. The second one, from
``condition``, ``ab``, ``time`` and ``kept`` to ``velocity``, runs once or twice in each step. They
share no node, so they can be split, as ``onnx.utils.extract_model`` does: onnxruntime would always
run both.
"""

import copy
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo._version import __version__
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.exporting.runtime import GraphRun, start_session
from colorzoo.extras import import_extra

_OPSET = 18
# Shapes (N, H, W) that are tested: smaller than the stride, a batch, a narrow picture.
_CHECKED = ((1, 1, 1), (2, 33, 65), (1, 31, 97))

# The inputs of both graphs, and their output.
CONDITION: tuple[tuple[str, ...], str] = (("lightness",), "conditions")
VELOCITY: tuple[tuple[str, ...], str] = (("condition", "ab", "time", "kept"), "velocity")

# Pictures are reshaped to rows and columns of cells, see _AROUND in colorzoo/exporting/graph.py.
_TO_CELLS = """
cells (float[N, C, H, W] NAME) => (float[N, C, R, CELL, S, CELL] cells)
{
    size = Shape <start: int = 2> (NAME)
    side = Constant <value_ints: ints = [CELL]> ()
    counts = Div (size, side)
    rows, columns = Split <num_outputs: int = 2> (counts)
    batch = Shape <end: int = 2> (NAME)
    grid = Concat <axis: int = 0> (batch, rows, side, columns, side)
    cells = Reshape (NAME, grid)
}
"""


def run_in_steps(model: Colorizer, graph: bytes, name: str) -> None:
    """Replace the two methods that ``infer`` loops over by runs of their graphs.

    Args:
        model: The model.
        graph: The file that ``checked_steps`` returns.
        name: Its name, for messages.
    """
    for method, (inputs, output) in (("condition", CONDITION), ("velocity", VELOCITY)):
        session = start_session(_split(graph, output), name)
        setattr(model, method, GraphRun(session, output, inputs))


def _split(graph: bytes, output: str) -> bytes:
    """Return the part of a graph that an output needs."""
    onnx = import_extra("onnx")
    whole = onnx.ModelProto.FromString(graph)
    needed, nodes = {output}, []
    for node in reversed(whole.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.insert(0, node)
    inputs, outputs, weights = (
        [entry for entry in entries if entry.name in needed]
        for entries in (whole.graph.input, whole.graph.output, whole.graph.initializer)
    )
    part = onnx.helper.make_graph(nodes, output, inputs, outputs, weights)
    whole.graph.CopyFrom(part)
    return whole.SerializeToString()


def checked_steps(model: Colorizer, most: float) -> tuple[bytes, float]:
    """Export a model that has a velocity, and compare samples with PyTorch's.

    Args:
        model: The model, on the CPU, in float32 and eval mode.
        most: Largest difference in ab to accept.

    Returns:
        The graph, and the largest difference.

    Raises:
        ConfigError: If the model cannot be exported.
    """
    graph = _both(model)
    running = copy.copy(model)
    run_in_steps(running, graph, model.architecture)
    found, expected = (partial(each.predict_ab, seed=1, steps=2) for each in (running, model))
    return graph, largest_difference(found, expected, model.architecture, most)


def largest_difference(
    found: Callable[[Tensor], Tensor], expected: Callable[[Tensor], Tensor], name: str, most: float
) -> float:
    """Compare ab from a graph with ab from PyTorch, for noise of several sizes.

    Args:
        found: Maps (N, 1, H, W) lightness to ab by the graph.
        expected: The same by PyTorch.
        name: The model, for messages.
        most: Largest difference to accept.

    Returns:
        The largest difference.

    Raises:
        ConfigError: If it is too large.
    """
    difference = 0.0
    for batch, height, width in _CHECKED:
        noise = torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            apart = (found(noise * 100) - expected(noise * 100)).abs().max().item()
        difference = max(difference, apart)
        if not apart <= most:
            raise ConfigError(
                f"{name} cannot be exported: at {height} x {width} pixels, ab from "
                f"the graph differs by {apart:.2g}; at most {most} is allowed."
            )
    return difference


class _Condition(nn.Module):
    """The first graph, from cells."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> Tensor:
        return self.model.condition(_from_cells(picture))


class _Velocity(nn.Module):
    """The second graph, from cells."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, condition: Tensor, ab: Tensor, time: Tensor, kept: Tensor) -> Tensor:
        return self.model.velocity(_from_cells(condition), _from_cells(ab), time, kept)


def _from_cells(picture: Tensor) -> Tensor:
    return picture.flatten(2, 3).flatten(3, 4)


def _both(model: Any) -> bytes:
    onnx, stride = import_extra("onnx"), model.stride
    with torch.no_grad():
        channels, cell = model.condition(torch.zeros(1, 1, stride, stride)).shape[1:3]
    n, rows, columns = (torch.export.Dim(name) for name in ("n", "rows", "columns"))
    grid, each = {0: n, 2: rows, 4: columns}, {0: n}
    first = exported(
        _Condition(model),
        (torch.zeros(2, 1, 3, stride, 5, stride),),
        model.architecture,
        inputs=["picture"],
        outputs=["conditions"],
        shapes=(grid,),
    )
    second = exported(
        _Velocity(model),
        (
            torch.zeros(2, channels, 3, cell, 5, cell),
            torch.zeros(2, 2, 3, cell, 5, cell),
            torch.zeros(2),
            torch.ones(2),
        ),
        model.architecture,
        inputs=["condition", "ab", "time", "kept"],
        outputs=["velocity"],
        shapes=(grid, grid, each, each),
    )
    whole = onnx.compose.merge_models(
        onnx.compose.add_prefix(first, "once/"),
        onnx.compose.add_prefix(second, "step/"),
        io_map=[],
    )
    shapes: dict[str, tuple[str, int, list[Any]]] = {  # by name: inner name, cell, shape
        "lightness": ("once/picture", stride, ["N", 1, "H", "W"]),
        "condition": ("step/condition", cell, ["N", channels, "h", "w"]),
        "ab": ("step/ab", cell, ["N", 2, "h", "w"]),
        "time": ("step/time", 0, ["N"]),
        "kept": ("step/kept", 0, ["N"]),
    }
    before = []
    del whole.graph.input[:]
    for name, (inner, side, shape) in shapes.items():
        if side:
            text = _TO_CELLS.replace("NAME", name).replace("CELL", str(side))
            part = onnx.compose.add_prefix_graph(
                onnx.parser.parse_graph(text), f"{name}/", rename_inputs=False
            )
            part.node[-1].output[0] = inner
            before += part.node
        else:
            before.append(onnx.helper.make_node("Identity", [name], [inner]))
        kind = onnx.TensorProto.FLOAT
        whole.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    after = [
        onnx.helper.make_node("Identity", [f"{prefix}/{name}"], [name])
        for prefix, name in (("once", "conditions"), ("step", "velocity"))
    ]
    nodes = [*before, *whole.graph.node, *after]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    del whole.graph.output[:]
    for name, depth in (("conditions", channels), ("velocity", 2)):
        shape = ["N", depth, "h", "w"]
        kind = onnx.TensorProto.FLOAT
        whole.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    return named(whole, model, has_velocity="1")


def exported(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    name: str,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: Any,
) -> Any:
    """Trace a module with PyTorch's exporter.

    Args:
        module: The module.
        arguments: Its example inputs.
        name: The model, for messages.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        shapes: Which sizes of the inputs are free; see ``torch.onnx.export``.

    Returns:
        The ONNX model.

    Raises:
        ConfigError: If it cannot be traced.
    """
    import_extra("onnxscript")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # only useful to developers of exporters
            logging.getLogger("onnxscript.optimizer").setLevel(logging.ERROR)  # the same
            program = torch.onnx.export(
                module.eval(),
                arguments,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=shapes,
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{name} cannot be exported to ONNX: {reason}") from error
    assert program is not None  # always, with dynamo=True
    return program.model_proto


def named(program: Any, model: Colorizer, **more: str) -> bytes:
    """Add what a file says of its model, check the graph, and return the file."""
    onnx = import_extra("onnx")
    for node in program.graph.node:
        del node.metadata_props[:]  # source locations, including file names of this machine
    about = {
        "config": json.dumps(model.config),
        "work_size": str(model.work_size),
        "parameters": str(model.parameter_count),
        "colorzoo_version": __version__,
        **more,
    }
    onnx.helper.set_model_props(program, about)
    program.producer_name, program.producer_version = "colorzoo", __version__
    onnx.checker.check_model(program, full_check=True)
    return program.SerializeToString()
