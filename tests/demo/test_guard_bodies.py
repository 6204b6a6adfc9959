"""The guard on its own: what a visitor may send, and how much, and how slowly."""

import asyncio
import json
import time
from typing import Any

import pytest
from helpers.guards import FILE, Behind, alone, ask, asked, form, make, run, upload

from webapp.guard.uploads import UploadLimits

PATH = "/tmp/gradio/0123/a.png"
# What is fetched ----------------------------------------------------------------------------------

REMOTE = [
    "http://a/x.png", "https://a/x.png", "HTTP://a/x", " http://a", "\thttps://a", "ftp://a/x",
    "//a/x", "\\\\a\\x", "/\\a", "\\/a", "file:///etc/passwd", "data:image/png;base64,AAAA",
    "http%3A%2F%2Fa/x", "http%253A%252F%252Fa", "%68ttp://a", "gopher://a", "http:/a/x", "hTTps:a",
    "https://huggingface.co/ann/model/resolve/main/x.png", "https://huggingface.co@evil/a/b",
]  # fmt: skip


@pytest.mark.parametrize("address", REMOTE)
@pytest.mark.parametrize("key", ["path", "url", "plain", "deep"])
def test_no_address_reaches_gradio(tmp_path, address, key):
    if key == "plain":
        sent: Any = address
    else:
        name = "path" if key == "deep" else key
        sent = {"path": PATH, "meta": {"_type": "gradio.FileData"}} | {name: address}
    sent = {"any": [[{"image": sent}]]} if key == "deep" else sent
    guard, behind = make(tmp_path)
    for data, more in (([sent], {}), ([], {"event_data": {"value": sent}})):
        told = run(guard, *data, **more)
        assert told.status == 400 and "fetches nothing" in json.loads(told.body)["detail"]
    assert not behind.scopes


def test_programs_are_told_in_the_way_that_gradio_client_shows(tmp_path):
    guard, _ = make(tmp_path)
    body = json.dumps({"data": ["http://a"], "fn_index": 1}).encode()
    told = asked(guard, "/gradio_api/queue/join", body, x_gradio_user="api")
    (detail,) = json.loads(told.body)["detail"]
    assert told.status == 422 and "upload the file itself" in detail["message"]


@pytest.mark.parametrize("root", ["http://127.0.0.1:7860", "https://ann-zoo.hf.space", "", "/app"])
def test_what_the_page_sends_passes(tmp_path, root):
    photo = {
        "path": PATH, "url": f"{root}/gradio_api/file={PATH}", "orig_name": "http: a//b.png",
        "size": 12, "mime_type": "image/png", "meta": {"_type": "gradio.FileData"},
    }  # fmt: skip
    guard, behind = make(tmp_path)
    told = run(guard, photo, ["unet"], 1, 0.5, None, True, "https://huggingface.co/ann/model",
               event_data={"index": 2, "value": {"image": photo}}, trigger_id=6)  # fmt: skip
    assert told.status == 200, told.body
    kept = json.loads(behind.bodies[0])
    assert kept["data"][0] == {key: value for key, value in photo.items() if key != "url"}
    assert kept["data"][1:] == [["unet"], 1, 0.5, None, True, "https://huggingface.co/ann/model"]
    assert "url" not in kept["event_data"]["value"]["image"] and kept["trigger_id"] == 6
    assert dict(behind.scopes[0]["headers"])[b"content-length"] == b"%d" % len(behind.bodies[0])


def test_what_can_be_read_in_two_ways_is_read_in_one(tmp_path):
    guard, behind = make(tmp_path)
    photo = b'{"path": "http://a", "path": "/b"}'
    body = b'{"data": [%s], "fn_index": 9, "fn_index": 1, "batched": true}' % photo
    assert asked(guard, "/gradio_api/queue/join", body).status == 200
    assert json.loads(behind.bodies[0]) == {"data": [{"path": "/b"}], "fn_index": 1}


# Sizes and times ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, status",
    [
        (b"[" * 400_000, 400),
        (b'{"data": ' + b"[" * 30 + b"]" * 30 + b"}", 413),
        (b'{"data": [' + b"1," * 60_000 + b"1]}", 413),
        (b'{"data": ["' + b"x" * 200_000 + b'"]}', 413),
        (b'{"data": [{"' + b"x" * 200_000 + b'": 1}]}', 413),
        (b'{"data": [' + b"9" * 5_000 + b"]}", 400),
        (b'{"data": [NaN], "fn_index": 1}', 400),
        (b'{"data": [1e999], "fn_index": 1}', 400),
        (b'{"data": ["\\ud800"], "fn_index": 1}', 400),
        (b'{"data": "text", "fn_index": 1}', 400),
        (b"\xff\xfe", 400),
        (b"", 400),
        (b"[1]", 400),
        *(
            (b'{"data": [], "fn_index": %s}' % value, 400)
            for value in (b"-1", b"9", b'"1"', b"1.0", b"true", b"null", b"[1]", b"1e9")
        ),
        *(
            (b'{"data": [], "fn_index": 1, "session_hash": %s}' % value, 400)
            for value in (b'"a/b"', b"1", b'"' + b"a" * 200 + b'"', b"{}")
        ),
    ],
)
@pytest.mark.parametrize("path", ["queue/join", "run/predict"])
def test_a_body_that_nobody_sends_in_good_faith_is_refused(tmp_path, path, body, status):
    guard, behind = make(tmp_path)
    told = asked(guard, f"/gradio_api/{path}", body)
    assert (told.status, behind.scopes) == (status, []) and json.loads(told.body)["error"]


@pytest.mark.parametrize("path", ["queue/join", "run/predict", "call/colorize", "cancel", "reset"])
def test_a_large_body_is_refused_before_it_is_read(tmp_path, path):
    guard, behind = make(tmp_path)
    pieces = [b" " * 100_000] * 50
    told = asked(guard, f"/gradio_api/{path}", *pieces)  # without a length
    assert told.status == 413 and not behind.scopes
    assert json.loads(told.body)["detail"] == "The request is larger than 1 MB."
    for length in ("5000000", "9" * 19):
        assert asked(guard, f"/gradio_api/{path}", b"{}", content_length=length).status == 413


def test_bodies_of_all_together_are_limited(tmp_path):
    guard, behind = make(tmp_path, bodies=1_500_000)

    async def both():
        pieces = [b" " * 300_000] * 3
        asks = [ask(guard, "/gradio_api/queue/join", *pieces, pause=0.02) for _ in range(4)]
        return [each.status for each in await asyncio.gather(*asks)]

    statuses = alone(both())
    assert 429 in statuses and not behind.scopes and guard._policy.received == 0


def test_a_slow_body_is_ended(tmp_path):
    guard, behind = make(tmp_path, body_seconds=0.2)
    start = time.monotonic()
    pieces = [b" "] * 1000
    told = asked(guard, "/gradio_api/queue/join", *pieces, pause=0.05, expect="100-continue")
    assert told.status == 408 and not behind.scopes and time.monotonic() - start < 5


def test_an_upload_passes(tmp_path):
    guard, behind = make(tmp_path)
    body = form(FILE)
    assert upload(guard, body[:50], body[50:]).status == 200
    assert behind.bodies == [body]


@pytest.mark.parametrize(
    "parts, status",
    [
        ([FILE] * 11, 413),
        ([FILE, ('name="x"', b"y")], 400),
        ([('name="files"', b"y")], 400),
        ([('name="x"; filename="a.png"', b"y")], 400),
        ([('filename="a.png"', b"y")], 400),
        ([('name="files"; filename=".."', b"y")], 400),
        ([('name="files"; filename="a/<..>"', b"y")], 400),
        ([(f'name="files"; filename="{"a" * 3_000}.png"', b"")], 413),
        ([(f'name="files"; filename="a.png"\r\nX: {"y" * 3_000}', b"")], 413),
        ([('name="files"; filename="a.png"', b"y" * 2_000_000)], 413),
    ],
)
def test_an_upload_that_the_page_does_not_send_is_refused(tmp_path, parts, status):
    guard, _ = make(tmp_path)
    body = form(*parts)
    pieces = [body[i : i + 100_000] for i in range(0, len(body), 100_000)]
    for length in ({}, {"content_length": ""}, {"content_length": "5"}):
        told = upload(guard, *pieces, **length)
        assert told.status == status and told.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "given",
    [{"content_type": "application/json"}, {"content_type": ""},
     {"content_type": "multipart/form-data"},
     {"content_type": f"multipart/form-data; boundary={'x' * 5_000}"}],
)  # fmt: skip
def test_an_upload_has_to_be_a_form(tmp_path, given):
    guard, behind = make(tmp_path)
    assert upload(guard, form(FILE), **given).status == 400 and not behind.scopes


@pytest.mark.parametrize("pause, pieces", [(0.5, 2), (0.05, 100)])
def test_a_slow_upload_is_ended(tmp_path, pause, pieces):
    guard, _ = make(tmp_path)
    start = time.monotonic()
    head = form(FILE)[:80]
    told = upload(guard, head, *[b"y"] * pieces, pause=pause, expect="100-continue")
    assert told.status == 408 and time.monotonic() - start < 5
    assert guard._policy.ledger._under_way.total() == 0


def test_an_upload_that_is_not_whole_is_refused(tmp_path):
    guard, _ = make(tmp_path)
    for body in (form(FILE)[:-10], form(FILE)[:100], b"", b"nothing"):
        assert upload(guard, body).status == 400, body


def test_what_breaks_off_is_ended(tmp_path):
    guard, behind = make(tmp_path)
    told = upload(guard, form(FILE)[:100], is_cut=True)
    assert (told.status, told.body) == (400, b"The upload ended too early.")
    assert guard._policy.ledger._pending == 0 and not behind.bodies
    assert asked(guard, "/gradio_api/queue/join", b'{"data":', is_cut=True).status == 400
    assert guard._policy.received == 0 and len(behind.scopes) == 1


def test_uploads_of_all_together_are_limited(tmp_path):
    limits = UploadLimits(one=1_000_000, stored=4_000_000)
    guard, behind = make(tmp_path, limits=limits)
    large, small = form((FILE[0], b"y" * 150_000)), form((FILE[0], b"y" * 20_000))
    assert upload(guard, large).status == 200
    (tmp_path / "stored").write_bytes(bytes(2_500_000))
    guard._policy.ledger._counted = float("-inf")  # as if two seconds had passed
    told = upload(guard, large)
    assert told.status == 507 and b"no room for a photo of 0.2 MB" in told.body
    assert upload(guard, small).status == 200  # nobody can take all that is left
    (tmp_path / "stored").unlink()
    guard._policy.ledger._counted = float("-inf")
    assert upload(guard, large).status == 200 and len(behind.scopes) == 3


def test_files_of_all_together_are_limited(tmp_path):
    guard, _ = make(tmp_path, limits=UploadLimits(one=1_000_000, files=3))
    for number in range(3):
        (tmp_path / str(number)).touch()
    assert upload(guard, form(FILE)).status == 507


def test_a_full_disk_is_told_in_words(tmp_path, monkeypatch):
    guard, behind = make(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000_000}))
    told = upload(guard, form(FILE))
    assert told.status == 507 and b"try again later" in told.body and not behind.scopes


def test_uploads_wait_for_their_turn(tmp_path):
    limits = UploadLimits(one=1_000_000, client=2, patience=0.5)
    guard, behind = make(tmp_path, Behind(pause=0.05), limits=limits)

    async def many():
        kind = {"content_type": "multipart/form-data; boundary=x", "content_length": "500"}
        asks = [ask(guard, "/gradio_api/upload", form(FILE), **kind) for _ in range(6)]
        return [each.status for each in await asyncio.gather(*asks)]

    async def twice():
        first, behind.pause = await many(), 0.7
        return first, await many()

    assert alone(twice()) == ([200] * 6, [200, 200, 429, 429, 429, 429])


@pytest.mark.parametrize(
    "limit, path",
    [
        ("heartbeats", "/gradio_api/heartbeat/a{}"),
        ("streams", "/gradio_api/queue/data?session_hash=a{}"),
        ("streams", "/gradio_api/call/colorize/a{}"),
        ("session_streams", "/gradio_api/queue/data?session_hash=a"),
    ],
)
def test_open_streams_are_limited(tmp_path, limit, path):
    guard, behind = make(tmp_path, Behind(pause=0.1), **{limit: 3})

    async def many():
        asks = [ask(guard, path.format(i)) for i in range(5)]
        return [each.status for each in await asyncio.gather(*asks)]

    assert sorted(alone(many())) == [200, 200, 200, 429, 429]
    assert asked(guard, path.format(1)).status == 200 and not guard._policy.open


def test_the_progress_of_uploads_that_are_not_there_is_not_followed(tmp_path, monkeypatch):
    guard, behind = make(tmp_path)
    monkeypatch.setattr("webapp.guard.middleware.PATIENCE", 0.1)
    assert asked(guard, "/gradio_api/upload_progress?upload_id=abc").status == 404
    kind = {"content_type": "multipart/form-data; boundary=x"}
    assert asked(guard, "/gradio_api/upload?upload_id=abc", form(FILE), **kind).status == 200
    assert asked(guard, "/gradio_api/upload_progress?upload_id=abc").status == 200
    assert asked(guard, "/gradio_api/upload?upload_id=a/b", form(FILE), **kind).status == 400
