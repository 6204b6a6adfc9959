"""Turn checkpoints that other code wrote into models of colorzoo, strictly."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo._version import __version__
from colorzoo.atomic import write_whole
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, WeightsError, one_line
from colorzoo.hub.checkpoint import (
    CONFIG_FILE,
    MAX_NUMBERS,
    WEIGHTS_FILE,
    read_config,
)
from colorzoo.hub.foreign import (
    SAFETENSORS,
    is_pickle,
    read_checkpoint,
    read_safetensors,
    without_prefix,
)
from colorzoo.hub.hashes import sha256_of
from colorzoo.hub.published import SOURCE_FILE
from colorzoo.hub.saving import save_files
from colorzoo.registry import ModelInfo, build_model, describe, list_models, model_info
from colorzoo.torch_state import building, building_shapes

_Shapes = Mapping[str, tuple[int, ...]]
# What a family's own code may raise for a checkpoint that it does not expect.
_ODD = (LookupError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError)
_MANY = 1 << 20  # numbers


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a model of colorzoo.

    Attributes:
        model: The registered model whose network it is.
        config: The content of config.json.
        state: Its tensors, named as the model's.
        sha256: SHA-256 of the file that was converted.
        published: The registered model that pins this very file, or None.
    """

    model: ModelInfo
    config: dict[str, Any]
    state: dict[str, Tensor]
    sha256: str
    published: ModelInfo | None


def convert_file(path: Path, *, family: str | None = None) -> Converted:
    """Read a checkpoint and convert it to a model of colorzoo, without writing anything.

    The file's origin is unknown, so it is opened as described in :mod:`colorzoo.hub.foreign`.

    Args:
        path: A checkpoint of a registered family: .pth, .pt, .bin, .ckpt or .safetensors.
        family: Registered name of a model of that family; recognised from the tensors if None.

    Raises:
        UnknownModelError: If there is no such family.
        WeightsError: If the file cannot be read, is not a checkpoint of that or any registered
            family, or contains NaN or infinity.
    """
    among = _bases() if family is None else [_base(family)]
    state = read_checkpoint(path)
    digest = sha256_of(path)
    info, keywords, state = recognize(state, among, what=str(path), is_told=family is not None)
    config, state = convert(state, info, keywords, what=str(path))
    pins = (each for each in _bases() if each.published and each.published.sha256 == digest)
    return Converted(info, config, state, digest, next(pins, None))


def write(folder: Path, converted: Converted, *, source: Mapping[str, Any] | None = None) -> None:
    """Write config.json and model.safetensors.

    Args:
        folder: The folder to write to; it is created if missing.
        converted: The model.
        source: Where it is from; written to source.json if given.
    """
    save_files(folder, converted.state, converted.config, dtype=None)
    if source is not None:
        text = json.dumps({**source, "colorzoo_version": __version__}, indent=2)
        write_whole(folder / SOURCE_FILE, text.encode() + b"\n")


def source_of(path: Path, converted: Converted) -> dict[str, Any]:
    """Return what is known of the origin of a converted file, for source.json."""
    about: dict[str, Any] = {"file": path.name, "sha256": converted.sha256}
    known = converted.published and converted.published.published
    if known:
        about |= known.about()
    return about


def load_file(path: Path) -> Colorizer:
    """Load a single safetensors file: of a colorzoo folder, or a checkpoint of a known family.

    Raises:
        WeightsError: If it is a pickle or not there, or its network is not recognised.
    """
    if not path.is_file():
        raise WeightsError(f"There is no file {path}.")
    if is_pickle(path):
        raise WeightsError(
            f"{path} is a pickle, which can run code when it is opened, so colorzoo.load() does "
            f"not. If you trust the file, `colorzoo convert {path} FOLDER` makes a folder for "
            "colorzoo.load() of it."
        )
    state = read_safetensors(path)
    info, keywords, state = recognize(state, _bases(), what=str(path), is_told=False)
    config, state = convert(state, info, keywords, what=str(path))
    with building():
        model = build_model(info, {key: config[key] for key in config.keys() - {"architecture"}})
        model.load_state_dict(state, strict=True)
    return model


def has_own_config(path: Path) -> bool:
    """Tell whether a file is the model.safetensors of a folder that colorzoo wrote."""
    config = path.with_name(CONFIG_FILE)
    if path.name != WEIGHTS_FILE or not config.is_file():
        return False
    try:
        return isinstance(read_config(config).architecture, str)
    except ConfigError:
        return False


def is_file_name(name: str | Path) -> bool:
    """Tell whether ``load`` should take a name for a single file of weights."""
    path = Path(name)
    if not (path.suffix.lower() == SAFETENSORS or is_pickle(path)):
        return False
    is_plain = isinstance(name, Path) or name.startswith((".", "/", "~")) or "/" not in name
    return (is_plain or path.is_file()) and not path.expanduser().is_dir()


# Recognising --------------------------------------------------------------------------------------


def recognize(
    state: dict[str, Tensor], among: Sequence[ModelInfo], *, what: str, is_told: bool
) -> tuple[ModelInfo, dict[str, Any], dict[str, Tensor]]:
    """Find out which network a checkpoint is of, from the names and shapes of its tensors.

    Args:
        state: The tensors of the checkpoint.
        among: The models to consider.
        what: The file, for messages.
        is_told: Whether the user named the only model to consider; it is then taken in any case.

    Returns:
        The registered model, keywords for it, and the tensors, without a prefix of all names.

    Raises:
        WeightsError: If it is of none of them; the message names the nearest one and the first
            tensors that differ.
    """
    views = [state]
    while len(prefixes := {name.partition(".")[0] for name in views[-1]}) == 1:
        shorter = without_prefix(views[-1], f"{prefixes.pop()}.")
        if shorter is views[-1]:
            break
        views.append(shorter)
    found = [_find(_shapes(view), among) for view in views]
    for view, match in zip(views, found, strict=True):
        if match is not None:
            return *match, view
    if is_told:
        return among[0], {}, state
    raise WeightsError(_unknown(views, among, what))


def _find(shapes: _Shapes, among: Sequence[ModelInfo]) -> tuple[ModelInfo, dict[str, Any]] | None:
    for info in among:
        try:
            keywords = info.family.recognize(dict(shapes))
        except _ODD:
            keywords = None
        if keywords is not None:
            alike = [each for each in among if each.family is info.family]
            return _named(alike, keywords), keywords
    found = [info for info in among if shapes == _native(info.name, info.family)]
    for info in found:
        if info.name == info.family.architecture:  # of two names for one network, the plain one
            return info, {}
    return (found[0], {}) if found else None


def _named(alike: Sequence[ModelInfo], keywords: Mapping[str, Any]) -> ModelInfo:
    """Choose the name whose settings are those of the checkpoint, for config.json."""
    defaults = [_shell(info, {}).config for info in alike]
    differences = [
        sum(key not in each or each[key] != value for key, value in keywords.items())
        for each in defaults
    ]
    return alike[differences.index(min(differences))]


def _unknown(views: Sequence[dict[str, Tensor]], among: Sequence[ModelInfo], what: str) -> str:
    """Say which model is the nearest, and how the checkpoint differs from it."""
    best: tuple[int, str, list[str]] = (0, "", [])
    for info in among:
        expected = _native(info.name, info.family)
        for view in views:
            shapes = _shapes(_renamed(info.family, view))
            same = len(shapes.items() & expected.items())
            if same > best[0]:
                best = same, info.name, differences(expected, shapes)
    names = ", ".join(dict.fromkeys(info.name for info in among))
    if not best[0]:
        first = ", ".join(f"{name} {tuple(each.shape)}" for name, each in [*views[0].items()][:3])
        return (
            f"{what} is not a checkpoint of a network that colorzoo has: no tensor is as in any of "
            f"them. Its first tensors are {first}. The networks are {names}."
        )
    return (
        f"{what} is not a checkpoint of a network that colorzoo has. The nearest is {best[1]}, "
        f"with {best[0]} tensors in common, but {_few(best[2])}. If it is of that family, name it "
        f"with --family {best[1]}."
    )


def _bases() -> list[ModelInfo]:
    """The registered models with weights of their own; published ones first."""
    known = [model_info(name) for name in list_models()]
    bases = [info for info in known if info.weights_of is None]
    return sorted(bases, key=lambda info: info.published is None)


def _base(name: str) -> ModelInfo:
    info = model_info(name)
    return model_info(info.weights_of) if info.weights_of else info


# Converting ---------------------------------------------------------------------------------------


def convert(
    state: dict[str, Tensor], info: ModelInfo, keywords: Mapping[str, Any], *, what: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Rename and fold the tensors of a checkpoint for a model; every difference is an error.

    Args:
        state: The tensors of the checkpoint.
        info: The registered model.
        keywords: Keywords of its constructor that differ from the registered ones.
        what: The file, for messages.

    Returns:
        The content of config.json, and the tensors: dense, none shared, with the model's names.

    Raises:
        WeightsError: If they are not exactly those of the model, or contain NaN or infinity.
    """
    try:
        shell = _shell(info, keywords)
    except ConfigError as error:
        raise WeightsError(f"{what} is not a checkpoint of {info.name}: {error}") from error
    expected = shell.state_dict()
    if (numbers := sum(math.prod(each.shape) for each in expected.values())) > MAX_NUMBERS:
        raise WeightsError(
            f"{what} is of a network with {numbers:,} parameters; colorzoo loads up to "
            f"{MAX_NUMBERS:,}."
        )
    # Not with tensors on the meta device first, as when loading: arithmetic on these, as folding
    # needs it, imports all of PyTorch's compiler, which takes seconds.
    try:
        with torch.no_grad():
            converted = shell.convert_state(dict(state))
    except _ODD as error:
        raise WeightsError(
            f"{what} is not a checkpoint of {info.name}: its tensors cannot be renamed for that "
            f"model ({type(error).__name__}: {one_line(error)})."
        ) from error
    problems = _differences_of(expected, converted)
    if problems:
        raise WeightsError(f"{what} is not a checkpoint of {info.name}: {_few(problems)}.")
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name in expected:
        tensor, storage = converted[name], converted[name].untyped_storage()
        is_own = storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        tensors[name] = tensor.contiguous() if is_own else tensor.clone().contiguous()
        if not _is_finite(tensor):
            raise WeightsError(
                f"{what} contains NaN or infinity in {name}: it is damaged, or its training "
                "diverged. Use another checkpoint."
            )
    return shell.config, tensors


@lru_cache(maxsize=64)
def _native(name: str, family: type[Colorizer]) -> _Shapes:
    """Return the shapes of the tensors of a registered model; ``family`` is part of the key."""
    return _shapes(describe(name).state_dict())


def _shell(info: ModelInfo, keywords: Mapping[str, Any]) -> Colorizer:
    """Build a model without memory for its numbers."""
    with building_shapes():
        return build_model(info, keywords)


def _renamed(family: type[Colorizer], state: dict[str, Tensor]) -> dict[str, Tensor]:
    try:
        with torch.no_grad():
            return family.convert_state(dict(state))
    except _ODD:
        return state


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(each.shape) for name, each in state.items()}


def _differences_of(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    problems = differences(_shapes(expected), _shapes(found))
    return problems or [
        f"{name} has the type {found[name].dtype}, expected a floating-point type"
        for name, each in expected.items()
        if each.is_floating_point() and not found[name].is_floating_point()
    ]


def differences(expected: _Shapes, found: _Shapes) -> list[str]:
    """List how the names and shapes of tensors differ from those of a model, in its order."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [
        f"{name} has the shape {found[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    return problems + [f"{name} is not in that network" for name in found if name not in expected]


def _few(problems: Sequence[str]) -> str:
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return "; ".join(problems[:3]) + more


def _is_finite(tensor: Tensor) -> bool:
    # In parts, because the result of isfinite() is another array.
    return all(bool(part.isfinite().all()) for part in tensor.flatten().split(_MANY))
