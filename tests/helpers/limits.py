"""Measures what one call takes, in a process of its own that may not take much more.

The process is forked from a server that has imported PyTorch, so starting one takes no time. Time
is CPU time of all its threads, so that a busy machine does not fail a test.
"""

import faulthandler
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

from helpers import commands

SECONDS, BYTES = 5.0, 1_000_000_000  # what any single input of up to 40 MB may take


class Used(NamedTuple):
    """What a call took.

    Attributes:
        outcome: ``str`` of what it returned, or "ErrorType: message".
        seconds: CPU time of the call, or ``inf`` if it was killed.
        peak: Bytes in memory at most, with what was there before the call.
    """

    outcome: str
    seconds: float
    peak: int

    def check(self, *, seconds: float = SECONDS, peak: int = BYTES) -> str:
        """Return the outcome.

        Raises:
            AssertionError: If the call took more than it may.
        """
        assert self.seconds <= seconds, f"{self.seconds:.1f} s of CPU time: {self.outcome}"
        assert self.peak <= peak, f"{self.peak / 1e6:.0f} MB: {self.outcome}"
        return self.outcome


def used_by(function: Callable[..., object], *arguments: object, most: int = 3 * BYTES) -> Used:
    """Call a module-level function in a process of its own and measure it.

    Args:
        function: What to call; it and the arguments have to be picklable.
        arguments: Positional arguments.
        most: Bytes of address space that the call may add; more is a MemoryError.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(commands.PRELOADED)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(sending, most, function, *arguments))
    process.start()
    sending.close()
    try:
        return receiving.recv() if receiving.poll(120) else Used("no answer", float("inf"), 0)
    except EOFError:
        process.join()
        return Used(f"died with exit code {process.exitcode}", float("inf"), 0)
    finally:
        process.kill()
        process.join()


def _measured(
    channel: Connection, most: int, function: Callable[..., object], *arguments: object
) -> None:
    faulthandler.enable()
    with open("/proc/self/statm", encoding="ascii") as sizes:
        mapped = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + most,) * 2)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(spent.ru_utime + spent.ru_stime + 6 * SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")  # the peak starts again from what is in memory now
    began = time.process_time()
    try:
        outcome = str(function(*arguments))
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    channel.send(Used(outcome, time.process_time() - began, _peak()))


def _peak() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
