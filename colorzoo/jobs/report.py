"""The report of a run: one JSON object per line, which can be read while the run goes on."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO, get_args

from colorzoo.atomic import write_whole
from colorzoo.errors import ConfigError
from colorzoo.files import open_folder
from colorzoo.jobs.plan import Job, Outcome, Status
from colorzoo.jobs.settings import find_difference

_HEADS = (b'{"source": ', b'{"summary": ')


class RunReport:
    """Writes a line when each photo ends, and a summary as the last line.

    A line contains source and target (absolute), status ("done", "skipped", "failed" or "left"),
    reason, seconds, width and height (null if unknown), notes, own_hints (name and hash of the
    photo's file of hints, if it was used) and the settings of the run. The last line
    has the key "summary", with the count of each status, and, if the run left out pictures or
    films, "left_out", with the count of each kind.

    The file is created or changed by ``open``, or else with the first line.

    Args:
        path: The file; also a device or pipe, such as /dev/stdout, which is only written to.
        settings: The settings of the run: JSON values by name.
        append: Append to the file if it exists. An incomplete last line of a killed run is removed.
        overwrite: Replace the file if it exists.

    Raises:
        ConfigError: If the file exists and neither ``append`` nor ``overwrite`` is true, if it is
            a link or folder, or if it is not a report and ``append`` is true.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, append: bool, overwrite: bool
    ) -> None:
        """Look at the file, and read it if ``append`` is true."""
        self._path, self._is_appended = path, append
        self._stream: BinaryIO | None = None
        self._sizes: tuple[int, int] | None = None  # of an incomplete line: where it begins, ends
        self._is_endless = _is_endless(path)
        self._is_new = not os.path.lexists(path)
        is_there = not self._is_endless and not self._is_new
        if is_there and not (append or overwrite):
            raise ConfigError(
                f"the report {path} exists. Pass --resume to append to it, or --overwrite to "
                "replace it and the outputs."
            )
        self._settings = settings
        self._made: dict[str, dict[str, Any]] = {}  # by target: the latest "done" line
        self._counts: Counter[str] = Counter()
        self._start = perf_counter()
        if is_there and append:
            try:
                self._read(path)
            except OSError as error:
                raise self._unwritable(error) from error

    def open(self) -> None:
        """Create the file, or empty it, or remove an incomplete last line.

        Raises:
            ConfigError: If it cannot be written.
        """
        try:
            self._stream = self._open()
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file; it is removed if it did not exist and nothing was written to it."""
        if self._stream is None:
            return
        is_empty = not self._is_endless and os.fstat(self._stream.fileno()).st_size == 0
        self._stream.close()
        self._stream = None
        if is_empty and self._is_new:
            with suppress(OSError):
                self._path.unlink()

    def _open(self) -> BinaryIO:
        path = self._path
        if self._is_endless:
            # A pipe that nobody reads is an error; it is not waited for.
            flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            stream = open(os.open(path, flags), "ab", buffering=0)
            if hasattr(os, "set_blocking"):
                os.set_blocking(stream.fileno(), True)
            return stream
        with open_folder(path.parent, create=True) as folder:
            found = folder.look(path.name)
            if found is not None and (found.st_nlink > 1 or not self._is_appended):
                # A new file: the old one may have other names, or be read by somebody.
                with folder.open(path.name, "rb") as old:
                    write_whole(path, old.read() if self._is_appended else b"")
            # Unbuffered: a line is in the file as soon as it is written.
            stream = folder.open(path.name, "ab")
            if self._sizes is not None and os.fstat(stream.fileno()).st_size == self._sizes[1]:
                os.ftruncate(stream.fileno(), self._sizes[0])
            return stream

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"the report {self._path} cannot be written ({error.strerror}); choose another path"
        )

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
                "notes": list(outcome.notes),
                **({} if outcome.hints is None else {"own_hints": outcome.hints}),
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
        seconds = round(perf_counter() - self._start, 3)
        self._write({"summary": counts, **extra, "seconds": seconds, **self._settings})
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        stream = self._stream = self._stream or self._open()
        try:
            while data:  # on a nearly full disk, a write may be partial
                data = data[stream.write(data) :]
        except OSError:  # no more lines after an incomplete one, which would make them unreadable
            stream.close()
            raise

    def _read(self, path: Path) -> None:
        with open_folder(path.parent) as folder, folder.open(path.name, "rb") as stream:
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        for text in whole.splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                line = None
            if not text.startswith(_HEADS) or not isinstance(line, dict):
                raise _no_report(path)
            if line.get("status") == "done":
                target = line.get("target")
                if not isinstance(target, str) or "source" not in line:
                    raise _no_report(path)
                self._made[target] = line
        torn = data[len(whole) :]
        # Only remove an incomplete line that this class began to write.
        if not any(torn.startswith(head) or head.startswith(torn) for head in _HEADS):
            raise _no_report(path)
        if torn:
            self._sizes = (len(whole), len(data))


def _is_endless(path: Path) -> bool:
    """Tell whether a report is only written to, because it is a device, a pipe or a descriptor.

    Raises:
        ConfigError: If it is a folder, or a link to a file, which others could point elsewhere.
    """
    if os.path.isdir(path):
        raise ConfigError(f"the report {path} is a folder; choose another path")
    if os.path.realpath(path.parent) in ("/dev", "/dev/fd", f"/proc/{os.getpid()}/fd"):
        return os.path.exists(path)  # /dev/stdout is a link
    if os.path.islink(path):
        raise ConfigError(
            f"the report {path} is a link, and links are not followed; choose another path, such "
            f"as {os.path.realpath(path)}"
        )
    return os.path.exists(path) and not os.path.isfile(path)


def _no_report(path: Path) -> ConfigError:
    return ConfigError(f"{path} is not a report, so nothing was appended; choose another path")
