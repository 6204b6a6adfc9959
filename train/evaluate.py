"""Measure a model by the protocol of colorzoo/metrics.py and write its metrics.json."""

import json
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from colorzoo.evaluation import report as evaluation
from colorzoo.evaluation.metrics import Measure
from colorzoo.evaluation.report import scores_table
from colorzoo.hub.checkpoint import METRICS_FILE
from colorzoo.loading import load
from colorzoo.registry import list_models, model_info

# No markup: file names may hold brackets.
_out = Console(markup=False, highlight=False)


def measurable_models() -> list[str]:
    """Name the models whose weights are in this checkout."""
    return [name for name in list_models(pretrained=True) if model_info(name).weights]


def evaluate_model(
    name: str,
    data: Path,
    *,
    weights: Path,
    sheet: Path,
    measures: Mapping[str, Measure] | None = None,
    device: str = "cpu",
) -> Path:
    """Measure a registered model and the gray baseline on the same photos.

    Args:
        name: Registered name.
        data: Tar shard, photo, or folder of photos.
        weights: The model's weights folder; metrics.json goes there.
        sheet: Where to draw the first photos: black and white, result, truth.
        measures: LPIPS and FID from :func:`colorzoo.perceptual.find_measures`.
        device: Where the model runs.

    Returns:
        The path of metrics.json.

    Raises:
        ColorzooError: If the weights cannot be loaded, or there is no photo that can be read.
        ValueError: If the weights are another model's.
    """
    model = load(weights, device=device)
    if model.architecture != name:
        raise ValueError(f"{weights} holds {model.architecture}, not {name}")
    commit = _commit()
    report = evaluation.evaluate_model(
        model,
        name,
        data,
        measures=measures,
        track=partial(track, description=f"Measuring {name}", total=None),
    )
    found = {**report.as_json(), "commit": commit}
    path = weights / METRICS_FILE
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    report.sheet.save(sheet)
    for line in report.unreadable:
        _out.print(f"skipped: {line}", soft_wrap=True)
    _out.print(scores_table({"gray": found["gray"], name: found["scores"]}))
    return path


def _commit() -> str:
    """The commit of the code that measures, marked when code differs from it."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent.parent
        run = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=folder)
        return run.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "colorzoo", "train", ":!colorzoo/weights")
        commit = git("rev-parse", "--short=12", "HEAD")
    except OSError:  # no git here
        return "unknown"
    return f"{commit}-dirty" if commit and changed else commit or "unknown"
