"""A pipeline that decodes, colours and encodes many photos.

Reading, merging and encoding release the GIL most of the time, so several threads do them while one
thread runs the network. The number of pixels in flight is limited.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from colorzoo.atomic import remove_leftovers
from colorzoo.colorizer import Colorizer
from colorzoo.conditions import with_reference
from colorzoo.deep import render_deep
from colorzoo.errors import FAILURES, NO_SPACE, ImageError, one_line
from colorzoo.files import open_folder
from colorzoo.guided.notes import notes_on
from colorzoo.imaging.read import Photo, read_file, stored_size
from colorzoo.imaging.write import write_deep, write_image
from colorzoo.jobs.dates import IN_FUTURE, is_in_future, older
from colorzoo.jobs.hints import WITH_HINTS, name_hints, options_for, own_hints
from colorzoo.jobs.plan import STOPPED, How, Job, Outcome, Status, check_target
from colorzoo.jobs.record import RECORD, Records
from colorzoo.options import Options
from colorzoo.prediction import Prediction

# Largest number of pixels in flight: two photos of 50 megapixels, at about 16 bytes per pixel for
# the photo, its gray, the result and copies. A larger photo is processed alone.
_PIXELS_IN_FLIGHT = 120_000_000


# Write errors that, like a full disk, also affect all other files in the folder.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def colorize_jobs(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    how: How,
    *,
    records: Records | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    tidy: bool = True,
) -> Generator[Outcome, None, None]:
    """Colour photos, several at a time, and yield the outcome of each as soon as it ends.

    If a photo fails, the others still run. Once the disk is full, or a folder cannot be written to,
    photos that would go there are not attempted. Results are written completely or not at all, even
    if the run is killed; temporary files of killed runs are removed from the output folders.

    With ``how.resume``, a photo is skipped if its target can be decoded to the end, has the photo's
    size, is not older than the photo, and ``records`` know of no difference. A target that cannot
    be decoded is made again. Any other target is replaced only with ``how.overwrite``.

    Args:
        colorizer: The model.
        jobs: The photos, as returned by ``plan``.
        how: Options.
        records: The records of the output folders, to compare existing targets with and to add
            results to. A result that cannot be recorded is removed. None keeps no records.
        is_stopped: Called regularly; once it returns True, only writes in progress are finished.
        tidy: Remove temporary files of killed runs from the output folders.

    Yields:
        One outcome per job, in the order in which they end. Closing the iterator also stops the
        run.
    """
    for folder, root in {(job.target.parent, job.root) for job in jobs} if tidy else ():
        remove_leftovers(folder, within=root)
    with _one_thread_a_photo(jobs) as threads:
        pipeline = _Pipeline(colorizer, how, records, is_stopped, threads)
        try:
            yield from pipeline.run(jobs)
        finally:
            pipeline.close()


@contextmanager
def _one_thread_a_photo(jobs: Sequence[Job]) -> Iterator[int]:
    """Yield the number of threads; if there are several photos, each thread works on its own.

    PyTorch's own threads, which share one operation, would mostly wait for each other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if len(jobs) > 1 else threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class _FolderError(Exception):
    """Nothing more can be written to the folder, or to the disk if ``folder`` is None."""

    def __init__(self, folder: Path | None, reason: str) -> None:
        super().__init__(reason)
        self.folder = folder


@dataclass(eq=False)
class _InFlight:
    job: Job
    stored: tuple[int, int] | None  # width and height as stored, before EXIF rotation
    overwrite: bool
    seconds: float = 0.0
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    hints: str | None = None  # name and hash of the photo's own hints
    options: Options = field(default_factory=Options)

    @property
    def pixels(self) -> int:
        return self.stored[0] * self.stored[1] if self.stored else 0

    @contextmanager
    def timed(self) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds += perf_counter() - start

    def ended(self, status: Status, reason: str | None = None) -> Outcome:
        return Outcome(self.job, status, reason, self.seconds, self.size, self.notes, self.hints)


class _Pipeline:
    """The photos in flight: threads read and write, the caller's thread runs the network."""

    def __init__(
        self,
        colorizer: Colorizer,
        how: How,
        records: Records | None,
        is_stopped: Callable[[], bool],
        threads: int,
    ) -> None:
        how = replace(how, options=with_reference(how.options))
        self._colorizer, self._how = colorizer, how
        self._records, self._is_stopped = records, is_stopped
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="colorzoo")
        self._most = 2 * threads + 1  # photos in flight
        self._is_closed = False
        # A thread returns either a photo, to be coloured next, or the final status.
        self._running: dict[Future[Photo | Status], _InFlight] = {}
        self._full: str | None = None
        self._refused: dict[Path, str] = {}

    def run(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        waiting = deque(jobs)
        upcoming: _InFlight | None = None
        while waiting or upcoming or self._running:
            while waiting or upcoming:
                if upcoming is None:
                    job = waiting.popleft()
                    upcoming = _InFlight(job, job.stored_size(), self._how.overwrite)
                reason = self._why_left(upcoming.job)
                if reason is not None:
                    yield upcoming.ended("left", reason)
                elif self._has_room_for(upcoming):
                    self._running[self._pool.submit(self._read, upcoming)] = upcoming
                else:
                    break
                upcoming = None
            finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in finished:
                item = self._running.pop(future)
                outcome = self._advance(item, future)
                if outcome is not None:
                    yield outcome

    def close(self) -> None:
        """Cancel all photos that are not being written yet, and wait for those that are."""
        self._is_closed = True
        self._pool.shutdown(cancel_futures=True)

    def _has_room_for(self, item: _InFlight) -> bool:
        pixels = sum(other.pixels for other in self._running.values())
        fits = len(self._running) < self._most and pixels + item.pixels <= _PIXELS_IN_FLIGHT
        return fits or not self._running

    def _is_ended(self) -> bool:
        return self._is_closed or self._is_stopped()

    def _why_left(self, job: Job) -> str | None:
        if self._is_ended():
            return STOPPED
        if self._full is None and self._refused:
            return self._refused.get(_standing(job.target.parent))
        return self._full

    def _advance(self, item: _InFlight, future: Future[Photo | Status]) -> Outcome | None:
        """Process a thread's result: run the network and queue the write, or return the outcome."""
        try:
            photo = future.result()
            reason = self._why_left(item.job)
            if photo == "skipped":
                return item.ended("skipped", "its output already exists")
            if photo == "done":
                return item.ended("done")
            if not isinstance(photo, Photo) or reason is not None:
                return item.ended("left", reason)
            with item.timed():
                prediction = self._colorizer.predict(
                    photo, work_size=self._how.work_size, **item.options
                )
        except _FolderError as error:
            if error.folder is None:
                self._full = self._full or str(error)
            else:
                self._refused.setdefault(error.folder, str(error))
            return item.ended("left", self._why_left(item.job) or str(error))
        except FAILURES as error:
            return item.ended("failed", one_line(error))
        self._running[self._pool.submit(self._write, item, photo, prediction)] = item
        return None

    def _read(self, item: _InFlight) -> Photo | Status:
        job = item.job
        with item.timed():
            check_target(job, overwrite=item.overwrite or self._how.resume)
            own = own_hints(job, self._how)
            item.hints = name_hints(job, own)
            # If the photo cannot be opened (stored is None), reading it below raises the reason.
            if self._how.resume and item.stored and os.path.exists(job.target):
                if self._is_done(item, item.stored):
                    return "skipped"
                item.overwrite = True
            photo = job.read(max_pixels=self._how.max_pixels, depth=self._how.depth)
            item.size = width, height = photo.rgb.shape[1], photo.rgb.shape[0]
            item.options = options_for(photo.name, self._how, own, width, height)
            hints = item.options.get("hints") or ()
            item.notes = (*photo.notes, *notes_on(hints, photo.rgb))
            return photo

    def _is_done(self, item: _InFlight, stored: tuple[int, int]) -> bool:
        """Tell whether the target is the photo's result (True) or can be replaced (False).

        Raises:
            ImageError: If it is a different, undamaged picture, and ``overwrite`` is false.
        """
        job, size = item.job, stored_size(item.job.target)
        if not os.access(job.target, os.R_OK):
            other = "cannot be read"
        elif size is None:
            return False
        elif sorted(size) != sorted(stored):  # rotation swaps the sides
            other = f"has {size[0]} x {size[1]} pixels, unlike the photo"
        else:
            records = self._records
            other = None
            if job.data is None:
                knows = partial(records.knows, job) if records else bool
                other = older(job.target, job.source, "photo", is_recorded=knows)
            if other is None and records:
                other = records.made_otherwise(job)
            if other is None and records and records.has_other_hints(job, item.hints):
                if self._how.own_hints is not None:  # somebody edited them: make it again
                    return False
                other = WITH_HINTS
        if other is None:
            item.size = size
            try:
                read_file(job.target, max_pixels=self._how.max_pixels)
            except ImageError:  # for example after a power failure, or a partial copy
                return False
            if job.data is None and is_in_future(job.source):
                item.notes += (IN_FUTURE,)
            return True
        if item.overwrite:
            return False
        raise ImageError(
            f"{job.source.name}: {job.target} {other}. Pass --overwrite to replace it, or choose "
            "another output folder."
        )

    def _write(self, item: _InFlight, photo: Photo, prediction: Prediction) -> Photo | Status:
        target, root = item.job.target, item.job.root
        with item.timed():
            result = self._render(photo, prediction, item.options)
            if self._is_ended():
                return "left"
            # Check again: another run may have written it in the meantime.
            if self._how.resume and not item.overwrite and os.path.exists(target):
                if item.stored is None or self._is_done(item, item.stored):
                    return "skipped"
                item.overwrite = True
            check_target(item.job, overwrite=item.overwrite)
            try:
                open_folder(target.parent, within=root, create=True).close()
                if self._records:
                    self._records.begin(target.parent, root)
            except OSError as error:
                raise self._folder_error(error, target.parent) from error
            try:
                if isinstance(result, np.ndarray):
                    model = self._colorizer.architecture
                    item.notes += write_deep(result, target, like=photo, model=model, within=root)
                else:
                    item.notes += write_image(
                        result, target, quality=self._how.quality, within=root
                    )
            except ImageError as error:
                cause = error.__cause__
                # An error with two names is from renaming the result, and affects only that name.
                if isinstance(cause, OSError) and cause.filename2 is None:
                    if cause.errno in (*NO_SPACE, *_REFUSED):
                        raise self._folder_error(cause, target.parent) from error
                raise
            try:
                if self._records:
                    self._records.add(item.job, item.hints)
            except OSError as error:
                with suppress(OSError), open_folder(target.parent, within=root) as folder:
                    folder.unlink(target.name)  # nobody could tell how it was made
                raise self._folder_error(error, target.parent) from error
        return "done"

    def _render(
        self, photo: Photo, prediction: Prediction, options: Options
    ) -> Image.Image | np.ndarray:
        """Return the result: an image, or (H, W, 3) uint16 if the photo was read with 16 bits."""
        saturation = self._how.saturation
        if photo.gray16 is None:
            return self._colorizer.render(photo, prediction, saturation=saturation, **options)
        return render_deep(self._colorizer, photo, prediction, saturation=saturation, **options)

    def _folder_error(self, error: OSError, folder: Path) -> _FolderError:
        again = "run this again" if self._how.resume else "run this again with --resume"
        if error.errno in NO_SPACE:
            return _FolderError(
                None,
                f"there is no space left to write to {folder} ({error.strerror}). Free some, then "
                f"{again}.",
            )
        place = _standing(folder)
        # The record may be refused where the folder is not.
        named = error.filename if str(error.filename).endswith(RECORD) else place
        is_in_the_way = error.errno in (errno.ELOOP, errno.EEXIST)  # a link, pipe or device
        advice = "Remove it" if is_in_the_way else "Change its permissions"
        return _FolderError(
            place,
            f"{named} cannot be written to ({error.strerror}). {advice} or choose another output, "
            f"then {again}.",
        )


def _standing(folder: Path) -> Path:
    """Return the folder, or its closest parent that exists, which decides about permissions."""
    return next((above for above in (folder, *folder.parents) if os.path.exists(above)), folder)
