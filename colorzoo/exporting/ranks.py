"""Bound the number of dimensions in a graph, before onnxruntime infers shapes without any bound.

One small operator can make a tensor of a million dimensions, and onnxruntime then stores as many
for every operator after it. So bounds are worked out first, from the operators alone. They may be
too large, which only refuses strange graphs, but must not be too small.
"""

from math import prod
from typing import Any, NamedTuple

MOST_DIMENSIONS = 32

_MANY = 1 << 20  # larger tensors are not told apart

# Operators whose output has at most as many elements as the larger input, if these are vectors.
_ELEMENTWISE = frozenset(
    """
    Abs Add And Cast Ceil Clip CumSum Div Equal Floor Greater GreaterOrEqual Identity Less
    LessOrEqual Max Min Mod Mul Neg Not Or Pow Reciprocal Round Sign Slice Split Sqrt Sub Sum
    Transpose Where Xor
    """.split()
)


class _Bound(NamedTuple):
    """Upper bounds for a tensor.

    Attributes:
        rank: Number of dimensions.
        size: Number of elements; None if it depends on the picture.
        is_exact: Whether it is a constant, so that these are not just bounds.
    """

    rank: int
    size: int | None
    is_exact: bool = False


class _Strange(Exception):
    """A part of the graph for which there is no bound."""


def strange_ranks(graph: Any) -> str | None:
    """Return what is wrong with the number of dimensions in a GraphProto, or None.

    Args:
        graph: A graph of standard operators, without subgraphs and sparse tensors.
    """
    values = (*graph.input, *graph.output, *graph.value_info)
    declared = [len(each.type.tensor_type.shape.dim) for each in values]
    known = {"": _Bound(0, 0)}
    known |= {each.name: _Bound(len(each.type.tensor_type.shape.dim), None) for each in graph.input}
    known |= {each.name: _of_tensor(each) for each in graph.initializer}
    most = max([*declared, *(each.rank for each in known.values())])
    try:
        for node in graph.node:
            if most > MOST_DIMENSIONS:
                break
            bound = _of_node(node, [known[name] for name in node.input])
            most = max(most, bound.rank)
            known |= {name: bound for name in node.output if name}
    except KeyError:
        return "operators that are not in their order"
    except (_Strange, IndexError, ValueError):
        return "a shape that depends on the picture in an unusual way"
    return f"a tensor of more than {MOST_DIMENSIONS} dimensions" if most > MOST_DIMENSIONS else None


def _of_tensor(tensor: Any) -> _Bound:
    return _Bound(len(tensor.dims), min(abs(prod(tensor.dims)), _MANY), is_exact=True)


def _of_node(node: Any, inputs: list[_Bound]) -> _Bound:
    """Return bounds for each output of a node."""
    attributes = {each.name: each for each in node.attribute}
    largest = max((each.rank for each in inputs), default=0)
    match node.op_type:
        case "Constant":
            (value,) = node.attribute
            if value.name == "value":
                return _of_tensor(value.t)
            several = len(value.ints) + len(value.floats)
            return _Bound(int(value.name.endswith("s")), max(1, several), is_exact=True)
        case "Shape":
            return _Bound(1, _part(inputs[0].rank, attributes))
        case "Size":
            return _Bound(0, 1)
        case "Reshape":
            return _Bound(_length(inputs[1]), inputs[0].size)
        case "Expand":
            return _Bound(max(inputs[0].rank, _length(inputs[1])), None)
        case "ConstantOfShape":
            return _Bound(_length(inputs[0]), None)
        case "Unsqueeze":
            axes = _axes(inputs, attributes) or _Bound(1, None)
            return _Bound(inputs[0].rank + _length(axes), inputs[0].size)
        case "Squeeze":
            return _Bound(_without(inputs, attributes), inputs[0].size)
        case "Gather":
            data, places = inputs
            size = places.size if data.rank <= 1 else None
            return _Bound(max(0, data.rank + places.rank - 1), size)
        case "GatherND":
            return _Bound(inputs[0].rank + inputs[1].rank, None)
        case "OneHot":
            return _Bound(inputs[0].rank + 1, None)
        case "Einsum":
            equation = attributes["equation"].s
            result = equation.rpartition(b"->")[2]
            return _Bound(len(result) + (largest if b"." in result else 0), None)
        case "Concat":
            sizes = [each.size for each in inputs if each.size is not None]
            size = sum(sizes) if len(sizes) == len(inputs) else None
            return _Bound(largest, size)
        case "ArgMax" | "ArgMin":
            return _Bound(inputs[0].rank, None)
        case name if name.startswith("Reduce"):
            keep = attributes["keepdims"].i if "keepdims" in attributes else 1
            if keep or "noop_with_empty_axes" in attributes:
                return _Bound(inputs[0].rank, inputs[0].size)
            return _Bound(_without(inputs, attributes, all_without=True), inputs[0].size)
        case name if name in _ELEMENTWISE:
            sizes = [each.size for each in inputs if each.size is not None]
            size = max(sizes) if largest <= 1 and len(sizes) == len(inputs) else None
            return _Bound(largest, size)
    return _Bound(max(largest, 5), None)  # 5: those that add dimensions, such as LSTM, have fewer


def _part(rank: int, attributes: dict[str, Any]) -> int:
    """Return how much of a shape the operator Shape returns."""
    start, end = (attributes[key].i if key in attributes else 0 for key in ("start", "end"))
    rank = min(rank, end) if end > 0 else rank
    return max(0, rank - start) if start >= 0 else min(rank, -start)


def _length(shape: _Bound) -> int:
    """Return the largest possible length of a vector, which is the rank of a tensor.

    Raises:
        _Strange: If it is not known.
    """
    if shape.size is None:
        raise _Strange
    return shape.size


def _axes(inputs: list[_Bound], attributes: dict[str, Any]) -> _Bound | None:
    """Return the axes of an operator: its second input, or an attribute in older versions."""
    if len(inputs) > 1 and inputs[1].size != 0:
        return inputs[1]
    if "axes" in attributes:
        return _Bound(1, len(attributes["axes"].ints), is_exact=True)
    return None


def _without(inputs: list[_Bound], attributes: dict[str, Any], *, all_without: bool = False) -> int:
    """Return the rank of an input without the axes of an operator."""
    axes, rank = _axes(inputs, attributes), inputs[0].rank
    if axes is not None:
        return max(0, rank - _length(axes)) if axes.is_exact else rank
    return 0 if all_without else rank
