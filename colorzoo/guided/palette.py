"""Read the JSON of hint files, and the named colours in them."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from colorzoo.errors import ColorzooError, ConfigError
from colorzoo.files import regular_only
from colorzoo.guided.hints import UNCHANGED, Color, ab_of, as_color

VERSION = 1
MAX_BYTES = 1_000_000
_MOST_NAMES, _LONGEST_NAME = 1000, 100
_DEEPEST = 8  # levels of lists and objects; what is valid has four
_KEYS = frozenset({"version", "size", "colors", "hints", "areas"})

Colors = Mapping[str, Color] | str | PathLike[str] | None


def read_colors(colors: Colors) -> dict[str, Color]:
    """Return named colours, from a dict or from a JSON file with "colors"; empty for None.

    Raises:
        ConfigError: If something is not valid, or the file cannot be read.
    """
    if colors is None:
        return {}
    if isinstance(colors, Mapping):
        return colors_in("colors", dict(colors))
    if not isinstance(colors, str | PathLike):
        raise ConfigError(f"colors must be a dict or the path of a JSON file, got {colors!r:.100}")
    path = Path(colors).expanduser()
    return colors_in(path, read_object(path, required=("colors",))["colors"])


def named(color: str, names: Mapping[str, Color]) -> Color:
    """Return the colour of a name; what is no name of these must be a CSS name or "#rrggbb".

    Raises:
        ConfigError: If it is no colour; the message lists the names.
    """
    if color in names:
        return names[color]
    try:
        ab_of(color)
    except ConfigError:
        known = ", ".join(sorted(names)) or "of which there are none"
        raise ConfigError(
            f"{color[:100]!r} is not a colour: give '#rrggbb', a CSS name such as 'tomato', or one "
            f"of the named colours, {known}"
        ) from None
    return color


def read_object(path: Path, *, required: tuple[str, ...]) -> dict[str, Any]:
    """Read a JSON object, and check its version and the names of its keys."""
    try:
        with open(path, "rb", opener=regular_only) as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError, ColorzooError) as error:  # ValueError: a null byte
        why = (getattr(error, "strerror", None) or str(error)).partition(";")[0]
        raise ConfigError(f"{path} cannot be read ({why}); check the path") from None
    check_length(path, len(data))
    try:
        found = json.loads(
            data.decode("utf-8-sig"), parse_constant=_refuse, object_pairs_hook=_without_doubles
        )
        _check_depth([found])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not in UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        why = "too deeply nested" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path} is not valid JSON ({why}); correct it") from None
    version = found.get("version", VERSION) if isinstance(found, dict) else VERSION
    if type(version) is not int or version < VERSION:
        raise ConfigError(f"{path}: 'version' must be the number {VERSION}, got {version!r:.100}")
    if version != VERSION:  # before its keys, which may be new
        raise ConfigError(
            f"{path} has version {version!r:.100}, but this colorzoo reads version {VERSION}; "
            "update colorzoo"
        )
    return checked_object(f"{path}", found, _KEYS, required)


def _refuse(constant: str) -> Any:
    raise ConfigError(f"{constant} is no JSON number; use a finite number")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ConfigError(f"{twice[:100]!r} is there twice; keep one")
    return found


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(_DEEPEST):
        parts = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for part in parts for each in part if isinstance(each, dict | list)]
        if not level:
            return
    raise RecursionError


def checked_object(
    place: str, found: Any, known: Collection[str], required: tuple[str, ...]
) -> dict[str, Any]:
    """Check that something is an object with the known keys, and has those that are required.

    Raises:
        ConfigError: If not; the message begins with the place.
    """
    if not isinstance(found, dict):
        raise ConfigError(f"{place} must be a JSON object in braces, got {found!r:.100}")
    if unknown := sorted(set(found).difference(known)):
        raise ConfigError(
            f"{place} has the unknown key {unknown[0][:100]!r}; known are {_listed(known)}"
        )
    if missing := [name for name in required if name not in found]:
        raise ConfigError(f"{place} has no {missing[0]!r}; add it")
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, sorted(names)))


def colors_in(place: str | Path, found: Any) -> dict[str, Color]:
    """Check named colours, and return them with tuples instead of lists."""
    if not isinstance(found, dict):
        raise ConfigError(f"{place}: 'colors' must be a JSON object in braces, got {found!r:.100}")
    if len(found) > _MOST_NAMES:
        raise ConfigError(f"{place}: there can be at most {_MOST_NAMES:,} colours; remove some")
    colors: dict[str, Color] = {}
    for name, color in found.items():
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or name == UNCHANGED:
            raise ConfigError(
                f"{place}: the name of a colour must be a text of 1 to {_LONGEST_NAME} characters "
                f"other than {UNCHANGED!r}, got {name!r:.100}"
            )
        colors[name] = as_color(color)
        try:
            ab_of(colors[name])
        except ConfigError as error:
            raise ConfigError(f"{place}: the colour {name!r}: {error}") from None
    return colors


def check_length(path: Path, length: int) -> None:
    """Check the length of a file, bytes.

    Raises:
        ConfigError: If it is too long for hints.
    """
    if length > MAX_BYTES:
        raise ConfigError(
            f"{path} has more than {MAX_BYTES:,} bytes, which is no file of hints; give another"
        )
