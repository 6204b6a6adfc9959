"""Output, progress bars and exit codes of the commands."""

import codecs
import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from colorzoo.errors import FAILURES, one_line
from colorzoo.jobs.signals import Interrupted

if TYPE_CHECKING:
    import torch

# No markup, because file names may contain brackets.
OUT = Console(markup=False, highlight=False)
ERR = Console(markup=False, highlight=False, stderr=True)


class Commands(TyperGroup):
    """The group of all commands: Ctrl-C ends every one with one line, not only those that plan it.

    Without it, typer would end them without a word.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line."""
        with errors(()):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with errors(()):
            return super().invoke(ctx)


def print_all_letters() -> None:
    """Let stdout and stderr replace the letters that they lack, which would be an error."""
    codecs.register_error("colorzoo", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            is_utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            if not (is_utf8 and stream.errors == "surrogateescape"):  # which lacks none
                stream.reconfigure(errors="colorzoo")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Handle an error of a codec: give the number of the letter, so that names stay clear."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if error.object.startswith("ΔCF", error.start):
        return "d", error.start + 1
    letters = error.object[error.start : error.end].replace("…", "~")  # where a table is too wide
    return letters.encode("ascii", "backslashreplace").decode(), error.end


@contextmanager
def errors(expected: tuple[type[Exception], ...] = FAILURES) -> Iterator[None]:
    """Turn errors that are not bugs, and Ctrl-C, into one line and an exit code."""
    try:
        yield
    except typer.Exit:  # a RuntimeError, but already reported
        raise
    except KeyboardInterrupt as interrupt:
        number = interrupt.number if isinstance(interrupt, Interrupted) else signal.SIGINT
        stop(number, "by a signal")
    except expected as error:
        fail(one_line(error))


def stop(number: int, what: str, *, at_once: bool = False) -> NoReturn:
    """Print one line and exit with the code that shells expect after that signal."""
    ERR.print(f"stopped: {what}", style="red", soft_wrap=True)
    if at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(128 + number)
    raise typer.Exit(128 + number) from None


def fail(message: str) -> NoReturn:
    """Print one line and exit with code 1."""
    ERR.print(f"error: {message}", style="red", soft_wrap=True)
    raise typer.Exit(1)


def note(notes: Iterable[str]) -> None:
    """Print notes, one per line."""
    for each in notes:
        ERR.print(f"note: {each}", soft_wrap=True)


def progress() -> Progress:
    """Return a progress bar, which is only shown on terminals."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,  # it would write an empty line to files
    )


def find_device(name: str) -> "torch.device":
    """Return the device of that name; "auto" is the GPU if there is one."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        fail(f"there is no device {name!r}; try auto or cpu")
    return torch.device(name)
