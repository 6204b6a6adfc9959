"""Measure a model by the protocol of colorzoo/evaluation/metrics.py and write its metrics.json."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import track

from colorzoo.atomic import write_whole
from colorzoo.errors import printable
from colorzoo.evaluation import report as evaluation
from colorzoo.evaluation.guided import curve_table, draw_curves, measure_hints
from colorzoo.evaluation.metrics import Measure
from colorzoo.evaluation.report import scores_table
from colorzoo.evaluation.samples import measure_samples, samples_tables
from colorzoo.hub.checkpoint import METRICS_FILE
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.registry import list_models, model_info

# Photos that are measured with hints, and of which samples are measured, from the first on: each is
# coloured many times, and 150 are enough to compare models.
_MANY_TIMES = 150
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
    sheet: Path,
    measures: Mapping[str, Measure] | None = None,
    device: str = "cpu",
    hints: bool = False,
    samples: bool = False,
) -> tuple[Path, list[evaluation.Report]]:
    """Measure a registered model and the gray baseline on the same photos.

    Args:
        name: Registered name of a model with weights; its folder gets the metrics.json.
        data: Sets of photos: tar shards, photos, or folders of photos. The first one is used for
            the sheet and the main scores; metrics.json lists the others under "other_sets".
        sheet: File for a sheet of the first photos: black and white, result, original.
        measures: LPIPS and FID from :func:`colorzoo.evaluation.perceptual.find_measures`.
        device: Device on which the model runs.
        hints: Also measure PSNR against the number of hints on 150 photos of the first set; a plot
            of it is written beside the sheet, as hints.png.
        samples: Also measure samples of these photos, if the model takes a seed; a sheet of them is
            written beside the other, as samples.png.

    Returns:
        The path of metrics.json, and the report on each set.

    Raises:
        ColorzooError: If the weights cannot be loaded, or there is no readable photo.
    """
    info = model_info(name)
    model = load(info.name, device=device)
    commit = _commit()
    report, *others = (
        evaluation.evaluate_model(
            model,
            info.name,
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
    curve = None
    if hints:
        photos = islice(evaluation.read_photos(data[0], [], coloured=True), _MANY_TIMES)
        said = f"Measuring {name} with hints"
        curve = measure_hints(model, track(photos, description=said, total=None))
        found["hints"] = curve.as_json()
    sampled = None
    if samples and "seed" in model.options:
        photos = islice(evaluation.read_photos(data[0], [], coloured=True), _MANY_TIMES)
        said = f"Sampling with {name}"
        lpips = (measures or {}).get("lpips")
        sampled = measure_samples(model, track(photos, description=said, total=None), lpips=lpips)
        found["samples"] = sampled.as_json()
    assert info.folder is not None  # that of every registered model is known
    path = info.folder / METRICS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(found, indent=2) + "\n").encode())
    sheet.parent.mkdir(parents=True, exist_ok=True)
    save_image(report.sheet, sheet)
    if curve is not None:
        write_whole(sheet.with_name("hints.png"), draw_curves({info.name: curve.psnr}))
        _out.print(curve_table(info.name, curve))
    if sampled is not None:
        save_image(sampled.sheet, sheet.with_name("samples.png"))
        for table in samples_tables(info.name, sampled):
            _out.print(table)
    return path, [report, *others]


def print_reports(reports: Sequence[evaluation.Report]) -> None:
    """Print the scores of a model on each set of photos, and the files that were skipped."""
    for each in reports:
        for line in each.unreadable:
            _out.print(printable(f"skipped: {line}"), soft_wrap=True)
        scores = each.as_json()
        _out.print(
            scores_table({f"gray, {scores['data']}": scores["gray"], each.name: scores["scores"]})
        )


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
