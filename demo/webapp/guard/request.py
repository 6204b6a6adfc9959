"""One request, and the answer to it."""

import time
from collections.abc import Awaitable

import anyio
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from webapp.clients import address_of
from webapp.guard import headers
from webapp.guard.refusal import Refusal


class Answer:
    """Sends the answer, with the headers that every one has.

    Attributes:
        is_started: Whether some of it has been sent.
        is_file: Whether it is a visitor's file.
        is_plain: Whether a refusal is shown as it is.
    """

    def __init__(self, send: Send) -> None:
        """Nothing is sent yet."""
        self._send = send
        self.is_started = self.is_file = self.is_plain = False

    async def __call__(self, message: Message) -> None:
        """Send a piece."""
        if message["type"] == "http.response.start":
            self.is_started = True
            headers.mark(MutableHeaders(scope=message), is_file=self.is_file)
        await self._send(message)


class Request:
    """A request, and what is known of it.

    Attributes:
        scope: That of ASGI, as Gradio will see it.
        answer: Sends the answer.
        headers: As they came.
        address: What tells clients apart, or None if it does not.
        query: The parameters in the address.
        path: The path below the app's own.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing of the body is received yet."""
        self.scope, self.answer = dict(scope), Answer(send)
        self._receive, self._is_complete = receive, False
        self.headers = Headers(scope=scope)
        peer = scope.get("client") or ("",)
        self.address = address_of(peer[0], self.headers)
        self.query = QueryParams(scope.get("query_string", b""))
        root = scope.get("root_path", "")
        path = scope["path"]
        self.path = path.removeprefix(root) if root and path.startswith(f"{root}/") else path
        self.drop("x-gradio-server")  # from it, Gradio takes its own address

    async def receive(self) -> Message:
        """Receive the next piece of the body, or that the client is gone."""
        message = await self._receive()
        self._is_complete |= not message.get("more_body", False)
        return message

    def length(self, default: int = 0) -> int:
        """Return how long the body is said to be; the default if that is not said."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else default

    def drop(self, *names: str) -> None:
        """Hide headers from Gradio."""
        hidden = {name.encode() for name in names}
        self.scope["headers"] = [each for each in self.scope["headers"] if each[0] not in hidden]

    def replace(self, name: str, value: str) -> None:
        """Change a header."""
        self.drop(name)
        self.scope["headers"].append((name.encode(), value.encode()))

    async def refuse(self, refusal: Refusal) -> None:
        """Answer in words, and then take in some of what is still being sent.

        Otherwise the connection is reset, and the words are lost.
        """
        status, told = refusal.answer(self.headers)
        closing = {"Connection": "close", "Cache-Control": "no-store"}
        response = (
            PlainTextResponse(refusal.words, status, closing)
            if self.answer.is_plain
            else JSONResponse(told, status, closing)
        )
        await self.answer(
            {"type": "http.response.start", "status": status, "headers": response.raw_headers}
        )
        await self.answer({"type": "http.response.body", "body": response.body, "more_body": True})
        if self.scope["method"] == "POST" and "expect" not in self.headers:
            await self._take_in(seconds=3, most=64_000_000)
        await self.answer({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take_in(self, *, seconds: float, most: int) -> None:
        deadline = time.monotonic() + seconds
        try:
            while not self._is_complete and most > 0:
                message = await within(self.receive(), deadline - time.monotonic())
                most -= len(message.get("body", b""))
        except Refusal:
            return


async def within(coming: Awaitable[Message], seconds: float) -> Message:
    """Wait for the next piece of a request.

    Raises:
        Refusal: If it does not come in time.
    """
    try:
        # Not asyncio.wait_for(), whose task lets a later request of the page overtake this one.
        with anyio.fail_after(max(0.0, seconds)):
            return await coming
    except TimeoutError:
        raise Refusal(408, "The request comes too slowly: try again.") from None
