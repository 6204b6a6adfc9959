"""The hints of each photo of a run: those of the run, and those in the photo's own file."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from colorzoo.errors import ConfigError
from colorzoo.guided.hint_file import HintFile, hint_file_of, masks_named_in, read_hint_file
from colorzoo.guided.hints import Area, Hint, check_hints, check_places
from colorzoo.jobs.plan import How, Job, real
from colorzoo.options import Options

# More hints than these are named by a hash in records and reports.
_MOST_LISTED = 32
# What is wrong with an output, in words.
WITH_HINTS = "was made with the file of hints beside its photo, which this run does not use"


def own_hints(job: Job, how: How) -> HintFile | None:
    """Read the file of hints beside a photo or film, if the run uses them and there is one.

    Raises:
        ConfigError: If it is not valid.
        ImageError: If one of its masks cannot be read.
    """
    if how.own_hints is None or job.data is not None:
        return None
    path = hint_file_of(job.source)
    return read_hint_file(path, colors=how.own_hints) if os.path.lexists(path) else None


def name_hints(job: Job, own: HintFile | None) -> str | None:
    """Name a photo's own hints, and identify their content, for records; None if there are none."""
    if own is None:
        return None
    content = [list(own.size or ()), *map(_as_json, own.hints)]
    return f"{hint_file_of(job.source).name} ({_digest(content)})"


def options_for(
    name: str, how: How, own: HintFile | None, width: int, height: int, *, is_film: bool = False
) -> Options:
    """Return the options of a run, with all hints for one photo.

    Args:
        name: The photo's name, for messages.
        how: The options of the run.
        own: The photo's own hints.
        width: Of the upright photo, pixels.
        height: Of the upright photo, pixels.
        is_film: Leave it to the film to check where hints are.

    Raises:
        ConfigError: If a hint is outside the photo, or there are too many.
    """
    files = [each for each in (how.hints, own) if each is not None]
    if not files and not how.options.get("hints"):
        return how.options
    try:
        hints = [hint for file in files for hint in file.fitted(width, height)]
        hints += how.options.get("hints") or ()
        check_hints(hints)
        if not is_film:
            check_places(hints, width, height)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    options: Options = {**how.options, "hints": hints}
    return options


def as_settings(how: How) -> list[Any] | str | None:
    """Return the hints that all photos of a run get, as JSON values; None if there are none."""
    hints: Sequence[Hint | Area] = how.options.get("hints") or ()
    content: list[Any] = [_as_json(hint) for hint in hints]
    if how.hints is not None:
        sizes = [f"for {' x '.join(map(str, how.hints.size))}"] if how.hints.size else []
        content = [*sizes, *map(_as_json, how.hints.hints), *content]
    if len(content) > _MOST_LISTED:
        return f"{len(content)} hints ({_digest(content)})"
    return content or None


def without_masks(
    jobs: Sequence[Job], inputs: Iterable[Path], how: How, masks: Iterable[Path]
) -> tuple[list[Job], list[str]]:
    """Leave the masks of hints that lie among the photos out of a run.

    Args:
        jobs: The jobs of the run.
        inputs: What the user named; a mask that is named itself is coloured.
        how: The options of the run.
        masks: Masks that the user named for all photos.

    Returns:
        The other jobs, and notes for the user.
    """
    found = {real(path) for path in masks}
    if how.hints is not None:
        found |= {real(path) for path in how.hints.masks}
    notes = []
    if how.own_hints is not None:
        files = [path for path in {hint_file_of(job.source) for job in jobs} if path.exists()]
        found |= {real(mask) for path in files for mask in masks_named_in(path)}
        if jobs and not files:
            path = hint_file_of(jobs[0].source)
            notes.append(f"there is no file of hints beside any photo, such as {path}")
    found -= {real(path) for path in inputs}
    left = [job for job in jobs if real(job.source) not in found] if found else list(jobs)
    if len(left) < len(jobs):
        notes.append(f"masks of hints are not coloured: {len(jobs) - len(left)} left out")
    return left, notes


def _as_json(hint: Hint | Area) -> list[Any] | str:
    if isinstance(hint, Area):
        return repr(hint)
    color = list(hint.color) if isinstance(hint.color, tuple) else hint.color
    numbers = [float(each) for each in (hint.x, hint.y)]
    return [*numbers, color, float(hint.radius), *([hint.frame] if hint.frame else ())]


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, default=float).encode()).hexdigest()[:12]
