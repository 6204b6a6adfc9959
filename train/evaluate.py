"""Measure a model by the protocol of colorzoo/evaluation/metrics.py and write its metrics.json."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from colorzoo.atomic import write_whole
from colorzoo.evaluation import report as evaluation
from colorzoo.evaluation.metrics import Measure
from colorzoo.evaluation.report import scores_table
from colorzoo.hub.checkpoint import METRICS_FILE
from colorzoo.loading import load
from colorzoo.registry import list_models, model_info

# The keys in metrics.json for each set of photos after the first.
_OF_A_SET = ("data", "photos", "unreadable", "scores", "gray", "milliseconds")
# No markup, because file names may contain brackets.
_out = Console(markup=False, highlight=False)


def measurable_models() -> list[str]:
    """List the models whose weights are in this checkout."""
    return [name for name in list_models(pretrained=True) if model_info(name).weights]


def evaluate_model(
    name: str,
    data: Sequence[Path],
    *,
    weights: Path,
    sheet: Path,
    measures: Mapping[str, Measure] | None = None,
    device: str = "cpu",
) -> Path:
    """Measure a registered model and the gray baseline on the same photos.

    Args:
        name: Registered name.
        data: Sets of photos: tar shards, photos, or folders of photos. The first one is used for
            the sheet and the main scores; metrics.json lists the others under "other_sets".
        weights: The model's weights folder; metrics.json is written there.
        sheet: File for a sheet of the first photos: black and white, result, original.
        measures: LPIPS and FID from :func:`colorzoo.evaluation.perceptual.find_measures`.
        device: Device on which the model runs.

    Returns:
        The path of metrics.json.

    Raises:
        ColorzooError: If the weights cannot be loaded, or there is no readable photo.
        ValueError: If the weights belong to another model.
    """
    model = load(weights, device=device)
    if model.architecture != name:
        raise ValueError(f"{weights} has the weights of {model.architecture}, not of {name}")
    commit = _commit()
    report, *others = (
        evaluation.evaluate_model(
            model,
            name,
            photos,
            measures=measures,
            track=partial(track, description=f"Measuring {name} on {photos.name}", total=None),
        )
        for photos in data
    )
    found = {**report.as_json(), "commit": commit}
    if others:
        found["other_sets"] = [
            {key: value for key, value in other.as_json().items() if key in _OF_A_SET}
            for other in others
        ]
    path = weights / METRICS_FILE
    write_whole(path, (json.dumps(found, indent=2) + "\n").encode())
    sheet.parent.mkdir(parents=True, exist_ok=True)
    report.sheet.save(sheet)
    for each in (report, *others):
        for line in each.unreadable:
            _out.print(f"skipped: {line}", soft_wrap=True)
        scores = each.as_json()
        _out.print(
            scores_table({f"gray, {scores['data']}": scores["gray"], name: scores["scores"]})
        )
    return path


def _commit() -> str:
    """Return the commit of this checkout, with "-dirty" if the code has changes."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent.parent
        run = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=folder)
        return run.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "colorzoo", "train", ":!colorzoo/weights")
        commit = git("rev-parse", "--short=12", "HEAD")
    except OSError:  # git is not installed
        return "unknown"
    return f"{commit}-dirty" if commit and changed else commit or "unknown"
