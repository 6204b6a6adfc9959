"""``colorzoo batch``: a folder of photos on a Ray cluster."""

from collections import Counter
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

import colorzoo
from colorzoo.cli import (
    Device,
    MaxPixels,
    ReportFile,
    Revision,
    Saturation,
    Seed,
    Temperature,
    WorkSize,
)
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError
from colorzoo.hub.checkpoint import weights_digest
from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.plan import FAILURES, Status, one_line, plan
from colorzoo.jobs.ray import colorize_on_ray, for_workers, split_refused
from colorzoo.jobs.report import RunReport

_out = Console(markup=False, highlight=False)


_err = Console(markup=False, highlight=False, stderr=True)


def main(
    folder: Annotated[Path, typer.Argument(help="A folder of photos, seen by every worker.")],
    output: Annotated[Path, typer.Argument(help="A folder for the results, seen by every worker.")],
    model: Annotated[
        str, typer.Option(help="A registered model, a folder or a Hub id.")
    ] = colorzoo.DEFAULT_MODEL,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many; one a core, or share of a GPU, if not.")
    ] = None,
    gpus: Annotated[
        float, typer.Option(min=0, help="GPUs that each worker takes; 0.25 lets four share one.")
    ] = 0.0,
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster; that of this machine, or a new one here, if not."),
    ] = None,
    revision: Revision = None,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    temperature: Temperature = None,
    seed: Seed = None,
    device: Device = "auto",
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace outputs older than their photo, or of another size."
        ),
    ] = False,
    report: ReportFile = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Colour a folder of photos on a Ray cluster; the same command again goes on with it."""
    # Workers have working folders of their own.
    folder, output = folder.expanduser().resolve(), output.expanduser().resolve()
    how = {
        "model": for_workers(model),
        "revision": revision,
        "saturation": saturation,
        "work_size": work_size,
        "temperature": temperature,
        "seed": seed,
        "max_pixels": max_pixels,
        "output": output,
        "root": folder,
        "overwrite": overwrite,
    }
    counts: Counter[Status] = Counter()
    try:
        jobs = plan([folder], output) if folder.is_dir() else []
        if not jobs:
            raise ImageError(f"there is no photo in {folder}; give a folder with some")
        colorizer = Colorize(**how, device="cpu").model  # tells now what would fail everywhere
        told = None
        if report is not None:
            weights = weights_digest(colorizer.state_dict())[:12]
            size = work_size or colorizer.work_size
            names = ("saturation", "temperature", "seed")
            made_with = {name: how[name] for name in names}
            made_with |= {"model": model, "weights": weights, "work_size": size}
            told = RunReport(report, made_with, append=report.exists(), overwrite=False)
        refused, jobs = split_refused(jobs, told)
        with closing(
            colorize_on_ray(jobs, how | {"device": device}, workers, gpus, address)
        ) as outcomes:
            for outcome in track(
                chain(refused, outcomes),
                f"Colouring with {model}",
                len(refused) + len(jobs),
                console=_err,
                transient=True,
                disable=not _err.is_terminal,
            ):
                counts[outcome.status] += 1
                if outcome.status == "failed":
                    _err.print(f"failed: {outcome.reason}", style="red", soft_wrap=True)
                if told:
                    told.add(outcome)
        if told:
            told.finish()
    except KeyboardInterrupt:
        _err.print("stopped: the same command goes on", style="red")
        raise typer.Exit(130) from None
    except FAILURES as error:
        _err.print(f"error: {one_line(error)}", style="red", soft_wrap=True)
        raise typer.Exit(1) from None
    words: dict[Status, str] = {"done": "coloured", "skipped": "skipped", "failed": "failed"}
    found = ", ".join(f"{counts[status]} {word}" for status, word in words.items())
    _out.print(f"{found}, in {output}", soft_wrap=True)
    if counts["failed"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
