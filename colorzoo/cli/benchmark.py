"""``colorzoo benchmark``: measure time and memory."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from colorzoo.cli._arguments import (
    Device,
    Models,
    NoDownload,
    Overwrite,
    Threads,
    complete_model,
)
from colorzoo.cli._console import OUT, errors, fail, find_device, progress
from colorzoo.cli._importing import importing

if TYPE_CHECKING:
    from colorzoo.evaluation.benchmark import Timing

_TIMES = ("ms a photo", "network ms", "times the floor", "photos/s", "peak MB")


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
    peer: Annotated[
        str | None,
        typer.Option(
            help="Compare with this model, with random weights if its own are not on this machine.",
            autocompletion=complete_model,
        ),
    ] = None,
    busy: Annotated[
        bool,
        typer.Option(
            "--busy", help="Also measure beside a busy process, and four runs at the same time."
        ),
    ] = False,
    no_download: NoDownload = False,
    device: Device = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure time from file to file, compared with decoding and encoding alone, and memory."""
    with importing():
        from colorzoo.atomic import remove_leftovers, write_whole
        from colorzoo.evaluation.benchmark import (
            LOADS,
            MEGAPIXELS,
            PHOTO,
            as_json,
            draw_plot,
            measure,
        )
        from colorzoo.evaluation.report import hardware
        from colorzoo.registry import list_models, model_info

    chosen = find_device(device)
    report = None if output is None else output / "benchmark.json"
    if report is not None and os.path.lexists(report) and not overwrite:
        fail(f"{report} exists: pass --overwrite, or choose another folder")
    # Names of one set of weights take the same time.
    own = (name for name in list_models(local=True) if model_info(name).weights_of is None)
    names = model or list(own)
    sizes = megapixels or MEGAPIXELS
    loads = LOADS if busy else LOADS[:1]
    numbers = [*_TIMES, *([f"times as fast as {peer}"] if peer else [])]
    table = Table(
        "MP",
        "model",
        *(["other load"] if busy else []),
        *(Column(each, justify="right") for each in numbers),
        box=None,
    )
    timings: list[Timing] = []
    with errors(), progress() as bar:
        for timing in bar.track(
            measure(
                names,
                sizes,
                device=chosen,
                random_weights=random_weights,
                local_files_only=no_download,
                peer=peer,
                loads=loads,
            ),
            total=len(sizes) * len(loads) * (1 + len({*names, *([peer] if peer else [])})),
            description="Measuring",
        ):
            timings.append(timing)
            table.add_row(
                f"{timing.megapixels:g}",
                timing.model,
                *([timing.load] if busy else []),
                f"{timing.milliseconds:.0f}",
                f"{timing.network:.0f}" if timing.network else "",
                f"{timing.ratio:.2f}",
                f"{timing.photos_per_second:.1f}",
                f"{timing.peak_mb:.0f}",
                *([f"{timing.beside_peer:.1f}" if timing.beside_peer else ""] if peer else []),
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
