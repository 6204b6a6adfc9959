"""Runs the command lines in processes of their own that need not import PyTorch again each time.

A server imports it once and forks: what takes seconds to start then takes a part of one. Commands
that want another Hub, or are killed, are started as a user does.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

Name = Literal["colorzoo", "train"]
# What takes long to import. Not the commands themselves, which look at the environment meanwhile.
_PRELOADED = ["colorzoo.benchmark", "colorzoo.evaluation", "train.fit", "typer", "rich.progress"]


def run_command(
    name: Name, *arguments: object, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``colorzoo ...`` or ``python -m train ...`` and give what it printed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    words = list(map(str, arguments))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = context.Process(
            target=_run,
            args=(name, words, str(cwd or Path.cwd()), dict(os.environ), _Sent(out), _Sent(err)),
        )
        process.start()
        process.join()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
    assert process.exitcode is not None
    return subprocess.CompletedProcess([name, *words], process.exitcode, *texts)


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
