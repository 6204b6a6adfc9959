"""Warnings that point to the line that called colorzoo, however deep inside they are issued."""

import sys
import warnings

from colorzoo.errors import printable

# Decorators and lazy imports of other packages lie between the functions of colorzoo.
_BETWEEN = ("colorzoo", "contextlib", "functools", "importlib", "lazy_loader", "torch")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn the code that called colorzoo; what could control a terminal is escaped."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(printable(message), category, stacklevel=level)


def _is_between(module: str) -> bool:
    return module.partition(".")[0] in _BETWEEN
