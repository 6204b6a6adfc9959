"""Export models as ONNX graphs, and check them against PyTorch.

A graph maps lightness of any size to ``ab``, including padding and cropping, so other programs need
no code from colorzoo. Its second output, ``output``, is the return value of ``forward``. colorzoo
itself reads only that one when onnxruntime runs the network, and converts it to colour in Python.
So options that are applied afterwards, such as a temperature, keep working. What the network itself
takes besides lightness is not part of a graph: it runs without it. Hints are then followed as by a
network that was not trained with them.
"""

import contextlib
import copy
import hashlib
import inspect
import sys
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from huggingface_hub import cached_assets_path
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo._version import __version__
from colorzoo.atomic import write_whole
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.exporting.runtime import SUFFIX, GraphRun, start_session
from colorzoo.exporting.steps import (
    checked_steps,
    exported,
    largest_difference,
    named,
    run_in_steps,
)
from colorzoo.extras import import_extra
from colorzoo.hub.checkpoint import weights_digest
from colorzoo.hub.saving import save_error
from colorzoo.options import Options, given
from colorzoo.torch_state import building, in_eval_mode

MAX_DIFFERENCE = 1e-2  # between the ab of the graph and of PyTorch, L*a*b* units


# The padding and cropping of Colorizer.predict_ab, written in ONNX, because PyTorch's exporter
# rounds padding sizes differently from PyTorch. The network gets its input reshaped to rows and
# columns of stride x stride cells, because the exporter takes minutes if sizes are not products.
_AROUND = """
colorzoo (float[N, 1, H, W] lightness) => (float[N, 2, H, W] ab, float[N, C, h, w] output)
{
    size = Shape <start: int = 2> (lightness)
    stride = Constant <value_ints: ints = [STRIDE]> ()
    one = Constant <value_ints: ints = [1]> ()
    two = Constant <value_ints: ints = [2]> ()
    sides = Constant <value_ints: ints = [2, 3]> ()
    least = Sub (size, one)
    beyond = Div (least, stride)
    cells = Add (beyond, one)
    whole = Mul (cells, stride)
    more = Sub (whole, size)
    start = Div (more, two)
    rest = Sub (more, start)
    margins = Concat <axis: int = 0> (start, rest)
    padded = Pad <mode: string = "edge"> (lightness, margins, , sides)
    batch = Shape <end: int = 2> (lightness)
    rows, columns = Split <num_outputs: int = 2> (cells)
    grid = Concat <axis: int = 0> (batch, rows, stride, columns, stride)
    picture = Reshape (padded, grid)
    output, colour = Network (picture)
    kept = Shape <end: int = 2> (colour)
    full = Concat <axis: int = 0> (kept, whole)
    large = Resize <mode: string = "linear"> (colour, , , full)
    stop = Add (start, size)
    ab = Slice (large, start, stop, sides)
}
"""


Model = TypeVar("Model", bound=Colorizer)


def export(model: Colorizer, path: str | Path) -> float:
    """Write a model as an ONNX file with dynamic batch, height and width.

    A network that takes more than lightness, such as a reference, is exported without it.
    The input is ``lightness``, (N, 1, H, W) float32, L in [0, 100]; the outputs are ``ab``,
    (N, 2, H, W) in L*a*b* units, and ``output``, the return value of ``forward`` for the padded
    picture. ``colorzoo.load(path)`` reads the file.

    Args:
        model: The model.
        path: The file, ending in .onnx; folders are created, an existing file is replaced.

    Returns:
        The largest difference from PyTorch's ab, measured on noise of odd sizes.

    Raises:
        ConfigError: If the required packages are missing, or the model cannot be exported.
        WeightsError: If the file cannot be written. An existing file is then kept.
    """
    file = check_path(path)
    graph, difference = checked_graph(model)
    write_graph(file, graph)
    return difference


def write_graph(file: Path, graph: bytes) -> None:
    """Write a graph atomically; see ``export``."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, graph)
    except OSError as error:
        raise save_error("The graph", file, error) from error


def with_onnxruntime(model: Model, *, cache_dir: str | Path | None = None) -> Model:
    """Return a copy of the model, with shared tensors, whose ``forward`` runs in onnxruntime.

    The graph is exported on first use, then taken from the cache. The copy does not support the
    ``network_options`` of the model, except that hints are followed as by any other model.

    Args:
        model: A model on the CPU, in float32.
        cache_dir: Folder for graphs; a folder next to huggingface_hub's downloads if None.

    Raises:
        ConfigError: If the required packages are missing, or the model cannot be exported.
    """
    file, name = _cached(model, cache_dir), model.architecture
    if file is not None and file.is_file():
        graph, name = file.read_bytes(), str(file)
    else:
        graph, _ = checked_graph(model)
        if file is not None:
            with contextlib.suppress(OSError):  # if the disk is full, the next load exports again
                write_whole(file, graph)
    running = copy.copy(model)
    if model.has_velocity:
        run_in_steps(running, graph, name)
        return running
    session = start_session(graph, name)
    running.forward = GraphRun(session, "output")
    if model.network_options:
        running.__dict__["network_options"] = frozenset()
        running.check = partial(_check, running, model.network_options)
    return running


def _check(running: Colorizer, lost: frozenset[str], /, **options: Unpack[Options]) -> None:
    """Check options as ``Colorizer.check``; say why those of the network are not supported."""
    for name in given(options):
        if name in lost - running.options:
            raise ConfigError(
                f"{running.architecture} does not support {name} in onnxruntime. Load it without "
                f"backend='onnx', or leave {name} out."
            )
    type(running).check(running, **options)


class _Network(nn.Module):
    """The module to export: input in cells (see ``_AROUND``), both outputs."""

    def __init__(self, model: Colorizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(picture.flatten(2, 3).flatten(3, 4))
        return output, self.model.to_ab(output)


def check_path(path: str | Path) -> Path:
    """Return the path of a graph.

    Raises:
        ConfigError: If it does not end in .onnx.
    """
    file = Path(path).expanduser()
    if file.suffix != SUFFIX:
        raise ConfigError(f"{file} must end in {SUFFIX}, so that colorzoo.load() recognises it.")
    return file


@building()
def checked_graph(model: Colorizer) -> tuple[bytes, float]:
    """Export a model and compare it with PyTorch.

    Returns:
        The graph, and the largest difference in ab; see ``export``.

    Raises:
        ConfigError: If the model cannot be exported.
    """
    if isinstance(model.forward, GraphRun):
        raise ConfigError(
            f"{model.architecture} already runs in onnxruntime: load it from its weights to export."
        )
    for package in ("onnx", "onnxscript", "onnxruntime"):
        import_extra(package)  # before the work begins
    if not model.has_velocity:
        _refuse_more_than_lightness(model)
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    for part in model.modules():  # in-place layers make PyTorch's exporter 50 % slower
        if hasattr(part, "inplace"):
            setattr(part, "inplace", False)  # noqa: B010
    if model.has_velocity:
        return checked_steps(model, MAX_DIFFERENCE)
    graph = _graph(model)
    run = GraphRun(start_session(graph, model.architecture), "ab")
    return graph, largest_difference(run, model.predict_ab, model.architecture, MAX_DIFFERENCE)


def _refuse_more_than_lightness(model: Colorizer) -> None:
    """Check that the model can be a single pass from lightness alone to one tensor.

    Raises:
        ConfigError: If it is not, so a graph cannot express it.
    """
    reason = None
    inputs = inspect.signature(type(model).forward).parameters
    needed = [
        name
        for name in sorted(model.network_options)
        if name not in inputs or inputs[name].default is not None
    ]
    if needed:
        reason = f"its network needs {', '.join(needed)} besides lightness"
    elif type(model).infer is not Colorizer.infer:
        reason = "its network runs several times for one picture"
    else:
        side = 4 * model.stride
        blank = torch.zeros(1, 1, side, side, device=model.device, dtype=model.dtype)
        with torch.inference_mode():
            output = in_eval_mode(model)(blank)
        if isinstance(output, dict):
            reason = f"its network returns several tensors ({', '.join(output)})"
    if reason:
        raise ConfigError(
            f"{model.architecture} cannot be exported to ONNX: {reason}. Use it with PyTorch."
        )


def _graph(model: Colorizer) -> bytes:
    onnx, _ = import_extra("onnx"), import_extra("onnxscript")
    text = _AROUND.replace("STRIDE", str(model.stride))
    around = onnx.compose.add_prefix_graph(
        onnx.parser.parse_graph(text), "around/", rename_inputs=False, rename_outputs=False
    )
    (at,) = (i for i, node in enumerate(around.node) if node.op_type == "Network")
    network = around.node[at]
    cells = torch.zeros(2, 1, 3, model.stride, 4, model.stride)
    free = torch.export.Dim.DYNAMIC
    program = exported(
        _Network(model).eval(),
        (cells,),
        model.architecture,
        inputs=list(network.input),
        outputs=list(network.output),
        shapes=({0: free, 2: free, 4: free},),
    )
    nodes = [*around.node[:at], *program.graph.node, *around.node[at + 1 :]]
    around.ClearField("node")
    around.node.extend(nodes)
    around.initializer.extend(program.graph.initializer)
    program.graph.CopyFrom(around)
    return named(program, model)


def _cached(model: Colorizer, cache_dir: str | Path | None) -> Path | None:
    """Return the cache file for these weights and the code of the model; None if not cacheable."""
    digest = hashlib.sha256(f"{__version__} {torch.__version__} {model.config}".encode())
    classes = {type(part) for part in model.modules()} | {*type(model).__mro__}
    for name in sorted({__name__, *(each.__module__ for each in classes)}):
        source = getattr(sys.modules.get(name), "__file__", None)
        if source is None and name not in sys.builtin_module_names:
            return None  # a class defined in a notebook, which may change
        digest.update(Path(source).read_bytes() if source else name.encode())
    digest.update(weights_digest(model.state_dict()).encode())
    try:
        folder = cached_assets_path("colorzoo", "onnx", assets_dir=cache_dir)
    except OSError:  # the home folder cannot be written to
        return None
    return folder / f"{model.architecture}-{digest.hexdigest()[:24]}{SUFFIX}"
