"""``colorzoo batch``: colour a folder of photos on a Ray cluster."""

from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import (
    ColorOnly,
    Device,
    HintFile,
    Hints,
    KeepGray,
    MaxPixels,
    Model,
    NoDownload,
    Palette,
    Quiet,
    Reference,
    ReportFile,
    Revision,
    Saturation,
    Seed,
    Steps,
    Temperature,
    Vividness,
    WorkSize,
    gather_options,
)
from colorzoo.cli._console import errors, note, progress, say, stop
from colorzoo.cli._hints import gather_hints
from colorzoo.cli._importing import importing
from colorzoo.cli._run import Run
from colorzoo.defaults import DEFAULT_MODEL, MAX_PIXELS
from colorzoo.errors import ImageError


def batch(
    folder: Annotated[Path, typer.Argument(help="A folder of photos that every worker can read.")],
    output: Annotated[Path, typer.Argument(help="A folder that every worker can write to.")],
    model: Model = DEFAULT_MODEL,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers; by default one per core, or per GPU share."),
    ] = None,
    gpus: Annotated[
        float, typer.Option(min=0, help="GPUs per worker; with 0.25, four workers share one.")
    ] = 0.0,
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster; by default one on this machine."),
    ] = None,
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
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace outputs older than their photo, of another size, or made with another "
            "model or other options.",
        ),
    ] = False,
    report: ReportFile = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    quiet: Quiet = False,
) -> None:
    """Colour a folder of photos on a Ray cluster; run the same command again to continue."""
    with importing():
        from colorzoo.jobs.dataset import Colorize
        from colorzoo.jobs.hints import without_masks
        from colorzoo.jobs.left_out import find_left_out
        from colorzoo.jobs.plan import How, plan, real
        from colorzoo.jobs.ray import colorize_on_ray, for_workers, split_refused
        from colorzoo.jobs.record import Records
        from colorzoo.jobs.report import RunReport
        from colorzoo.jobs.settings import config_of, settings_of

    with errors(), ExitStack() as ended:
        # Workers have their own working folders.
        folder, output = real(folder.expanduser()), real(output.expanduser())
        reference = reference and real(reference.expanduser())
        asked = gather_hints(hint, hints, palette, keep_gray, color_only)
        options = gather_options(seed, vividness, temperature, steps, asked.hints, reference)
        arguments = {
            "model": for_workers(model),
            "revision": revision,
            "local_files_only": no_download,
            "saturation": saturation,
            "work_size": work_size,
            "max_pixels": max_pixels,
            "output": output,
            "root": folder,
            "overwrite": overwrite,
            "hint_file": "auto" if asked.own is not None else asked.file,
            "colors": asked.own,
            **options,
        }
        how = How(
            saturation,
            work_size,
            max_pixels,
            options=options,
            hints=asked.file,
            own_hints=asked.own,
        )
        jobs = plan([folder], output) if folder.is_dir() else []
        jobs, notes = without_masks(jobs, [folder], how, asked.masks)
        left_out = find_left_out([folder], output)
        if not jobs:
            nothing = f"there is no photo in {folder}"
            raise ImageError("; ".join((nothing, *left_out.notes(), "give a folder of photos")))
        note(notes)
        run = Run(left_out, always=("done", "skipped", "failed"))
        ended.callback(run.close)
        colorizer = Colorize(**arguments, device="cpu").model  # fail now, not in every worker
        settings = settings_of(model, colorizer, how)
        if report is not None:
            run.report = RunReport(report, settings, append=report.exists(), overwrite=False)
        records = Records({**settings, "config": config_of(colorizer)}, run.report)
        note(records.check(jobs, overwrite=overwrite))
        if run.report is not None:
            run.report.open()  # fail now, not after the first photo
        refused, jobs = split_refused(jobs, run.report, records)
        outcomes = colorize_on_ray(jobs, arguments | {"device": device}, workers, gpus, address)
        try:
            with closing(outcomes), progress("photo") as bar:
                for outcome in bar.track(
                    chain(refused, outcomes),
                    total=len(refused) + len(jobs),
                    description=f"Colouring with {model}",
                ):
                    run.add(outcome)
        except KeyboardInterrupt:
            run.close()
            # At once: Ray's threads can crash an interpreter that ends as usual after Ctrl-C.
            stop(2, "run the same command again to continue", at_once=True)
        found = run.finish(output)
    say(found)
    if not run.is_good:
        raise typer.Exit(1)
