"""The report of a run: one JSON object per line, which can be read while the run goes on."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

from colorzoo.errors import ConfigError
from colorzoo.jobs.plan import Job, Outcome, Status
from colorzoo.jobs.settings import find_difference

_HEADS = (b'{"source": ', b'{"summary": ')


class RunReport:
    """Writes a line when each photo ends, and a summary as the last line.

    A line contains source and target (absolute), status ("done", "skipped", "failed" or "left"),
    reason, seconds, width and height (null if unknown) and the settings of the run. The last line
    has the key "summary", with the count of each status, and, if the run left out pictures or
    films, "left_out", with the count of each kind.

    Args:
        path: The file.
        settings: The settings of the run: JSON values by name.
        append: Append to the file if it exists. An incomplete last line of a killed run is removed.
        overwrite: Replace the file if it exists.

    Raises:
        ConfigError: If the file cannot be written, if it exists and neither ``append`` nor
            ``overwrite`` is true, or if it is not a report and ``append`` is true.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, append: bool, overwrite: bool
    ) -> None:
        """Open the file, and read it first if ``append`` is true."""
        if path.exists() and not (append or overwrite):
            raise ConfigError(
                f"the report {path} exists. Pass --resume to append to it, or --overwrite to "
                "replace it and the outputs."
            )
        self._settings = settings
        self._made: dict[str, dict[str, Any]] = {}  # by target: the latest "done" line
        self._counts: Counter[str] = Counter()
        self._start = perf_counter()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if append and path.exists():
                self._read(path)
            # Unbuffered: a line is in the file as soon as it is written.
            self._stream = path.open("ab" if append else "wb", buffering=0)
        except OSError as error:
            raise ConfigError(
                f"the report {path} cannot be written ({error.strerror}); choose another path"
            ) from error

    def made_otherwise(self, job: Job) -> str | None:
        """Return how a job's target differs from its result, by the lines so far, or None."""
        line = self._line(job)
        if line is not None and line["source"] != os.path.abspath(job.source):
            return f"is the result of another photo, {line['source']}"
        difference = self.difference(job)
        return difference and f"was made with {difference}"

    def difference(self, job: Job) -> str | None:
        """Return in which settings a job's target differs, by the lines so far, or None."""
        line = self._line(job)
        return find_difference(line, self._settings) if line is not None else None

    def knows(self, job: Job) -> bool:
        """Tell whether there is a line about a job's target."""
        return self._line(job) is not None

    def _line(self, job: Job) -> dict[str, Any] | None:
        return self._made.get(os.path.abspath(job.target))

    def add(self, outcome: Outcome) -> None:
        """Write a photo's line.

        Raises:
            OSError: If it cannot be written; the report is then closed.
        """
        self._counts[outcome.status] += 1
        width, height = outcome.size or (None, None)
        self._write(
            {
                "source": os.path.abspath(outcome.job.source),
                "target": os.path.abspath(outcome.job.target),
                "status": outcome.status,
                "reason": outcome.reason,
                "seconds": round(outcome.seconds, 3),
                "width": width,
                "height": height,
                **self._settings,
            }
        )

    def finish(self, left_out: Mapping[str, int] | None = None) -> None:
        """Write the summary and close the file.

        Args:
            left_out: How many files of which kinds the run left out, such as {"PDF": 3}.

        Raises:
            OSError: If it cannot be written.
        """
        counts = {status: self._counts[status] for status in get_args(Status)}
        extra = {"left_out": dict(left_out)} if left_out else {}
        with self._stream:
            seconds = round(perf_counter() - self._start, 3)
            self._write({"summary": counts, **extra, "seconds": seconds, **self._settings})

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        try:
            while data:  # on a nearly full disk, a write may be partial
                data = data[self._stream.write(data) :]
        except OSError:  # no more lines after an incomplete one, which would make them unreadable
            self._stream.close()
            raise

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for text in whole.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not text.startswith(_HEADS) or not isinstance(line, dict):
                raise _no_report(path)
            if line.get("status") == "done":
                self._made[line["target"]] = line
        torn = data[len(whole) :]
        # Only remove an incomplete line that this class began to write.
        if not any(torn.startswith(head) or head.startswith(torn) for head in _HEADS):
            raise _no_report(path)
        if torn:
            os.truncate(path, len(whole))


def _no_report(path: Path) -> ConfigError:
    return ConfigError(f"{path} is not a report, so nothing was appended; choose another path")
