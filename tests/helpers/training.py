"""``python -m train``, in this process or, where that is the point, in one of its own."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m train ...`` in this process and give what it printed."""
    from train.commands import app

    words = list(map(str, arguments))
    run = CliRunner().invoke(app, words)
    if run.exception is not None and not isinstance(run.exception, SystemExit):
        raise run.exception  # a bug: its traceback tells more than an exit code
    return subprocess.CompletedProcess(words, run.exit_code, run.stdout, run.stderr)


def fit_arguments(name: str, data: object, run: Path, *more: object) -> list[str]:
    words = (
        "fit", name, "--data", data, "--folder", run, "--export", run / "weights",
        "--device", "cpu", *more,
    )  # fmt: skip
    return list(map(str, words))


def fit(name: str, data: object, run: Path, *more: object) -> subprocess.CompletedProcess[str]:
    """Train on the CPU, into a run's folder and its "weights"."""
    return train(*fit_arguments(name, data, run, *more))


def start(name: str, data: object, run: Path, *more: object) -> "subprocess.Popen[str]":
    """Start the same in a process of its own."""
    command = [sys.executable, "-m", "train", *fit_arguments(name, data, run, *more)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
