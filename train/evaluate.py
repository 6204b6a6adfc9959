"""Measure a model by the protocol of colorzoo/metrics.py and write its metrics.json."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.progress import track

from colorzoo import metrics
from colorzoo.registry import load
from train.data import Tally, iter_photos, photos_below


def evaluate_model(name: str, data: Path, *, weights: Path) -> Path:
    """Measure a registered model and the gray baseline on the same photos.

    Args:
        name: Registered name.
        data: Tar shard, photo, or folder of photos.
        weights: The model's weights folder; metrics.json goes there.

    Returns:
        The path of metrics.json.

    Raises:
        ColorzooError: If the weights cannot be loaded.
        ValueError: If there is no photo.
    """
    model = load(weights)
    if model.architecture != name:
        raise ValueError(f"{weights} holds {model.architecture}, not {name}")
    commit, tally = _commit(), Tally()
    photos = iter_photos([data] if data.is_file() else photos_below(data), tally)
    scores, gray, count = metrics.evaluate(
        lambda picture: np.asarray(model.colorize(picture)),
        track(photos, description=f"Measuring {name}", total=None),
    )
    report = {
        "model": name,
        "parameters": model.parameter_count,
        "work_size": model.work_size,
        "data": data.name,
        "photos": count,
        "unreadable": tally.unreadable,
        "commit": commit,
        "protocol": metrics.PROTOCOL,
        "scores": {key: round(value, 4) for key, value in asdict(scores).items()},
        "gray": {key: round(value, 4) for key, value in asdict(gray).items()},
    }
    path = weights / "metrics.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
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
