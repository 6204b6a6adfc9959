"""The settings of a run: what its results depend on, besides the photos."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from colorzoo.colorizer import Colorizer
from colorzoo.conditions import read_reference
from colorzoo.hub.checkpoint import weights_digest
from colorzoo.jobs.hints import as_settings
from colorzoo.jobs.plan import How
from colorzoo.options import OPTIONS

# Part of a model's config, but not of what distinguishes two models with the same weights.
_NOT_COMPARED = ("architecture", "work_size")


def settings_of(name: str, model: Colorizer, how: How) -> dict[str, Any]:
    """Return the settings of a run, as JSON values.

    Args:
        name: The name of the model as the user gave it.
        model: The model.
        how: The options of the run.

    Raises:
        ImageError: If the reference cannot be read.
    """
    options = {option: how.options.get(option) for option in sorted(OPTIONS)}
    return {
        "model": name,
        "weights": weights_digest(model.state_dict())[:12],
        "saturation": float(how.saturation),
        "work_size": how.work_size or model.work_size,
        "depth": None if how.depth == 16 else how.depth,  # as in the records of older versions
        "quality": None if how.quality == 95 else how.quality,  # the same
        **options,
        "hints": as_settings(how),
        "reference": _name_reference(options["reference"]),
    }


def config_of(model: Colorizer) -> dict[str, Any]:
    """Return a model's config.json as it is after a round trip through JSON."""
    return json.loads(json.dumps(model.config, default=str))


def find_difference(made: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Compare the settings of two runs.

    The name of a model does not matter if its weights are the same.

    Args:
        made: Settings from a report or a record, which may have been written by another version.
        now: The settings of this run, from ``settings_of``; with "config" also the model's.

    Returns:
        What differs, such as "saturation 1.0, not 2.0"; None if the results are the same.
    """
    parts = _differences(made, now, ("model", "weights"))[:1]
    if made.get("weights") is not None and made["weights"] == now.get("weights"):
        old, new = made.get("config"), now.get("config")
        both = old.keys() & new.keys() if isinstance(old, dict) and isinstance(new, dict) else ()
        parts = _differences(old or {}, new or {}, sorted(set(both).difference(_NOT_COMPARED)))
    parts += _differences(made, now, [key for key in now if key not in _APART])
    return ", and ".join(parts) or None


_APART = ("model", "weights", "config")


def _differences(made: Mapping[str, Any], now: Mapping[str, Any], keys: Any) -> list[str]:
    return [
        f"{'the default ' if old is None else ''}{key}{'' if old is None else f' {old}'}, not "
        f"{'the default' if new is None else new}"
        for key in keys
        for old, new in [(made.get(key), now.get(key))]
        if old != new
    ]


def _name_reference(reference: Any) -> str | None:
    """Name a reference and identify its pixels, because another photo may get its name."""
    if reference is None:
        return None
    name = PurePath(reference).name if isinstance(reference, str | os.PathLike) else "picture"
    pixels = hashlib.sha256(read_reference(reference).rgb.tobytes()).hexdigest()
    return f"{name} ({pixels[:12]})"
