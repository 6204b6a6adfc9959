"""What glibc keeps of memory that is free: without this, hundreds of MB after large photos."""

import ctypes
import sys
from collections.abc import Callable

LARGE_BLOCK = 4_000_000  # bytes; more than most of what networks need for one step
ARENAS = 2  # places for small blocks; each keeps room for the most that was ever in it
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of malloc.h


def keep_little() -> None:
    """Let what large photos take go back to the system as soon as it is free.

    After the first large one, glibc puts others between small blocks, where they stay; and it has
    eight arenas for each core.
    """
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, LARGE_BLOCK)
        set_option(_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give back to the system what is free, also of threads that are now idle."""
    give_back = _of_glibc("malloc_trim")
    if give_back is not None:
        give_back(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
