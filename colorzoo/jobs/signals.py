"""Handle Ctrl-C and SIGTERM, which batch systems send, and machines that shut down."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal interrupted the command."""

    def __init__(self, number: int) -> None:
        """Store the signal's number."""
        super().__init__(number)
        self.number = number


class Interrupts:
    """Context manager that handles the signals.

    A signal raises ``Interrupted``. After ``defer()``, it is only recorded, so that the run can
    check for it, finish the files being written and report the correct outcome of every photo. A
    second signal ends the process at once; the next run removes the temporary files it may leave.

    Attributes:
        number: The last signal; None if there was none.
    """

    def __init__(self) -> None:
        """Do not handle signals yet."""
        self.number: int | None = None
        self._is_deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        """Start handling the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def defer(self) -> Callable[[], bool]:
        """From now on only record signals; return a function that tells whether there was one."""
        self._is_deferred = True
        return lambda: self.number is not None

    def _take(self, number: int, _frame: object) -> None:
        is_first, self.number = self.number is None, number
        if not self._is_deferred:
            raise Interrupted(number)
        if not is_first:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h")  # show the cursor, which the progress bar hides
            os._exit(128 + number)  # an exception would still wait for the threads
