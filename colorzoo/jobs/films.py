"""Colour the films among the inputs of a run."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

from colorzoo.atomic import remove_leftovers
from colorzoo.colorizer import Colorizer
from colorzoo.defaults import MAX_FRAME_PIXELS, MAX_PIXELS
from colorzoo.errors import FAILURES, FilmError, ImageError, one_line
from colorzoo.film.colorize import Film, Watch, colorize_film
from colorzoo.film.container import is_film_name
from colorzoo.film.reader import Frame, open_film
from colorzoo.guided.hint_file import HintFile
from colorzoo.imaging.formats import SUFFIXES
from colorzoo.jobs.dates import IN_FUTURE, is_in_future, older
from colorzoo.jobs.hints import WITH_HINTS, name_hints, options_for, own_hints
from colorzoo.jobs.plan import STOPPED, How, Job, Outcome, Status, check_target
from colorzoo.jobs.record import Records
from colorzoo.options import Options


def is_film(job: Job) -> bool:
    """Tell whether the source is a film, by its suffix or, if unknown, that of the target."""
    return is_film_name(job.source) or (
        is_film_name(job.target) and job.source.suffix.lower() not in SUFFIXES
    )


def colorize_film_job(
    colorizer: Colorizer,
    job: Job,
    how: How,
    *,
    records: Records | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    watch: Watch | None = None,
) -> Outcome:
    """Colour one film and return the outcome; see ``pipeline.colorize_jobs``.

    With ``how.resume``, a film is skipped if its target exists, is a film, is not older than the
    source, and ``records`` know of no difference.

    Args:
        colorizer: The model.
        job: The film, as returned by ``plan``.
        how: Options; if ``max_pixels`` was changed, it also limits the frames of films.
        records: The records of the output folders, to compare existing targets with.
        is_stopped: Called at each frame; once it returns True, the film ends and no file appears.
        watch: See ``colorize_film``.
    """
    start = perf_counter()
    hints: str | None = None

    def go_on(done: int, total: int | None) -> None:
        if is_stopped():
            raise _Stopped
        if watch is not None:
            watch(done, total)

    def ended(
        status: Status,
        reason: str | None = None,
        film: Film | None = None,
        notes: tuple[str, ...] = (),
    ) -> Outcome:
        size, notes = (film.size, film.notes) if film else (None, notes)
        return Outcome(job, status, reason, perf_counter() - start, size, notes, hints)

    if is_stopped():
        return ended("left", STOPPED)
    remove_leftovers(job.target.parent, within=job.root)
    try:
        check_target(job, overwrite=how.overwrite or how.resume)
        own = own_hints(job, how)
        hints = name_hints(job, own)
        is_there = how.resume and job.target.exists()
        if is_there and _is_done(job, how, records, hints):
            return ended("skipped", "its output already exists", notes=_notes(job))
        film = colorize_film(
            colorizer,
            job.source,
            job.target,
            saturation=how.saturation,
            work_size=how.work_size,
            max_pixels=_most_pixels(how),
            overwrite=how.overwrite or is_there,
            watch=go_on,
            within=job.root,
            **_options(job, how, own),
        )
    except _Stopped:
        return ended("left", STOPPED)
    except FAILURES as error:
        return ended("failed", one_line(error))
    return ended("done", film=film)


def _notes(job: Job) -> tuple[str, ...]:
    return (IN_FUTURE,) if is_in_future(job.source) else ()


class _Stopped(Exception):
    """The run was stopped during a film."""


def _most_pixels(how: How) -> int:
    return MAX_FRAME_PIXELS if how.max_pixels == MAX_PIXELS else how.max_pixels


def _options(job: Job, how: How, own: HintFile | None) -> Options:
    """Return the options for a film, with its hints."""
    size = (1, 1)
    if any(file is not None and file.size is not None for file in (how.hints, own)):
        with open_film(
            job.source, max_pixels=_most_pixels(how)
        ) as film:  # hints are scaled to its size
            first = next((each for each in film.read() if isinstance(each, Frame)), None)
        size = size if first is None else (first.rgb.shape[1], first.rgb.shape[0])
    return options_for(job.source.name, how, own, *size, is_film=True)


def _is_done(job: Job, how: How, records: Records | None, hints: str | None) -> bool:
    """Tell whether the target is the film's result (True) or can be replaced (False).

    Raises:
        ImageError: If it is a different film, and ``how.overwrite`` is false.
    """
    try:
        with open_film(job.target):
            pass
    except FilmError:  # results are written completely, but may be damaged later
        return False
    knows = partial(records.knows, job) if records else bool
    other = older(job.target, job.source, "film", is_recorded=knows)
    if other is None and records:
        other = records.made_otherwise(job)
    if other is None and records and records.has_other_hints(job, hints):
        if how.own_hints is not None:  # somebody edited them: make it again
            return False
        other = WITH_HINTS
    if other is None or how.overwrite:
        return other is None
    raise ImageError(f"{job.source.name}: {job.target} {other}. Pass --overwrite to replace it.")
