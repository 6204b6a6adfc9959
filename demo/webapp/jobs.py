"""Whose job it is, how long it may take, and what it has written."""

import functools
import inspect
import ipaddress
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gradio as gr

from webapp.place import DISK_FULL, is_disk_full
from webapp.theme import problem

JOB_SECONDS = 180  # a job is ended at its next step after that
FETCH_SECONDS = 60  # results of a job that has ended are not evicted for so long


class Client(NamedTuple):
    """A visitor or program.

    Attributes:
        address: Its network, or None if that does not distinguish visitors.
        session: Its session, for calls outside one: ``ANONYMOUS``.
    """

    address: str | None
    session: str

    @property
    def owner(self) -> str:
        """To whom files and work are attributed: all sessions of an address are one."""
        return self.address or self.session


ANONYMOUS = ""


def client_of(request: Any, session: str | None) -> Client:
    """Identify the client of a request.

    Args:
        request: A request of Gradio or FastAPI, or None.
        session: The session's hash, if any.
    """
    return Client(_address(request) if request else None, session or ANONYMOUS)


def _address(request: Any) -> str | None:
    """Return an address that a visitor cannot choose freely.

    On a Space, all requests come from proxies. Each adds the address of its own client at the end
    of x-forwarded-for; what comes before that is the visitor's own claim. Elsewhere, uvicorn has
    already applied the header if FORWARDED_ALLOW_IPS says so.
    """
    if not os.environ.get("SPACE_ID"):
        address = _ip(getattr(getattr(request, "client", None), "host", None) or "")
        return None if address is None or address.is_loopback else _network(address)
    headers = getattr(request, "headers", None) or {}
    for each in reversed((headers.get("x-forwarded-for") or "").split(",")):
        address = _ip(each.strip())
        if address is not None and address.is_global:
            return _network(address)
    return None


_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def _ip(host: str) -> _IP | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: _IP) -> str:
    # A customer of an IPv6 provider has at least 2**64 addresses.
    length = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, length), strict=False))


# Jobs ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Job:
    """A running call of an event handler that takes time.

    Attributes:
        owner: To whom its files are attributed.
        started: When, in seconds of ``time.monotonic``.
        ended: When it ended, or None.
        bytes: Size of what it has written.
    """

    owner: str
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    bytes: int = 0

    @property
    def is_pinned(self) -> bool:
        """Whether its files must stay: it is running, or has only just ended."""
        return self.ended is None or time.monotonic() - self.ended < FETCH_SECONDS

    def check(self) -> None:
        """End a job that takes too long.

        Raises:
            gr.Error: If it does.
        """
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
    """End the current job if it takes too long; to be called between its steps.

    Raises:
        gr.Error: If it does.
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
    finally:
        job.ended = time.monotonic()


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
