"""The demo, served by a process of its own that ends with the tests."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
WAIT = 60  # s; the cores may be shared

# Becomes the program that is named after it. On Linux, the kernel kills that when its parent ends,
# in whatever way: a test run that is killed or times out leaves no server behind.
_TIED = """
import ctypes, os, signal, sys

parent, *command = sys.argv[1:]
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it has ended meanwhile
        sys.exit()
os.execv(command[0], command)
"""


class DemoServer:
    """A running app; a context manager.

    Args:
        folder: Where its log and all its temporary files go.
        app: The program.
        python: What runs it.
        patience: Seconds that it may take to start.
        environment: Variables to set besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        app: Path = DEMO / "app.py",
        python: str | Path = sys.executable,
        patience: float = 2 * WAIT,
        **environment: str,
    ) -> None:
        self._command, self._patience = [str(python), str(app)], patience
        self.temporary, self.log = folder / "tmp", folder / "log.txt"
        self.temporary.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self._environment = os.environ | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "HF_HUB_OFFLINE": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "TMPDIR": str(self.temporary),
            "GRADIO_TEMP_DIR": str(self.temporary / "gradio"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        self._environment |= environment

    def __enter__(self) -> "DemoServer":
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _TIED, str(os.getpid()), *self._command],
                cwd=self.log.parent,  # a strange folder
                env=self._environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # so that its children can be ended with it
            )
        atexit.register(self.__exit__)
        deadline, reason = time.monotonic() + self._patience, None
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(self.url + "config", timeout=5):
                    return self
            except OSError as error:
                reason = error
                time.sleep(0.2)
        self.__exit__()
        raise TimeoutError(f"the demo did not start ({reason!r}):\n{self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        atexit.unregister(self.__exit__)
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it and whatever it has started
        self.process.wait()

    def check_leftovers(self) -> None:
        """Check that a server that has ended left no visitor's file behind."""
        # The examples are the page's own.
        left = {path.stem for path in self.files()} - {
            "coffee", "astronaut", "chelsea", "rocket", "camera"
        }  # fmt: skip
        assert not left, left

    def files(self) -> list[Path]:
        """List the temporary files that are there."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]
