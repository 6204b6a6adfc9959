"""The options that some models support: seed, vividness, temperature, steps, hints, reference.

Every method that colours takes them as keywords. A model declares which of them it supports in
``network_options`` and ``render_options``; callers must not check the class of the model.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from colorzoo.errors import ConfigError
from colorzoo.guided.hints import Area, Hint, check_hints, is_number
from colorzoo.imaging.read import ImageSource, Photo

MAX_SEED, MAX_STEPS = 2**63 - 1, 1000


class Options(TypedDict, total=False):
    """Options of the methods that colour. None means the model's default.

    Examples:
        >>> options: colorzoo.Options = {"seed": 3, "vividness": 0.8}
        >>> image = colorzoo.colorize("photo.jpg", model="unet-bins", **options)

    Attributes:
        seed: Selects one of several plausible results, 0 to 2**63 - 1; the same seed always gives
            the same colours.
        vividness: From 0, careful and muted, to 1, as colourful as photos are on average but more
            often wrong.
        temperature: T of the annealed mean over colour bins, above 0: low is vivid but blotchy, 1
            is smooth but muted.
        steps: Number of sampling steps, 1 to 1000; more take longer.
        hints: Points and areas of the photo, and the colours that they should get. Every model
            follows them.
        reference: A colour photo whose colours to use: a path, bytes, a binary file object, a PIL
            image, a NumPy array or a tensor.
    """

    seed: int | None
    vividness: float | None
    temperature: float | None
    steps: int | None
    hints: Sequence[Hint | Area] | None
    reference: ImageSource | Photo | None


OPTIONS = frozenset(Options.__annotations__)


def given(options: Mapping[str, Any], defaults: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Remove options that are None, and check the names of all and the values of the others.

    Args:
        options: Keywords of a call; they may contain names that are not in :class:`Options`.
        defaults: The model's own options, for those that are missing or None.

    Returns:
        The options that are not None, without hints if their list is empty.

    Raises:
        TypeError: If there is no such option.
        ConfigError: If a value is out of range.
    """
    if unknown := sorted(set(options) - OPTIONS):
        raise TypeError(
            f"there is no option {', '.join(unknown)}; the options are {', '.join(sorted(OPTIONS))}"
        )
    asked = {name: value for name, value in options.items() if value is not None}
    asked = {**defaults, **asked}
    for name, value in asked.items():
        match name:
            case "seed":
                _check_whole("seed", value, 0, MAX_SEED)
            case "steps":
                _check_whole("steps", value, 1, MAX_STEPS)
            case "vividness":
                check_vividness(value)
            case "temperature":
                check_temperature(value)
            case "hints":
                check_hints(value)
    if not asked.get("hints", True):
        del asked["hints"]
    return asked


def check_temperature(temperature: float) -> float:
    """Return T as a float.

    Raises:
        ConfigError: If it is not a finite number above 0.
    """
    if not is_number(temperature) or not temperature > 0:
        raise ConfigError(f"temperature must be above 0, got {temperature!r}")
    return float(temperature)


def check_vividness(vividness: float) -> float:
    """Return a position of the dial as a float.

    Raises:
        ConfigError: If it is not a number from 0 to 1.
    """
    if not is_number(vividness) or not 0 <= vividness <= 1:
        raise ConfigError(f"vividness must be between 0 and 1, got {vividness!r}")
    return float(vividness)


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        last = "2**63 - 1" if high == MAX_SEED else high
        raise ConfigError(f"{name} must be a whole number from {low} to {last}, got {value!r}")


def check_saturation(saturation: float) -> None:
    """Check the factor on ab.

    Raises:
        ValueError: If it is not between 0 and 10.
    """
    if not (math.isfinite(saturation) and 0 <= saturation <= 10):
        raise ValueError(f"saturation must be between 0 and 10, got {saturation}")


def not_supported(base: Any, name: str, option: str) -> str:
    """Return the message that a model does not support an option, and which models do.

    Args:
        base: The class whose subclasses are the families of models.
        name: The model.
        option: The option.
    """
    waiting, able = [base], set()
    while waiting:
        family = waiting.pop()
        waiting += family.__subclasses__()
        if family.architecture and option in family.network_options | family.render_options:
            able.add(family.architecture)
    others = f"{', '.join(sorted(able)[:12])} do" if able else "no registered model does"
    if len(able) == 1:
        others = f"{next(iter(able))} does"
    return f"{name} does not support {option}; {others}. Choose another model or omit {option}."
