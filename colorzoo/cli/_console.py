"""Output, progress bars and exit codes of the commands."""

import codecs
import errno
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text
from typer.core import TyperGroup

from colorzoo.caller import told_instead
from colorzoo.cli._words import in_words
from colorzoo.errors import FAILURES, as_given, one_line, printable
from colorzoo.jobs.signals import Interrupted
from colorzoo.threads import share_cores

if TYPE_CHECKING:
    import torch


SECONDS_BETWEEN_LINES = 15.0  # of progress, in a log
_SECONDS_OF_RATE = 60.0  # how far back the rate of progress looks, so that it is calm
_WIDE = 100_000


class _Printable:
    """A table or the like, in which what could control a terminal is escaped."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not console.is_terminal:  # each row is one line, without spaces at its end
            wide = options.update(width=_WIDE)
            parts = (part for part in console.render(self._content, wide) if not part.control)
            text = "".join(part.text for part in parts)
            lines = (printable(line.rstrip()) for line in text.split("\n"))
            yield Segment("\n".join(lines))
            return
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
    is_terse = False  # nothing but errors

    def print(self, *objects: Any, **how: Any) -> None:
        """Print text, each of which is one line, and tables."""
        if (sys.stderr if self.stderr else sys.stdout) is None:
            self.why_lost = self.why_lost or "it is closed"
            return
        if all(isinstance(each, str) for each in objects):
            how.setdefault("soft_wrap", not self.is_terminal)
        how.setdefault("crop", self.is_terminal)
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
    """Print one line, unless the user wants to be told nothing but errors."""
    if not ERR.is_terse:
        OUT.print(text, soft_wrap=True)


def be_quiet(value: bool) -> bool:
    """Print nothing but errors from now on; the callback of ``--quiet``."""
    ERR.is_terse = value
    return value


def use_threads(value: int | None) -> int | None:
    """Use that many threads from now on; the callback of ``--threads``."""
    if value is not None:
        share_cores(value)
    return value


def print_json(content: Any) -> None:
    """Print a JSON value."""
    for line in json.dumps(content, indent=2).splitlines():
        OUT.print(line, soft_wrap=True)


def write_bytes(data: bytes) -> None:
    """Write a file to standard output; if it cannot be written, the exit code is not 0."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        OUT.why_lost = OUT.why_lost or error.strerror or "unknown error"
        _drop(sys.stdout)


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
        ERR.is_terse = False
        with errors((), is_outermost=True):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with errors((), is_outermost=True), told_instead(lambda text: note([text])):
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
    expected: tuple[type[Exception], ...] = FAILURES,
    *,
    paths: Iterable[Path] = (),
    is_outermost: bool = False,
) -> Iterator[None]:
    """Turn errors that are not bugs, and Ctrl-C, into one line and an exit code.

    Args:
        expected: The errors.
        paths: Files that the user named, to be named in the same way.
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
        message = in_words(one_line(error))
        for path in paths:
            message = as_given(message, path)
        fail(message)
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
    for each in notes if not ERR.is_terse else ():
        ERR.print(f"note: {each}", soft_wrap=True)


class _Description(TextColumn):
    """What is being done, with names of files."""

    def render(self, task: Task) -> Text:
        """Return the text of a task."""
        return Text(printable(task.description))


class _Rate(ProgressColumn):
    """How fast it goes."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate of a task; nothing until there is one."""
        return Text(_rate(task, self._unit), style="progress.data.speed")


class _Progress(Progress):
    """A progress bar on a terminal, and a line from time to time in a log."""

    def __init__(self, *columns: Any, unit: str, **how: Any) -> None:
        super().__init__(*columns, **how)
        self._unit = unit
        self._next = self.get_time() + SECONDS_BETWEEN_LINES

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count what is done."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Set what is done."""
        super().update(task_id, **fields)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if ERR.is_terminal or ERR.is_terse or self.get_time() < self._next:
            return
        self._next = self.get_time() + SECONDS_BETWEEN_LINES
        task = self._tasks[task_id]
        total = f" of {task.total:.0f}" if task.total else ""
        left = task.time_remaining if task.total else None
        told = [f"{task.description}: {task.completed:.0f}{total}", _rate(task, self._unit)]
        told += [] if left is None else [f"{_in_words(left)} left"]
        ERR.print(", ".join(filter(None, told)), soft_wrap=True)


def _rate(task: Task, unit: str) -> str:
    """Return how fast a task goes; nothing if that is not known, or what is counted has no unit."""
    rate = task.finished_speed or task.speed
    if not rate or not unit:
        return ""
    return f"{rate:.1f} {unit}s/s" if rate >= 1 else f"{_in_words(1 / rate)} per {unit}"


def _in_words(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def progress(unit: str = "", *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Return a progress bar for terminals; elsewhere, it prints a line from time to time.

    Args:
        unit: What is counted, such as "photo", to tell how many there are per second.
        clock: Seconds since any time.
    """
    return _Progress(
        _Description("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *([_Rate(unit)] if unit else []),
        TimeRemainingColumn(),
        unit=unit,
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal or ERR.is_terse,  # it would write an empty line to files
        auto_refresh=ERR.is_terminal,  # else ``track`` does not call ``advance``
        get_time=clock,
        speed_estimate_period=_SECONDS_OF_RATE,
    )


def find_device(name: str) -> "torch.device":
    """Return the device of that name; "auto" is the GPU if there is one."""
    import torch

    from colorzoo import devices

    chosen = devices.find_device(name)
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError):
        fail(f"there is no device {name!r}; try auto or cpu")
    return torch.device(chosen)
