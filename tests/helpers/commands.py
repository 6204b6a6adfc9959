"""Runs the command lines: in this process, or in one that need not import PyTorch again.

``run_colorzoo`` is for tests of what a command does and prints. ``run_command`` is for tests that
need a process: a server imports PyTorch once and forks, so starting one takes a fraction of a
second. Commands that use another Hub, or are killed, are started as a user starts them:
``entry_point``.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from typer.testing import CliRunner

Name = Literal["colorzoo", "train"]
# What takes long to import. Not the commands themselves, which look at the environment meanwhile.
_PRELOADED = ["pytest", "train.fit", "timm", "colorzoo.evaluation.report", "rich.progress"]


def run_colorzoo(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``colorzoo ...`` in this process; an exception that it does not explain is raised."""
    from colorzoo.cli import app

    words, before = list(map(str, arguments)), Path.cwd()
    os.chdir(cwd or before)
    try:
        result = CliRunner().invoke(app, words, prog_name="colorzoo")
    finally:
        os.chdir(before)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.stdout + result.stderr
    return subprocess.CompletedProcess(
        ["colorzoo", *words], result.exit_code, result.stdout, result.stderr
    )


def modules_after(code: str) -> set[str]:
    """Run code in a new process and give the names of the modules that are imported then."""
    code = f"{code}\nimport sys; print('\\n', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def entry_point(*arguments: object) -> list[str]:
    """Give the command line of the installed ``colorzoo`` command."""
    entry = shutil.which("colorzoo", path=str(Path(sys.executable).parent))
    assert entry, "the colorzoo command is not installed"
    return [entry, *map(str, arguments)]


def run_command(
    name: Name, *arguments: object, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``colorzoo ...`` or ``python -m train ...`` and give what it printed."""
    words = list(map(str, arguments))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = _start(name, words, cwd or Path.cwd(), _Sent(out), _Sent(err))
        process.join()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    assert process.exitcode is not None
    return subprocess.CompletedProcess([name, *words], process.exitcode, *texts)


def start_command(*arguments: object) -> Any:
    """Start ``colorzoo ...``, whose output is thrown away, and give its process."""
    with open(os.devnull, "w") as nowhere:
        return _start(
            "colorzoo", list(map(str, arguments)), Path.cwd(), _Sent(nowhere), _Sent(nowhere)
        )


def _start(name: Name, words: list[str], folder: Path, out: "_Sent", err: "_Sent") -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(
        target=_run, args=(name, words, str(folder), dict(os.environ), out, err)
    )
    process.start()
    return process


class _Sent:
    """A file that is opened here, for the process that it is sent to."""

    def __init__(self, file: Any) -> None:
        self._descriptor = file.fileno()

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        return (_received, (DupFd(self._descriptor),))


def _received(sent: Any) -> int:
    return sent.detach()


def _run(
    name: Name, words: list[str], folder: str, environment: dict[str, str], out: int, err: int
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for descriptor, standard in ((out, 1), (err, 2)):
        os.dup2(descriptor, standard)
    sys.argv = [name, *words]
    if name == "colorzoo":
        from colorzoo.cli import main
    else:
        from train.__main__ import app as main
    main()
