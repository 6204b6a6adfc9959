"""Ctrl-C and SIGTERM, which batch systems and machines that shut down send."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number


class Interrupts:
    """Takes the signals while it is entered.

    They raise ``Interrupted`` or, once they are deferred, are only noted: a run that asks ends in
    order, so that no half-written file stays and what it tells of every photo is true. A second one
    does not wait for that; the hidden files that it may leave go with the next run.

    Attributes:
        number: The last signal that came; None if none has.
    """

    def __init__(self) -> None:
        """Take nothing yet."""
        self.number: int | None = None
        self._is_deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        """Take the signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the signals to whom they were before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def defer(self) -> Callable[[], bool]:
        """Note signals from now on, and give the question whether one has come."""
        self._is_deferred = True
        return lambda: self.number is not None

    def _take(self, number: int, _frame: object) -> None:
        is_first, self.number = self.number is None, number
        if not self._is_deferred:
            raise Interrupted(number)
        if not is_first:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h")  # the cursor, which the progress bar hides
            os._exit(128 + number)  # an exception would wait for the threads all the same
