"""Many visitors at once: python tests/demo_load.py --users 20 --seconds 180

Half of them use the page (upload, results, download), half the API. Every result is checked to be
the visitor's own picture. Told at the end: requests, losses, times, and the server's memory. With
--misbehave, one more floods the app in several ways, and the others must still lose nothing.
"""

import argparse
import io
import json
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from gradio_client import Client, handle_file
from gradio_client.utils import apply_diff
from helpers.demo_server import WAIT, DemoServer
from PIL import Image

import colorzoo
from colorzoo.evaluation.metrics import gray

SHAPE = (300, 400)
# The app shows the models that have weights of their own.
MODELS = [
    name
    for name in colorzoo.list_models(local=True)
    if colorzoo.model_info(name).weights_of is None
]
REQUESTS_A_VISIT = 4
JOB_SECONDS = 240  # longer than the app lets a job run


@dataclass
class Report:
    """What happened; added to by many threads."""

    seconds: list[float] = field(default_factory=list)
    page_seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    pestered: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        def told(values: list[float]) -> str:
            median, high = np.quantile(values, [0.5, 0.95])
            return f"median {median:.2f} s, 95 % below {high:.2f} s, longest {max(values):.2f} s"

        before, *meanwhile, after = self.megabytes
        full = meanwhile[len(meanwhile) // 3] if meanwhile else before
        return [
            f"{len(self.seconds)} requests done, {len(self.lost)} lost, {len(self.foreign)} with "
            "another visitor's picture",
            f"a request: {told(self.seconds)}",
            f"the page itself, meanwhile: {told(self.page_seconds)}",
            f"memory: {before:.0f} MB before, {full:.0f} after a third of the time "
            f"(full caches), {max(self.megabytes):.0f} at most, {after:.0f} after "
            f"({after - before:+.0f})",
            *(f"misbehaved: {count} times {what}" for what, count in self.pestered.items()),
            *sorted({*self.lost, *self.foreign})[:10],
        ]


def make_photo(seed: int) -> bytes:
    """A gray photo like no other: two soft waves and some grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 50
    a, b, c, d = rng.uniform(0.3, 2, 4)
    waves = 128 + 50 * np.sin(a * x + b * y) + 40 * np.sin(c * x - d * y + seed)
    pixels = np.clip(waves + rng.normal(0, 3, SHAPE), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def is_own(result: bytes, photo: bytes) -> bool:
    """Tell whether a result has the lightness of the photo that was sent."""
    image = Image.open(io.BytesIO(result)).convert("RGB")
    own = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))
    return image.size == SHAPE[::-1] and np.abs(gray(np.asarray(image)) - 1.0 * own).mean() < 4


class PageUser:
    """A browser's requests without the browser: a visit to the page."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=WAIT * 3)
        self._visit = uuid.uuid4().hex
        config = self._http.get("config").raise_for_status().json()
        self._events = {each["api_name"]: each for each in config["dependencies"]}

    def request(self, photo: bytes, seed: int) -> list[bytes]:
        """Upload, see the result, compare every model, take one home; the pictures that came."""
        files = {"files": (f"{seed}.png", photo, "image/png")}
        (path,) = self._http.post("gradio_api/upload", files=files).raise_for_status().json()
        upload = {"path": path, "meta": {"_type": "gradio.FileData"}}
        saturation = 1 + seed % 3 / 4
        asked = [upload, MODELS, saturation, 1, 0, 0.5, 0, None]
        (first,) = self._call("show", [{"path": path}, None])
        assert first["versions"][0]["name"] == "Natural"
        self._call("begin", asked)
        page = self._call("run", asked)
        names = self._events["run"]["outputs"]
        values = [value.get("value") if isinstance(value, dict) else value for value in page]
        gallery = next(
            value for value in values if isinstance(value, list) and value and "caption" in value[0]
        )
        assert len(page) == len(names) and len(gallery) == 1 + len(asked[1])
        addresses = [first["before"], first["view"]]
        addresses += [each["image"]["path"] for each in gallery]
        made = self._call("make_png", [None])
        addresses += [v["path"] for v in made if isinstance(v, dict) and "path" in v]
        assert addresses[-1].endswith(".png")
        return [
            self._http.get(f"gradio_api/file={address}").raise_for_status().content
            for address in addresses
        ]

    def _call(self, name: str, data: list[Any]) -> list[Any]:
        event = self._events[name]
        body = {"data": data, "fn_index": event["id"], "session_hash": self._visit}
        if not event["queue"]:
            answer = self._http.post(f"gradio_api/run/{name}", json=body).raise_for_status()
            return answer.json()["data"]
        joined = self._http.post("gradio_api/queue/join", json=body).raise_for_status().json()
        step: list[Any] = []
        shown: dict[int, Any] = {}  # by output: the last step that changed it
        stream = self._http.stream(
            "GET", "gradio_api/queue/data", params={"session_hash": self._visit}
        )
        with stream as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("event_id") != joined["event_id"]:
                    continue
                if message["msg"] not in ("process_generating", "process_completed"):
                    continue
                if not message["success"]:
                    raise RuntimeError(f"{name}: {message['output']}")
                data, is_last = message["output"]["data"], message["msg"] == "process_completed"
                # After the first one, steps come as differences to the step before.
                is_whole = is_last or not step
                step = data if is_whole else [*map(apply_diff, step, data)]
                shown |= {i: value for i, value in enumerate(step) if not _is_skip(value)}
                if is_last:
                    return [shown.get(i) for i in range(len(step))]
        raise RuntimeError(f"{name}: the stream ended")


def _is_skip(value: Any) -> bool:
    return value == {"__type__": "update"}


class ApiUser:
    """A program."""

    def __init__(self, url: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._client = Client(url, verbose=False, download_files=self._folder.name)

    def request(self, photo: bytes, seed: int) -> list[bytes]:
        """Colour a photo with every model; the pictures that came."""
        path = Path(self._folder.name) / f"{seed}.png"
        path.write_bytes(photo)
        pictures, _ = self._client.predict(handle_file(path), api_name="/compare")
        assert len(pictures) == len(MODELS)
        return [Path(each["image"]).read_bytes() for each in pictures]


class Pest:
    """A visitor that misbehaves in every way at once, and never reads a result.

    Args:
        url: The app.
        side: Of its photos, pixels: 7000 is about the largest that the app takes.
    """

    def __init__(self, url: str, side: int) -> None:
        self._http = httpx.Client(base_url=url + "gradio_api/", timeout=WAIT * 3)
        config = httpx.get(url + "config", timeout=WAIT).raise_for_status().json()
        self._ids = {each["api_name"]: each["id"] for each in config["dependencies"]}
        self._visit, self._flooded = uuid.uuid4().hex, [uuid.uuid4().hex for _ in range(3)]
        self._host, self._port = httpx.URL(url).host, httpx.URL(url).port
        grain = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(grain).save(buffer, "JPEG", quality=70)
        self._photo, self._count, self._waiting = buffer.getvalue(), 0, []

    def pester(self, report: Report) -> None:
        """Do each thing that it does once, or several times."""
        upload = self._upload()
        asked = [upload, MODELS, 1, 1, 0, 0.5, 6]
        for visit in self._flooded:
            self._join("run", [*asked, None], visit, report)
            for _ in range(6):
                self._join("compare", [*asked, 0, [], None], visit, report)
            self._join("bring", ["no-such/model", MODELS, None], visit, report)
        answer = self._http.post("call/compare", json={"data": [*asked, 0, [], None]})
        self._note(report, "a job outside a session", answer)
        if answer.status_code == 200:
            self._waiting.append(answer.json()["event_id"])
        for _ in range(10):
            body = {"data": [*asked, None], "fn_index": self._ids["begin"]}
            body["session_hash"] = uuid.uuid4().hex
            self._note(report, "a new session", self._http.post("run/begin", json=body))
        self._abort()
        report.pestered["an aborted upload"] += 1

    def go(self) -> None:
        """Leave, so that its jobs do not wait any longer."""
        streams = [f"queue/data?session_hash={visit}" for visit in self._flooded]
        streams += [f"call/compare/{event}" for event in self._waiting]
        for stream in streams:  # the app drops the jobs of whoever hangs up
            with suppress(httpx.ReadTimeout), self._http.stream("GET", stream, timeout=1) as told:
                next(told.iter_lines(), None)

    def _upload(self) -> dict[str, Any]:
        self._count += 1
        photo = self._photo + b"%d" % self._count  # another one
        files = {"files": ("photo.jpg", photo, "image/jpeg")}
        answer = self._http.post("upload", files=files)
        path = answer.json()[0] if answer.status_code == 200 else "none"
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def _join(self, name: str, data: list[Any], visit: str, report: Report) -> None:
        body = {"data": data, "fn_index": self._ids[name], "session_hash": visit}
        self._note(report, f"/{name}", self._http.post("queue/join", json=body))

    def _abort(self) -> None:
        with socket.create_connection((self._host, self._port), timeout=WAIT) as connection:
            connection.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 9999999\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
                b'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
                + bytes(100_000)
            )

    def _note(self, report: Report, what: str, answer: httpx.Response) -> None:
        report.pestered[f"{what}, {answer.status_code}"] += 1


def load(
    server: DemoServer, *, users: int, seconds: float, settle: float, pest_side: int = 0
) -> Report:
    """Let visitors loose on a server.

    Args:
        server: The server.
        users: How many at the same time.
        seconds: For how long they start requests; each of them is waited for.
        settle: How long to wait afterwards before memory is measured.
        pest_side: If not 0, one more misbehaves, with photos of this side in pixels.
    """
    report, process = Report(), psutil.Process(server.process.pid)
    for kind in (PageUser, ApiUser):  # what only first requests take
        for seed in range(2):
            kind(server.url).request(make_photo(10**6 + seed), 0)
    until = time.monotonic() + seconds
    report.megabytes.append(process.memory_info().rss / 1e6)
    jobs: list[tuple[Callable[..., None], tuple]] = [
        (_use, (server.url, ApiUser if number % 2 else PageUser, number, until, report))
        for number in range(users)
    ]
    jobs.append((_watch, (server.url, process, until, report)))
    if pest_side:
        jobs.append((_pester, (server.url, pest_side, until, report)))
    threads = [threading.Thread(target=target, args=values) for target, values in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if settle:
        _wait_until_idle(process)
        time.sleep(settle)
    report.megabytes.append(process.memory_info().rss / 1e6)
    return report


def _wait_until_idle(process: psutil.Process) -> None:
    """Wait for jobs of visitors that have left, which end at their next step or time limit."""
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline and process.cpu_percent(interval=2) > 20:
        pass


def _use(
    url: str, kind: type[PageUser | ApiUser], number: int, until: float, report: Report
) -> None:
    user, count = None, 0
    while time.monotonic() < until:
        seed = 1000 * number + count
        photo, start = make_photo(seed), time.monotonic()
        try:
            if user is None or count % REQUESTS_A_VISIT == 0:
                user = kind(url)
            pictures = user.request(photo, seed)
        except Exception as error:
            report.lost.append(f"{kind.__name__}: {type(error).__name__}: {error}"[:300])
            user = None
        else:
            report.seconds.append(time.monotonic() - start)
            if not all(is_own(each, photo) for each in pictures):
                report.foreign.append(f"{kind.__name__} {seed}")
        count += 1


def _pester(url: str, side: int, until: float, report: Report) -> None:
    pest = Pest(url, side)
    while time.monotonic() < until:
        pest.pester(report)
    pest.go()


def _watch(url: str, process: psutil.Process, until: float, report: Report) -> None:
    while time.monotonic() < until:
        start = time.monotonic()
        httpx.get(url, timeout=WAIT).raise_for_status()
        report.page_seconds.append(time.monotonic() - start)
        report.megabytes.append(process.memory_info().rss / 1e6)
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--settle", type=float, default=40)
    parser.add_argument("--misbehave", action="store_true", help="one more floods the app")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, DemoServer(Path(folder) / "demo") as server:
        report = load(
            server, users=options.users, seconds=options.seconds, settle=options.settle,
            pest_side=7000 if options.misbehave else 0,
        )  # fmt: skip
    print("\n".join(report.lines()))
    sys.exit(bool(report.lost or report.foreign))


if __name__ == "__main__":
    main()
