"""Which uploads are kept: what is needed stays, and who has the most loses the rest first."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gradio.utils import get_upload_folder

from webapp.clients import ANONYMOUS, Client
from webapp.eviction import heaviest_first

FRESH_SECONDS = 60  # so long, an upload is kept that is new, or that a session named last
SHARE = 2  # one job or upload may take this part of the room that is left, so small ones find some


class Claim(NamedTuple):
    """A job that waits or runs: whose it is, and the uploads that it names."""

    client: Client
    paths: tuple[str, ...]

    @property
    def session(self) -> str:
        """Whose last upload it is: of calls outside a session, each has its own."""
        return self.client.session or next(iter(self.paths), ANONYMOUS)


def claim_of(client: Client, values: Any) -> Claim:
    """Find the uploads that a job names: dictionaries with "path" in its values, at any depth."""
    return Claim(client, tuple(dict.fromkeys(_paths(values))))


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield os.path.normpath(value["path"])  # one file counts once, however it is spelled
        for each in value.values():
            yield from _paths(each)


@dataclass(frozen=True)
class StockLimits:
    """The limits on uploads on disk.

    Those that are new and those that are needed fit into what is kept together, so what has to go
    is always something else. A job with a photo and a reference of the largest size fits, too.

    Attributes:
        kept: Bytes of all.
        new: Bytes of all that no job has named yet, also of those under way.
        new_of_one: The same, of one address.
        needed: Bytes of all that jobs need.
        needed_of_one: The same, of one visitor.
    """

    kept: int = 1_000_000_000
    new: int = 500_000_000
    new_of_one: int = 250_000_000
    needed: int = 500_000_000
    needed_of_one: int = 250_000_000


class _New(NamedTuple):
    size: int
    address: str | None
    since: float


class _Last(NamedTuple):
    """What a session named last: the page works on it, without naming it again."""

    paths: tuple[str, ...]
    owner: str
    since: float


class Stock:
    """The uploads, who has them, and which of them are needed.

    An upload is new until a job names it, but not for longer than FRESH_SECONDS. It is needed as
    long as a job that names it waits or runs, and if its session has named no other since: as long
    as the session has a job, and for FRESH_SECONDS. There is room for both, because uploads and
    jobs for which there is none are refused. Everything else is deleted if there are too many
    bytes, that of the visitor with the most first.

    Args:
        limits: The limits.
    """

    def __init__(self, limits: StockLimits | None = None) -> None:
        """Nothing is known yet."""
        self._limits = limits or StockLimits()
        self._coming: Counter[str | None] = Counter()  # bytes under way, by address
        self._new: dict[str, _New] = {}  # by path, until a job names it
        self._holders: dict[str, dict[str, float]] = {}  # by path: who has named it, and when
        self._last: dict[str, _Last] = {}  # by session; of calls outside one, by path
        self._lock = threading.Lock()

    # New uploads ----------------------------------------------------------------------------------

    def refuse_upload(self, size: int, address: str | None) -> str:
        """Return why there is no room for another new upload, for visitors; "" if there is.

        Args:
            size: Its bytes.
            address: Where it comes from, or None if that does not distinguish visitors.
        """
        with self._lock:
            now, taken = time.time(), Counter(self._coming)
            for each in self._new.values():
                if now - each.since <= FRESH_SECONDS:
                    taken[each.address] += each.size
        mine, told = taken[address], f"{size / 1e6:.1f} MB"
        if address is not None and size * SHARE > self._limits.new_of_one - mine:
            return (
                f"You have uploaded {mine / 1e6:.0f} MB of photos that are not used yet, so there "
                f"is no room for another {told}: use them first, or wait a minute."
            )
        if size * SHARE > self._limits.new - taken.total():
            return (
                f"Too many photos are being uploaded to take one of {told} at the moment: try "
                "again in a minute, or with a smaller one."
            )
        return ""

    @contextmanager
    def coming(self, size: int, address: str | None) -> Iterator[None]:
        """Count an upload as under way."""
        with self._lock:
            self._coming[address] += size
        try:
            yield
        finally:
            with self._lock:
                self._coming[address] -= size
                self._coming += Counter()  # drops zeros

    def arrived(self, paths: Iterable[str], address: str | None) -> None:
        """Note new uploads."""
        with self._lock:
            for path in paths:
                size = _size(path)
                if size is not None:
                    self._new[path] = _New(size, address, time.time())

    # Jobs -----------------------------------------------------------------------------------------

    def refuse_job(self, claim: Claim, others: Iterable[Claim]) -> str:
        """Return why there is no room for what a job needs, for visitors; "" if there is.

        Args:
            claim: Of the job.
            others: Of the jobs that wait or run.
        """
        with self._lock:
            needed = self._needed(others)
        sizes = {path: _size(path) or 0 for path in {*needed, *claim.paths}}
        owner = claim.client.owner
        mine = sum(sizes[path] for path, owners in needed.items() if owner in owners)
        total = sum(sizes[path] for path in needed)
        more = sum(sizes[path] for path in claim.paths if owner not in needed.get(path, ()))
        if more * SHARE > self._limits.needed_of_one - mine:
            return (
                f"Your jobs use photos of {mine / 1e6:.0f} MB already, so there is no room for "
                f"another {more / 1e6:.1f} MB: wait until some are done."
            )
        more = sum(sizes[path] for path in claim.paths if path not in needed)
        if more * SHARE > self._limits.needed - total:
            return (
                f"Too many photos are waiting to take one of {more / 1e6:.1f} MB at the moment: "
                "try again in a minute, or with a smaller one."
            )
        return ""

    def name(self, claim: Claim) -> None:
        """Note that a job names uploads, and that it has been accepted."""
        now, owner = time.time(), claim.client.owner
        with self._lock:
            paths = tuple(path for path in claim.paths if _size(path) is not None)
            for path in paths:
                self._new.pop(path, None)
                self._holders.setdefault(path, {})[owner] = now
            if paths:
                self._last[claim.session] = _Last(paths, owner, now)

    def _needed(self, claims: Iterable[Claim]) -> dict[str, set[str]]:
        """Return the uploads that are needed, and by whom."""
        now, needed = time.time(), dict[str, set[str]]()
        for claim in claims:
            last = self._last.get(claim.session)
            if last is not None:  # also a job that names none may need it
                self._last[claim.session] = last._replace(since=now)
            for path in claim.paths:
                needed.setdefault(path, set()).add(claim.client.owner)
        for session, last in list(self._last.items()):
            if now - last.since > FRESH_SECONDS:
                del self._last[session]
                continue
            for path in last.paths:
                needed.setdefault(path, set()).add(last.owner)
        return needed

    # What goes ------------------------------------------------------------------------------------

    def tidy(self, keep: Collection[str] = (), jobs: Callable[[], Iterable[Claim]] = list) -> None:
        """If there are too many bytes of uploads, delete those of the visitor with the most first.

        What no job has named belongs to the address that it came from; what came from nowhere in
        particular counts as one visitor's. What several have named is the lightest one's.

        Args:
            keep: Files to keep; they do not count.
            jobs: Returns those that wait or run.
        """
        sizes, used = _scan(keep)
        with self._lock:  # nothing becomes needed now
            needed, now = self._needed(jobs()), time.time()
            self._forget(sizes)
            for path, holders in self._holders.items():
                used[path] = max(used[path], *holders.values())
            owners = self._owners(sizes)
            shares: Counter[str | None] = Counter()
            for path, owner in owners.items():
                shares[owner] += sizes[path]
            loose: dict[str | None, list[str]] = {}  # by owner, the oldest last
            tight: dict[str | None, list[str]] = {}  # the same, of what is new or needed
            for path in sorted(sizes, key=lambda path: -used[path]):
                is_new = path not in self._holders and now - used[path] <= FRESH_SECONDS
                goes = tight if path in needed or is_new else loose
                goes.setdefault(owners[path], []).append(path)
            excess = sum(sizes.values()) - self._limits.kept
            excess -= self._delete(heaviest_first(loose, shares, sizes, excess), sizes)
            # There is room for these, unless something else has written files here. Who has named
            # only one photo does not lose it.
            spare = {
                owner: files[0 if owner is None else 1 :]
                for owner, files in tight.items()
                if owner is None or len(files) > 1
            }
            self._delete(heaviest_first(spare, shares, sizes, excess), sizes)

    def _forget(self, sizes: Mapping[str, int]) -> None:
        for known in (self._new, self._holders):
            for path in [path for path in known if path not in sizes]:
                del known[path]

    def _owners(self, sizes: Mapping[str, int]) -> dict[str, str | None]:
        """Return to whom each upload is attributed."""
        shares: Counter[str | None] = Counter()
        for path, holders in self._holders.items():
            for owner in holders:
                shares[owner] += sizes[path]
        owners: dict[str, str | None] = {}
        for path in sizes:
            if path in self._holders:
                owners[path] = min(self._holders[path], key=lambda owner: shares[owner])
            else:
                owners[path] = self._new[path].address if path in self._new else None
        return owners

    def _delete(self, paths: Iterable[str], sizes: Mapping[str, int]) -> int:
        """Delete files and return their bytes."""
        freed = 0
        for path in paths:
            Path(path).unlink(missing_ok=True)
            freed += sizes[path]
        return freed


def _size(path: str) -> int | None:
    """Return the bytes of an upload; None if it is not one, or not any more."""
    if not Path(path).is_relative_to(get_upload_folder()):
        return None
    with suppress(OSError, ValueError):
        return os.lstat(path).st_size
    return None


def _scan(keep: Collection[str]) -> tuple[dict[str, int], dict[str, float]]:
    """Return size and time of writing of each upload."""
    sizes, written = dict[str, int](), dict[str, float]()
    for path in Path(get_upload_folder()).rglob("*"):
        with suppress(OSError):
            told = path.lstat()
            if path.is_file() and str(path) not in keep:
                sizes[str(path)], written[str(path)] = told.st_size, told.st_mtime
    return sizes, written


STOCK = Stock()
