"""Run ONNX graphs with onnxruntime."""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.exporting.untrusted import BoundedSession, checked
from colorzoo.extras import import_extra
from colorzoo.hub.checkpoint import parse_config
from colorzoo.options import Options, given
from colorzoo.threads import is_considerate

SUFFIX = ".onnx"
MAX_BYTES = 1 << 31  # of a protobuf message

_OTHER_FILES = "session.model_external_initializers_file_folder_path"


class ExportedColorizer(Colorizer):
    """A model loaded from an ONNX file, with the settings that it had when it was exported.

    Args:
        path: The file. It is safe to load untrusted files: only graphs of plain operators are
            accepted, which cannot contain code or read other files, and the memory and the time
            for a picture are bounded; see :mod:`colorzoo.exporting.untrusted`.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the file.

        Raises:
            ConfigError: If onnxruntime is missing.
            WeightsError: If the file is missing, damaged or not written by ``export``.
        """
        file = Path(path).expanduser()
        if not file.is_file():
            raise WeightsError(f"There is no file {file}; `colorzoo export` writes one.")
        graph = _read(file)
        session = BoundedSession(checked(graph, str(file)), str(file), start_session)
        about = session.get_modelmeta().custom_metadata_map
        if "has_velocity" in about:
            raise WeightsError(
                f"{file} holds a network that a sampler runs in a loop, for other programs. Load "
                "the model from its weights; backend='onnx' runs the network in onnxruntime."
            )
        try:
            config: dict[str, Any] = dict(parse_config(about["config"]))
            architecture = config.pop("architecture")
            work_size, parameters = int(about["work_size"]), int(about["parameters"])
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise WeightsError(f"{file} was not written by `colorzoo export`.") from error
        super().__init__(work_size=work_size)
        self.architecture, self._hub_mixin_config = str(architecture), config
        self._file, self._parameter_count = file, parameters
        # Other code finds the device of a model through its first parameter.
        place = torch.zeros((), dtype=torch.float32, device="cpu")
        self.place = nn.Parameter(place, requires_grad=False)
        # The state must identify the weights, which are in the graph.
        digest = torch.frombuffer(bytearray(hashlib.sha256(graph).digest()), dtype=torch.uint8)
        self.register_buffer("graph", digest)
        self.forward = GraphRun(session, "ab")

    @classmethod
    def _recorded(cls, *_: Any, **__: Any) -> dict[str, Any]:
        return {}  # not from its own arguments: the file holds the configuration

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy only the path: whoever unpickles it opens the file again."""
        digest = bytes(self.get_buffer("graph").tolist())
        file = os.path.abspath(self._file)
        return _opened_again, (file, digest, self.work_size, dict(self.defaults), self.training)

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters of the exported model."""
        return self._parameter_count

    def check(self, **options: Unpack[Options]) -> None:
        """Reject all options but hints, because the graph includes the conversion to colours.

        Raises:
            ConfigError: If an option is given.
            TypeError: If no such option exists.
        """
        for name in given(options).keys() - self.options:
            raise ConfigError(
                f"{self._file.name} is an ONNX graph, which does not support {name}. "
                f"Load {self.architecture} from its weights, or leave {name} out."
            )

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> str | None:
        """Raise an error: a graph cannot be saved as weights.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self._file} is an ONNX graph, not weights: copy the file instead.")


def _opened_again(
    file: str, digest: bytes, work_size: int, defaults: dict[str, Any], is_training: bool
) -> ExportedColorizer:
    """Open the file of a model that was pickled.

    Raises:
        WeightsError: If it is missing or another one now.
    """
    model = ExportedColorizer(file)
    if bytes(model.get_buffer("graph").tolist()) != digest:
        raise WeightsError(f"{file} has changed since the model was pickled; load it again.")
    model.work_size, model.defaults = work_size, defaults
    return model.train(is_training)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{file} is larger than an ONNX file can be, {MAX_BYTES:,} bytes.")
        return file.read_bytes()
    except OSError as error:
        raise WeightsError(f"{file} cannot be read ({error.strerror or error}).") from error


class GraphRun:
    """Computes one output of a graph; replaces a method of a model, such as ``forward``.

    Args:
        session: From ``start_session``.
        output: Name of the output, such as "ab" or "output".
        inputs: Names of the inputs, in the order of the method's arguments.
    """

    def __init__(self, session: Any, output: str, inputs: Sequence[str] = ("lightness",)) -> None:
        """Store the session."""
        self.session, self.output, self.inputs = session, output, tuple(inputs)
        self._process = os.getpid()

    def __reduce__(self) -> Any:
        """Refuse to be pickled and copied, in plain words.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "a model that runs in onnxruntime cannot be pickled or copied: load it in each process "
            "with colorzoo.load(..., backend='onnx'), or pickle the model without that"
        )

    def __call__(self, lightness: Tensor, *others: Tensor) -> Tensor:
        """Run the graph on (N, 1, H, W) lightness, or on whatever its inputs are."""
        if os.getpid() != self._process:  # without the session's threads, it would wait forever
            raise ConfigError(
                "a model cannot run in onnxruntime in a forked process: load it in that process, "
                "or start processes with multiprocessing's 'spawn' method"
            )
        given = {
            name: each.detach().float().cpu().numpy()
            for name, each in zip(self.inputs, (lightness, *others), strict=True)
        }
        options = import_extra("onnxruntime").RunOptions()
        options.log_severity_level = 4  # errors are raised, so do not also print them
        options.only_execute_path_to_fetches = True  # skip what only the other output needs
        (found,) = self.session.run([self.output], given, options)
        expected = (len(lightness), 2, *lightness.shape[2:])
        right = found.dtype == np.float32 and found.shape == expected
        if self.output == "ab" and not right:
            raise WeightsError(
                f"the graph's ab is {found.shape} {found.dtype}, expected {expected} float32: it "
                "was not written by `colorzoo export`."
            )
        return torch.from_numpy(found).to(lightness.device)


def start_session(
    graph: bytes,
    name: str,
    *,
    settings: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> Any:
    """Start onnxruntime. Graphs are passed as bytes, so that they cannot refer to other files.

    Args:
        graph: The graph.
        name: Its name, for messages.
        settings: Further entries of the session's configuration.
        without: Names of optimisations to switch off.

    Raises:
        WeightsError: If onnxruntime does not accept the graph.
    """
    onnxruntime = import_extra("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised, so do not also print them
    # Numbers this close to zero are slow on some CPUs, and make no difference.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if is_considerate():
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for key, value in (settings or {}).items():
        options.add_session_config_entry(key, value)
    try:
        # Without a folder of its own, a graph in memory could read files below the current one.
        with tempfile.TemporaryDirectory() as nothing:
            options.add_session_config_entry(_OTHER_FILES, nothing)
            return onnxruntime.InferenceSession(
                graph,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(without) or None,
            )
    except Exception as error:  # onnxruntime's exceptions have no common base class
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"onnxruntime cannot run {name}: {reason}") from error
