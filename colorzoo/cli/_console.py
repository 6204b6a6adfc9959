"""How commands print, show progress and end."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from colorzoo.errors import FAILURES, one_line
from colorzoo.jobs.signals import Interrupted

if TYPE_CHECKING:
    import torch

# No markup: file names may hold brackets.
OUT = Console(markup=False, highlight=False)
ERR = Console(markup=False, highlight=False, stderr=True)


@contextmanager
def errors() -> Iterator[None]:
    """Turn what colorzoo raises on purpose, and Ctrl-C, into a line and an exit code."""
    try:
        yield
    except typer.Exit:  # a RuntimeError, and reported already
        raise
    except KeyboardInterrupt as interrupt:
        number = interrupt.number if isinstance(interrupt, Interrupted) else signal.SIGINT
        stop(number, "by a signal")
    except FAILURES as error:
        fail(one_line(error))


def stop(number: int, what: str) -> NoReturn:
    """End with a line and the exit code that shells expect after that signal."""
    ERR.print(f"stopped: {what}", style="red", soft_wrap=True)
    raise typer.Exit(128 + number) from None


def fail(message: str) -> NoReturn:
    """End with a line and exit code 1."""
    ERR.print(f"error: {message}", style="red", soft_wrap=True)
    raise typer.Exit(1)


def note(notes: Iterable[str]) -> None:
    """Print notes, a line each."""
    for each in notes:
        ERR.print(f"note: {each}", soft_wrap=True)


def progress() -> Progress:
    """Show a progress bar on terminals."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,  # it would leave an empty line in files
    )


def find_device(name: str) -> "torch.device":
    """Give the device of that name; "auto" is the GPU if there is one."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        fail(f"there is no device {name!r}; try auto or cpu")
    return torch.device(name)
