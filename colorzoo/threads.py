"""How many threads PyTorch uses, and how they wait. For programs, before they import PyTorch.

By default, PyTorch's threads spin while they wait for each other, for milliseconds each time. That
is a little faster while nothing else runs. But if another process has one of the cores, most of the
time is spent waiting: a small photo then takes many times as long. The commands of colorzoo and its
app call ``share_cores`` when they start; ``import colorzoo`` changes nothing.
"""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from colorzoo.errors import ConfigError

# Read by the OpenMP library of PyTorch when it is loaded: that of GNU on Linux, else of LLVM or
# Intel, which know both.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_NUMBER = "OMP_NUM_THREADS"
_GROUPS = Path("/sys/fs/cgroup")


def share_cores(threads: int | None = None) -> None:
    """Let PyTorch use the cores that this process may use, and wait without keeping them busy.

    Environment variables that the user has set, such as OMP_NUM_THREADS, are kept. They are also
    passed on to processes that this one starts.

    Args:
        threads: How many threads; one for each core if None.

    Raises:
        ConfigError: If it is not a number from 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be a whole number from 1, got {threads}")
    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)
    if threads is not None:
        os.environ[_NUMBER] = str(threads)
    else:
        os.environ.setdefault(_NUMBER, str(available_cores()))
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:  # it has read the variables already
        torch.set_num_threads(threads)


def threads_in_use() -> int:
    """Return how many threads libraries other than PyTorch should use, such as codecs."""
    chosen = os.environ.get(_NUMBER, "")
    return int(chosen) if chosen.isdecimal() and int(chosen) else available_cores()


def is_considerate() -> bool:
    """Tell whether threads should wait without keeping a core busy."""
    return os.environ.get("OMP_WAIT_POLICY", "").strip().upper() == "PASSIVE"


def available_cores() -> int:
    """Return how many cores this process may use, by its affinity and the limits of a container."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas()]
    return max(1, min([cores, *quotas]))


def _quotas(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """Yield the limits of the control groups that this process is in, in cores."""
    lines: list[str] = []
    with suppress(OSError):
        lines = own.read_text().splitlines()
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        # In a container, the paths are those of the host, and its own group is the top one.
        folder = groups if not controllers else groups / "cpu"
        for place in _with_parents(folder, path.strip("/")):
            with suppress(OSError, ValueError, ZeroDivisionError):
                if controllers:
                    quota = int((place / "cpu.cfs_quota_us").read_text())
                    period = int((place / "cpu.cfs_period_us").read_text())
                else:
                    words = (place / "cpu.max").read_text().split()
                    quota, period = int(words[0]), int(words[1])  # "max" is no number
                if quota > 0:
                    yield quota / period


def _with_parents(top: Path, path: str) -> list[Path]:
    parts = path.split("/") if path else []
    return [top.joinpath(*parts[:count]) for count in range(len(parts) + 1)]
