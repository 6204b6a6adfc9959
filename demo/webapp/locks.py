"""A lock for each key, so that slow work on one does not hold up the others."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Locks:
    """Locks by key; those that nobody uses are forgotten."""

    def __init__(self) -> None:
        """Start without any."""
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}  # and its number of users

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait for the key's lock, and hold it."""
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = lock, users - 1
