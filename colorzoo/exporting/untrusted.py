"""Check and run graphs from files, which strangers may have written.

A graph is a program. So only operators that compute numbers from numbers are accepted, without
loops, subgraphs, functions, other files or code. That leaves how much it computes: memory is
bounded by the size of the picture, and a run that takes too long is stopped between two operators.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from colorzoo.errors import WeightsError
from colorzoo.exporting.ranks import strange_ranks
from colorzoo.extras import import_extra

# All that a file holds besides its weights; the zoo's models have up to 300 nodes.
_MAX_NODES, _MAX_PARTS, _MAX_STRUCTURE = 8_000, 100_000, 4_000_000  # the last in bytes

# Memory for a run: a fixed part, twice the file, and a part for every pixel of the network's input.
# The zoo's models need up to 1,000 bytes for a pixel.
_FIXED_BYTES, _BYTES_PER_PIXEL = 128_000_000, 2_000
_LEAST_PIXELS = 1 << 17

# Time for a run: a thousand times what the zoo's models need on one core.
_FIXED_SECONDS, _SECONDS_PER_PIXEL = 30.0, 1e-4

_OPERATORS = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu
    Clip Compress Concat Constant ConstantOfShape Conv ConvInteger
    ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Div Dropout
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity
    InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv
    QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize RotaryEmbedding Round ScatterElements ScatterND Selu Shape
    Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt
    Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
    """.split()
)

# Bytes that the copies of weights may have: those of a model that runs twice for a picture.
_COPIES, _FREE_COPIES = 2.5, 32_000_000

_DOMAINS = ("", "ai.onnx")  # two names of the standard operators
_ATTRIBUTE_FIELDS = frozenset("name type doc_string f i s t floats ints strings".split())

# Fields of protobuf messages on the way to the weights: ModelProto.graph, GraphProto.initializer
# and TensorProto.raw_data.
_TO_WEIGHTS = [7, 5, 9]

_creating = threading.Lock()


def checked(data: bytes, name: str) -> bytes:
    """Check a graph from a file.

    Args:
        data: The file.
        name: Its name, for messages.

    Returns:
        What was checked of it, so that onnxruntime reads nothing else.

    Raises:
        ConfigError: If onnx is not installed.
        WeightsError: If it is no ONNX file, or has parts that colorzoo does not run.
    """
    onnx = import_extra("onnx")
    try:
        refusal = _size_refusal(data)
        model = onnx.ModelProto.FromString(b"" if refusal else data)
    except Exception as error:  # ValueError, or google.protobuf.message.DecodeError
        raise WeightsError(f"{name} is not an ONNX file, or it is damaged.") from error
    refusal = refusal or _refusal(model, onnx)
    if refusal:
        raise WeightsError(
            f"{name} has {refusal}. colorzoo does not run such graphs; those that `colorzoo "
            "export` writes have none."
        )
    model.DiscardUnknownFields()
    for each in list(model.opset_import):
        if each.domain not in _DOMAINS:
            model.opset_import.remove(each)
    return model.SerializeToString()


def _size_refusal(data: bytes) -> str | None:
    """Return why a file is too complex to be parsed, or None.

    A parsed message can need a hundred times the memory of the file, so this comes first.

    Raises:
        ValueError: If the file is damaged.
    """
    parts, structure = 0, len(data)
    places = [(0, len(data), _TO_WEIGHTS)]
    while places:
        *place, (wanted, *further) = places.pop()
        for field, start, end in _fields(data, *place):
            parts += 1
            if parts > _MAX_PARTS:
                return f"more than {_MAX_PARTS:,} parts"
            if field == wanted and further:
                places.append((start, end, further))
            elif field == wanted:
                structure -= end - start
    if structure > _MAX_STRUCTURE:
        return f"more than {_MAX_STRUCTURE:,} bytes besides its weights"
    return None


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number and the range of each field of a protobuf message."""
    while start < end:
        key, start = _number(data, start)
        field, kind = divmod(key, 8)
        if kind == 2:
            size, start = _number(data, start)
        elif kind == 0:
            size = _number(data, start)[1] - start
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}, which ONNX does not have")
        if size > end - start:
            raise ValueError("a field that is longer than its message")
        yield field, start, start + size
        start += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number; return it and where it ends."""
    value = 0
    for i in range(10):
        byte = data[at + i] if at + i < len(data) else 0xFF
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError("a number of more than 10 bytes")


def _refusal(model: Any, onnx: Any) -> str | None:
    """Return which part of a graph is not accepted, or None."""
    graph = model.graph
    if not graph.node:
        return "no operators"
    if len(graph.node) > _MAX_NODES:
        return f"{len(graph.node):,} operators; at most {_MAX_NODES:,} are accepted"
    parts = sum(len(each.attribute) + len(each.input) + len(each.output) for each in graph.node)
    if parts > _MAX_PARTS:
        return f"more than {_MAX_PARTS:,} parts"
    if model.functions or model.training_info or graph.sparse_initializer:
        return "functions, training information or sparse tensors"
    tensors = list(graph.initializer)
    for node in graph.node:
        if node.domain not in _DOMAINS or node.op_type not in _OPERATORS:
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            return f"the operator {operator[:100]}"
        for attribute in node.attribute:
            held = {field.name for field, _ in attribute.ListFields()}
            if not held <= _ATTRIBUTE_FIELDS:
                return f"graphs, types or sparse tensors in the operator {node.op_type}"
            makes_text = node.op_type == "Cast" and attribute.i == onnx.TensorProto.STRING
            if makes_text or attribute.name.startswith("value_string"):
                return "text"
            if "t" in held:
                tensors.append(attribute.t)
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            return "weights in another file"
        if tensor.data_type == onnx.TensorProto.STRING or tensor.string_data:
            return "text"
    return _copies_refusal(graph) or strange_ranks(graph)


def _copies_refusal(graph: Any) -> str | None:
    """Return whether weights are used so often that onnxruntime's copies of them take much memory.

    It rearranges the weights for every operator, and fills up those of convolutions with few
    outputs to 16.
    """
    sizes = {each.name: (each.ByteSize(), each.dims[:1]) for each in graph.initializer}
    total, used = sum(size for size, _ in sizes.values()), 0.0
    for node in graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = node.ByteSize(), []
        for size, outputs in (sizes[name] for name in node.input if name in sizes):
            is_filled_up = node.op_type == "Conv" and outputs and 0 < outputs[0] < 16
            used += size * (16 / outputs[0] if is_filled_up else 1)
    if used > _FREE_COPIES + _COPIES * total:
        return f"weights of {total:,} bytes that become {used:,.0f} when it runs"
    return None


class BoundedSession:
    """A session of onnxruntime for a graph from a file, with bounds on memory and time.

    Args:
        graph: A graph that was checked.
        name: The name of the file, for messages.
        start: Starts a session for the graph, given more settings and switched-off optimisations.
    """

    def __init__(self, graph: bytes, name: str, start: Callable[..., Any]) -> None:
        """Start a session for small pictures."""
        self._size, self._name = len(graph), name
        self._start = lambda: start(
            graph,
            name,
            settings={
                "session.use_env_allocators": "1",
                "session.load_model_format": "ONNX",
            },
            # It would compute without bounds while the session is started.
            without=["ConstantFolding"],
        )
        self._lock = threading.Lock()
        self._pixels = 0
        self._session = self._for(_LEAST_PIXELS)

    def get_modelmeta(self) -> Any:
        """Return what the file says of itself."""
        return self._session.get_modelmeta()

    def run(self, outputs: list[str], inputs: Mapping[str, np.ndarray], options: Any) -> Any:
        """Compute outputs of the graph.

        Raises:
            WeightsError: If it needs too much memory or time, or fails.
        """
        pixels = max(given.size for given in inputs.values())
        seconds = _FIXED_SECONDS + _SECONDS_PER_PIXEL * pixels
        session = self._for(pixels)
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        with _stopping(options, seconds) as is_late:
            try:
                return session.run(outputs, inputs, options)
            except Exception as error:  # onnxruntime's exceptions have no common base class
                cause = error
        raise self._explain(cause, pixels, seconds if is_late() else None) from cause

    def _explain(self, error: Exception, pixels: int, seconds: float | None) -> WeightsError:
        reason = str(error).strip().partition("\n")[0]
        if seconds is not None:
            reason = f"it took more than {seconds:.0f} s"
        elif "Available memory of" in str(error):
            reason = f"it needs more than {self._memory(self._pixels) / 1e6:,.0f} MB of memory"
        return WeightsError(
            f"{self._name} cannot be run on a picture of {pixels:,} pixels: {reason}. Choose a "
            "smaller work_size, or load the model from its weights."
        )

    def _memory(self, pixels: int) -> int:
        return _FIXED_BYTES + 2 * self._size + _BYTES_PER_PIXEL * pixels

    def _for(self, pixels: int) -> Any:
        """Return a session that may use the memory for a picture of that size."""
        with self._lock:
            if pixels > self._pixels:
                self._pixels = max(_LEAST_PIXELS, 1 << (pixels - 1).bit_length())
                with _creating:
                    _limit_memory(self._memory(self._pixels))
                    self._session = self._start()
            return self._session


@contextmanager
def _stopping(options: Any, seconds: float) -> Iterator[Callable[[], bool]]:
    """Stop a run of onnxruntime that takes too long; yields a function that tells if it did.

    Args:
        options: The RunOptions of this run alone.
        seconds: How long it may take.
    """
    late = threading.Event()

    def stop() -> None:
        late.set()
        options.terminate = True

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield late.is_set
    finally:
        timer.cancel()


def _limit_memory(size: int) -> None:
    """Give sessions that are started now, until the next call, an allocator with a limit."""
    onnxruntime = import_extra("onnxruntime")
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    # As many bytes as are asked for; the other strategy takes the next power of two.
    arena = onnxruntime.OrtArenaCfg({"max_mem": size, "arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(place, arena)
