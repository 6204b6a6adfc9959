"""The running demo as a hostile visitor finds it; what the guard does alone is in test_guard_*."""

import socket
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from helpers.demo_page import WIDE, open_page, upload
from helpers.demo_server import WAIT

REMOTE = [
    "http://127.0.0.1:1/x.png",
    "HTTPS://example.com/x.png",
    "//a/x",
    "data:image/png;base64,AA",
]


@pytest.fixture(scope="module")
def http(demo):
    with httpx.Client(base_url=demo.url, timeout=WAIT) as client:
        yield client


@pytest.fixture(scope="module")
def events(http) -> dict[str, int]:
    config = http.get("config").json()
    return {each["api_name"]: each["id"] for each in config["dependencies"]}


def uploads_of(demo) -> Path:
    (folder,) = demo.temporary.glob("colorzoo-demo-*/uploads")
    return folder


def uploaded(http: httpx.Client, name: str = "a.png", content: bytes = b"a") -> httpx.Response:
    return http.post("gradio_api/upload", files={"files": (name, content)})


@pytest.mark.parametrize("how", ["run/colorize", "run/predict", "run/models", "api/colorize"])
def test_nothing_that_takes_time_runs_beside_the_queue(http, events, how):
    body = {"data": [None] * 10, "fn_index": events["colorize"], "session_hash": "direct"}
    told = http.post(f"gradio_api/{how}", json=body)
    assert told.status_code == 404 and "data" not in told.json()


@pytest.mark.parametrize(
    "route",
    ["monitoring", "monitoring/summary", "gradio_api/runs", "gradio_api/run-history/buckets",
     "gradio_api/startup-events", "gradio_api/queue/status", "gradio_api/deep_link?session_hash=a",
     "openapi.json", "gradio_api/openapi.json", "login_check", "gradio_api/token"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_not_there(http, route):
    told = http.get(route)
    assert told.status_code == 404 and told.json()["detail"] == "There is nothing at this address."


@pytest.mark.parametrize("number", [-1, 99_999, None, "1"])
@pytest.mark.parametrize("how", ["run/predict", "queue/join"])
def test_an_event_that_is_not_there_is_told_in_words(demo, http, number, how):
    before = len(demo.log.read_text())
    told = http.post(
        f"gradio_api/{how}", json={"data": [], "fn_index": number, "session_hash": "a"}
    )
    assert told.status_code == 400 and "fn_index" in told.json()["detail"]
    assert "Traceback" not in demo.log.read_text()[before:]


@pytest.mark.parametrize("address", REMOTE)
def test_nothing_is_fetched_for_a_visitor(demo, http, events, address):
    before = demo.files()
    photo = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    for how in ("run/predict", "queue/join"):
        body = {"data": [photo, ["unet"]], "fn_index": events["begin"], "session_hash": "fetches"}
        assert http.post(f"gradio_api/{how}", json=body).status_code == 400
    assert http.post("gradio_api/call/colorize", json={"data": [photo]}).status_code == 400
    for route in (f"file={address}", f"file={quote(address, safe='')}", f"proxy={address}"):
        assert http.get(f"gradio_api/{route}").status_code == 404
    assert demo.files() == before


def test_no_route_gives_away_a_file_of_the_server(demo, http):
    own = uploaded(http, content=b"own").json()[0]
    assert http.get(f"gradio_api/file={own}").content == b"own"
    secret, folder = demo.log, Path(own).parent
    names = [
        str(secret), "/etc/passwd", "/proc/self/environ", f"{folder}/../../../log.txt", str(folder),
        f"{folder}/%2e%2e/%2e%2e/%2e%2e/log.txt", f"file://{secret}", f"\\\\?\\{secret}",
        f"/{secret}", f"./{secret}", "/dev/null", f"{own}/../../../../log.txt", f"{secret}#a",
        f"/.{secret}", f"~{secret}", "app.py", f"{demo.temporary}", f"{demo.temporary}/gradio",
    ]  # fmt: skip
    routes = ["gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/", "svelte/",
              "gradio_api/proxy=", "gradio_api/custom_component/a/client/component/"]  # fmt: skip
    for route in routes:
        for name in names:
            for spelt in {name, quote(name, safe=""), name.replace("/", "%2f"), name.lstrip("/")}:
                told = http.get(route + spelt)
                assert told.status_code in (403, 404), (route, spelt)


@pytest.mark.parametrize(
    "name",
    ["../x.png", "/etc/x", "..", ".", "", "a\0b.png", "a/b.png", "..\\x.png", "x" * 900,
     "C:\\x.png", "a\nb.png", "é\u202egnp.exe", "con", "<script>.png", "%2e%2e%2fx.png", "~/x",
     "$(id).png", "<..>", "..."],
)  # fmt: skip
def test_an_upload_stays_in_its_folder_whatever_it_is_called(demo, http, name):
    told = uploaded(http, name, b"forged")
    assert told.status_code in (200, 400)
    if told.status_code == 200:
        (path,) = map(Path, told.json())
        assert path.resolve().parent.parent == uploads_of(demo).resolve()
        assert path.read_bytes() == b"forged"


@pytest.mark.parametrize(
    "name, content",
    [("a.html", b"<script>alert(1)</script>"), ("a.svg", b"<svg onload='x()'/>"),
     ("a.xhtml", b"<html/>"), ("a.xml", b"<a/>"), ("a.js", b"x()"), ("a", b"<html>")],
)  # fmt: skip
def test_what_a_visitor_uploads_cannot_run(http, name, content):
    (path,) = uploaded(http, name, content).json()
    told = http.get(f"gradio_api/file={quote(path)}").headers
    assert told["content-type"] == "application/octet-stream"
    assert told["content-disposition"].startswith("attachment")
    assert told["x-content-type-options"] == "nosniff"
    assert "sandbox" in told["content-security-policy"]


def test_an_upload_that_breaks_off_leaves_nothing(demo, http):
    part = b"--x\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n"
    head = (
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )

    def unfinished() -> list[Path]:
        return [path for path in uploads_of(demo).glob("tmp*") if path.is_file()]

    with socket.create_connection(address(demo)) as connection:
        connection.sendall(head + part + bytes(300_000))
        wait_until(unfinished)
    wait_until(lambda: not unfinished())


def test_a_large_request_is_refused_and_not_kept(demo, http):
    def pieces():
        yield b'{"data": ["'
        for _ in range(60):
            yield b"x" * 1_000_000
        yield b'"]}'

    before = memory(demo)
    told = http.post("gradio_api/run/predict", content=pieces())
    assert told.status_code == 413 and told.json()["error"] == "The request is larger than 1 MB."
    assert memory(demo) - before < 40_000_000
    told = uploaded(http, content=bytes(60_000_000))
    assert (told.status_code, told.text) == (
        413,
        "The photo is larger than 40 MB: send a smaller one.",
    )


def test_other_sites_cannot_upload(http):
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        told = http.post("gradio_api/upload", files={"files": b"a"}, headers={"Origin": origin})
        assert told.status_code == 403
    assert http.get("config", headers={"Host": "evil.example"}).status_code == 403


def test_connections_that_ask_nothing_do_not_keep_others_out(demo, http):
    connections = [socket.create_connection(address(demo)) for _ in range(400)]
    try:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        assert httpx.get(f"{demo.url}theme.css", timeout=WAIT).status_code == 200
        connections[0].settimeout(WAIT)
        assert connections[0].recv(1) == b""  # there are 300 at most
    except ConnectionResetError:
        pass
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    "route, words", [("upload", "HTTP 400: The name"), ("queue/join*", "The name")]
)
def test_a_refusal_is_told_on_the_page(browser, demo, tmp_path, route, words):
    (tmp_path / "a.png").write_bytes(b"a")
    page = open_page(browser, demo, viewport=WIDE)

    def spoil(route):
        route.continue_(headers={**route.request.headers, "x-forwarded-host": "a b"})

    page.route(f"**/gradio_api/{route}", spoil)
    upload(page, tmp_path / "a.png")
    words += " of the server in the request is not valid."
    page.get_by_text(words, exact=True).first.wait_for(state="visible")
    page.context.close()


def address(demo) -> tuple[str, int]:
    return "127.0.0.1", urlsplit(demo.url).port


def memory(demo) -> int:
    status = Path(f"/proc/{demo.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def wait_until(condition) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
