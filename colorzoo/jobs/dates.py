"""Compare the dates of a result and of its photo."""

import time
from collections.abc import Callable
from pathlib import Path

_SECOND = 1_000_000_000  # nanoseconds
_DAY = 86_400 * _SECOND  # clocks of other computers, and time zones, may differ by less


IN_FUTURE = "it is dated in the future, so only the record tells that its output is not older"


def is_in_future(source: Path) -> bool:
    """Tell whether a file has the date of a wrong clock, more than a day ahead.

    Raises:
        OSError: If it is gone.
    """
    return source.stat().st_mtime_ns > time.time_ns() + _DAY


def older(
    target: Path, source: Path, what: str, *, is_recorded: Callable[[], bool] = lambda: False
) -> str | None:
    """Tell whether a result is older than what it was made from.

    If the source is dated in the future, no result would ever be newer. Then the record decides.

    Args:
        target: The result.
        source: The photo or film.
        what: Which of them it is, in words.
        is_recorded: Tells whether a record says how the result was made.

    Returns:
        A predicate for the target, such as "is older than the photo"; None if it is not older.

    Raises:
        OSError: If one of them is gone.
    """
    made, taken = target.stat().st_mtime_ns, source.stat().st_mtime_ns
    if made + _precision(made) >= taken:
        return None
    if not is_in_future(source):
        return f"is older than the {what}"
    if is_recorded():
        return None
    return (
        f"is in no record, and the {what} is dated in the future, so nothing tells which of them "
        f"is newer (correct the date of {source})"
    )


def _precision(date: int) -> int:
    """Return by how much a disk may have rounded a date down: FAT by 2 s, others by 1 s."""
    return next((each for each in (2 * _SECOND, _SECOND) if date % each == 0), 0)
