"""The record, in every output folder, of how each output was made.

Without it, a run that goes on in a folder could take the results of another model for its own.

The record is a hidden file of JSON lines. It is only ever appended to, about 130 bytes for an
output, so that many workers and several runs can share a folder, and a killed run loses at most the
line that it was writing. A line is about the output with a certain content: it says nothing of a
file that was changed or replaced later, so the order of lines does not matter.
"""

import hashlib
import io
import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from colorzoo._version import __version__
from colorzoo.atomic import append_line
from colorzoo.errors import ConfigError, ImageError
from colorzoo.files import open_folder, refusal, regular_only
from colorzoo.jobs.plan import Job, Outcome
from colorzoo.jobs.report import RunReport
from colorzoo.jobs.settings import find_difference

RECORD = ".colorzoo.jsonl"

_CHUNK = 65_536


@dataclass(frozen=True)
class _Made:
    """A line about an output."""

    content: str  # fingerprint of the output
    source: str | None  # fingerprint of the photo; None if it was no file
    settings: str  # id of a line with settings
    hints: str | None  # name and hash of the photo's own hints
    by: dict[str, Any] = field(compare=False)  # those settings


class Records:
    """Reads and continues the records of the folders that a run writes to.

    Args:
        settings: The settings of the run from ``settings_of``, and "config" from ``config_of``.
        report: Its lines count for outputs that no record knows.
    """

    def __init__(self, settings: dict[str, Any], report: RunReport | None = None) -> None:
        """Store the settings; nothing is read yet."""
        text = json.dumps(settings, sort_keys=True)
        self._id = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._settings, self._report = settings, report
        self._folders: dict[Path, _Record] = {}
        self._differences: dict[str, str | None] = {}  # by id of settings
        self._lock = RLock()  # the workers of a run are threads

    def check(self, jobs: Sequence[Job], *, overwrite: bool) -> list[str]:
        """Look for existing outputs that were made with other settings, before a run goes on.

        Args:
            jobs: The jobs of the run.
            overwrite: Accept such outputs, because the run will make them again.

        Returns:
            A list with a note that some outputs are in no record; empty if all are.

        Raises:
            ConfigError: If outputs were made with other settings, or a record cannot be read.
        """
        unknown: list[Path] = []
        other: dict[Path, str] = {}  # by target: what differs
        for job in jobs:
            if job.clash is not None or not os.path.exists(job.target):
                continue
            if refusal(job.target, job.root) is not None:  # it will fail
                continue
            difference, is_known = self._look_up(job)
            if difference is not None:
                other[job.target] = difference
            elif not is_known:
                unknown.append(job.target)
        if other and not overwrite:
            target, difference = next(iter(other.items()))
            raise ConfigError(
                f"{_and_more(target, other)} made with {difference}. Pass --overwrite to make "
                f"{'it' if len(other) == 1 else 'them'} again, choose another output folder, or "
                "use the same settings."
            )
        if not unknown:
            return []
        return [
            f"no record tells how {_and_more(unknown[0], unknown)} made (perhaps by an older "
            "colorzoo), so only size and age are compared"
        ]

    def made_otherwise(self, job: Job) -> str | None:
        """Return how a job's target differs from its result, or None if nothing is known."""
        same = self._same(job.target)
        if not same:
            return self._report.made_otherwise(job) if self._report else None
        differences = [self._difference(made) for made in same]
        if None not in differences:
            return f"was made with {differences[-1]}"
        source = _source_of(job)
        sources = [made.source for made in same]
        if source is None or None in sources or source in sources:
            return None
        named = self._report.made_otherwise(job) if self._report else None
        return named or "is the result of another photo, or of another version of this one"

    def has_other_hints(self, job: Job, hints: str | None) -> bool:
        """Tell whether a job's target was made with other hints of its own, by the record.

        Args:
            job: The job.
            hints: Its hints now, from ``name_hints``.
        """
        if hints is None and all(made.hints is None for made in self._find(job.target)):
            return False  # as nearly always, so that no file is read for it
        same = [made for made in self._same(job.target) if self._difference(made) is None]
        return bool(same) and hints not in [made.hints for made in same]

    def knows(self, job: Job) -> bool:
        """Tell whether the record says how a job's target was made."""
        return bool(self._same(job.target))

    def begin(self, folder: Path, within: Path | None = None) -> None:
        """Write the settings to a folder's record, before the first output is written there.

        Args:
            folder: The folder.
            within: A folder above it, below which no link is followed; None to follow all.

        Raises:
            OSError: If the record cannot be read or written.
        """
        with self._lock:
            record = self._record(folder)
            record.read()
            if self._id not in record.settings:
                line = {"settings": self._id, "colorzoo": __version__, **self._settings}
                append_line(record.path, json.dumps(line).encode(), within=within)
                record.settings[self._id] = self._settings

    def add(self, job: Job, hints: str | None = None) -> None:
        """Record that a job's target has just been made with the settings of this run.

        Args:
            job: The job.
            hints: The photo's own hints, from ``name_hints``.

        Raises:
            OSError: If the record cannot be written.
        """
        line = {
            "output": job.target.name,
            "content": fingerprint(job.target),
            "source": _source_of(job),
            "made": self._id,
            **({"hints": hints} if hints is not None else {}),
        }
        with self._lock:  # far faster between threads than the lock on the file
            record = self._record(job.target.parent)
            append_line(record.path, json.dumps(line).encode(), within=job.root)

    def add_film(self, outcome: Outcome) -> Outcome:
        """Record a film that has just been made.

        Returns:
            The outcome; "failed" if the film cannot be recorded. A film takes too long to remove it
            for that.
        """
        if outcome.status != "done":
            return outcome
        target = outcome.job.target
        try:
            self.begin(target.parent, outcome.job.root)
            self.add(outcome.job, outcome.hints)
        except OSError as error:
            reason = (
                f"{outcome.job.source.name}: {target} is complete, but the record "
                f"{target.with_name(RECORD)} cannot be written ({error.strerror}), so nothing "
                "tells how it was made. Free some space or change its permissions."
            )
            return replace(outcome, status="failed", reason=reason)
        return outcome

    def _same(self, target: Path) -> list[_Made]:
        """Return the lines about the target as it is now."""
        known = self._find(target)
        content = None
        with suppress(OSError, ImageError):
            content = fingerprint(target) if known else None
        return [made for made in known if made.content == content]

    def _find(self, target: Path) -> list[_Made]:
        """Return all lines about files of that name, of which at most one is there now."""
        with self._lock:
            record = self._record(target.parent)
            try:
                record.read()
            except OSError as error:
                raise ConfigError(
                    f"the record {record.path} cannot be read ({error.strerror}). Change its "
                    "permissions, or choose another output folder."
                ) from error
            return record.made(target.name)

    def _look_up(self, job: Job) -> tuple[str | None, bool]:
        """Return in which settings a target differs, and whether anything is known about it."""
        known = self._find(job.target)
        if not known and self._report:
            return self._report.difference(job), self._report.knows(job)
        differences = [self._difference(made) for made in known]
        if any(differences):  # which line is about the file that is there now?
            differences = [self._difference(made) for made in self._same(job.target)]
        is_same = not differences or None in differences
        return None if is_same else differences[-1], bool(differences)

    def _difference(self, made: _Made) -> str | None:
        if made.settings not in self._differences:
            self._differences[made.settings] = find_difference(made.by, self._settings)
        return self._differences[made.settings]

    def _record(self, folder: Path) -> "_Record":
        return self._folders.setdefault(folder, _Record(folder / RECORD))


class _Record:
    """The part of a folder's record that has been read so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, dict[str, Any]] = {}  # by id
        self._made: dict[str, dict[_Made, None]] = {}  # by name of the output
        self._size = 0  # bytes read

    def made(self, name: str) -> list[_Made]:
        """Return the lines about outputs of that name."""
        return list(self._made.get(name, ()))

    def read(self) -> None:
        """Read what was appended since the last time, by this or another run."""
        with suppress(FileNotFoundError), open_folder(self.path.parent) as folder:
            if folder.look(self.path.name) is not None:
                with folder.open(self.path.name, "rb") as stream:
                    self._read(stream)
                return
        self._forget()

    def _read(self, stream: BinaryIO) -> None:
        size = os.fstat(stream.fileno()).st_size
        if not size or size < self._size:  # it was deleted or replaced
            self._forget()
        if size == self._size:
            return
        stream.seek(self._size)
        data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]  # another run may be writing the rest
        self._size += len(whole)
        for text in whole.splitlines():
            # An incomplete line, or one that somebody else wrote.
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self._take(json.loads(text))

    def _forget(self) -> None:
        self._size = 0
        self.settings.clear()
        self._made.clear()

    def _take(self, line: dict[str, Any]) -> None:
        if "output" not in line:
            self.settings[line["settings"]] = line
            return
        # Settings come before the outputs that were made with them.
        made = _Made(
            content=line["content"],
            source=line["source"],
            settings=line["made"],
            hints=line.get("hints"),
            by=self.settings[line["made"]],
        )
        self._made.setdefault(line["output"], {})[made] = None


def fingerprint(file: Path | bytes) -> str:
    """Identify a file by its size and by its first, middle and last 64 KB.

    A film of many GB is identified as fast as a photo.

    Args:
        file: A regular file, or its content.

    Raises:
        OSError: If it cannot be read.
        ImageError: If it is not regular.
    """
    is_data = isinstance(file, bytes)
    with io.BytesIO(file) if is_data else open(file, "rb", opener=regular_only) as stream:
        size = stream.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for place in sorted({0, max(0, (size - _CHUNK) // 2), max(0, size - _CHUNK)}):
            stream.seek(place)
            digest.update(stream.read(_CHUNK))
    return digest.hexdigest()[:16]


def _source_of(job: Job) -> str | None:
    """Return the fingerprint of a photo; None for arrays, pipes and files that are gone."""
    with suppress(OSError, ImageError):
        if isinstance(job.data, bytes):
            return fingerprint(job.data)
        if job.data is None and job.source.is_file():  # a pipe can be read only once
            return fingerprint(job.source)
    return None


def _and_more(first: Path, every: Collection[Path]) -> str:
    return f"{first} was" if len(every) == 1 else f"{first} and {len(every) - 1} more were"
