"""Update the README's table and picture for the bundled weights."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from colorzoo.atomic import write_whole
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import COLUMNS, Column, in_words, short_count
from colorzoo.gallery import colorize_with, contact_sheet
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.registry import ModelInfo, describe, list_models, model_info
from train.upkeep.ratings import counted

START, END = "<!-- results: python -m train readme -->\n", "<!-- /results -->"
GRID = Path("demo") / "zoo.jpg"
PHOTOS = ("chelsea", "coffee", "rocket", "astronaut")
# Largest width of the picture, pixels; GitHub shows it at half of that.
_GRID_WIDTH = 1500

_COLUMNS = COLUMNS | {"milliseconds": Column("ms a photo", 1, "Milliseconds a photo")}


def results_table() -> str:
    """Render the metrics.json of all bundled models, and the gray baseline, as Markdown.

    Values that are missing in some models are shown as a dash; columns without values are left out.
    """
    reports = [info.metrics for info in shown() if info.metrics]
    if not reports:
        return "No model has been measured yet.\n"
    # Scores on other photos have a different gray row, so they need a separate table.
    sets: dict[str, list[dict[str, Any]]] = {}
    for report in (each for whole in reports for each in by_set(whole)):
        sets.setdefault(_photos_of(report), []).append(report)
    # Main sets come before others, which have no protocol of their own, and large tables first.
    ranked = sorted(sets.values(), key=lambda each: ("protocol" not in each[0], -len(each)))
    tables = [f"{table_of(each)}\n\n{_note(each)}\n" for each in ranked]
    return "\n".join([*tables, *_by_eye(), *_published()])


def shown() -> list[ModelInfo]:
    """Return the bundled models that the README shows: those measured on the zoo's own photos.

    A model that its author has measured on other photos is left out until a maintainer measures it
    again, so that its pull request need not change the README. The zoo's photos are those on which
    most of the models were measured.
    """
    infos = [info for info in map(model_info, list_models(pretrained=True)) if info.weights]
    counts = Counter(_photos_of(info.metrics) for info in infos if info.metrics)
    (usual, _), *_ = counts.most_common(1) or [("", 0)]
    return [info for info in infos if not info.metrics or _photos_of(info.metrics) == usual]


def _photos_of(report: dict[str, Any]) -> str:
    return str((report["data"], report["photos"], round(report["gray"]["psnr"], 1)))


def by_set(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a metrics.json into one report per set of photos, the main one first."""
    shared = {key: report[key] for key in ("model", "parameters") if key in report}
    return [report, *({**shared, **other} for other in report.get("other_sets", ()))]


def _published() -> list[str]:
    """Render the models whose weights others published, as a list with one table, or empty.

    Their authors measured in their own ways, so their numbers are not in the other tables.
    """
    rows = [["published by its authors", "parameters", "download", "licence", "their numbers"]]
    rows += [["---", "--:", "--:", "---", "---"]]
    for info in map(model_info, list_models(pretrained=True)):
        theirs = info.published
        if theirs is None or info.metrics or info.weights_of:
            continue
        numbers = f"{in_words(theirs.numbers)}: {theirs.numbers_source}" if theirs.numbers else "–"
        size = short_count(describe(info.name).parameter_count)
        name = f"[`{info.name}`]({theirs.page})"
        rows.append([name, size, theirs.megabytes, theirs.licence, escaped(numbers)])
    if len(rows) == 2:
        return []
    table = as_markdown(rows)
    return [
        f"{table}\n\nThese weights are downloaded on first use. Their authors' numbers were "
        "measured in other ways than those above, so the two cannot be compared.\n"
    ]


def _by_eye() -> list[str]:
    """Render the counts by eye, best first, as a list with one table, or an empty list."""
    found = {info.name: counts for info in shown() if (counts := counted(info))}
    sets = sorted({photos for counts in found.values() for photos in counts}, reverse=True)
    if not sets:
        return []
    rows = [["by eye: plausible / odd / wrong", *sets], ["---", *["--:"] * len(sets)]]
    ranked = sorted(found.items(), key=lambda each: -sum(c.plausible for c in each[1].values()))
    for name, counts in ranked:
        rows.append([f"`{name}`", *(str(counts.get(photos, "–")) for photos in sets)])
    return [as_markdown(rows) + "\n"]


def table_of(reports: list[dict[str, Any]]) -> str:
    """Render reports on the same photos as Markdown: the gray baseline, then models by PSNR."""
    columns = [key for key in _COLUMNS if any(key in _numbers(report) for report in reports)]
    headings = ["model", "parameters", *(_COLUMNS[key].heading for key in columns)]
    rows = [
        headings,
        ["---", *["--:"] * (len(headings) - 1)],
        ["gray (ab = 0)", "", *_cells(reports[0]["gray"], columns)],
    ]
    for report in sorted(reports, key=lambda each: -each["scores"]["psnr"]):
        name, size = f"`{report['model']}`", short_count(report["parameters"])
        rows.append([name, size, *_cells(_numbers(report), columns)])
    return as_markdown(rows)


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Render the rows of a table, of which the second is the rule below the headings."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def update_readme(path: Path) -> bool:
    """Write the table between its markers.

    Args:
        path: The README.

    Returns:
        Whether it changed.

    Raises:
        ValueError: If the markers are missing.
    """
    return replace_between(path, START, END, results_table())


def replace_between(path: Path, start: str, end: str, text: str) -> bool:
    """Replace the text between two markers of a file; return whether the file changed.

    Raises:
        ValueError: If the markers are missing.
    """
    before = path.read_text(encoding="utf-8")
    head, first, rest = before.partition(start)
    _, last, tail = rest.partition(end)
    if not (first and last):
        raise ValueError(f"{path} has no {start.strip()} ... {end}")
    after = head + start + text + end + tail
    write_whole(path, after.encode())
    return after != before


def draw_grid(path: Path) -> None:
    """Draw photos from scikit-image: gray, coloured by every model with weights, and original."""
    models = {info.name: load(info.name) for info in shown()}
    tiles: list[tuple[str, Image.Image | np.ndarray]] = []
    for i, photo in enumerate(PHOTOS):
        truth = metrics.prepare(getattr(data, photo)(), side=512)
        gray = metrics.gray(truth)
        row = {"black and white": gray}
        coloured = colorize_with(models, read_photo(gray))
        row |= {name: np.asarray(image) for name, image in coloured.items()}
        row |= {"the real colours": truth}
        tiles += [(label if i == len(PHOTOS) - 1 else "", image) for label, image in row.items()]
    columns = len(models) + 2
    tile = min(216, _GRID_WIDTH // columns)
    # A wide picture is shown smaller, so its labels have to be larger.
    sheet = contact_sheet(tiles, columns=columns, tile=tile, letters=max(13, columns * tile // 80))
    save_image(sheet, path, quality=88)


def _numbers(report: dict[str, Any]) -> dict[str, float]:
    times = {key: report[key] for key in ("milliseconds",) if key in report}
    return report["scores"] | times


def _cells(numbers: dict[str, float], columns: list[str]) -> list[str]:
    return [
        f"{numbers[key]:.{_COLUMNS[key].digits}f}" if key in numbers else "–" for key in columns
    ]


def _note(reports: list[dict[str, Any]]) -> str:
    first = reports[0]
    machines = sorted({report["hardware"] for report in reports if "hardware" in report})
    times = f" Times: {'; '.join(machines)}." if machines else ""
    photos = f"{first['photos']} photos of {first['data']}"
    if "protocol" not in first:  # it is in the note of the main set
        return f"{photos}, measured in the same way."
    return escaped(f"{photos}, {first['protocol']}{times}")


def escaped(text: str) -> str:
    """Escape the stars of L*a*b*, which Markdown would take for emphasis."""
    return text.replace("*", "\\*")
