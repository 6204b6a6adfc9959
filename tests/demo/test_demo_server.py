"""The tests' own server: a run that is killed, or that times out, leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# In place of the app, which takes longer to start: it answers, and has a child of its own.
APP = """
import os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("pids.txt").write_text(f"{os.getpid()} {child.pid}")
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TEST = """
import time
from pathlib import Path
from helpers.demo_server import DemoServer

def test_that_hangs(tmp_path):
    with DemoServer(tmp_path / "server", app=Path("app.py").resolve()) as server:
        Path("place.txt").write_text(str(server.log.parent))
        time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("end", ["killed", "interrupted", "timed out", "aborted"])
def test_a_run_that_ends_badly_leaves_no_server(tmp_path, end):
    if end == "killed" and sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent was killed")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_hangs.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    how = {"timed out": ["--timeout=4", "--timeout-method=thread"]}.get(end, [])
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=tmp", *how)
    run = subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # Shells start background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        wait_until((tmp_path / "place.txt").exists)
        place = Path((tmp_path / "place.txt").read_text())
        server, child = map(int, (place / "pids.txt").read_text().split())
        assert is_running(server) and is_running(child)
        if how:
            run.wait(60)
        else:
            number = {"killed": "SIGKILL", "interrupted": "SIGINT", "aborted": "SIGABRT"}[end]
            run.send_signal(getattr(signal, number))
        wait_until(lambda: not is_running(server))
        if end == "interrupted":  # then there is time to tidy up: its children end, too
            wait_until(lambda: not is_running(child))
    finally:
        run.kill()
        run.wait()
        for pid in map(int, (place / "pids.txt").read_text().split()):
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
