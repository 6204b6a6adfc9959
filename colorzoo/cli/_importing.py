"""Import what a command needs, quickly."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Do not look for garbage among what is imported, neither now nor later.

    PyTorch and what it imports define so many objects that Python takes longer to look through them
    again and again, and once more when it ends, than a photo takes. Only commands do this, since it
    concerns the whole process.
    """
    is_first, is_on = "torch" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_first:  # only once: what is garbage by then stays
            gc.freeze()
        if is_on:
            gc.enable()
