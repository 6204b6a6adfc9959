"""The registry: which colorizers exist, how to build one, how to load one."""

import difflib
import fnmatch
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from colorzoo.colorizer import CONFIG_FILE, WEIGHTS_FILE, Colorizer, load_weights
from colorzoo.errors import ConfigError, HubError, UnknownModelError, WeightsError

DEFAULT_MODEL = "unet"

_WEIGHTS = Path(__file__).parent / "weights"

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
    """

    name: str
    family: type[Colorizer]
    summary: str
    year: int
    config: Mapping[str, Any] = field(default_factory=dict)
    repo_id: str | None = None
    revision: str | None = None

    @property
    def weights(self) -> Path | None:
        """The folder with the weights that come with the package, or None."""
        folder = _WEIGHTS / self.name
        return folder if (folder / WEIGHTS_FILE).is_file() else None

    @property
    def metrics(self) -> dict[str, Any] | None:
        """What was measured on those weights (metrics.json), or None."""
        path = _WEIGHTS / self.name / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


_REGISTRY: dict[str, ModelInfo] = {}


def register_model(
    name: str,
    *,
    summary: str,
    year: int,
    config: Mapping[str, Any] | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
) -> Callable[[Family], Family]:
    """Register a Colorizer class under a name; used as a decorator, as often as it has names.

    Args:
        name: The name: lower-case letters, digits, "-", "_" and "." only.
        summary: One line for people: the network and its objective.
        year: When the recipe was published.
        config: Constructor keywords that differ from the class's defaults.
        repo_id: Hub repository of its published weights.
        revision: Commit of that repository; required with ``repo_id``.

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
        _REGISTRY[name] = ModelInfo(name, family, summary, year, config or {}, repo_id, revision)
        return family

    return decorate


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Name the registered colorizers.

    Args:
        pattern: Shell-style pattern that names must match, such as ``"unet*"``.
        pretrained: Only those with weights, bundled or on the Hub.

    Returns:
        Sorted names.
    """
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
    if name not in _REGISTRY:
        close = difflib.get_close_matches(name, _REGISTRY, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "See colorzoo.list_models()."
        raise UnknownModelError(
            f"No colorizer is called {name!r}. {hint} A folder is given as './{name}', a Hub "
            f"repository as 'user/{name}'."
        )
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
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name} cannot be built with {config}: {error}") from error
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
) -> Colorizer:
    """Load a trained colorizer.

    A Path, or a name that starts with ".", "/" or "~", is a folder; a name without a slash is a
    registered model; of the others, what exists here is a folder, the rest are Hub repositories.

    Args:
        name: A registered name, a folder with config.json and model.safetensors, or "user/repo".
        revision: Branch, tag or commit on the Hub; the pinned commit for a registered name.
        token: Hub token, for private repositories.
        cache_dir: Where downloads are kept.
        local_files_only: Never touch the network.
        device: Where the model runs: "cpu", "cuda", "cuda:1", "mps".

    Returns:
        The model in eval mode on that device.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If config.json is missing, damaged or names an unknown architecture, or if
            there is no such device.
        WeightsError: If there are no weights, or they do not fit.
        HubError: If the Hub does not deliver.
    """
    text = str(name)
    if isinstance(name, Path) or text.startswith((".", "/", "~")):
        return _to_device(_load_folder(Path(text).expanduser()), device)
    if "/" not in text:
        info = model_info(text)
        if info.weights is not None:
            return _to_device(_load_folder(info.weights), device)
        if info.repo_id is None:
            raise WeightsError(
                f"{text} has no trained weights yet. Train it with `python -m train fit "
                f"{text} --data FOLDER`, or build it untrained with create_model({text!r})."
            )
        text, revision = info.repo_id, revision or info.revision
    elif Path(text).is_dir():
        return _to_device(_load_folder(Path(text)), device)

    def fetch(file: str) -> Path:
        return _download(
            text,
            file,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )

    return _to_device(_load_files(fetch(CONFIG_FILE), fetch(WEIGHTS_FILE)), device)


def _to_device(model: Colorizer, device: str | torch.device) -> Colorizer:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"The device {str(device)!r} is not there: {reason} Try 'cpu'."
        ) from error


def _load_folder(folder: Path) -> Colorizer:
    if not folder.is_dir():
        raise WeightsError(
            f"There is no folder {folder}. A registered model is given by its bare name "
            "(see colorzoo.list_models()), a Hub repository as 'user/repo'."
        )
    return _load_files(folder / CONFIG_FILE, folder / WEIGHTS_FILE)


def _load_files(config_path: Path, weights_path: Path) -> Colorizer:
    config = _read_config(config_path)
    architecture = config.pop("architecture", None)
    if not isinstance(architecture, str) or architecture not in _REGISTRY:
        raise ConfigError(
            f"{config_path} names the architecture {architecture!r}, which this colorzoo does not "
            f"have. It has {', '.join(list_models())}; a newer colorzoo may have more."
        )
    model = create_model(architecture, **config)
    load_weights(model, weights_path)
    return model


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"There is no {path.name} in {path.parent}; save_pretrained() writes it.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} must hold a JSON object, it holds a {type(config).__name__}.")
    return config


def _download(
    repo_id: str,
    file: str,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
) -> Path:
    try:
        return Path(
            hf_hub_download(
                repo_id,
                file,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                library_name="colorzoo",
            )
        )
    except HFValidationError as error:
        raise HubError(
            f"{repo_id!r} is no Hub repository id ('user/repo'), nor a folder."
        ) from error
    except GatedRepoError as error:
        raise HubError(f"{repo_id} asks you to accept its terms on the Hub first.") from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"The Hub has no repository {repo_id}, or it is private: check the spelling, or pass "
            "token=... (or run `hf auth login`)."
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(f"{repo_id} has no revision {revision!r} on the Hub.") from error
    except LocalEntryNotFoundError as error:
        raise HubError(
            f"{file} of {repo_id} is not in the cache and the Hub is out of reach: check the "
            "connection, or that HF_HUB_OFFLINE and local_files_only are not set."
        ) from error
    except EntryNotFoundError as error:
        raise HubError(
            f"{repo_id} holds no {file}: it is not a colorzoo model. colorzoo loads config.json "
            "and model.safetensors only, never pickles, which can run code."
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise HubError(
            f"The Hub failed to deliver {file} of {repo_id}: {error}. Try again."
        ) from error
