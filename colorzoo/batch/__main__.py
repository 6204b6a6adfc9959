"""Colours a folder on a Ray cluster: ``python -m colorzoo.batch INPUT OUTPUT --workers 2``."""

import logging
import os
import re
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

import colorzoo
from colorzoo._partial import remove_leftovers
from colorzoo.batch import Colorize
from colorzoo.checkpoint import weights_digest
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
from colorzoo.errors import ImageError
from colorzoo.export import SUFFIX, package
from colorzoo.folders import FAILURES, Job, Outcome, Status, one_line, plan
from colorzoo.images import MAX_PIXELS
from colorzoo.run_report import RunReport

# Photos that a worker takes at a time: few enough to share them out evenly, enough for Ray's own
# work not to count.
_BLOCK = 64

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
        "model": _for_workers(model),
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
        refused, jobs = _refused(jobs, told)
        with closing(_on_ray(jobs, how | {"device": device}, workers, gpus, address)) as outcomes:
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


def _for_workers(model: str) -> str:
    """Give a model of this disk by its whole path."""
    path = Path(model).expanduser()
    is_path = "/" in model or model.startswith((".", "~")) or path.suffix == SUFFIX
    return str(path.resolve()) if is_path and path.exists() else model


def _refused(jobs: list[Job], told: RunReport | None) -> tuple[list[Outcome], list[Job]]:
    """Part the jobs that cannot be done, as whoever sees them all can tell, from the others."""
    refused: list[Outcome] = []
    left: list[Job] = []
    for job in jobs:
        reason = job.clash
        other = told.made_otherwise(job) if told else None
        if other is not None and job.target.exists():
            reason = reason or f"{job.target} {other}. Choose another output folder."
        if reason is None:
            left.append(job)
        else:
            refused.append(Outcome(job, "failed", f"{job.source.name}: {reason}"))
    return refused, left


def _on_ray(
    jobs: list[Job], how: dict[str, Any], workers: int | None, gpus: float, address: str | None
) -> Generator[Outcome, None, None]:
    """Colour photos on a Ray cluster, and say of each what became of it.

    Raises:
        ConfigError: If Ray is not installed.
        ImageError: If the disk is full or the folder may not be written.
        RuntimeError: If Ray gives up.
    """
    # Nothing is told to Ray's makers; its own chatter is kept from the screen.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray, data = package("ray", extra="distributed"), package("ray.data", extra="distributed")
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data.DataContext.get_current().enable_progress_bars = False
    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    try:
        has = ray.cluster_resources()
        most = int(has.get("GPU", 0) / gpus if gpus else has.get("CPU", 1))
        workers = workers or max(1, most)
        by_source = {str(job.source): job for job in jobs}
        rows = data.from_items(
            [{"path": source} for source in by_source],
            override_num_blocks=max(1, min(len(jobs), 4 * workers), len(jobs) // _BLOCK),
        ).map_batches(
            Colorize,
            fn_constructor_kwargs=how,
            batch_size=_BLOCK,
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=gpus or None,
        )
        for row in rows.iter_rows():
            if row["status"] == "left":  # so would be all that are to come
                raise ImageError(row["error"])
            size = (row["width"], row["height"])
            yield Outcome(
                by_source[row["path"]],
                row["status"],
                row["error"] or None,
                row["seconds"],
                size if all(size) else None,
            )
    except ray.exceptions.RayError as error:
        # Its text is pages long, with the error that a worker raised in the midst.
        found = re.search(r"^[\w.]+Error: .+", str(error), re.MULTILINE)
        raise RuntimeError(f"Ray gave up: {found[0] if found else one_line(error)}") from error
    finally:
        ray.shutdown()
        for target in {job.target.parent for job in jobs}:
            remove_leftovers(target)


if __name__ == "__main__":
    typer.run(main)
