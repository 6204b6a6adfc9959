"""Write config.json and model.safetensors, and read such files from untrusted sources."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from colorzoo._version import __version__
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.hub.fetch import Source, pickles_only
from colorzoo.hub.saving import CONFIG_FILE, WEIGHTS_FILE
from colorzoo.torch_state import building, building_shapes

METRICS_FILE = "metrics.json"
BUNDLED_CARD_FILE = "card.md"

# The zoo's own models have up to 4 million numbers, the largest published colorizers 0.2 billion.
MAX_NUMBERS = 1_000_000_000
_MAX_CONFIG_BYTES = 1_000_000
_MAX_HEADER_BYTES = 2_000_000  # of a safetensors file: over 15,000 tensors

_PART_BYTES = 1 << 26  # of the weights that are read at a time

# Types that PyTorch can convert to the model's own. It cannot read others, such as F4 and F6.
_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_WHOLE = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})


class Loadable(Protocol):
    """The methods of ``nn.Module`` and Colorizer that loading needs."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors by name."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Copy tensors into the network by name; unless ``strict``, some may be left out."""
        ...

    def convert_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a checkpoint from other code."""
        ...


Model = TypeVar("Model", bound=Loadable)


@dataclass(frozen=True)
class Config:
    """The content of a config.json.

    Attributes:
        path: The file.
        architecture: The value of "architecture": the registered name, unless the file is damaged.
        keywords: Keywords of the constructor.
        version: Version of colorzoo that wrote the file; None in older files.
    """

    path: Path
    architecture: Any
    keywords: dict[str, Any]
    version: str | None

    @property
    def origin(self) -> str:
        """A clause for messages: which version of colorzoo wrote the file, and which this is."""
        if self.version is None or self.version == __version__:
            return f"this is colorzoo {__version__}"
        return f"colorzoo {self.version} wrote it and this is {__version__}"


def read_config(path: Path) -> Config:
    """Read a config.json.

    Raises:
        ConfigError: If it is missing, damaged or not a JSON object.
    """
    try:
        try:
            text = _text_of(path)
        except FileNotFoundError:  # a save that was going on has ended: it has its place now
            path = path.with_name(CONFIG_FILE)
            text = _text_of(path)
        values = parse_config(text)
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no {path.name} in {path.parent}; save_pretrained() writes it."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must contain a JSON object, got a {type(values).__name__}.")
    architecture = values.pop("architecture", None)
    version = values.pop("colorzoo_version", None)
    return Config(path, architecture, values, None if version is None else str(version)[:20])


def _text_of(path: Path) -> str:
    """Return the text of a config.json.

    Raises:
        FileNotFoundError: If it is missing, or not a regular file.
        ConfigError: If it is too large.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    size = path.stat().st_size
    if size > _MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} is too large for a model's config.json: {size:,} bytes.")
    return path.read_text(encoding="utf-8")


def parse_config(text: str) -> Any:
    """Parse the text of a config.json.

    Raises:
        ValueError: If it is damaged or too long.
        RecursionError: If it is nested too deep.
    """
    if len(text) > _MAX_CONFIG_BYTES:
        raise ValueError(f"{len(text):,} characters are too many for a model's config.json")
    return json.loads(text)


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a model's tensors and their names, to identify the weights."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        numbers = tensor.cpu().contiguous().flatten()
        digest.update(numbers.view(torch.uint8).numpy().tobytes())  # NumPy lacks bfloat16
    return digest.hexdigest()


def load_model(
    source: Source, builder: Callable[[Config], Callable[[], Model]]
) -> tuple[Config, Model]:
    """Read a model's config.json, build the model and load its weights, strictly.

    The network is first built on PyTorch's meta device, where tensors have only shapes, and
    compared with the header of the weights. So an absurdly large config.json costs no memory and no
    download, and weights that do not fit cost no memory.

    Args:
        source: Where config.json and model.safetensors are.
        builder: Returns a function that builds the network for a config.json, or raises an error.

    Returns:
        The content of config.json, and the model, in the types that it was built with.

    Raises:
        ConfigError: If config.json is missing or damaged, or the network is larger than colorzoo
            loads.
        WeightsError: If the file is missing or damaged, if its tensors are not exactly those of the
            model, or contain NaN or infinity; the message names the first few of them.
        HubError: If the download from the Hub fails.
    """
    # The source that is returned takes the weights from the same commit.
    path, source = source.fetch(CONFIG_FILE, most=_MAX_CONFIG_BYTES)
    try:
        config = read_config(path)
        build = builder(config)
    except ConfigError:
        source.check_pickles()  # raises a better explanation, if it applies
        raise
    with building_shapes():
        shell = build()
    numbers = sum(math.prod(value.shape) for value in shell.state_dict().values())
    if numbers > MAX_NUMBERS:
        raise ConfigError(
            f"{config.path} describes a network with {numbers:,} parameters; colorzoo loads up to "
            f"{MAX_NUMBERS:,}. Check its keywords: {str(config.keywords)[:200]}."
        )
    weights, _ = source.fetch(WEIGHTS_FILE, most=8 * numbers + 2 * _MAX_HEADER_BYTES)
    _check_header(shell, weights)
    with building():
        model = build()
        _copy_weights(model, weights)
    _check_numbers(model.state_dict(), weights)
    return config, model


def _copy_weights(model: Loadable, path: Path) -> None:
    """Copy the tensors of a file, whose header was compared with the network, into the network."""
    expected = model.state_dict()
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
    if set(names) != expected.keys():  # the network's own names are never converted
        model.load_state_dict(model.convert_state(load_file(path)), strict=True)
        return
    # What was read of a file counts as memory of this process until the file is closed. So it is
    # opened for a part at a time: a large network would take its size twice otherwise.
    parts: list[list[str]] = []
    room = 0
    for name in names:
        if room <= 0:
            parts.append([])
            room = _PART_BYTES
        parts[-1].append(name)
        room -= expected[name].nbytes
    for part in parts:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in part}
        model.load_state_dict(tensors, strict=len(parts) == 1)
        del tensors


def _check_header(shell: "Loadable", path: Path) -> None:
    """Compare the names, shapes and types in a file's header with the network."""
    if not path.is_file():
        names = [each.name for each in path.parent.glob("*")] if path.parent.is_dir() else []
        refusal = pickles_only(names)
        raise WeightsError(
            f"There is no {path.name} in {path.parent}"
            + (f": it {refusal}" if refusal else "; save_pretrained() writes it.")
        )
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
        if _MAX_HEADER_BYTES < size < path.stat().st_size:
            raise WeightsError(
                f"{path} has a header of {size:,} bytes; colorzoo reads up to "
                f"{_MAX_HEADER_BYTES:,}. It is damaged, or not a model of colorzoo."
            )
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            header = {
                name: (tuple(each.get_shape()), each.get_dtype()) for name, each in slices.items()
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a complete safetensors file ({error}). Delete {path.resolve()} and "
            "download or save it again."
        ) from error
    for name, (shape, _) in header.items():
        if max(shape, default=0) > MAX_NUMBERS:  # of no numbers, or safetensors would have refused
            raise WeightsError(f"{path} is damaged: {name} has shape {shape}. Download it again.")
    expected = shell.state_dict()
    problems = [
        f"{name} has the type {kind}, expected "
        + ("a floating-point type" if _is_float(expected.get(name)) else "whole numbers")
        for name, (_, kind) in header.items()
        if kind not in (_FLOATS if _is_float(expected.get(name)) else _FLOATS | _WHOLE)
    ]
    shapes = {
        name: torch.empty(
            shape, device="meta", dtype=torch.float32 if kind in _FLOATS else torch.int64
        )
        for name, (shape, kind) in header.items()
    }
    try:
        found = shell.convert_state(shapes)
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} does not fit {type(shell).__name__}: its tensors cannot be renamed for that "
            f"model ({type(error).__name__}: {error})."
        ) from error
    problems += [f"{name} is missing" for name in expected.keys() - found.keys()]
    problems += [f"{name} is not in the architecture" for name in found.keys() - expected.keys()]
    problems += [
        f"{name} has shape {tuple(found[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if found[name].shape != expected[name].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:3])
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{path} does not fit {type(shell).__name__} as configured in config.json: "
            f"{shown}{more}. The weights and config.json must come from the same model."
        )


def _is_float(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.is_floating_point()


def _check_numbers(state: dict[str, Tensor], path: Path) -> None:
    """Reject NaN and infinity, which would make every result black."""
    broken = [name for name, value in state.items() if not value.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{path} contains NaN or infinity in {', '.join(broken[:3])}"
            + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
            + ": it is damaged, or its training diverged. Download it again, or save it again from "
            "an earlier checkpoint."
        )
