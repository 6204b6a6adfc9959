"""Colour folders of photos on a Ray cluster."""

import logging
import os
import re
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any

from colorzoo.atomic import remove_leftovers
from colorzoo.errors import ImageError, one_line
from colorzoo.exporting.runtime import SUFFIX
from colorzoo.extras import import_extra
from colorzoo.jobs.dataset import Colorize
from colorzoo.jobs.plan import Job, Outcome
from colorzoo.jobs.record import Records
from colorzoo.jobs.report import RunReport

# Photos per batch of a worker: few enough to balance the load, enough to make Ray's overhead small.
_BLOCK = 64


def for_workers(model: str) -> str:
    """Make a model's name absolute if it is a path on this disk."""
    path = Path(model).expanduser()
    is_path = "/" in model or model.startswith((".", "~")) or path.suffix == SUFFIX
    return str(path.resolve()) if is_path and path.exists() else model


def _close_doors() -> None:
    """Let only this user reach the cluster that will be started: who reaches it can run any code.

    Ray reads these variables when it is imported; those that the user has set are kept.
    """
    # Despite its name, it makes Ray listen on the loopback address only, on every system.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:  # Ray itself would use a file that others can read
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def split_refused(
    jobs: list[Job], told: RunReport | None, records: Records | None = None
) -> tuple[list[Outcome], list[Job]]:
    """Separate the jobs that clash with other jobs or existing outputs from the rest.

    Args:
        jobs: The jobs of the run.
        told: A report of earlier runs, which the workers do not have.
        records: The records of the output folders; the workers treat the outputs that are in them.

    Returns:
        The outcomes of those that are refused, and the jobs to run.
    """
    refused: list[Outcome] = []
    left: list[Job] = []
    for job in jobs:
        reason = job.clash
        other = told.made_otherwise(job) if told else None
        if other is not None and job.target.exists() and not (records and records.knows(job)):
            reason = reason or f"{job.target} {other}. Choose another output folder."
        if reason is None:
            left.append(job)
        else:
            refused.append(Outcome(job, "failed", f"{job.source.name}: {reason}"))
    return refused, left


def colorize_on_ray(
    jobs: list[Job], how: dict[str, Any], workers: int | None, gpus: float, address: str | None
) -> Generator[Outcome, None, None]:
    """Colour photos on a Ray cluster, and yield the outcome of each.

    Args:
        jobs: The photos.
        how: Arguments of ``Colorize``.
        workers: How many workers; None for one per core, or per share of a GPU.
        gpus: GPUs per worker.
        address: Address of the cluster. If None, that in the environment variable RAY_ADDRESS; if
            there is none, a cluster is started that only this user on this machine can use.

    Raises:
        ConfigError: If Ray is not installed.
        ImageError: If the disk is full or the folder cannot be written to.
        RuntimeError: If Ray fails.
    """
    # No usage statistics for Ray's makers, and none of its log messages on the screen.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":  # never one that somebody else has started on this machine
        _close_doors()
    ray, data = (
        import_extra("ray", extra="distributed"),
        import_extra("ray.data", extra="distributed"),
    )
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data.DataContext.get_current().enable_progress_bars = False
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
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
            if row["status"] == "left":  # all that follow would fail too
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
        # The message is pages long; find the worker's own error in it.
        found = re.search(r"^[\w.]+Error: .+", str(error), re.MULTILINE)
        raise RuntimeError(f"Ray failed: {found[0] if found else one_line(error)}") from error
    finally:
        ray.shutdown()
        for folder, root in {(job.target.parent, job.root) for job in jobs}:
            remove_leftovers(folder, within=root)
