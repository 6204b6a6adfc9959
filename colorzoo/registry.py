"""The registry of models by name.

The modules in ``colorzoo.models``, and those of other packages, are imported when a name is first
looked up.
"""

import difflib
import fnmatch
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from colorzoo.caller import warn
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, UnknownModelError
from colorzoo.hub.checkpoint import BUNDLED_CARD_FILE, METRICS_FILE, WEIGHTS_FILE
from colorzoo.hub.origin import is_downloaded, licence_in, origin_of
from colorzoo.hub.published import PublishedWeights
from colorzoo.torch_state import building, building_shapes

ENTRY_POINTS = "colorzoo.models"


_WEIGHTS, _MODELS = Path(__file__).parent / "weights", Path(__file__).parent / "models"
_OWN = "colorzoo.models."
_NAME = re.compile("[a-z0-9_-][a-z0-9_.-]*")
_COMMIT = re.compile("[0-9a-f]{40}")


Family = TypeVar("Family", bound=type[Colorizer])


@dataclass(frozen=True)
class ModelInfo:
    """A registered model.

    Examples:
        >>> colorzoo.model_info("unet").metrics["photos"]
        500

    Attributes:
        name: The registered name.
        family: The class of the model.
        summary: One line for users: the network and how it was trained.
        year: When the method was published.
        config: Constructor keywords that differ from the defaults of the class, or from those of
            the model in ``weights_of``.
        repo_id: Hub repository with the published weights, if there is one.
        revision: Hash of the commit to use from that repository.
        folder: Where the weights, metrics.json and card are if they are on this machine.
        weights_of: The registered model whose weights it uses; None if it has its own.
        published: The checkpoint of the method's authors to use, if there is one.
    """

    name: str
    family: type[Colorizer]
    summary: str
    year: int
    config: Mapping[str, Any] = field(default_factory=dict)
    repo_id: str | None = None
    revision: str | None = None
    folder: Path | None = None
    weights_of: str | None = None
    published: PublishedWeights | None = None

    @property
    def weights(self) -> Path | None:
        """The folder with the bundled weights, or None."""
        if self.weights_of is not None:
            return model_info(self.weights_of).weights
        return self.folder if self._bundled(WEIGHTS_FILE) else None

    @property
    def is_local(self) -> bool:
        """Whether the weights are on this machine, bundled or downloaded before."""
        base = model_info(self.weights_of) if self.weights_of else self
        return self.weights is not None or is_downloaded(
            base.name, repo_id=self.repo_id, revision=self.revision, published=self.published
        )

    @property
    def origin(self) -> str:
        """Where the weights come from, such as "bundled" or "on the Hub, not downloaded"."""
        return origin_of(
            bundled=self.weights is not None,
            on_hub=self.repo_id is not None,
            published=self.published,
            local=self.is_local,
        )

    @property
    def licence(self) -> str | None:
        """The licence of the weights, as its card or its authors state it; None if unknown."""
        if self.weights is None and self.published is not None:
            return self.published.licence
        return licence_in(self.card or "")

    @property
    def metrics(self) -> dict[str, Any] | None:
        """The measurements of the bundled weights (metrics.json), or None."""
        path = self._bundled(METRICS_FILE)
        return json.loads(path.read_text(encoding="utf-8")) if path else None

    @property
    def card(self) -> str | None:
        """The model card of the bundled weights, Markdown with front matter, or None."""
        path = self._bundled(BUNDLED_CARD_FILE)
        return path.read_text(encoding="utf-8") if path else None

    def _bundled(self, file: str) -> Path | None:
        path = self.folder and self.folder / file
        return path if path and path.is_file() else None


_REGISTRY: dict[str, ModelInfo] = {}
_ALIASES: dict[str, tuple[str, str]] = {}  # former name -> name, version that removes it


def register_model(
    name: str,
    *,
    summary: str,
    year: int,
    config: Mapping[str, Any] | None = None,
    repo_id: str | None = None,
    revision: str | None = None,
    folder: str | Path | None = None,
    weights_of: str | None = None,
    published: PublishedWeights | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Callable[[Family], Family]:
    """Register a Colorizer class under a name. Use it as a decorator, once for each name.

    Several weights or settings of one model are registered as "name.tag"; "name" then means the
    first of them, unless it is registered itself.

    Examples:
        >>> @colorzoo.register_model("gray", summary="No colour at all", year=2026)
        ... class Gray(colorzoo.Colorizer):
        ...     def __init__(self, *, work_size: int = 32) -> None:
        ...         super().__init__(work_size=work_size)
        ...
        ...     def forward(self, lightness):
        ...         return 0 * lightness.expand(-1, 2, -1, -1)
        >>> colorzoo.create_model("gray").colorize("photo.jpg").getpixel((9, 9))
        (16, 16, 16)

    Args:
        name: The name: lower-case letters, digits, "-", "_" and "." only.
        summary: One line for users: the network and how it was trained.
        year: When the method was published.
        config: Constructor keywords that differ from the defaults of the class, or from those of
            the model in ``weights_of``.
        repo_id: Hub repository with the published weights.
        revision: Full hash of a commit of that repository; required with ``repo_id``.
        folder: Folder with config.json, model.safetensors, metrics.json and card.md, for packages
            that include weights; colorzoo/weights/NAME if None.
        weights_of: The name of a model of the same class, registered before, whose weights to use.
            This one then differs only in ``config``, and has no Hub repository of its own.
        published: The checkpoint of the method's authors, for models that colorzoo does not train.
            The class then maps its tensor names in ``convert_state``.
        aliases: Former names of the model, which still work but give a warning, and the version of
            its package in which each will be removed, as in ``{"old-name": "1.0"}``.

    Returns:
        A decorator that returns the class unchanged.

    Raises:
        ValueError: If the name is taken or not allowed, ``repo_id`` has no pinned revision, or
            ``weights_of`` is not a model of the same class. A class that is defined again, because
            a cell of a notebook was run again, takes the place of its former self.
        TypeError: If the decorated object is not a subclass of Colorizer.
    """
    for each in (name, *(aliases or {})):
        if not _NAME.fullmatch(each):
            raise ValueError(f"names may only contain a-z, 0-9, '-', '_' and '.', got {each!r}")
    if name in (aliases or {}):
        raise ValueError(f"{name}: an alias must differ from the name")
    if weights_of is not None and repo_id is not None:
        raise ValueError(f"{name} uses the weights of {weights_of}: leave repo_id out")
    if (repo_id is None) != (revision is None):
        raise ValueError(f"{name}: give both repo_id and revision, so that weights are pinned")
    if revision is not None and not _COMMIT.fullmatch(revision):
        raise ValueError(
            f"{name}: revision must be a full commit hash of 40 digits, so that weights are "
            f"pinned, got {revision!r}"
        )

    def decorate(family: Family) -> Family:
        if not (isinstance(family, type) and issubclass(family, Colorizer)):
            raise TypeError(f"{name}: only subclasses of Colorizer can be registered, got {family}")
        if not family.__module__.startswith(_OWN):
            _import_own()  # so that a taken name fails here, not later
        for each in (name, *(aliases or {})):
            taken = _REGISTRY.get(each) or _REGISTRY.get(_ALIASES.get(each, ("", ""))[0])
            if taken is not None and not _is_run_again(taken.family, family):
                raise ValueError(
                    f"two models are named {each!r}, in {taken.family.__module__} and "
                    f"{family.__module__}; rename one"
                )
        if weights_of is not None and getattr(_REGISTRY.get(weights_of), "family", None) != family:
            raise ValueError(
                f"{name} cannot use the weights of {weights_of}: register that model first, for "
                "the same class"
            )
        if not family.__dict__.get("architecture"):
            family.architecture = name  # saved to config.json if built without create_model()
        base = _REGISTRY.get(weights_of or "")
        _REGISTRY[name] = ModelInfo(
            name=name,
            family=family,
            summary=summary,
            year=year,
            config=config or {},
            repo_id=base.repo_id if base else repo_id,
            revision=base.revision if base else revision,
            folder=_WEIGHTS / name if folder is None else Path(folder),
            weights_of=weights_of,
            published=base.published if base else published,
        )
        _ALIASES.update({old: (name, until) for old, until in (aliases or {}).items()})
        return family

    return decorate


def _is_run_again(old: type, new: type) -> bool:
    """Tell whether a cell of a notebook, or a reloaded module, has defined the same class again."""
    is_same = (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)
    return is_same and old is not new


@cache
def _import_families() -> None:
    """Import all modules that register models."""
    _import_own()
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:  # one broken package must not break the others
            package = entry.dist.name if entry.dist else entry.value
            warn(
                f"the models of the package {package} are not available: importing "
                f"{entry.value} failed ({type(error).__name__}: {error}). Update the package or "
                "remove it."
            )


@cache
def _import_own() -> None:
    """Import colorzoo's own models: every file in colorzoo/models without an underscore."""
    for module in pkgutil.iter_modules([str(_MODELS)]):
        if not module.name.startswith("_"):
            importlib.import_module(f"{_OWN}{module.name}")


def list_models(pattern: str = "*", *, pretrained: bool = False, local: bool = False) -> list[str]:
    """List the registered models.

    Examples:
        >>> colorzoo.list_models("unet*")
        ['unet', 'unet-bins', 'unet-gan']

    Args:
        pattern: Shell-style pattern that names must match, such as ``"unet*"``.
        pretrained: List only models with weights: bundled, on the Hub, or published by the
            method's authors. Loading one of them may download hundreds of megabytes.
        local: List only models whose weights are on this machine, bundled or downloaded before.

    Returns:
        The names, sorted.
    """
    _import_families()
    return sorted(
        info.name
        for info in _REGISTRY.values()
        if fnmatch.fnmatch(info.name, pattern)
        and (not pretrained or info.weights or info.repo_id or info.published)
        and (not local or info.is_local)
    )


def find_model(name: str) -> ModelInfo | None:
    """Look up a name, a former name, or a name without its tag; None if there is no such model."""
    _import_own()
    if name not in _REGISTRY and name not in _ALIASES:
        _import_families()  # which looks through all installed packages
    name = _ALIASES[name][0] if name in _ALIASES else name
    tagged = (info for info in _REGISTRY.values() if info.name.startswith(f"{name}."))
    return _REGISTRY.get(name) or next(tagged, None)


def model_info(name: str) -> ModelInfo:
    """Look up a name; a former name also works, with a warning.

    Examples:
        >>> info = colorzoo.model_info("unet")
        >>> info.year, info.summary
        (2015, 'U-Net with skip connections, L1 on ab')

    Args:
        name: A registered name.

    Returns:
        The registered model.

    Raises:
        UnknownModelError: If it is not registered; the message suggests the closest names.
    """
    info = find_model(name)
    if info is None:
        close = difflib.get_close_matches(name, [*_REGISTRY, *_ALIASES], n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "See colorzoo.list_models()."
        places = f"Write './{name}' for a folder, or 'user/{name}' for a Hub repository."
        if "/" in name:
            places = "Only registered names work here; load() also accepts folders and Hub ids."
        raise UnknownModelError(f"There is no model named {name!r}. {hint} {places}")
    if name in _ALIASES:
        warn(
            f"{name} is now called {info.name}; the old name works until version "
            f"{_ALIASES[name][1]}",
            FutureWarning,
        )
    return info


def create_model(name: str, /, **config: Any) -> Colorizer:
    """Build an untrained model; never accesses the network.

    Examples:
        >>> colorzoo.create_model("unet", width=8).parameter_count
        486418

    Args:
        name: A registered name.
        config: Keywords of the constructor, such as ``width=32``.

    Returns:
        The model with random weights, in eval mode, on the CPU.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If the constructor does not accept a keyword or its value.
    """
    with building():
        return build_model(model_info(name), config)


def describe(name: str) -> Colorizer:
    """Build a registered model without memory for its weights, to look at its size and config."""
    info = model_info(name)
    with building_shapes():
        return build_model(info, {})


def build_model(info: ModelInfo, config: Mapping[str, Any]) -> Colorizer:
    """Build a model on PyTorch's default device, in its default type; see ``create_model``."""
    accepted = list(inspect.signature(info.family).parameters)
    unknown = sorted(set(config) - set(accepted))
    if unknown:
        raise ConfigError(
            f"{info.name} has no keyword {', '.join(unknown)}; it has {', '.join(accepted)}."
        )
    base = model_info(info.weights_of).config if info.weights_of else {}
    try:
        model = info.family(**{**base, **info.config, **config})
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]  # the rest is PyTorch's stack trace
        raise ConfigError(f"{info.name} cannot be built with {config}: {reason}") from error
    model.architecture = info.name
    return model.eval()
