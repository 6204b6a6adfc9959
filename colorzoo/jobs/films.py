"""Films among the inputs of a run."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from time import perf_counter

from colorzoo.atomic import remove_leftovers
from colorzoo.colorizer import Colorizer
from colorzoo.errors import FAILURES, FilmError, ImageError, one_line
from colorzoo.film.colorize import Film, Watch, colorize_film
from colorzoo.film.container import is_film_name
from colorzoo.film.reader import open_film
from colorzoo.imaging.formats import SUFFIXES, photos_below
from colorzoo.jobs.plan import STOPPED, How, Job, Outcome, Status, check_target


def is_film(job: Job) -> bool:
    """Tell films from photos by their names; others by what they are to become."""
    return is_film_name(job.source) or (
        is_film_name(job.target) and job.source.suffix.lower() not in SUFFIXES
    )


def films_note(inputs: Sequence[Path], output: Path) -> str:
    """Say that folders hold films, which are coloured only where they are named; "" if none do."""

    def is_named(path: PurePath) -> bool:
        return is_film_name(path) and not any(part.startswith(".") for part in path.parts)

    folders = [path for path in inputs if path.is_dir()]
    found = [
        film
        for folder in folders
        for film in photos_below(folder, skip=output, is_named=is_named)
        if film not in inputs
    ]
    if not found:
        return ""
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"films in folders are left alone ({found[0]}{others}): name those to colour"


def colorize_film_job(
    colorizer: Colorizer,
    job: Job,
    how: How,
    *,
    made_otherwise: Callable[[Job], str | None] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    watch: Watch | None = None,
) -> Outcome:
    """Colour one of several films and say what became of it; see ``folders.colorize_jobs``.

    With ``how.resume`` a film is skipped if its target is there, is a film, is not older and was
    not made otherwise.

    Args:
        colorizer: The model.
        job: The film, as ``folders.plan`` gives it.
        how: Options; ``max_pixels`` is about photos.
        made_otherwise: Tells of a job whose target exists what else it was made by, if so.
        is_stopped: Asked at each frame; once it is so, the film is left and no file appears.
        watch: As for ``colorize_film``.
    """
    start = perf_counter()

    def go_on(done: int, total: int | None) -> None:
        if is_stopped():
            raise _Stopped
        if watch is not None:
            watch(done, total)

    def ended(status: Status, reason: str | None = None, film: Film | None = None) -> Outcome:
        size, notes = (film.size, film.notes) if film else (None, ())
        return Outcome(job, status, reason, perf_counter() - start, size, notes)

    if is_stopped():
        return ended("left", STOPPED)
    remove_leftovers(job.target.parent)
    try:
        if job.clash is not None:
            check_target(job, overwrite=how.overwrite)
        is_there = how.resume and job.target.exists()
        if is_there and _is_done(job, how, made_otherwise):
            return ended("skipped", "its result is there")
        film = colorize_film(
            colorizer,
            job.source,
            job.target,
            saturation=how.saturation,
            work_size=how.work_size,
            overwrite=how.overwrite or is_there,
            watch=go_on,
            **how.options,
        )
    except _Stopped:
        return ended("left", STOPPED)
    except FAILURES as error:
        return ended("failed", one_line(error))
    return ended("done", film=film)


class _Stopped(Exception):
    """The run was stopped in the middle of a film."""


def _is_done(job: Job, how: How, made_otherwise: Callable[[Job], str | None] | None) -> bool:
    """Tell whether the target is the film's result, or else may be replaced.

    Raises:
        ImageError: If it is another film, and may not be replaced.
    """
    try:
        with open_film(job.target):
            pass
    except FilmError:  # results appear whole, but may be damaged later
        return False
    if job.target.stat().st_mtime < job.source.stat().st_mtime:
        other = "is older than the film"
    else:
        other = made_otherwise(job) if made_otherwise else None
    if other is None or how.overwrite:
        return other is None
    raise ImageError(f"{job.source.name}: {job.target} {other}. Pass --overwrite to replace it.")
