"""Whose job it is, how long it may take, and what it has written."""

import functools
import inspect
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from webapp.clients import client_of
from webapp.place import DISK_FULL, is_disk_full
from webapp.theme import problem

JOB_SECONDS = 180  # a job is ended at its next step after that
FETCH_SECONDS = 60  # results of a job that has ended are not evicted for so long


def _always() -> bool:
    return True


# Whether somebody still waits for the result of the job that begins.
wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=_always)


@dataclass(eq=False)
class Job:
    """A running call of an event handler that takes time.

    Attributes:
        owner: To whom its files are attributed.
        started: When, in seconds of ``time.monotonic``.
        ended: When it ended, or None.
        bytes: Size of what it has written.
        is_wanted: Tells whether somebody still waits for its result.
    """

    owner: str
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    bytes: int = 0
    is_wanted: Callable[[], bool] = field(default_factory=wanted.get)

    @property
    def is_pinned(self) -> bool:
        """Whether its files must stay: it is running, or has only just ended."""
        return self.ended is None or time.monotonic() - self.ended < FETCH_SECONDS

    def check(self) -> None:
        """End a job that takes too long, or whose page is closed.

        Raises:
            gr.Error: If so.
        """
        if not self.is_wanted():
            raise problem("This was stopped because the page or program that wanted it is gone.")
        if time.monotonic() - self.started > JOB_SECONDS:
            raise problem(
                f"This took longer than {JOB_SECONDS / 60:.0f} minutes and was stopped, so that "
                "others get their turn. Try fewer models or samples, or a smaller photo."
            )


_current: ContextVar[Job | None] = ContextVar("job", default=None)


def current() -> Job | None:
    """Return the job that this code runs for, if any."""
    return _current.get()


def owner() -> str:
    """Return to whom the current job's files and work are attributed; "" without a job."""
    job = current()
    return job.owner if job else ""


def check() -> None:
    """End the current job if it takes too long or is in vain; to be called between its steps.

    Raises:
        gr.Error: If so.
    """
    job = current()
    if job is not None:
        job.check()


def as_job(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Let an event handler run as a job: with a time limit, an owner, and errors in words.

    The result has one more parameter, of type gr.Request, which Gradio provides.
    """

    def run(request: gr.Request, *values: Any) -> Any:
        with _begin(request) as context, _in_words(handler.__name__):
            return context.run(handler, *values)

    def steps(request: gr.Request, *values: Any) -> Iterator[Any]:
        with _begin(request) as context, _in_words(handler.__name__):
            # Gradio runs every step in another context.
            inner = context.run(handler, *values)
            try:
                while True:
                    try:
                        step = context.run(next, inner)
                    except StopIteration:
                        return
                    yield step
            finally:
                context.run(inner.close)

    outer = functools.wraps(handler)(steps if inspect.isgeneratorfunction(handler) else run)
    request = inspect.Parameter(
        "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request
    )
    signature = inspect.signature(handler)
    parameters = [request, *signature.parameters.values()]
    outer.__annotations__ = {"request": gr.Request, **handler.__annotations__}
    vars(outer)["__signature__"] = signature.replace(parameters=parameters)
    return outer


@contextmanager
def _begin(request: gr.Request | None) -> Iterator[Context]:
    job = Job(client_of(request, getattr(request, "session_hash", None)).owner)
    context = copy_context()
    context.run(_current.set, job)
    try:
        yield context
    except Exception as error:
        _let_go(error)
        raise
    finally:
        job.ended, job.is_wanted = time.monotonic(), _always


def _let_go(error: BaseException | None) -> None:
    """Clear what the code had in its variables that raised an error: Gradio keeps the error.

    It is in a cycle then, so that photos would stay until Python collects the oldest garbage.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        logging.getLogger("colorzoo.demo").exception("%s failed", name)
        if is_disk_full(error):
            raise problem(DISK_FULL) from error
        raise problem(
            "Something went wrong on the machine that runs this page, and was logged there. Try "
            "again, or with another photo."
        ) from error
