"""The guard of the demo, asked without Gradio or a network."""

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from webapp.guard.middleware import Guard, Policy
from webapp.guard.uploads import UploadLimits

LIMITS = UploadLimits(one=1_000_000, pause=0.2, grace=0.3, rate=1_000_000, longest=1, patience=0.2)


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Behind:
    """An app behind the guard that keeps what reaches it."""

    def __init__(self, *, pause: float = 0, kind: str = "application/json", said: bytes = b"1"):
        self.pause, self.kind, self.said = pause, kind, said
        self.scopes, self.bodies = [], []

    async def __call__(self, scope, receive, send) -> None:
        self.scopes.append(scope)
        body, is_more = b"", scope["method"] == "POST"
        while is_more:
            message = await receive()
            body += message["body"]
            is_more = message.get("more_body", False)
        self.bodies.append(body)
        await asyncio.sleep(self.pause)
        start = [(b"content-type", self.kind.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": self.said})


def make(tmp_path: Path, behind: Behind | None = None, **options: Any) -> tuple[Guard, Behind]:
    behind = behind or Behind()
    policy = {
        "folders": [tmp_path], "uploads": tmp_path, "limits": LIMITS,
        "events": frozenset({1, 2}), "endpoints": frozenset({"colorize"}), "is_starting": False,
    }  # fmt: skip
    return Guard(behind, Policy(**policy | options)), behind


async def ask(
    guard: Guard,
    path: str,
    *pieces: bytes,
    pause: float = 0,
    method: str = "",
    is_cut: bool = False,
    **given: str,
) -> Told:
    """Ask in pieces, with a pause before each; if cut, more was to come. ``given`` are headers."""
    raw, _, query = path.partition("?")
    fields = {"host": "localhost:7860"} | {k.replace("_", "-"): v for k, v in given.items()}
    scope = {
        "type": "http", "method": method or ("POST" if pieces else "GET"), "path": raw,
        "query_string": query.encode(), "client": ("127.0.0.1", 1), "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in fields.items()],
    }  # fmt: skip
    left, sent = list(pieces), []

    async def receive():
        await asyncio.sleep(pause)
        if not left:
            return {"type": "http.disconnect"}
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left) or is_cut}

    async def send(message):
        sent.append(message)

    await guard(scope, receive, send)
    told = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return Told(sent[0]["status"], told, b"".join(each["body"] for each in sent[1:]))


def alone(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a thread of its own: playwright's loop runs in the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def asked(guard: Guard, path: str, *pieces: bytes, **options: Any) -> Told:
    return alone(ask(guard, path, *pieces, **options))


def run(guard: Guard, *data: Any, **more: Any) -> Told:
    body = {"data": [*data], "fn_index": 1, "session_hash": "abc"} | more
    return asked(guard, "/gradio_api/queue/join", json.dumps(body).encode())


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of parts: what stands in Content-Disposition, and the content."""
    head = "--x\r\nContent-Disposition: form-data; {}\r\n\r\n"
    return b"".join(head.format(name).encode() + data + b"\r\n" for name, data in parts) + b"--x--"


def upload(guard: Guard, *pieces: bytes, **options: Any) -> Told:
    kind = "multipart/form-data; boundary=x"
    options = {"content_type": kind, "content_length": str(sum(map(len, pieces)))} | options
    return asked(guard, "/gradio_api/upload", *pieces, **options)


FILE = ('name="files"; filename="a.png"', b"\x89PNG" * 100)
