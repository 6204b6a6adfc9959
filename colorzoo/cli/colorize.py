"""``colorzoo colorize``: colour photos, films and folders."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from colorzoo.cli._arguments import (
    Device,
    Hints,
    MaxPixels,
    Model,
    Overwrite,
    Reference,
    ReportFile,
    Resume,
    Revision,
    Saturation,
    Seed,
    Steps,
    Temperature,
    Vividness,
    WorkSize,
    gather_options,
)
from colorzoo.cli._console import ERR, OUT, errors, fail, find_device, note, progress, stop
from colorzoo.defaults import DEFAULT_MODEL, MAX_PIXELS
from colorzoo.errors import ConfigError

if TYPE_CHECKING:
    from colorzoo.jobs.plan import Job, Outcome, Status
    from colorzoo.jobs.report import RunReport


_WORDS = {
    "done": "coloured",
    "left": "not attempted",
}  # on the screen


def colorize(
    inputs: Annotated[list[Path], typer.Argument(help="Photos, films, or folders of photos.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder, or a file if there is one input.")
    ],
    model: Model = DEFAULT_MODEL,
    revision: Revision = None,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    vividness: Vividness = None,
    temperature: Temperature = None,
    seed: Seed = None,
    steps: Steps = None,
    hint: Hints = None,
    reference: Reference = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    resume: Resume = False,
    report: ReportFile = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Colour photos, films and folders of photos; names are kept, inputs are never overwritten."""
    from colorzoo.jobs.films import colorize_film_job, films_note, is_film
    from colorzoo.jobs.pipeline import colorize_jobs
    from colorzoo.jobs.plan import How, plan
    from colorzoo.jobs.report import RunReport, settings_of
    from colorzoo.jobs.signals import Interrupts
    from colorzoo.loading import load

    run = _Run()
    with errors(), Interrupts() as interrupts:
        how = How(
            saturation=saturation,
            work_size=work_size,
            max_pixels=max_pixels,
            overwrite=overwrite,
            resume=resume,
            options=gather_options(seed, vividness, temperature, steps, hint, reference),
        )
        jobs = plan(inputs, output)
        left = films_note(inputs, output)
        if not jobs:
            fail(f"there is no photo in {', '.join(map(str, inputs))}{left and f'; {left}'}")
        note([left] if left else [])
        colorizer = load(model, revision=revision, device=find_device(device))
        colorizer.check(**how.options)  # fail now, not after minutes
        if report is not None:
            _check_report(report, jobs)
            settings = settings_of(model, colorizer, how)
            run.report = RunReport(report, settings, append=resume, overwrite=overwrite)
        made_otherwise = run.report and run.report.made_otherwise
        is_stopped = interrupts.defer()
        photos = [job for job in jobs if not is_film(job)]
        outcomes = colorize_jobs(
            colorizer, photos, how, made_otherwise=made_otherwise, is_stopped=is_stopped
        )
        with closing(outcomes), progress() as bar:
            for outcome in bar.track(
                outcomes, total=len(photos), description=f"Colouring with {model}"
            ):
                run.add(outcome)
        for job in filter(is_film, jobs):
            with progress() as bar:
                task = bar.add_task(f"Colouring {job.source.name} with {model}", total=None)
                outcome = colorize_film_job(
                    colorizer,
                    job,
                    how,
                    made_otherwise=made_otherwise,
                    is_stopped=is_stopped,
                    watch=lambda done, total, b=bar, t=task: b.update(
                        t, completed=done, total=total and max(done, total)
                    ),
                )
            run.add(outcome)
        found = f"{run.finish()}, in {output}"
        if interrupts.number is not None:
            stop(interrupts.number, f"{found}. Run it again with --resume to continue.")
    OUT.print(found, soft_wrap=True)
    if not run.is_good:
        raise typer.Exit(1)


def _check_report(report: Path, jobs: "list[Job]") -> None:
    photos = {path.resolve() for job in jobs for path in (job.source, job.target)}
    if report.resolve() in photos:
        raise ConfigError(f"the report {report} is an input or an output; choose another path")


class _Run:
    """Prints and reports the outcomes so far."""

    def __init__(self) -> None:
        from colorzoo.jobs.plan import STOPPED

        self.report: RunReport | None = None
        self.is_good = True
        self._counts: Counter[Status] = Counter()
        self._told: set[str | None] = {STOPPED}  # this reason is printed at the end

    def add(self, outcome: "Outcome") -> None:
        self._counts[outcome.status] += 1
        if outcome.status in ("failed", "left"):
            self.is_good = False
            if outcome.reason not in self._told:
                word = _WORDS.get(outcome.status, outcome.status)
                ERR.print(f"{word}: {outcome.reason}", style="red", soft_wrap=True)
        if outcome.status == "left":  # print a shared reason only once
            self._told.add(outcome.reason)
        if outcome.status == "done":
            note(f"{outcome.job.source.name}: {each}" for each in outcome.notes)
        self._write(lambda report: report.add(outcome))

    def finish(self) -> str:
        """Finish the report and return the counts as text."""
        from colorzoo.jobs.plan import Status

        self._write(lambda report: report.finish())
        return ", ".join(
            f"{self._counts[status]} {_WORDS.get(status, status)}"
            for status in get_args(Status)
            if self._counts[status] or status in ("done", "failed")
        )

    def _write(self, what: "Callable[[RunReport], None]") -> None:
        try:
            if self.report is not None:
                what(self.report)
        except OSError as error:  # colour the remaining photos without a report
            self.report, self.is_good = None, False
            ERR.print(f"failed: the report cannot be continued ({error.strerror})", style="red")
