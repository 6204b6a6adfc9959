"""Check that config.json can hold the keywords of a constructor, and gives them back unchanged."""

import inspect
import json
import math
from typing import Any

from colorzoo.errors import ConfigError

# Keys of config.json that are not keywords of the constructor.
_RESERVED = ("architecture", "colorzoo_version")
_DEEPEST = 50  # levels of lists and dicts


def recorded_keywords(owner: str, given: inspect.BoundArguments) -> dict[str, Any]:
    """Return the arguments of a constructor as config.json holds them, defaults included.

    Tuples become lists, as JSON has no tuples. A default that JSON cannot hold is left out, because
    the constructor will use it again.

    Args:
        owner: The name of the class, for messages.
        given: The arguments of the constructor, of which the first is ``self``.

    Raises:
        ConfigError: If an argument is none of the values that JSON gives back unchanged: None,
            bool, int, finite float, str, and lists, tuples and dicts (with str keys) of these; if
            it is positional only; or if its name is reserved.
    """
    kept: dict[str, Any] = {}
    for parameter in list(given.signature.parameters.values())[1:]:
        name, default = parameter.name, parameter.default
        if name not in given.arguments:
            if default is not parameter.empty and _trouble(default) is None:
                kept[name] = _as_json(default)
            continue
        value = given.arguments[name]
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise ConfigError(
                f"{owner} was built with positional arguments ({name}), which config.json cannot "
                "hold: change its constructor to take keywords."
            )
        several = value if parameter.kind is parameter.VAR_KEYWORD else {name: value}
        for key, each in several.items():
            trouble = _trouble(each)
            if trouble is None:
                kept[key] = _as_json(each)
            elif each is not default:
                raise ConfigError(
                    f"{owner} cannot be saved with {key}={str(each)[:80]}, so it is not built: "
                    f"config.json cannot hold {trouble}. Use None, bool, int, float, str, or lists "
                    "and dicts of these, such as the name of a class instead of the class."
                )
    for name in _RESERVED:
        if name in kept:
            raise ConfigError(
                f"{owner} has a keyword {name!r}, which config.json uses for something else: "
                "rename it."
            )
    return kept


def _trouble(value: Any, depth: int = 0) -> str | None:
    """Say what in a value JSON cannot hold; None if nothing."""
    if value is None or isinstance(value, bool | int | str):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else str(value)
    if not isinstance(value, list | tuple | dict):
        kind = type(value)
        return f"a {kind.__module__}.{kind.__qualname__}".replace(" builtins.", " ")
    if depth == _DEEPEST:
        return f"more than {_DEEPEST} levels of lists and dicts"
    inside: list[Any] = list(value)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return f"a dict with the key {key!r}, which is not a str"
        inside = list(value.values())
    return next(filter(None, (_trouble(each, depth + 1) for each in inside)), None)


def _as_json(value: Any) -> Any:
    """Copy a value as JSON gives it back."""
    return json.loads(json.dumps(value))
