"""Output, progress bars and exit codes of the commands."""

import codecs
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from typer.core import TyperGroup

from colorzoo.errors import FAILURES, one_line, printable
from colorzoo.jobs.signals import Interrupted

if TYPE_CHECKING:
    import torch


class _Printable:
    """A table or the like, in which what could control a terminal is escaped."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in console.render(self._content, options):
            if part.control:
                yield part
            else:
                lines = map(printable, part.text.split("\n"))
                yield part._replace(text="\n".join(lines))


class _Screen(Console):
    """A console that escapes what it prints, and does not fail where nothing can be printed.

    Work goes on if the disk of a log is full or nobody reads a pipe; ``run_app`` tells it at the
    end.
    """

    why_lost: str | None = None  # why something could not be printed

    def print(self, *objects: Any, **how: Any) -> None:
        """Print text, each of which is one line, and tables."""
        if (sys.stderr if self.stderr else sys.stdout) is None:
            self.why_lost = self.why_lost or "it is closed"
            return
        safe = (printable(each) if isinstance(each, str) else _Printable(each) for each in objects)
        try:
            super().print(*safe, **how)
        except OSError as error:
            self.why_lost = self.why_lost or error.strerror or "unknown error"
            self.quiet = True
            _drop(self.file)

    def on_broken_pipe(self) -> None:
        """Do not exit, as rich does: work goes on."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


# No markup, because file names may contain brackets.
OUT = _Screen(markup=False, highlight=False)
ERR = _Screen(markup=False, highlight=False, stderr=True)


def run_app(app: Callable[[], object]) -> None:
    """Run a command line; its exit code is never 0 if something could not be printed."""
    print_all_letters()
    try:
        app()
    except SystemExit as end:
        if end.code or _is_printed():
            raise
        raise SystemExit(1) from None
    if not _is_printed():
        raise SystemExit(1)


def say(text: str) -> None:
    """Print one line."""
    OUT.print(text, soft_wrap=True)


def _is_printed() -> bool:
    """Tell the user what was not printed, and return whether everything was."""
    for stream, screen in ((sys.stdout, OUT), (sys.stderr, ERR)):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            screen.why_lost = screen.why_lost or error.strerror
            _drop(stream)
    if OUT.why_lost is not None and OUT.why_lost != os.strerror(errno.EPIPE):
        ERR.print(f"error: standard output cannot be written ({OUT.why_lost})", style="red")
    return OUT.why_lost is None and ERR.why_lost is None


def _drop(stream: Any) -> None:
    """Send what a stream still holds nowhere: Python would fail to write it when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# What can be wrong with a stream that libraries print to.
_UNPRINTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF)


class Commands(TyperGroup):
    """The group of all commands: Ctrl-C ends every one with one line, not only those that plan it.

    Without it, typer would end them without a word.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line."""
        with errors((), is_outermost=True):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with errors((), is_outermost=True):
            return super().invoke(ctx)


def print_all_letters() -> None:
    """Let stdout and stderr replace the letters that they lack, which would be an error."""
    for standard in range(3):  # a file that is opened later must not become one of them
        try:
            os.fstat(standard)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
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
def errors(
    expected: tuple[type[Exception], ...] = FAILURES, *, is_outermost: bool = False
) -> Iterator[None]:
    """Turn errors that are not bugs, and Ctrl-C, into one line and an exit code.

    Args:
        expected: The errors.
        is_outermost: Whether it is around a whole command, for which a library may print too.
    """
    try:
        yield
    except typer.Exit:  # a RuntimeError, but already reported
        raise
    except KeyboardInterrupt as interrupt:
        number = interrupt.number if isinstance(interrupt, Interrupted) else signal.SIGINT
        stop(number, "by a signal")
    except expected as error:
        fail(one_line(error))
    except OSError as error:
        if not is_outermost or error.errno not in _UNPRINTED or error.filename is not None:
            raise
        _drop(sys.stdout)
        fail(f"standard output cannot be written ({error.strerror})")
    except Exception as error:
        if is_outermost and hasattr(error, "format_message"):  # wrong words on the command line
            message = getattr(error, "message", None)
            if isinstance(message, str):
                error.message = printable(message)  # pyright: ignore[reportAttributeAccessIssue]
        raise


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


class _Description(TextColumn):
    """What is being done, with names of files."""

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        return Text(printable(task.description))


def progress() -> Progress:
    """Return a progress bar, which is only shown on terminals."""
    return Progress(
        _Description("{task.description}", markup=False),
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
