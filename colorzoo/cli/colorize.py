"""``colorzoo colorize``: colour photos, films and folders."""

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo.cli._arguments import (
    Backend,
    ColorOnly,
    Depth,
    Device,
    Dtype,
    HintFile,
    Hints,
    KeepGray,
    MaxPixels,
    Model,
    NoDownload,
    Overwrite,
    Palette,
    Quality,
    Quiet,
    Reference,
    ReportFile,
    Resume,
    Revision,
    Saturation,
    Seed,
    Steps,
    Temperature,
    Threads,
    Vividness,
    WorkSize,
    check_depth,
    gather_options,
)
from colorzoo.cli._console import errors, fail, find_device, note, progress, say, stop
from colorzoo.cli._hints import gather_hints
from colorzoo.cli._importing import importing
from colorzoo.cli._pipes import STDIO, read_stdin, stdout_folder
from colorzoo.cli._run import Run
from colorzoo.defaults import DEFAULT_MODEL, MAX_PIXELS
from colorzoo.errors import ConfigError

if TYPE_CHECKING:
    from colorzoo.jobs.plan import Job


def colorize(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Photos, films, or folders of photos; - is standard input."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A folder, or a file if there is one input; - is standard output.",
        ),
    ],
    model: Model = DEFAULT_MODEL,
    revision: Revision = None,
    no_download: NoDownload = False,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    vividness: Vividness = None,
    temperature: Temperature = None,
    seed: Seed = None,
    steps: Steps = None,
    hint: Hints = None,
    hints: HintFile = None,
    palette: Palette = None,
    keep_gray: KeepGray = None,
    color_only: ColorOnly = None,
    reference: Reference = None,
    device: Device = "auto",
    threads: Threads = None,
    dtype: Dtype = "float32",
    backend: Backend = "torch",
    overwrite: Overwrite = False,
    resume: Resume = False,
    report: ReportFile = None,
    depth: Depth = 16,
    quality: Quality = 95,
    max_pixels: MaxPixels = MAX_PIXELS,
    quiet: Quiet = False,
) -> None:
    """Colour photos, films and folders of photos; names are kept, inputs are never overwritten."""
    from colorzoo.jobs.hints import without_masks
    from colorzoo.jobs.left_out import find_left_out
    from colorzoo.jobs.plan import How, plan
    from colorzoo.jobs.signals import Interrupts

    given = [*inputs, *([reference] if reference else [])]
    with errors(paths=given), Interrupts() as interrupts, ExitStack() as ended:
        asked = gather_hints(hint, hints, palette, keep_gray, color_only)
        how = How(
            saturation=saturation,
            work_size=work_size,
            max_pixels=max_pixels,
            depth=check_depth(depth),
            quality=quality,
            overwrite=overwrite,
            resume=resume,
            options=gather_options(seed, vividness, temperature, steps, asked.hints, reference),
            hints=asked.file,
            own_hints=asked.own,
        )
        is_piped = output == STDIO
        if is_piped:
            output = ended.enter_context(stdout_folder(inputs))
        piped = read_stdin() if STDIO in inputs else (STDIO, None)
        inputs = [piped[0] if path == STDIO else path for path in dict.fromkeys(inputs)]
        jobs = [
            replace(job, data=piped[1]) if job.source == piped[0] else job
            for job in plan(inputs, output)
        ]
        jobs, notes = without_masks(jobs, inputs, how, asked.masks)
        left_out = find_left_out(inputs, output)
        if not jobs:
            nothing = f"there is no photo in {', '.join(map(str, inputs))}"
            fail("; ".join((nothing, *left_out.notes())))
        note(notes)
        with importing():  # PyTorch: what is wrong so far is told at once
            from colorzoo.jobs.films import colorize_film_job, is_film
            from colorzoo.jobs.pipeline import colorize_jobs
            from colorzoo.jobs.record import Records
            from colorzoo.jobs.report import RunReport
            from colorzoo.jobs.settings import config_of, settings_of
            from colorzoo.loading import load
        run = Run(left_out, always=("done", "failed"))
        ended.callback(run.close)
        colorizer = load(
            model,
            revision=revision,
            local_files_only=no_download,
            device=find_device(device),
            dtype=dtype,
            backend=backend,
        )
        colorizer.check(**how.options)  # fail now, not after minutes
        settings = settings_of(model, colorizer, how)
        if report is not None:
            _check_report(report, jobs)
            run.report = RunReport(report, settings, append=resume, overwrite=overwrite)
        records = Records({**settings, "config": config_of(colorizer)}, run.report)
        if resume:
            note(records.check(jobs, overwrite=overwrite))
        if run.report is not None:
            run.report.open()  # fail now, not after the first photo
        is_stopped = interrupts.defer()
        photos = [job for job in jobs if not is_film(job)]
        outcomes = colorize_jobs(colorizer, photos, how, records=records, is_stopped=is_stopped)
        with closing(outcomes), progress("photo") as bar:
            for outcome in bar.track(
                outcomes, total=len(photos), description=f"Colouring with {model}"
            ):
                run.add(outcome)
        for job in filter(is_film, jobs):
            with progress("frame") as bar:
                task = bar.add_task(f"Colouring {job.source.name} with {model}", total=None)
                outcome = colorize_film_job(
                    colorizer,
                    job,
                    how,
                    records=records,
                    is_stopped=is_stopped,
                    watch=lambda done, total, b=bar, t=task: b.update(
                        t, completed=done, total=total and max(done, total)
                    ),
                )
            run.add(records.add_film(outcome))
        found = run.finish(output)
        if interrupts.number is not None:
            stop(interrupts.number, f"{found}. Run it again with --resume to continue.")
        if not is_piped:
            say(found)
    if not run.is_good:
        raise typer.Exit(1)


def _check_report(report: Path, jobs: "list[Job]") -> None:
    from colorzoo.jobs.plan import real
    from colorzoo.jobs.record import RECORD

    photos = {real(path) for job in jobs for path in (job.source, job.target)}
    if real(report) in photos or report.name == RECORD:
        raise ConfigError(f"the report {report} is an input or an output; choose another path")
