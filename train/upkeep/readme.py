"""Keep the README's table and picture grid equal to what the bundled weights do."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import COLUMNS, Column, short_count
from colorzoo.gallery import contact_sheet
from colorzoo.loading import load
from colorzoo.registry import list_models, model_info
from train.upkeep.ratings import counted

START, END = "<!-- results: python -m train readme -->\n", "<!-- /results -->"
GRID = Path("demo") / "zoo.jpg"
PHOTOS = ("chelsea", "coffee", "rocket", "astronaut")
# Widest grid, in pixels; GitHub shows it in a column of half that.
_GRID_WIDTH = 1500

_COLUMNS = COLUMNS | {"milliseconds": Column("ms a photo", 1, "Milliseconds a photo")}


def results_table() -> str:
    """Render every bundled model's metrics.json as Markdown, beside the gray baseline.

    What an older or shorter metrics.json does not tell is a dash; a column that none has is left
    out.
    """
    reports = [
        info.metrics
        for info in map(model_info, list_models(pretrained=True))
        if info.weights and info.metrics
    ]
    if not reports:
        return "No model has been measured yet.\n"
    # Numbers of other photos have another gray row: they cannot stand in one table.
    sets: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        photos = (report["data"], report["photos"], round(report["gray"]["psnr"], 1))
        sets.setdefault(str(photos), []).append(report)
    tables = [f"{table_of(each)}\n\n{_note(each)}\n" for each in sets.values()]
    return "\n".join([*sorted(tables, key=len, reverse=True), *_by_eye()])


def _by_eye() -> list[str]:
    """Render what people counted on sheets, best first: a table, or nothing."""
    found = {
        info.name: counts
        for info in map(model_info, list_models(pretrained=True))
        if info.weights and (counts := counted(info.weights))
    }
    sets = sorted({photos for counts in found.values() for photos in counts}, reverse=True)
    if not sets:
        return []
    rows = [["by eye: plausible / odd / wrong", *sets], ["---", *["--:"] * len(sets)]]
    ranked = sorted(found.items(), key=lambda each: -sum(c.plausible for c in each[1].values()))
    for name, counts in ranked:
        rows.append([f"`{name}`", *(str(counts.get(photos, "–")) for photos in sets)])
    return ["\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"]


def table_of(reports: list[dict[str, Any]]) -> str:
    """Render metrics.json of the same photos as Markdown: the gray baseline, then by PSNR."""
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
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def update_readme(path: Path) -> bool:
    """Write the table between its marks.

    Args:
        path: The README.

    Returns:
        Whether it changed.

    Raises:
        ValueError: If the marks are not there.
    """
    return replace_between(path, START, END, results_table())


def replace_between(path: Path, start: str, end: str, text: str) -> bool:
    """Replace the text between two marks of a file; tells whether the file changed.

    Raises:
        ValueError: If the marks are not there.
    """
    before = path.read_text(encoding="utf-8")
    head, first, rest = before.partition(start)
    _, last, tail = rest.partition(end)
    if not (first and last):
        raise ValueError(f"{path} has no {start.strip()} ... {end}")
    after = head + start + text + end + tail
    path.write_text(after, encoding="utf-8")
    return after != before


def draw_grid(path: Path) -> None:
    """Draw photos of scikit-image's gallery: gray, every model with weights, and the truth."""
    models = {name: load(name) for name in list_models(pretrained=True)}
    tiles: list[tuple[str, Image.Image | np.ndarray]] = []
    for i, photo in enumerate(PHOTOS):
        truth = metrics.prepare(getattr(data, photo)(), side=512)
        gray = metrics.gray(truth)
        row = {"black and white": gray}
        row |= {name: np.asarray(model.colorize(gray)) for name, model in models.items()}
        row |= {"the real colours": truth}
        tiles += [(label if i == len(PHOTOS) - 1 else "", image) for label, image in row.items()]
    columns = len(models) + 2
    tile = min(216, _GRID_WIDTH // columns)
    # A wide grid is shown smaller, and its labels have to be read all the same.
    sheet = contact_sheet(tiles, columns=columns, tile=tile, letters=max(13, columns * tile // 80))
    sheet.save(path, quality=88)


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
    words = f"{first['photos']} photos of {first['data']}, {first['protocol']}{times}"
    return escaped(words)


def escaped(text: str) -> str:
    """Keep Markdown from taking the stars of L*a*b* for emphasis."""
    return text.replace("*", "\\*")
