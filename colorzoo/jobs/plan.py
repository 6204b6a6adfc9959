"""Pair every input with its output, before anything is decoded."""

import io
import os
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from colorzoo import atomic
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.film.container import is_film_name, writable_film
from colorzoo.guided.hint_file import HintFile
from colorzoo.guided.hints import Color
from colorzoo.imaging.formats import DEEP, FORMATS, WRITABLE, photos_below
from colorzoo.imaging.read import Photo, read_file, read_photo, stored_size
from colorzoo.options import Options

Status = Literal["done", "skipped", "failed", "left"]


# The reason for photos that were not attempted because the run was stopped.
STOPPED = "the run was stopped"


@dataclass(frozen=True)
class Job:
    """One photo to colour.

    Attributes:
        source: The photo.
        target: The file for the result.
        clash: Why the result cannot be written to ``target``; None if it can.
        data: The photo itself, if it is already in memory; ``source`` is then only its name.
        within: The output folder, below which no link is followed; that of ``target`` if None.
    """

    source: Path
    target: Path
    clash: str | None = None
    data: bytes | Image.Image | np.ndarray | None = field(default=None, compare=False, repr=False)
    within: Path | None = None

    @property
    def root(self) -> Path:
        """The folder below which no link is followed when the target is written."""
        return self.target.parent if self.within is None else self.within

    def read(self, *, max_pixels: int, depth: int = 8) -> Photo:
        """Read the photo, see :func:`colorzoo.read_photo`; named pipes and devices are refused.

        Args:
            max_pixels: Largest width * height to accept.
            depth: 16 to keep the depth of a 16-bit scan, if the target's format can.
        """
        deep = depth == 16 and FORMATS.get(self.target.suffix.lower()) in DEEP
        if self.data is None:
            return read_file(self.source, max_pixels=max_pixels, deep=deep)
        if not isinstance(self.data, bytes):
            return read_photo(self.data, max_pixels=max_pixels, deep=deep)
        stream = io.BytesIO(self.data)
        stream.name = self.source.name  # for messages
        return read_photo(stream, max_pixels=max_pixels, deep=deep)

    def stored_size(self) -> tuple[int, int] | None:
        """Return the photo's width and height as stored, before rotation; None if unknown."""
        if isinstance(self.data, Image.Image):
            return self.data.size
        if isinstance(self.data, np.ndarray):
            return self.data.shape[1::-1] if self.data.ndim in (2, 3) else None
        return stored_size(self.source if self.data is None else self.data)


@dataclass(frozen=True)
class How:
    """How to colour many files.

    Attributes:
        saturation: Factor on ab, see ``Colorizer.render``.
        work_size: Short side of the network's input, pixels; the model's default if None.
        max_pixels: Largest width * height to accept.
        depth: 16 gives 16-bit scans 16 bits a channel in PNG and TIFF results; 8 never does.
        quality: Of JPEG and WebP results, 1 to 100.
        overwrite: Replace targets that exist.
        resume: Skip targets that are done, see ``colorize_jobs``.
        options: Options of the model: seed, temperature and so on.
        hints: Hints of a file, for each photo, besides those of the options.
        own_hints: Named colours for the files of hints beside the photos; None not to use those.
    """

    saturation: float = 1.0
    work_size: int | None = None
    max_pixels: int = MAX_PIXELS
    depth: int = 16
    quality: int = 95
    overwrite: bool = False
    resume: bool = False
    options: Options = field(default_factory=Options)
    hints: HintFile | None = None
    own_hints: Mapping[str, Color] | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job.

    Attributes:
        job: The job.
        status: "done"; "skipped": the result existed; "failed"; or "left": not attempted, because
            the run was stopped, the disk is full or the folder cannot be written to.
        reason: Why, in one line; None for "done".
        seconds: Time spent on it, without waiting for other photos.
        size: Width and height of the result; None if unknown.
        notes: Notes for the user about the photo.
        hints: Name and hash of the photo's own hints; None if it has none.
    """

    job: Job
    status: Status
    reason: str | None
    seconds: float = 0.0
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    hints: str | None = None


def plan(inputs: Sequence[Path], output: Path) -> list[Job]:
    """Pair every photo with its result.

    A photo that is named itself has its result in the output folder. What lies in a folder has it
    in the same place below the output folder, however many inputs there are.

    Args:
        inputs: Photos, films, and folders of photos.
        output: A folder; may be a file if the only input is a file.

    Returns:
        One job per photo, in order. If two have the same result, or a result is an input, ``clash``
        of the later job says so.

    Raises:
        ImageError: If the output is no folder and would have to be one, or has the name of a
            picture or film.
    """
    only = inputs[0] if len(inputs) == 1 and not inputs[0].is_dir() else None
    if only is not None and output.suffix and not output.is_dir():
        return _without_clashes({real(only): Job(only, output)})
    if os.path.lexists(output) and not output.is_dir():
        kind = "a link to nothing" if output.is_symlink() else "no folder"
        raise ImageError(
            f"{output} is {kind}, expected a folder for the results, or, for one input, the name "
            f"of a file that ends in {', '.join(sorted(WRITABLE))} or the like"
        )
    if output.suffix.lower() in WRITABLE or is_film_name(output):
        if not output.is_dir():
            what = (
                f"the folder {inputs[0]}" if len(inputs) == 1 else f"{len(inputs)} files or folders"
            )
            raise ImageError(
                f"{output} is the name of one file, and the input is {what}: give a folder for the "
                f"results, such as {output.with_suffix('')}"
            )
    jobs: dict[Path, Job] = {}  # by source, so that an input given twice is coloured once
    for path in inputs:
        targets = (
            {
                file: output / result_name(file.relative_to(path))
                for file in photos_below(path, skip=output)
            }
            if path.is_dir()
            else {path: output / result_name(Path(path.name))}
        )
        for source, target in targets.items():
            jobs.setdefault(real(source), Job(source, target, within=output))
    return _without_clashes(jobs)


def real(path: Path) -> Path:
    """Return the path without links; unlike ``Path.resolve``, also if they lead in a circle."""
    return Path(os.path.realpath(path))


def check_target(job: Job, *, overwrite: bool) -> None:
    """Check that a job can write its target.

    Raises:
        ImageError: If the target is an input, the result of another job, a link, behind a link, or
            exists and ``overwrite`` is false.
    """
    if job.clash is not None:
        raise ImageError(f"{job.source.name}: {job.clash}")
    atomic.check_target(job.source, job.target, overwrite=overwrite, within=job.root)


def result_name(path: Path) -> Path:
    """Return the path, with the suffix .png if colorzoo cannot write its format (such as GIF)."""
    if is_film_name(path):
        return writable_film(path)
    return path if path.suffix.lower() in WRITABLE else path.with_suffix(".png")


def _without_clashes(by_source: dict[Path, Job]) -> list[Job]:
    """Give every target to the first job that has it, and set ``clash`` of the others."""
    sources, jobs = set(by_source), list(by_source.values())
    targets = [real(job.target) for job in jobs]
    # Test whether the disk is case-sensitive only if names such as x.jpg and X.JPG both occur.
    paths = sources.union(targets)
    if len(set(map(_alike, paths))) < len(paths) and not _tells_letters_apart(jobs[0].root):
        sources, targets = set(map(_alike, sources)), list(map(_alike, targets))
    first: dict[Path, Job] = {}
    checked: list[Job] = []
    for job, target in zip(jobs, targets, strict=True):
        other = first.setdefault(target, job)
        clash = None
        if target in sources:
            clash = atomic.is_an_input(job.target)
        elif other is not job:
            clash = (
                f"{job.target} is already the output for {other.source}. "
                "Colour this one in a separate run, with another output, or name the folder above "
                "both."
            )
        checked.append(replace(job, clash=clash))
    return checked


def _alike(path: Path) -> Path:
    """Normalise a name, so that names that are the same file on some disks become equal."""
    return Path(unicodedata.normalize("NFC", str(path)).casefold())


def _tells_letters_apart(output: Path) -> bool:
    place = real(output)
    folder = next(above for above in (place, *place.parents) if above.is_dir())
    try:
        with tempfile.NamedTemporaryFile(prefix=".colorzoo-", suffix=".tmp", dir=folder) as probe:
            return not Path(probe.name).with_suffix(".TMP").exists()
    except OSError:  # nothing can be written, so nothing can clash
        return True
