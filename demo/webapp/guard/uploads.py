"""Limits on uploads: of each one, and of all together."""

import asyncio
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from webapp.guard.refusal import Refusal

MAX_PARTS = 10  # of one upload; the page and gradio_client send one
MAX_PART_HEADER = 2_000  # bytes of a part's headers, with the file's name
SHARE = 16  # one upload may take this part of the room that is left, so none takes the last
RESERVE = 200_000_000  # bytes of the disk that uploads leave free
_STALE = 2.0  # s after which the files are counted again


@dataclass(frozen=True)
class UploadLimits:
    """The limits on uploads.

    Attributes:
        one: Bytes of one request.
        stored: Bytes of all uploads on disk and under way.
        files: Number of files on disk.
        at_once: Number of uploads under way.
        client: Number of uploads of one client under way; more of them wait.
        patience: Seconds that an upload waits for its turn.
        pause: Seconds after which an upload that brings nothing is ended.
        grace: Seconds after which an upload has to be faster than ``rate``.
        rate: Bytes per second.
        longest: Seconds that an upload may take.
    """

    one: int
    stored: int = 2_000_000_000
    files: int = 20_000
    at_once: int = 500
    client: int = 400
    patience: float = 30
    pause: float = 15
    grace: float = 10
    rate: float = 10_000
    longest: float = 600


class Ledger:
    """What uploads take, on disk and under way.

    Args:
        folder: Gradio's folder of uploads.
        limits: The limits.
    """

    def __init__(self, folder: Path, limits: UploadLimits) -> None:
        """Count from now: the folder may hold files of other programs."""
        self._folder, self.limits, self._since = folder, limits, time.time() - 1
        self._bytes = self._files = self._pending = self._new = 0
        self._counted = float("-inf")
        self._turns = asyncio.Condition()
        self._under_way: Counter[str] = Counter()
        self._ids: deque[str] = deque(maxlen=1_000)

    def is_known(self, upload_id: str) -> bool:
        """Tell whether there is, or was lately, an upload of this name."""
        return upload_id in self._ids

    async def take_turn(self, client: str) -> None:
        """Wait until an upload may start; ``end`` has to follow.

        Raises:
            Refusal: If it takes too long.
        """

        def is_free() -> bool:
            mine, every = self._under_way[client], self._under_way.total()
            return mine < self.limits.client and every < self.limits.at_once

        try:
            async with self._turns:
                await asyncio.wait_for(self._turns.wait_for(is_free), self.limits.patience)
                self._under_way[client] += 1
        except (TimeoutError, asyncio.TimeoutError):
            raise Refusal(
                429, "Too many photos are being uploaded: try again in a minute."
            ) from None

    async def end(self, client: str) -> None:
        """End the turn of an upload."""
        async with self._turns:
            self._under_way[client] -= 1
            self._under_way += Counter()  # drops zeros
            self._turns.notify_all()

    @contextmanager
    def reserve(self, size: int, upload_id: str) -> Iterator[None]:
        """Count an upload as under way, and then as stored, until the files are counted again."""
        self._pending += size
        if upload_id:
            self._ids.append(upload_id)
        try:
            yield
        finally:
            self._pending -= size
            self._new += size

    async def check_room(self, size: int) -> None:
        """Check that there is room for an upload.

        Raises:
            Refusal: If there is not.
        """
        if time.monotonic() - self._counted > _STALE:
            self._counted, counted = time.monotonic(), self._new
            self._bytes, self._files = await asyncio.to_thread(self._count)
            self._new -= counted
        left = self.limits.stored - self._bytes - self._new - self._pending
        is_full = self._files >= self.limits.files or size * SHARE > left
        folder = next(each for each in (self._folder, *self._folder.parents) if each.exists())
        if is_full or size + self._pending + RESERVE > shutil.disk_usage(folder).free:
            raise Refusal(
                507,
                f"The server has no room for a photo of {size / 1e6:.1f} MB at the moment: photos "
                "are deleted within an hour, so try again later, or with a smaller one.",
            )

    def _count(self) -> tuple[int, int]:
        total = count = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                try:
                    about = os.lstat(os.path.join(folder, name))
                except OSError:  # deleted meanwhile
                    continue
                if about.st_ctime >= self._since:
                    total, count = total + about.st_size, count + 1
        return total, count


class Form:
    """Follows the form of an upload while it comes: files with names, whole, and nothing else.

    Gradio leaves on disk what it has written of anything else.

    Args:
        content_type: The header of the request.
    """

    def __init__(self, content_type: str) -> None:
        """Read the boundary.

        Raises:
            Refusal: If it is not a form with files.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Refusal(400, "An upload must be a form (multipart/form-data) with a file.")
        self._parts = self._header = 0
        self._name, self._value, self._disposition = b"", b"", b""
        self._is_whole = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._look,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _broken() from None

    def feed(self, chunk: bytes, *, is_last: bool) -> None:
        """Follow another piece.

        Raises:
            Refusal: If the form is broken or not one that a page sends.
        """
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _broken() from None
        if is_last and not self._is_whole:
            raise _broken()

    def _begin(self) -> None:
        self._parts += 1
        self._header, self._disposition = 0, b""
        if self._parts > MAX_PARTS:
            raise Refusal(413, f"The upload has more than {MAX_PARTS} files: send them one by one.")

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header += size
        if self._header > MAX_PART_HEADER:
            raise Refusal(413, "The name of the file is too long: shorten it.")

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _look(self) -> None:
        _, options = parse_options_header(self._disposition)
        file = options.get(b"filename")
        if options.get(b"name") != b"files" or file is None:
            raise Refusal(400, "An upload must have files only, with names, in the field files.")
        name = file.replace(b"\\", b"/").rpartition(b"/")[2].decode(errors="replace")
        if name and not any(char.isalnum() for char in name):
            raise Refusal(400, f"{name!r:.80} is not the name of a file: rename it.")

    def _end(self) -> None:
        self._is_whole = True


def _broken() -> Refusal:
    return Refusal(400, "The upload is not a complete form: send the file again.")
