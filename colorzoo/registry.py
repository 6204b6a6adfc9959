"""The registry: which colorizers there are, by name."""

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
from typing import Any, TypeVar

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, UnknownModelError
from colorzoo.hub.checkpoint import BUNDLED_CARD_FILE, METRICS_FILE, WEIGHTS_FILE

ENTRY_POINTS = "colorzoo.models"


_WEIGHTS = Path(__file__).parent / "weights"


_COMMIT = re.compile("[0-9a-f]{40}")


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


REGISTRY: dict[str, ModelInfo] = {}


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
        if name in REGISTRY:
            raise ValueError(
                f"two models are called {name!r}: {REGISTRY[name].family.__module__} and "
                f"{family.__module__}; rename one"
            )
        if not family.__dict__.get("architecture"):
            family.architecture = name  # what an instance built without the registry is saved as
        place = _WEIGHTS / name if folder is None else Path(folder)
        REGISTRY[name] = ModelInfo(
            name, family, summary, year, config or {}, repo_id, revision, place
        )
        return family

    return decorate


@cache
def import_packages() -> None:
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
    import_packages()
    return sorted(
        info.name
        for info in REGISTRY.values()
        if fnmatch.fnmatch(info.name, pattern)
        and (not pretrained or info.weights is not None or info.repo_id is not None)
    )


def model_info(name: str) -> ModelInfo:
    """Look a name up.

    Raises:
        UnknownModelError: If it is not registered; the closest names are given.
    """
    import_packages()
    if name not in REGISTRY:
        close = difflib.get_close_matches(name, REGISTRY, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "See colorzoo.list_models()."
        places = f"A folder is given as './{name}', a Hub repository as 'user/{name}'."
        if "/" in name:
            places = "Only registered names are known here; load() takes folders and Hub ids too."
        raise UnknownModelError(f"No colorizer is called {name!r}. {hint} {places}")
    return REGISTRY[name]


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
