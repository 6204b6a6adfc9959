"""Runs the ``colorzoo`` command: in this process, or in one of its own.

``run_colorzoo`` is for tests of what a command does and prints. ``start_colorzoo`` is for those
that need a process: a server imports PyTorch once and forks, so starting one takes no time.
Commands that use another Hub, or get signals, are started as a user does: ``entry_point``.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from typer.testing import CliRunner

PRELOADED = ["pytest", "colorzoo.cli", "colorzoo.jobs.films", "colorzoo.jobs.report"]
PRELOADED += ["colorzoo.loading", "colorzoo.models.unet", "colorzoo.imaging.read"]


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


def start_colorzoo(*arguments: object, printing: str = os.devnull) -> BaseProcess:
    """Start ``colorzoo ...`` and give its process; what it prints is thrown away."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run_quietly, args=(list(map(str, arguments)), printing))
    process.start()
    return process


def _run_quietly(words: list[str], printing: str) -> None:
    nowhere = os.open(printing, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nowhere, standard)
    sys.argv = ["colorzoo", *words]

    from colorzoo.cli import main

    main()


def entry_point(*arguments: object) -> list[str]:
    """Give the command line of the installed ``colorzoo`` command."""
    entry = shutil.which("colorzoo", path=str(Path(sys.executable).parent))
    assert entry, "the colorzoo command is not installed"
    return [entry, *map(str, arguments)]


def modules_after(code: str) -> set[str]:
    """Run code in a new process and give the names of the modules that are imported then."""
    code = f"{code}\nimport sys; print('\\n', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())
