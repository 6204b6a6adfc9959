"""What every request passes before Gradio sees it."""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.guard import content, headers
from webapp.guard.refusal import Refusal
from webapp.guard.request import Request, within
from webapp.guard.uploads import Form, Ledger, UploadLimits
from webapp.stock import Stock

API = "/gradio_api"
FILE = f"{API}/file="
MAX_QUERY = 2_000  # characters
PATIENCE = 3.0  # s that the page may ask for the progress of an upload before it comes
_NAME, _ID = r"[\w.-]{1,100}", r"[\w-]{1,100}"
# What the page and gradio_client need; nothing else is there.
_GET = re.compile(
    rf"/|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(static|assets)/(?!.*\.\.)[\w./-]+"
    rf"|{API}/(info|queue/data|upload_progress|heartbeat/{_ID}|call/{_NAME}/{_ID}|file=.+)",
    re.ASCII | re.DOTALL,
)
_STREAM = re.compile(rf"{API}/(queue/data|call/.*)", re.ASCII)
_POST = re.compile(rf"{API}/(upload|queue/join|cancel|reset|(run|call)/{_NAME})", re.ASCII)
_STARTUP = f"{API}/startup-events"


@dataclass
class Policy:
    """The limits, and what is counted against them.

    Attributes:
        folders: Those whose files are served.
        uploads: The folder of uploads.
        limits: The limits on uploads.
        events: Numbers of the events that run something on the server.
        endpoints: Names of those that are for programs.
        hosts: Names under which the server may be asked; None means any.
        body_seconds: Until the body of a request other than an upload is complete.
        bodies: Bytes of all such bodies that are being received.
        heartbeats: Open pages of one client; more work without what they are for.
        streams: Streams of results of one client.
        session_streams: Streams of results of one session.
        rewrite: Changes the HTML of the page.
        is_starting: Whether Gradio may still run its own startup events.
        stock: What is on disk of uploads, and who has it.
    """

    folders: Sequence[Path]
    uploads: Path
    limits: UploadLimits
    events: frozenset[int]
    endpoints: frozenset[str]
    hosts: frozenset[str] | None = None
    body_seconds: float = 15
    bodies: int = 64_000_000
    heartbeats: int = 200
    streams: int = 200
    session_streams: int = 4
    rewrite: Callable[[bytes], bytes] = bytes
    is_starting: bool = True
    stock: Stock = field(default_factory=Stock)
    open: Counter[str] = field(default_factory=Counter)
    received: int = 0

    def __post_init__(self) -> None:
        """Start to count uploads."""
        self.ledger = Ledger(self.uploads, self.limits)

    @contextmanager
    def one_of(self, key: str, limit: int) -> Iterator[None]:
        """Count something that is open as long as the block runs.

        Raises:
            Refusal: If there are too many already.
        """
        if self.open[key] >= limit:
            raise Refusal(429, "Too many connections are open: close some pages and try again.")
        self.open[key] += 1
        try:
            yield
        finally:
            self.open[key] -= 1
            if not self.open[key]:
                del self.open[key]


class Guard:
    """ASGI middleware that lets through what the page and gradio_client send.

    Args:
        app: What is behind it.
        policy: The limits.
    """

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        """Keep both."""
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        request = Request(scope, receive, send)
        # The page shows the text of this answer as it is.
        request.answer.is_plain = request.path == f"{API}/upload"
        try:
            await self._admit(request)
        except Refusal as refusal:
            if request.answer.is_started:
                raise
            await request.refuse(refusal)

    async def _admit(self, request: Request) -> None:
        headers.check_asker(request.headers, self._policy.hosts)
        method, path = request.scope["method"], request.path
        if len(request.scope.get("query_string", b"")) > MAX_QUERY:
            raise Refusal(414, f"The address has more than {MAX_QUERY:,} characters after the ?.")
        if method in ("GET", "HEAD") and path == _STARTUP and self._policy.is_starting:
            return await self._pass(request)
        if method in ("GET", "HEAD") and _GET.fullmatch(path):
            return await self._get(request, path)
        if method == "POST" and _POST.fullmatch(path):
            if path == f"{API}/upload":
                return await self._upload(request)
            return await self._post(request)
        raise Refusal(404, "There is nothing at this address.")

    async def _get(self, request: Request, path: str) -> None:
        policy, client = self._policy, request.address or ""
        if path.startswith(FILE):
            self._check_file(path.removeprefix(FILE))
            request.answer.is_file = True
            # Gradio answers a request for a part with the headers of the request itself.
            request.drop("range", "if-range")
        elif path.startswith(f"{API}/heartbeat/"):
            with policy.one_of(f"heartbeat {client}", policy.heartbeats):
                return await self._pass(request)
        elif _STREAM.fullmatch(path):
            session = request.query.get("session_hash", path)
            if not re.fullmatch(_ID, session.rpartition("/")[2], re.ASCII):
                raise Refusal(400, "session_hash must be a name of letters and digits.")
            with (
                policy.one_of(f"session {session}", policy.session_streams),
                policy.one_of(f"stream {client}", policy.streams),
            ):
                return await self._pass(request)
        elif path == f"{API}/upload_progress":
            # Gradio remembers every name that it was ever asked for.
            await self._wait_for_upload(request.query.get("upload_id", ""))
        elif path == "/" and request.scope["method"] == "GET":
            return await self._page(request)
        await self._pass(request)

    def _check_file(self, path: str) -> None:
        """Check that a file is one of a visitor's, in the only spelling that Gradio uses.

        Raises:
            Refusal: If it is not.
        """
        file = Path(path)
        is_plain = file.is_absolute() and file.as_posix() == path.replace(os.sep, "/")
        if is_plain and ".." not in file.parts and "\0" not in path:
            if any(folder in file.parents for folder in self._policy.folders):
                return
        raise Refusal(404, "There is no such file, or not any more: photos are deleted in time.")

    async def _wait_for_upload(self, upload_id: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._policy.ledger.is_known(upload_id):
                return
            await asyncio.sleep(0.05)
        raise Refusal(404, "There is no such upload, or not any more.")

    async def _page(self, request: Request) -> None:
        """Pass on the page, with a policy that names its inline scripts."""
        start: list[Message] = []
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                html = self._policy.rewrite(b"".join(parts))
                marked = MutableHeaders(scope=start[0])
                marked["Content-Security-Policy"] = headers.page_policy(html)
                marked["Content-Length"] = str(len(html))
                await request.answer(start[0])
                await request.answer({"type": "http.response.body", "body": html})

        await self._app(request.scope, request.receive, keep)

    async def _post(self, request: Request) -> None:
        sent = content.checked(await self._body(request))
        action, _, name = request.path.removeprefix(f"{API}/").partition("/")
        if action in ("queue", "run") and sent.get("fn_index") not in self._policy.events:
            raise Refusal(400, "fn_index must be the number of an event; /config lists them.")
        if action == "call":  # by name, only what is meant for programs
            sent.pop("fn_index", None)
            if name not in self._policy.endpoints:
                told = ", ".join(f"/{each}" for each in sorted(self._policy.endpoints))
                raise Refusal(404, f"There is no endpoint /{name}, only {told}.")
        body = content.written(sent)
        request.replace("content-length", str(len(body)))
        request.replace("content-type", "application/json")
        is_sent = False

        async def receive() -> Message:
            nonlocal is_sent
            if is_sent:
                return await request.receive()
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(request.scope, receive, request.answer)

    async def _body(self, request: Request) -> bytes:
        """Receive the body of a request that is not an upload.

        Raises:
            Refusal: If it is too large or comes too slowly.
        """
        policy = self._policy
        too_large = Refusal(413, f"The request is larger than {content.MAX_BYTES / 1e6:g} MB.")
        if request.length() > content.MAX_BYTES:
            raise too_large
        deadline, parts, size = time.monotonic() + policy.body_seconds, [], 0
        try:
            while True:
                message = await within(request.receive(), deadline - time.monotonic())
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "The request ended too early.")
                part = message.get("body", b"")
                size, policy.received = size + len(part), policy.received + len(part)
                if size > content.MAX_BYTES:
                    raise too_large
                if policy.received > policy.bodies:
                    raise Refusal(429, "The server is busy: try again in a minute.")
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
        finally:
            policy.received -= size

    async def _upload(self, request: Request) -> None:
        ledger, limits, stock = self._policy.ledger, self._policy.limits, self._policy.stock
        form = Form(request.headers.get("content-type", ""))
        size = request.length(default=limits.one)
        too_large = Refusal(
            413, f"The photo is larger than {limits.one / 2**20:.0f} MB: send a smaller one."
        )
        if size > limits.one:
            raise too_large
        upload_id = request.query.get("upload_id", "")
        if upload_id and not re.fullmatch(_ID, upload_id, re.ASCII):
            raise Refusal(400, "upload_id must be a name of letters and digits.")
        await ledger.take_turn(request.address or "")
        began, received, refusals, told = time.monotonic(), 0, list[Refusal](), list[bytes]()

        async def receive() -> Message:
            nonlocal received
            try:
                passed = time.monotonic() - began
                message = await within(
                    request.receive(), min(limits.pause, limits.longest - passed)
                )
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "The upload ended too early.")
                chunk = message.get("body", b"")
                received += len(chunk)
                if received > limits.one:
                    raise too_large
                passed = time.monotonic() - began
                if passed > limits.grace and received < limits.rate * passed:
                    raise Refusal(408, "The upload is too slow: send a smaller photo.")
                form.feed(chunk, is_last=not message.get("more_body"))
                return message
            except Refusal as refusal:
                refusals.append(refusal)
                # Of all errors, Gradio deletes what it has written only after this one.
                raise MultiPartException(refusal.words) from None

        async def answer(message: Message) -> None:
            told.append(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                stock.arrived(_paths(b"".join(told)), request.address)
            if not refusals:
                await request.answer(message)

        try:
            await ledger.check_room(size)
            words = stock.refuse_upload(size, request.address)
            if words:
                raise Refusal(429, words)
            with ledger.reserve(size, upload_id), stock.coming(size, request.address):
                await self._app(request.scope, receive, answer)
        except MultiPartException:
            if not refusals:
                raise
        finally:
            await ledger.end(request.address or "")
        if refusals:
            raise refusals[0]

    async def _pass(self, request: Request) -> None:
        await self._app(request.scope, request.receive, request.answer)


def _paths(answer: bytes) -> list[str]:
    """Return the paths of uploads, with which Gradio answers; none if it answers anything else."""
    try:
        paths = json.loads(answer)
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []
