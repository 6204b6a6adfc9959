"""``colorzoo benchmark``: measure time and memory."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from colorzoo.cli._arguments import Device, Models, NoDownload, Overwrite
from colorzoo.cli._console import OUT, errors, fail, find_device, progress

if TYPE_CHECKING:
    from colorzoo.evaluation.benchmark import Timing

_TIMES = ("ms a photo", "times the floor", "photos/s", "peak MB")


def benchmark(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder for benchmark.json and benchmark.png."),
    ] = None,
    model: Models = None,
    megapixels: Annotated[
        list[float] | None, typer.Option(help="Only this size; can be given several times.")
    ] = None,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights",
            help="Measure models whose weights are not on this machine with random ones, which are "
            "as fast.",
        ),
    ] = False,
    no_download: NoDownload = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Measure time from file to file, compared with decoding and encoding alone, and memory."""
    from colorzoo.atomic import remove_leftovers, write_whole
    from colorzoo.evaluation.benchmark import MEGAPIXELS, PHOTO, as_json, draw_plot, measure
    from colorzoo.evaluation.report import hardware
    from colorzoo.registry import list_models

    chosen = find_device(device)
    report = None if output is None else output / "benchmark.json"
    if report is not None and os.path.lexists(report) and not overwrite:
        fail(f"{report} exists: pass --overwrite, or choose another folder")
    names = model or list_models(local=True)
    sizes = megapixels or MEGAPIXELS
    table = Table("MP", "model", *(Column(each, justify="right") for each in _TIMES), box=None)
    timings: list[Timing] = []
    with errors(), progress() as bar:
        for timing in bar.track(
            measure(
                names,
                sizes,
                device=chosen,
                random_weights=random_weights,
                local_files_only=no_download,
            ),
            total=len(sizes) * (1 + len(names)),
            description="Measuring",
        ):
            timings.append(timing)
            table.add_row(
                f"{timing.megapixels:g}",
                timing.model,
                f"{timing.milliseconds:.0f}",
                f"{timing.ratio:.2f}",
                f"{timing.photos_per_second:.1f}",
                f"{timing.peak_mb:.0f}",
            )
    with errors():
        if output is not None and report is not None:
            output.mkdir(parents=True, exist_ok=True)
            remove_leftovers(output)
            write_whole(report, (json.dumps(as_json(timings, chosen), indent=2) + "\n").encode())
        OUT.print(table)
        OUT.print(f"{PHOTO}. {hardware(chosen)}.", soft_wrap=True)
        if output is not None and report is not None:
            OUT.print(f"wrote {report}", soft_wrap=True)
            draw_plot(timings, output / "benchmark.png")
            OUT.print(f"wrote {output / 'benchmark.png'}", soft_wrap=True)
