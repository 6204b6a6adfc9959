"""A model's files, config.json and model.safetensors: written, and read without trusting them."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from colorzoo._version import __version__
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.hub.fetch import pickles_only

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.json"
BUNDLED_CARD_FILE = "card.md"

# The zoo's own models hold up to 4 million numbers, the largest published colorizers 0.2 billion.
MAX_NUMBERS = 1_000_000_000
_MAX_CONFIG_BYTES = 1_000_000

# What PyTorch turns into the model's own type. Others, such as F4 and F6, it cannot read, or packs.
_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_WHOLE = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Config:
    """What a config.json says.

    Attributes:
        path: The file.
        architecture: The registered name, or whatever stands in its place.
        keywords: The constructor's keywords.
        version: The colorzoo that wrote it; None in older files.
    """

    path: Path
    architecture: Any
    keywords: dict[str, Any]
    version: str | None

    @property
    def origin(self) -> str:
        """A clause on who wrote it, for messages."""
        if self.version is None or self.version == __version__:
            return f"this is colorzoo {__version__}"
        return f"colorzoo {self.version} wrote it and this is {__version__}"


def read_config(path: Path) -> Config:
    """Read a config.json.

    Raises:
        ConfigError: If it is missing, damaged or not a JSON object.
    """
    if not path.is_file():
        raise ConfigError(f"There is no {path.name} in {path.parent}; save_pretrained() writes it.")
    try:
        size = path.stat().st_size
        if size > _MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is no config.json of a model: it has {size:,} bytes.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a JSON object, it holds a {type(values).__name__}.")
    architecture = values.pop("architecture", None)
    version = values.pop("colorzoo_version", None)
    return Config(path, architecture, values, None if version is None else str(version)[:20])


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Give the SHA-256 of a model's tensors and their names: other weights, another digest."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_files(
    folder: Path, state: dict[str, Tensor], config: dict[str, Any], *, dtype: torch.dtype | None
) -> None:
    """Write config.json, with this version of colorzoo, and model.safetensors.

    Args:
        folder: Where to; it is created when missing.
        state: The model's tensors.
        config: The architecture's name and the constructor's keywords.
        dtype: Floating-point type of the saved tensors; their own if None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    text = json.dumps({**config, "colorzoo_version": __version__}, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    # safetensors lets its owner only read the file; whoever may read one may read the other.
    shutil.copymode(folder / CONFIG_FILE, folder / WEIGHTS_FILE)


def load_files(
    config: Config, build: Callable[[], Model], fetch_weights: Callable[[], Path]
) -> Model:
    """Build a model and load its weights, strictly.

    Neither memory nor a download is spent on a config.json that asks for an absurd network, and no
    memory on weights that do not fit: the network is first built on PyTorch's meta device, where
    tensors are shapes only, and compared with the header of the weights.

    Args:
        config: What the model was built from.
        build: Builds it.
        fetch_weights: Gives the safetensors file.

    Returns:
        The model, with the types that ``build`` gave it.

    Raises:
        ConfigError: If the network would be larger than colorzoo loads.
        WeightsError: If the file is missing or damaged, if its tensors are not exactly the
            model's, or if they hold NaN or infinity; the first few of those are named.
    """
    with torch.device("meta"):
        shell = build()
    expected = shell.state_dict()
    numbers = sum(math.prod(value.shape) for value in expected.values())
    if numbers > MAX_NUMBERS:
        raise ConfigError(
            f"{config.path} describes a network of {numbers:,} numbers; colorzoo loads up to "
            f"{MAX_NUMBERS:,}. Check its keywords: {str(config.keywords)[:200]}."
        )
    path = fetch_weights()
    _check_header(expected, type(shell).__name__, path)
    model = build()
    model.load_state_dict(load_file(path), strict=True)
    _check_numbers(model.state_dict(), path)
    return model


def _check_header(expected: dict[str, Tensor], family: str, path: Path) -> None:
    """Compare the names, shapes and kinds of numbers that a file announces, without loading it."""
    if not path.is_file():
        names = [each.name for each in path.parent.glob("*")] if path.parent.is_dir() else []
        refusal = pickles_only(names)
        raise WeightsError(
            f"There is no {path.name} in {path.parent}"
            + (f": it {refusal}" if refusal else "; save_pretrained() writes it.")
        )
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {
                name: (tuple(each.get_shape()), each.get_dtype()) for name, each in slices.items()
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a whole safetensors file ({error}). Delete {path.resolve()} and fetch "
            "or save it again."
        ) from error
    problems = [f"{name} is missing" for name in expected.keys() - found.keys()]
    problems += [f"{name} is not in the architecture" for name in found.keys() - expected.keys()]
    for name in expected.keys() & found.keys():
        (shape, kind), wanted = found[name], expected[name]
        if shape != tuple(wanted.shape):
            problems.append(f"{name} has shape {shape}, expected {tuple(wanted.shape)}")
        elif wanted.is_floating_point() and kind not in _FLOATS:
            problems.append(f"{name} holds {kind}, expected a floating-point type")
        elif kind not in _FLOATS | _WHOLE:
            problems.append(f"{name} holds {kind}, expected whole numbers")
    if problems:
        shown = "; ".join(sorted(problems)[:3])
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{path} does not fit {family} as its config describes it: {shown}{more}. The weights "
            "and config.json must come from the same model."
        )


def _check_numbers(state: dict[str, Tensor], path: Path) -> None:
    """Refuse weights with which every picture would come out black."""
    broken = [name for name, value in state.items() if not value.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{path} holds NaN or infinity in {', '.join(broken[:3])}"
            + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
            + ": it is damaged, or its training diverged. Fetch it again, or save it anew from an "
            "earlier checkpoint."
        )
