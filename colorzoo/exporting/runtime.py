"""ONNX graphs run by onnxruntime."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.extras import import_extra
from colorzoo.options import Options, given

SUFFIX = ".onnx"


class ExportedColorizer(Colorizer):
    """The model of an ONNX file; it colours as it did when it was exported.

    Args:
        path: The file. It is data: nothing of it is executed but the graph, and it can name no
            other file.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the file.

        Raises:
            ConfigError: If onnxruntime is missing.
            WeightsError: If it is missing, damaged or not of ``export``.
        """
        file = Path(path).expanduser()
        if not file.is_file():
            raise WeightsError(f"There is no file {file}; `colorzoo export` writes one.")
        session = start_session(file.read_bytes(), str(file))
        about = session.get_modelmeta().custom_metadata_map
        try:
            config: dict[str, Any] = dict(json.loads(about["config"]))
            architecture = config.pop("architecture")
            work_size, parameters = int(about["work_size"]), int(about["parameters"])
        except (KeyError, ValueError, TypeError) as error:
            raise WeightsError(f"{file} is no graph of `colorzoo export`.") from error
        super().__init__(work_size=work_size)
        self.architecture, self._hub_mixin_config = str(architecture), config
        self._file, self._parameter_count = file, parameters
        # By a model's first parameter others know where it runs.
        self.place = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.forward = GraphRun(session, "ab")

    @property
    def parameter_count(self) -> int:
        """How many numbers training could change in the model that was exported."""
        return self._parameter_count

    def check(self, **options: Unpack[Options]) -> None:
        """Refuse every option: the graph ends in colours.

        Raises:
            ConfigError: If there is one.
            TypeError: If there is no such option at all.
        """
        for name in given(options):
            raise ConfigError(
                f"{self._file.name} is a graph, which does not take {name}. "
                f"Load {self.architecture} from its weights, or leave {name} out."
            )

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> str | None:
        """Refuse: a graph is no weights.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self._file} holds a graph, no weights: copy the file instead.")


class GraphRun:
    """Runs a graph from lightness to one of its outputs, in place of a model's ``forward``.

    Args:
        session: From ``start_session``.
        output: The output's name, "ab" or "output".
    """

    def __init__(self, session: Any, output: str) -> None:
        """Keep the session."""
        self.session, self.output = session, output
        self.options = import_extra("onnxruntime").RunOptions()
        self.options.only_execute_path_to_fetches = True  # the other output costs nothing then

    def __call__(self, lightness: Tensor) -> Tensor:
        """Run it on (N, 1, H, W) lightness."""
        given = {"lightness": lightness.detach().float().cpu().numpy()}
        (found,) = self.session.run([self.output], given, self.options)
        return torch.from_numpy(found).to(lightness.device)


def start_session(graph: bytes, name: str) -> Any:
    """Start onnxruntime; from bytes, so that a graph cannot name files to be read."""
    onnxruntime = import_extra("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised, they need not be printed too
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds have no base class in common
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"onnxruntime cannot run {name}: {reason}") from error
