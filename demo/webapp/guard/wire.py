"""Time limits on connections, below HTTP requests, and the number of them."""

import asyncio
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # until the headers of a request are complete
STALLED_SECONDS = 60.0  # until somebody who does not read what they asked for is cut off
MAX_WAITING = 300  # connections without a request; of more, the oldest get HURRY_SECONDS
HURRY_SECONDS = 1.0
MAX_CONNECTIONS = 3_000
_OTHER_FILES = 1_000  # uploads, photos, models and libraries have files open, too


class _Patient(H11Protocol):
    """uvicorn's connection, which by itself would wait forever for a request."""

    waiting: dict["_Patient", None]  # in the order of their coming
    header_seconds: float
    stalled_seconds: float
    _header_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._header_timer is None and not self.transport.is_closing():
            self._wait()  # the next request on a connection that is kept

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_writing()
        self._write_timer = self.loop.call_later(self.stalled_seconds, self._drop)

    def resume_writing(self) -> None:
        self._stop_writing()
        super().resume_writing()

    def _wait(self) -> None:
        self.waiting[self] = None
        self._drop_after(self.header_seconds)
        while len(self.waiting) > MAX_WAITING:
            oldest = next(iter(self.waiting))
            del self.waiting[oldest]
            # Not at once: its request may be there, and only not read yet.
            oldest._drop_after(min(HURRY_SECONDS, self.header_seconds))

    def _drop_after(self, seconds: float) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
        self._header_timer = self.loop.call_later(seconds, self._drop)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stop_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _drop(self) -> None:
        self._stop_waiting()
        self.transport.abort()


def patient(
    *, header_seconds: float = HEADER_SECONDS, stalled_seconds: float = STALLED_SECONDS
) -> type[H11Protocol]:
    """Return a protocol for ``uvicorn.Config(http=)`` whose connections are limited in time.

    Args:
        header_seconds: Until the headers of a request are complete.
        stalled_seconds: Until somebody who does not read an answer is cut off.
    """
    limits = {"header_seconds": header_seconds, "stalled_seconds": stalled_seconds, "waiting": {}}
    return type("Patient", (_Patient,), limits)


def harden(config: uvicorn.Config) -> None:
    """Limit the connections of a server that runs; it applies to those that come from now on.

    ``Blocks.launch`` makes the server and does not pass on settings of uvicorn. A server reads
    these with each connection.
    """
    config.http_protocol_class = patient()
    config.ws_protocol_class = None
    config.limit_concurrency = max(100, min(MAX_CONNECTIONS, _raise_open_files() - _OTHER_FILES))


def _raise_open_files() -> int:
    """Allow as many open files as the system does without asking, and return the number."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS + _OTHER_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
