"""Runs cases in a process of their own and tells of each that crashes, hangs or hogs memory."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fuzzing.cases import TARGETS
from fuzzing.worker import MEMORY, make_case

SECONDS = 5.0  # of the processor's: on a machine that does other things, the clock tells little
_PATIENCE = 6  # times as long by the clock, for a case that waits for something
_START_SECONDS = 240.0  # by the clock, to import PyTorch
_HERE = Path(__file__).parent


@dataclass
class Find:
    """A case that went wrong.

    Attributes:
        target: Whose.
        seed: Of the run.
        number: Of the case.
        what: "crash", "hang", "memory", or what the worker said.
        file: Where the case was written to.
        done: What had been done to which file.
    """

    target: str
    seed: int
    number: int
    what: str
    file: Path
    done: str

    def __str__(self) -> str:
        """Tell it, and how to see it again."""
        return (
            f"{self.what}\n  case {self.number} of {self.target}, seed {self.seed} ({self.done}),"
            f"\n  written to {self.file}; run it again, in tests/, with\n"
            f"  python -m fuzzing {self.target} --seed {self.seed} --case {self.number}"
        )


@dataclass
class Report:
    """What came of a run.

    Attributes:
        outcomes: How often cases were accepted, or refused with which error.
        finds: Those that went wrong.
        seconds: By the clock, the workers' start included.
        busy: Seconds that the processor had with the cases.
        slowest: The most that it had with one, and its number.
        largest: Bytes that memory grew by at most.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0
    slowest: tuple[float, int] = (0.0, -1)
    largest: int = 0

    def __str__(self) -> str:
        """Sum it up, and tell each find."""
        told = ", ".join(f"{count:,} {name}" for name, count in self.outcomes.most_common())
        lines = [
            f"{self.outcomes.total():,} cases in {self.seconds:.0f} s, {self.busy:.0f} s of the "
            f"processor's: {told}; slowest {self.slowest[0]:.2f} s (case {self.slowest[1]}), memory"
            f" {self.largest / 1e6:+.0f} MB at most, {len(self.finds)} finds"
        ]
        return "\n".join(lines + [f"{n}. {find}" for n, find in enumerate(self.finds, 1)])


def fuzz(
    name: str, seed: int, start: int, stop: int, folder: Path, *, seconds: float = SECONDS
) -> Report:
    """Run cases, in a fresh process after each that costs one.

    Args:
        name: Of the target.
        seed: Of the run.
        start: First case.
        stop: One past the last.
        folder: Where the files of finds are written to.
        seconds: A case that takes longer, in the processor's time, hangs; one that waits does
            after 6 times as many by the clock.
    """
    report, began = Report(), time.monotonic()
    while start < stop:
        start = _run_worker(name, seed, start, stop, folder, seconds, report)
    report.seconds = time.monotonic() - began
    return report


def _run_worker(
    name: str, seed: int, start: int, stop: int, folder: Path, seconds: float, report: Report
) -> int:
    """Start a worker and follow it to its end; the case to go on with."""
    current = None

    def found(what: str) -> None:
        report.finds.append(_kept(name, seed, current or 0, what, folder))

    with tempfile.TemporaryFile() as errors, _worker(name, seed, start, stop, errors) as process:
        for said in _lines(process, seconds):
            if "begins" in said:
                current = said["begins"]
            elif "ended" in said:
                report.outcomes[said["outcome"]] += 1
                report.busy += said["took"]
                report.slowest = max(report.slowest, (said["took"], said["ended"]))
                report.largest = max(report.largest, said["grown"])
                if said["took"] > seconds:
                    found(f"hang: {said['took']:.1f} s of the processor's")
                elif said["grown"] > MEMORY:
                    found(f"memory: {said['grown'] / 1e6:,.0f} MB more than before")
                elif said["wrong"]:
                    found(said["wrong"])
                current, start = None, said["ended"] + 1
            elif "done" in said:
                return stop
        hung = process.poll() is None
        process.kill()
        code = process.wait()
        errors.seek(0)
        told = errors.read().decode(errors="replace")[-3000:]
    if current is None:
        if start == 0 or (hung or code):
            raise RuntimeError(f"the worker did not start or stopped between cases:\n{told}")
        return start  # it had grown too large
    if hung:
        found(f"hang: more than {seconds:g} s of the processor's, or {_PATIENCE} times as many")
    else:
        with suppress(ValueError):
            told = f"{signal.Signals(-code).name}\n{told}"
        found(f"crash: the process ended with {code}: {told}")
    report.outcomes["lost"] += 1
    return current + 1


def _worker(
    name: str, seed: int, start: int, stop: int, errors: IO[bytes]
) -> "subprocess.Popen[bytes]":
    paths = [str(_HERE.parent), str(_HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "fuzzing.worker", name, *map(str, (seed, start, stop))],
        stdout=subprocess.PIPE,
        stderr=errors,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        },
    )


def _lines(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[dict[str, Any]]:
    """What the worker says, until it ends or a case takes too long."""
    assert process.stdout is not None
    pipe, rest, has_begun = process.stdout.fileno(), b"", False
    heard, busy = time.monotonic(), 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while time.monotonic() - heard < (_PATIENCE * seconds if has_begun else _START_SECONDS):
            if not selector.select(seconds / 4):
                if has_begun and _processor_seconds(process) - busy > seconds:
                    return
                continue
            data = os.read(pipe, 1 << 16)
            if not data:
                process.wait()
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from map(json.loads, lines)
            heard, busy, has_begun = time.monotonic(), _processor_seconds(process), True


def _processor_seconds(process: "subprocess.Popen[bytes]") -> float:
    try:
        values = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended
        return 0.0
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _kept(name: str, seed: int, number: int, what: str, folder: Path) -> Find:
    target = TARGETS[name]()
    data, done = make_case(target, seed, number)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{seed}-{number}{'-' if target.suffix else ''}{target.suffix}"
    file.write_bytes(data)
    return Find(name, seed, number, what, file, done)
