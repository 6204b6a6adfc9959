"""The process that cases run in: python -m fuzzing.worker TARGET SEED START STOP.

It says on stdout which case it begins and what is wrong with one, a JSON object a line; what else
anybody prints goes to stderr. That it falls silent or dies is for ``watchdog`` to see.
"""

import faulthandler
import json
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

import colorzoo
from colorzoo.errors import ColorzooError
from fuzzing.cases import TARGETS, Target, check_message, is_out_of_memory

MEMORY = 1_000_000_000  # bytes that a case may add to what is resident
_ADDRESSES = 6_000_000_000  # bytes that it may ask for at all, so that a bomb takes no machine down
_PACKAGE = str(Path(colorzoo.__file__).parent)


def resident(peak: bool = False) -> int:
    """Bytes of this process in memory, now or at most so far.

    Not ``getrusage``: that begins with what the parent had.
    """
    field = "VmHWM:" if peak else "VmRSS:"
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024


def run_case(target: Target, data: bytes) -> tuple[str, str | None]:
    """Run one: how it ended, and what is wrong with that."""
    noise: list[str] = []

    def heard(message: Any, category: Any, filename: str, line: int, *_: Any) -> None:
        if filename.startswith(_PACKAGE):
            noise.append(f"{category.__name__} of {Path(filename).name}, line {line}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = heard
        try:
            target.run(data)
            outcome, wrong = "accepted", None
        except ColorzooError as error:
            outcome, wrong = type(error).__name__, None
            if is_out_of_memory(error):
                wrong = f"memory: an allocation failed: {error}"
            try:
                check_message(str(error))
            except AssertionError as told:
                wrong = f"message: {told}"
        except BaseException:
            outcome, wrong = "foreign", f"foreign exception:\n{traceback.format_exc()[-3000:]}"
    if noise and not wrong:
        wrong = f"warning: {noise[0]}"
    return outcome, wrong


def main(name: str, seed: str, start: str, stop: str) -> None:
    """Run cases START to STOP - 1."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target = TARGETS[name]()
    run_case(target, make_case(target, "warm", 0)[0])  # what is loaded once
    with open("/proc/self/statm", encoding="ascii") as sizes:
        addresses = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + _ADDRESSES,) * 2)
    before = resident()

    def say(**values: Any) -> None:
        channel.write(json.dumps(values) + "\n")

    for number in range(int(start), int(stop)):
        data, _ = make_case(target, seed, number)
        say(begins=number)
        began = time.process_time()
        outcome, wrong = run_case(target, data)
        took, grown = time.process_time() - began, resident(peak=True) - before
        say(ended=number, outcome=outcome, wrong=wrong, grown=grown, took=took)
        if grown > MEMORY:
            return  # the peak stays: whoever comes next is begun anew
    say(done=True)


def make_case(target: Target, seed: str | int, number: int) -> tuple[bytes, str]:
    """The file of a case, and what was done to which: both follow from the numbers alone."""
    return target.case(Random(f"{type(target).__name__} {seed} {number}"), number)


if __name__ == "__main__":
    main(*sys.argv[1:])
