"""The registry: which colorizers exist, how to build one, how to load one.

Besides those of colorzoo/models, it holds what installed packages bring: modules that the entry
point group "colorzoo.models" names. They are imported when the registry is first asked.
"""

import difflib
import fnmatch
import inspect
import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from colorzoo.checkpoint import (
    BUNDLED_CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    Config,
    load_files,
    read_config,
)
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, UnknownModelError, WeightsError
from colorzoo.export import SUFFIX, ExportedColorizer, with_onnxruntime
from colorzoo.hub import HubRepo

DEFAULT_MODEL = "mobilenetv2-bins"

ENTRY_POINTS = "colorzoo.models"

_WEIGHTS = Path(__file__).parent / "weights"
_COMMIT = re.compile("[0-9a-f]{40}")
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)

Family = TypeVar("Family", bound=type[Colorizer])


@dataclass(frozen=True)
class ModelInfo:
    """What the registry knows about a name.

    Attributes:
        name: The name.
        family: The class that builds it.
        summary: One line for people: the network and its objective.
        year: When the recipe was published.
        config: Constructor keywords that differ from the class's defaults.
        repo_id: Hub repository of its published weights, if there is one.
        revision: Commit of that repository, pinned.
        folder: Where its weights, metrics.json and card lie if they are on this machine.
    """

    name: str
    family: type[Colorizer]
    summary: str
    year: int
    config: Mapping[str, Any] = field(default_factory=dict)
    repo_id: str | None = None
    revision: str | None = None
    folder: Path | None = None

    @property
    def weights(self) -> Path | None:
        """The folder with the weights that come with the package, or None."""
        return self.folder if self._bundled(WEIGHTS_FILE) else None

    @property
    def metrics(self) -> dict[str, Any] | None:
        """What was measured on those weights (metrics.json), or None."""
        path = self._bundled(METRICS_FILE)
        return json.loads(path.read_text(encoding="utf-8")) if path else None

    @property
    def card(self) -> str | None:
        """The model card of those weights, Markdown with front matter, or None."""
        path = self._bundled(BUNDLED_CARD_FILE)
        return path.read_text(encoding="utf-8") if path else None

    def _bundled(self, file: str) -> Path | None:
        path = self.folder and self.folder / file
        return path if path and path.is_file() else None


_REGISTRY: dict[str, ModelInfo] = {}


def register_model(
    name: str,
    *,
    summary: str,
    year: int,
    config: Mapping[str, Any] | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    folder: str | Path | None = None,
) -> Callable[[Family], Family]:
    """Register a Colorizer class under a name; used as a decorator, as often as it has names.

    Args:
        name: The name: lower-case letters, digits, "-", "_" and "." only.
        summary: One line for people: the network and its objective.
        year: When the recipe was published.
        config: Constructor keywords that differ from the class's defaults.
        repo_id: Hub repository of its published weights.
        revision: Full hash of a commit of that repository; required with ``repo_id``.
        folder: Holds config.json, model.safetensors, metrics.json and card.md, of a package that
            brings its own; colorzoo/weights/NAME if None.

    Returns:
        A decorator that returns the class unchanged.

    Raises:
        ValueError: If the name is taken or not allowed, or a repository has no pinned revision.
        TypeError: If what is decorated is not a Colorizer.
    """
    if (
        not name
        or not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
        or name[0] == "."
    ):
        raise ValueError(f"a model's name is made of a-z, 0-9, '-', '_' and '.', got {name!r}")
    if (repo_id is None) != (revision is None):
        raise ValueError(f"{name}: repo_id and revision go together, so that weights are pinned")
    if revision is not None and not _COMMIT.fullmatch(revision):
        raise ValueError(
            f"{name}: revision must be a commit's hash of 40 digits, so that weights are pinned, "
            f"got {revision!r}"
        )

    def decorate(family: Family) -> Family:
        if not (isinstance(family, type) and issubclass(family, Colorizer)):
            raise TypeError(f"{name}: only subclasses of Colorizer can be registered, got {family}")
        if name in _REGISTRY:
            raise ValueError(
                f"two models are called {name!r}: {_REGISTRY[name].family.__module__} and "
                f"{family.__module__}; rename one"
            )
        if not family.__dict__.get("architecture"):
            family.architecture = name  # what an instance built without the registry is saved as
        place = _WEIGHTS / name if folder is None else Path(folder)
        _REGISTRY[name] = ModelInfo(
            name, family, summary, year, config or {}, repo_id, revision, place
        )
        return family

    return decorate


@cache
def _import_packages() -> None:
    """Import what other packages register; one that fails is told of and costs no other."""
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else entry.value
            warnings.warn(
                f"the colorizers of the package {package} are missing: importing {entry.value} "
                f"failed ({type(error).__name__}: {error}). Update the package or remove it.",
                stacklevel=4,
            )


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Name the registered colorizers.

    Args:
        pattern: Shell-style pattern that names must match, such as ``"unet*"``.
        pretrained: Only those with weights, bundled or on the Hub.

    Returns:
        Sorted names.
    """
    _import_packages()
    return sorted(
        info.name
        for info in _REGISTRY.values()
        if fnmatch.fnmatch(info.name, pattern)
        and (not pretrained or info.weights is not None or info.repo_id is not None)
    )


def model_info(name: str) -> ModelInfo:
    """Look a name up.

    Raises:
        UnknownModelError: If it is not registered; the closest names are given.
    """
    _import_packages()
    if name not in _REGISTRY:
        close = difflib.get_close_matches(name, _REGISTRY, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "See colorzoo.list_models()."
        places = f"A folder is given as './{name}', a Hub repository as 'user/{name}'."
        if "/" in name:
            places = "Only registered names are known here; load() takes folders and Hub ids too."
        raise UnknownModelError(f"No colorizer is called {name!r}. {hint} {places}")
    return _REGISTRY[name]


def create_model(name: str, /, **config: Any) -> Colorizer:
    """Build an untrained colorizer; never touches the network.

    Args:
        name: A registered name.
        config: Keywords of the family's constructor, such as ``width=32``.

    Returns:
        The model with random weights, in eval mode, on the CPU.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If the family does not take a keyword, or not with that value.
    """
    info = model_info(name)
    accepted = list(inspect.signature(info.family).parameters)
    unknown = sorted(set(config) - set(accepted))
    if unknown:
        raise ConfigError(
            f"{name} takes no keyword {', '.join(unknown)}; it takes {', '.join(accepted)}."
        )
    try:
        model = info.family(**{**info.config, **config})
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]  # the rest is PyTorch's own stack
        raise ConfigError(f"{name} cannot be built with {config}: {reason}") from error
    model.architecture = name
    return model.eval()


def load(
    name: str | Path = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    source: Literal["auto", "bundled", "hub"] = "auto",
    backend: Literal["torch", "onnx"] = "torch",
) -> Colorizer:
    """Load a trained colorizer.

    What ends in ".onnx" is a file of ``colorzoo export``, which onnxruntime runs. Else a Path, or a
    name that starts with ".", "/" or "~", is a folder; a name without a slash is a registered
    model; of the others, what exists here is a folder, the rest are Hub repositories.
    Of a registered model the bundled weights are taken, or those on the Hub at its pinned commit
    where none are bundled.

    Args:
        name: A registered name, a folder with config.json and model.safetensors, or "user/repo".
        revision: Branch, tag or commit on the Hub, which is then where the model is taken from. A
            full commit hash pins it; once that is cached, loading it makes no request.
        token: Hub token, for private repositories; the one that is logged in if None.
        cache_dir: Where downloads are kept.
        local_files_only: Never touch the network.
        device: Where the model runs: "cpu", "cuda", "cuda:1", "mps".
        dtype: torch.float32, torch.float16 or torch.bfloat16, whatever the file holds.
        source: "bundled" never asks the Hub, "hub" never takes what is here.
        backend: "onnx" has onnxruntime run the network: it is exported at first, and kept for the
            next time. It runs on the CPU in float32 then, whatever device and dtype say.

    Returns:
        The model in eval mode on that device.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If config.json is missing, damaged, names an unknown architecture or asks for
            an absurd size, if there is no such device, if arguments exclude each other, or if
            onnxruntime is asked for and not installed.
        WeightsError: If there are no weights, or they do not fit.
        HubError: If the Hub does not deliver.
    """
    if backend not in ("torch", "onnx"):
        raise ConfigError(f"backend must be 'torch' or 'onnx', got {backend!r}")
    if dtype not in _DTYPES:
        raise ConfigError(f"dtype must be one of {', '.join(map(str, _DTYPES))}, got {dtype!r}")
    if source not in ("auto", "bundled", "hub"):
        raise ConfigError(f"source must be 'auto', 'bundled' or 'hub', got {source!r}")
    if source == "bundled" and revision is not None:
        raise ConfigError(f"source='bundled' never asks the Hub: leave out revision={revision!r}.")
    if str(name).endswith(SUFFIX):
        if source != "auto" or revision is not None:
            raise ConfigError(f"{name} is a file; source and revision are for weights.")
        return ExportedColorizer(name).eval()
    model = _load_weights(
        name,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        source=source,
    )
    if backend == "onnx":
        return with_onnxruntime(model, cache_dir=cache_dir)
    return _to_device(model, device, dtype)


def _load_weights(
    name: str | Path,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
    source: Literal["auto", "bundled", "hub"],
) -> Colorizer:
    """Find a model by the rules of ``load``; on the CPU, float32."""
    wants_hub = source == "hub" or revision is not None
    folder = None if wants_hub and not _is_path(name) else local_folder(name)
    if folder is not None:
        if wants_hub:
            raise ConfigError(f"{name} is a folder; revision and source='hub' are for the Hub.")
        return _load_folder(folder)
    repo_id, pinned = str(name), None
    if "/" not in repo_id:
        info = model_info(repo_id)
        if info.repo_id is None:
            raise WeightsError(_no_weights(info))
        repo_id, pinned = info.repo_id, info.revision
    if source == "bundled":
        raise WeightsError(f"There are no weights for {name} here; source='hub' may have some.")
    repo = HubRepo(
        repo_id,
        revision=revision or pinned,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )
    return _load_repo(repo)


def local_folder(name: str | Path) -> Path | None:
    """Find the folder with a model's weights on this machine, by the rules of ``load``.

    Args:
        name: A registered name, a folder, or "user/repo".

    Returns:
        The folder, or None if the weights can only be on the Hub.

    Raises:
        UnknownModelError: If the name is not registered.
        WeightsError: If it names a folder that does not exist.
    """
    folder = Path(name).expanduser()
    if _is_path(name):
        if not folder.is_dir():
            raise WeightsError(
                f"There is no folder {folder}. A registered model is given by its bare name "
                "(see colorzoo.list_models()), a Hub repository as 'user/repo'."
            )
        return folder
    if "/" not in str(name):
        return model_info(str(name)).weights
    return folder if folder.is_dir() else None


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.startswith((".", "/", "~"))


def _no_weights(info: ModelInfo) -> str:
    if info.weights is not None:
        return f"{info.name} is not on the Hub; colorzoo.load({info.name!r}) takes what is bundled."
    if not info.family.__module__.startswith("colorzoo."):
        return (
            f"{info.name} has no trained weights: its package, {info.family.__module__}, brings "
            f"none in {info.folder}. Build it untrained with create_model({info.name!r})."
        )
    return (
        f"{info.name} has no trained weights yet. Train it with `python -m train fit {info.name} "
        f"--data FOLDER`, or build it untrained with create_model({info.name!r})."
    )


def _to_device(model: Colorizer, device: str | torch.device, dtype: torch.dtype) -> Colorizer:
    try:
        # Convolutions are a fifth to a quarter faster with the channels of a pixel side by side.
        return model.to(device, dtype).to(memory_format=torch.channels_last)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"The device {str(device)!r} is not there: {reason} Try 'cpu'."
        ) from error


def _load_folder(folder: Path) -> Colorizer:
    config = read_config(folder / CONFIG_FILE)
    return load_files(config, _builder(config), lambda: folder / WEIGHTS_FILE)


def _load_repo(repo: HubRepo) -> Colorizer:
    path, repo = repo.fetch(CONFIG_FILE)  # the weights are then taken from the same commit
    try:
        config = read_config(path)
        build = _builder(config)
    except ConfigError:
        repo.check_pickles()  # the better reason, where it applies
        raise
    return load_files(config, build, lambda: repo.fetch(WEIGHTS_FILE)[0])


def _builder(config: Config) -> Callable[[], Colorizer]:
    """Make what builds the network of a config.json, or refuse that."""
    _import_packages()
    architecture = config.architecture
    if not isinstance(architecture, str) or architecture not in _REGISTRY:
        raise ConfigError(
            f"{config.path} names the architecture {architecture!r}, which is not registered: "
            f"{config.origin}. There are {', '.join(list_models())}; a newer colorzoo may have "
            "more, and a family of your own has to be imported first."
        )

    def build() -> Colorizer:
        try:
            return create_model(architecture, **config.keywords)
        except ConfigError as error:
            raise ConfigError(f"{error} ({config.path}; {config.origin}.)") from error

    return build
