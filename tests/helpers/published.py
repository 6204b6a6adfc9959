"""Checkpoints that "others" published: a toy family with one, and a server that misbehaves.

``checkpoint_of`` writes the published file of any registered family with random weights, so that
tests run over those that colorzoo really has, too.
"""

import hashlib
import io
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from colorzoo import Colorizer, create_model, list_models, model_info, register_model
from colorzoo.hub.published import PublishedWeights

PAGE = "https://example.org/toy"


class ToyPublished(Colorizer):
    """Its checkpoint has other names, a factor to be folded, and a head that training needed."""

    stride: ClassVar[int] = 2

    def __init__(self, *, width: int = 4, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.first = nn.Conv2d(1, width, 1)
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        return 30 * self.last(self.first(lightness / 100))

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        state = {name.replace("net.0.", "first."): each for name, each in state.items()}
        if "net.1.weight_orig" in state:
            scale = state.pop("net.1.scale")
            state["last.weight"] = state.pop("net.1.weight_orig") / scale
            state["last.bias"] = state.pop("net.1.bias")
        state.pop("head_cls.weight", None)
        return state

    @classmethod
    def recognize(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        if not {"net.0.weight", "net.1.weight_orig"} <= shapes.keys():
            return None
        return {"width": shapes["net.0.weight"][0]}


def toy_state(width: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """The tensors of a checkpoint of it, as its authors would name them."""
    torch.manual_seed(seed)
    return {
        "net.0.weight": torch.randn(width, 1, 1, 1),
        "net.0.bias": torch.randn(width),
        "net.1.weight_orig": torch.randn(2, width, 1, 1),
        "net.1.scale": torch.tensor(2.0),
        "net.1.bias": torch.randn(2),
        "head_cls.weight": torch.randn(3, 3),
    }


def saved(value: Any, **options: Any) -> bytes:
    """What torch.save writes."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def pinned(content: bytes, **where: Any) -> PublishedWeights:
    return PublishedWeights(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="Apache-2.0",
        page=PAGE,
        numbers={"FID": 4.38},
        numbers_source="the paper, on 5,000 photos",
        **where,
    )


CONTENT = saved({"params": toy_state()})


def register_toy(published: PublishedWeights, name: str = "toy-published") -> None:
    """Register it; whoever calls this in a test puts the registry back."""
    register_model(name, summary="Toy", year=2023, published=published)(ToyPublished)


@dataclass
class Answer:
    """What the server does.

    Attributes:
        content: The file.
        status: The status of the answer.
        headers: Headers that replace the usual ones; None leaves one out.
        cuts: After how many bytes each of the next answers ends.
        pause: Seconds before each 100 bytes.
        ranges: Whether parts can be asked for.
    """

    content: bytes = b""
    status: int = 200
    headers: dict[str, str | None] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    pause: float = 0.0
    ranges: bool = True


class FileServer:
    """Serves files over HTTP on this machine; a context manager.

    Attributes:
        answers: What to do, by path.
        requests: The paths and ranges that were asked for.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers["Range"]))
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                with suppress(OSError):
                    outer._send(self, outer.answers[self.path])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FileServer":
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _send(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        content, status = answer.content, answer.status
        headers: dict[str, str | None] = {"Content-Type": "application/octet-stream"}
        wanted = request.headers["Range"]
        if wanted and answer.ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        headers["Content-Length"] = str(len(content))
        request.send_response(status)
        for name, value in {**headers, **answer.headers}.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        content = content[: answer.cuts.pop(0)] if answer.cuts else content
        for i in range(0, len(content), 100 if answer.pause else len(content) or 1):
            time.sleep(answer.pause)
            request.wfile.write(content[i : i + 100] if answer.pause else content)


# Keywords that make a published family small, by the name that its class has.
TINY: dict[str, dict[str, Any]] = {
    "ddcolor-tiny": {"encoder": "convnext_atto", "width": 32, "queries": 8, "layers": 3},
    "siggraph17": {"width": 2},
    "eccv16": {"width": 2},
}


def register_tiny(name: str, content: bytes, **where: Any) -> str:
    """Register a small model of a published family, with a checkpoint of these bytes."""
    if name == "toy":
        register_toy(pinned(content, **where), "tiny-toy")
        return "tiny-toy"
    info = model_info(name)
    config = {"work_size": 64, **TINY.get(info.family.architecture, {})}
    published = pinned(content, **where)
    tiny = f"tiny-{name}"
    register_model(tiny, summary="", year=2026, config=config, published=published)(info.family)
    return tiny


def checkpoint_of(name: str) -> bytes:
    """A checkpoint of a small model of a published family, with random weights."""
    if name == "toy":
        return saved({"params": {f"module.{key}": each for key, each in toy_state().items()}})
    family = model_info(name).family
    torch.manual_seed(0)
    model = create_model(name, work_size=64, **TINY.get(family.architecture, {}))
    return saved({"params": model.state_dict()})


def families() -> list[str]:
    """The toy, and one registered model of each family whose weights others published."""
    found = {
        info.family: info.family.architecture
        for info in map(model_info, list_models())
        if info.published
    }
    return ["toy", *sorted(found.values())]
