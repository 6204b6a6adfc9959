"""Warnings that point to the line that called colorzoo, however deep inside they are issued."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from colorzoo.errors import printable

# Decorators and lazy imports of other packages lie between the functions of colorzoo.
_BETWEEN = ("colorzoo", "contextlib", "functools", "importlib", "lazy_loader", "torch")


class Note(UserWarning):
    """What a user should know of a photo; the command line prints it as a note."""


def warn(message: str, category: type[Warning] = Note) -> None:
    """Warn the code that called colorzoo; what could control a terminal is escaped."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(printable(message), category, stacklevel=level)


@contextmanager
def told_instead(tell: Callable[[str], object]) -> Iterator[None]:
    """Pass what colorzoo would warn its callers of to a function instead, each text once."""
    with warnings.catch_warnings():
        show, told = warnings.showwarning, set[str]()

        def show_other(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if not issubclass(category, Note):
                show(message, category, *where)
            elif str(message) not in told:
                told.add(str(message))
                tell(str(message))

        warnings.showwarning = show_other
        yield


def _is_between(module: str) -> bool:
    return module.partition(".")[0] in _BETWEEN
