"""The guard on its own: which addresses there are, who may ask, and the headers of answers."""

import pytest
from helpers.guards import FILE, Behind, alone, asked, form, make, upload

from webapp.guard import launch
from webapp.guard.refusal import Refusal

# Which addresses there are ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/", "/?view=api", "/config", "/theme.css?v=1", "/favicon.ico", "/assets/index-a_b.js",
        "/static/js/iframeResizer.contentWindow.min.js", "/gradio_api/info?serialize=False",
        "/gradio_api/heartbeat/7dkjeyb39dh", "/gradio_api/queue/data?session_hash=aa4d-235e",
        "/gradio_api/call/colorize/aa4d235e",
    ],
)  # fmt: skip
def test_what_the_page_and_programs_ask_for_passes(tmp_path, path):
    guard, behind = make(tmp_path)
    assert asked(guard, path).status == 200 and len(behind.scopes) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring", "/monitoring/summary", "/monitoring/x", "/gradio_api/runs", "/login",
        "/docs", "/config/",
        "/gradio_api/run-history/records", "/gradio_api/startup-events", "/openapi.json",
        "/gradio_api/dev/reload", "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/queue/status",
        "/gradio_api/mcp/schema", "/gradio_api/proxy=https://a.hf.space/x",
        "/gradio_api/file/tmp/x",
        "/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/vibe-code/", "/gradio_api/token",
        "/gradio_api/custom_component/a/client/component/x.js", "/svelte/x", "/pwa_icon/9999",
        "/static/../x", "/assets/a/..\\x", "/gradio_api/heartbeat/" + "a" * 200, "//config",
        "/Config", "/config\n", "/gradio_api/upload", "/gradio_api/queue/join",
        "/gradio_api/run/predict",
    ],
)  # fmt: skip
def test_everything_else_is_not_there(tmp_path, path):
    guard, behind = make(tmp_path)
    assert asked(guard, path).status == 404
    assert not behind.scopes


@pytest.mark.parametrize(
    "path",
    [
        "api/colorize", "run/", "call/v2/colorize", "component_server", "process_recording",
        "stream/abc", "vibe-edit", "profiling/clear", "run-history/connect", "login", "call/run",
        "call/nothing", "run/predict/", "mcp", "queue/data",
    ],
)  # fmt: skip
def test_nothing_else_takes_a_body(tmp_path, path):
    guard, behind = make(tmp_path)
    assert asked(guard, f"/gradio_api/{path}", b'{"data": [], "fn_index": 1}').status == 404
    assert not behind.scopes


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_other_methods_are_refused(tmp_path, method):
    guard, behind = make(tmp_path)
    assert asked(guard, "/config", method=method).status == 404 and not behind.scopes


def test_gradio_s_own_start_passes_once(tmp_path):
    guard, _ = make(tmp_path, is_starting=True)
    assert asked(guard, "/gradio_api/startup-events").status == 200


def test_below_a_path_of_a_proxy(tmp_path):
    guard, behind = make(tmp_path)
    scope = {
        "type": "http",
        "method": "GET",
        "query_string": b"",
        "root_path": "/zoo",
        "headers": [],
    }

    async def send(message):
        told.append(message)

    for path, status in (("/zoo/config", 200), ("/config", 200), ("/zoo/docs", 404)):
        told: list = []
        scope |= {"path": path, "headers": [(b"host", b"localhost")]}
        alone(guard(scope, None, send))  # pyright: ignore[reportArgumentType]
        assert told[0]["status"] == status, path


def test_web_sockets_are_closed(tmp_path):
    guard, behind = make(tmp_path)
    told = []

    async def send(message):
        told.append(message)

    alone(guard({"type": "websocket", "path": "/"}, None, send))  # pyright: ignore
    assert told == [{"type": "websocket.close", "code": 1008}] and not behind.scopes


# Files --------------------------------------------------------------------------------------------


def test_a_visitor_s_file_is_served(tmp_path):
    guard, behind = make(tmp_path, Behind(kind="image/png"))
    told = asked(guard, f"/gradio_api/file={tmp_path}/0123/my photo é.png", range="bytes=0-5")
    assert told.status == 200 and told.headers["content-type"] == "image/png"
    assert "sandbox" in told.headers["content-security-policy"]
    assert not [name for name, _ in behind.scopes[0]["headers"] if name == b"range"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "http://a/x", "HTTPS://a/x", "//a/x", "\\\\a\\x", "data:text/html,x",
        "a.png", "{}/../x", "{}/a/../../x", "{}", "{}/", "{}x/a.png", "/{}/a.png", "{}//a.png",
        "{}/./a.png",
        "{}/a\0.png", "file://{}/a.png", " {}/a.png", "http:%2f%2fa/x", "..", "/", "",
    ],
)  # fmt: skip
def test_no_other_file_is_served(tmp_path, path):
    guard, behind = make(tmp_path)
    told = asked(guard, f"/gradio_api/file={path.format(tmp_path)}")
    assert told.status == 404 and not behind.scopes


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "text/html; charset=utf-8", "application/xhtml+xml", ""]
)
def test_files_that_could_run_are_downloaded(tmp_path, kind):
    guard, _ = make(tmp_path, Behind(kind=kind))
    told = asked(guard, f"/gradio_api/file={tmp_path}/a.png").headers
    assert told["content-type"] == "application/octet-stream"
    assert told["content-disposition"].startswith("attachment")
    assert told["x-content-type-options"] == "nosniff"


# Who asks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, status",
    [
        ({}, 200),
        ({"origin": "http://localhost:7860"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://localhost:7860.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "file://"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "https://a.hf.space", "host": "a.hf.space"}, 200),
        ({"origin": "https://A.hf.space", "host": "a.hf.space:443"}, 200),
        ({"origin": "https://b.hf.space", "host": "a.hf.space"}, 403),
        ({"origin": "https://zoo.org", "x_forwarded_host": "zoo.org, inner"}, 200),
        ({"host": ""}, 200),
        ({"host": "a b"}, 400),
        ({"host": "a/../b"}, 400),
        ({"host": "evil.example@localhost"}, 400),
        ({"x_forwarded_host": "evil.example/x?"}, 400),
    ],
)
def test_other_sites_are_refused(tmp_path, given, status):
    guard, behind = make(tmp_path)
    assert asked(guard, "/config", **given).status == status
    assert upload(guard, form(FILE), **given).status == status
    assert len(behind.scopes) == (2 if status == 200 else 0)


@pytest.mark.parametrize(
    "host, status",
    [("localhost:7860", 200), ("127.0.0.1", 200), ("[::1]:7860", 200), ("zoo.org", 200),
     ("evil.example:7860", 403), ("localhost.evil.example", 403), ("", 403)],
)  # fmt: skip
def test_a_name_that_points_here_is_not_enough(tmp_path, monkeypatch, host, status):
    monkeypatch.setenv("GRADIO_ROOT_PATH", "https://zoo.org/app")
    guard, _ = make(tmp_path, hosts=launch.names("127.0.0.1"))
    assert asked(guard, "/config", host=host).status == status
    own = asked(guard, "/config", host="localhost", origin="https://zoo.org").status
    assert own == 200  # the proxy keeps the name to itself


def test_a_server_for_others_goes_by_any_name(monkeypatch):
    assert launch.names("0.0.0.0") is None
    assert launch.names("127.0.0.1") == {"localhost", "127.0.0.1", "::1"}
    monkeypatch.setenv("GRADIO_SHARE", "True")
    assert launch.names("127.0.0.1") is None


def test_gradio_is_not_told_another_address_of_its_own(tmp_path):
    guard, behind = make(tmp_path)
    asked(guard, "/config", x_gradio_server="http://evil.example")
    assert b"x-gradio-server" not in dict(behind.scopes[0]["headers"])


# Headers ------------------------------------------------------------------------------------------


def test_the_page_runs_its_own_scripts_only(tmp_path):
    html = b"<script>1</script><script type='module' src='./a.js'></script><script x>2</script>"
    guard, _ = make(tmp_path, Behind(kind="text/html", said=html))
    told = asked(guard, "/")
    assert told.body == html
    rules = dict(
        each.strip().split(" ", 1) for each in told.headers["content-security-policy"].split(";")
    )
    assert rules["script-src"].count("'sha256-") == 2 and "unsafe-inline" not in rules["script-src"]
    assert rules["default-src"] == rules["object-src"] == "'none'"
    assert rules["frame-ancestors"] == "'self' https://huggingface.co https://*.hf.space"
    assert rules["connect-src"].startswith("'self'") and "*" not in rules["connect-src"]


@pytest.mark.parametrize("path", ["/", "/config", "/docs", "/assets/a.js"])
def test_every_answer_has_the_headers(tmp_path, path):
    guard, _ = make(tmp_path)
    told = asked(guard, path).headers
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "same-origin"
    assert "camera=(self)" in told["permissions-policy"]
    assert "sandbox" in told["content-security-policy"] or path == "/"


def test_a_long_question_is_refused(tmp_path):
    guard, behind = make(tmp_path)
    assert asked(guard, "/config?a=" + "x" * 3_000).status == 414 and not behind.scopes


def test_an_error_behind_the_guard_stays_one(tmp_path):
    async def broken(scope, receive, send):
        raise Refusal(400, "late")

    guard, _ = make(tmp_path)
    guard._app = broken
    assert asked(guard, "/config").status == 400
