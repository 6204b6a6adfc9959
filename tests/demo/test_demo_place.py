"""Nothing stays on the machine for longer than the page says, whoever left it there."""

import errno
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from types import SimpleNamespace

import gradio as gr
import pytest
from filelock import FileLock
from gradio.state_holder import SessionState, StateHolder
from helpers.demo_server import DEMO

from webapp import place, tidying, uploads
from webapp import session as sessions


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A place of its own, and the folder that it is in."""
    monkeypatch.setattr(place.tempfile, "gettempdir", lambda: str(tmp_path))
    own = place.Place()
    yield own
    own.remove()


def write(path, *, age=0.0, size=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    for each in (path, path.parent):
        os.utime(each, (time.time() - age,) * 2)
    return path


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_everything_is_swept_by_age_whoever_wrote_it(own):
    uploaded = own.folder("uploads")
    for age, word in ((4000, "old"), (1000, "new")):
        write(uploaded / ("0" * 64) / f"{word}.png", age=age)
        write(uploaded / "deep_links" / f"{word}" / f"{word}.json", age=age)
        write(own.folder("guests-1") / "models--ann" / f"{word}.safetensors", age=age)
        write(own.folder("results-1") / f"{word}" / f"{word}.jpg", age=age)
    example = write(uploaded / "example" / "coffee.png", age=4000)
    write(uploaded / "tmpaborted", age=700)  # a part of an upload
    write(own.folder("parts") / "tmpfield", age=700)
    write(uploaded / "tmprunning", age=5)
    own.sweep(3600, keep={str(example)})
    assert left(own.root) == [
        ".lock", "coffee.png", "new.jpg", "new.json", "new.png", "new.safetensors", "tmprunning"
    ]  # fmt: skip
    for folder in own.root.rglob("*"):
        if folder.is_dir():
            os.utime(folder, (time.time() - 4000,) * 2)
    own.sweep(3600, keep={str(example)})
    assert not (uploaded / "deep_links" / "old").exists()  # nor do empty folders stay
    assert (own.root / "results-1" / "new").exists() and own.folder("parts").exists()


def test_on_a_disk_that_is_almost_full_aborted_uploads_go_at_once(own, monkeypatch):
    write(own.folder("uploads") / "tmpaborted", age=40)
    own.sweep(3600)
    assert "tmpaborted" in left(own.root)
    monkeypatch.setattr(place.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    own.sweep(3600)
    assert "tmpaborted" not in left(own.root)


def test_what_a_crash_left_is_deleted_at_the_next_start(tmp_path):
    code = (
        "import os, sys, tempfile; from webapp.place import PLACE; PLACE.take_over();"
        "tempfile.mkstemp(); (PLACE.folder('uploads') / 'photo.png').write_bytes(b'x');"
        "print(PLACE.root); sys.stdout.flush(); sys.argv[1:] and os.kill(os.getpid(), 9);"
        "sys.stdin.read()"
    )

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], text=True,
            stdout=subprocess.PIPE, stdin=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(DEMO)},
        )  # fmt: skip

    running = start()
    assert running.stdout.readline().strip() and len(left(tmp_path)) == 3
    crashed = start("crash")
    assert crashed.wait() == -signal.SIGKILL and len(left(tmp_path)) == 6
    again = start()
    assert again.stdout.readline().strip() and len(left(tmp_path)) == 6
    assert running.poll() is None
    for each in (running, again):
        each.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_folders_of_others_are_left_alone(tmp_path):
    outside = write(tmp_path / "outside" / "file")
    (tmp_path / f"{place.PREFIX}link").symlink_to(outside.parent)
    running = tmp_path / f"{place.PREFIX}running"
    write(running / "file", age=10**6)
    write(tmp_path / f"{place.PREFIX}unlocked" / "file", age=1000)
    write(tmp_path / f"{place.EARLIER}forgotten" / "file", age=10**6)
    with FileLock(running / place.LOCK):
        place.remove_abandoned(tmp_path)
        assert left(tmp_path) == [".lock", "file", "file", "file"]
    place.remove_abandoned(tmp_path)
    assert outside.exists() and not running.exists()


def test_a_forked_child_leaves_the_folder_alone(own, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(place.os, "getpid", lambda: -1)
        own.remove()
    assert own.root.exists()


def test_a_photo_that_was_deleted_meanwhile_is_told(upload_folder):
    with pytest.raises(gr.Error, match="no longer here.*choose it again"):
        uploads.read({"path": str(upload_folder / "gone.png")})


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EIO, 500)])
def test_an_upload_to_a_full_disk_is_told(number, status):
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette.testclient import TestClient

    def upload(request):
        raise OSError(number, os.strerror(number))

    app = Starlette(routes=[Route("/", upload)], exception_handlers=uploads.HANDLERS)
    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == status
    assert (answer.text == place.DISK_FULL) == (number == errno.ENOSPC)


# Visits -------------------------------------------------------------------------------------------


@pytest.fixture
def holder():
    with gr.Blocks() as app:
        state = gr.State(sessions.Visit())
    holder = StateHolder()
    holder.capacity = 10_000
    holder.blocks = app

    def add(session, *, owner="", age=0.0):
        visit: sessions.Visit = holder[session][state._id]
        if owner:
            visit.owner, visit.tiles = owner, {"before": sessions.Tile("", "")}
        holder.time_last_used[session] -= timedelta(seconds=age)

    holder.add = add
    return holder


def test_sessions_without_results_do_not_evict_those_with(holder):
    holder.add("victim", owner="ann", age=300)
    for number in range(60):
        holder.add(f"empty {number}", age=200 - number)
    for number in range(30):
        holder.add(f"bob {number}", owner="bob", age=100 - number)
    tidying.tidy_visits(holder, most=20)
    assert list(holder.session_data) == ["victim", *(f"bob {number}" for number in range(11, 30))]
    assert set(holder.time_last_used) == set(holder.session_data)


def test_the_state_of_a_visit_expires(holder):
    holder.add("old", owner="ann", age=4000)
    holder.add("new", owner="ann", age=3000)
    tidying.tidy_visits(holder)
    assert list(holder.session_data) == ["new"]
    assert isinstance(holder["old"], SessionState)  # another visit, from the start


def test_tidying_goes_on_after_a_failure(caplog):
    done = []
    tidying.tidy({"first": lambda: 1 / 0, "second": lambda: done.append(1)})
    assert done == [1] and "Tidying up first failed" in caplog.text


def test_all_that_is_kept_is_tidied_and_the_page_s_own_files_are_not():
    with gr.Blocks() as app:
        gr.Image()
        image = gr.Image()
    image.keep_in_cache.add("/example.png")
    assert tidying.own_files(app) == {"/example.png"}
    assert {"results", "uploads", "files", "predictions", "added models", "visits"} <= set(
        tidying.tasks(app)
    )
    assert tidying.DELETE_CACHE[1] + tidying.DELETE_CACHE[0] < sessions.KEPT_SECONDS
    assert sessions.KEPT_SECONDS + 2 * tidying.EVERY < 3600


# Memory -------------------------------------------------------------------------------------------


# Allocates large blocks between small ones, frees them, and tells how many bytes are kept.
BLOCKS = """
import resource, sys
from webapp import memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

if "mapped" in sys.argv:
    memory.keep_little()
b"x" * 31_000_000  # after it, glibc maps only what is larger
before = resident()
pairs = [(b"x" * 5_000_000, b"y" * 50_000) for _ in range(30)]
small = [each for _, each in pairs]
del pairs
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told what to do")
def test_what_large_photos_took_goes_back_to_the_system_at_once():
    def kept(*arguments):
        command = [sys.executable, "-c", BLOCKS, *arguments]
        return int(subprocess.check_output(command, env={**os.environ, "PYTHONPATH": str(DEMO)}))

    assert kept() > 100_000_000 > 10_000_000 > kept("mapped")
