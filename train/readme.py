"""Keep the README's table and picture grid equal to what the bundled weights do."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from colorzoo import metrics
from colorzoo.compare import contact_sheet
from colorzoo.registry import list_models, load, model_info

START, END = "<!-- results: python -m train readme -->\n", "<!-- /results -->"
GRID = Path("demo") / "zoo.jpg"
PHOTOS = ("chelsea", "coffee", "rocket", "astronaut")


def results_table() -> str:
    """Render every bundled model's metrics.json as Markdown, beside the gray baseline."""
    reports = [
        info.metrics
        for info in map(model_info, list_models(pretrained=True))
        if info.weights and info.metrics
    ]
    if not reports:
        return "No model has been measured yet.\n"
    lines = [
        "| model | parameters | PSNR dB | SSIM | CF | ΔCF | AuC % |",
        "| --- | --: | --: | --: | --: | --: | --: |",
        _row("gray (ab = 0)", "", reports[0]["gray"]),
    ]
    for report in sorted(reports, key=lambda each: -each["scores"]["psnr"]):
        name, size = f"`{report['model']}`", f"{report['parameters'] / 1e6:.1f}M"
        lines.append(_row(name, size, report["scores"]))
    note = f"{reports[0]['photos']} photos of {reports[0]['data']}, {reports[0]['protocol']}"
    return "\n".join([*lines, "", note, ""])


def update_readme(path: Path) -> bool:
    """Write the table between its marks.

    Args:
        path: The README.

    Returns:
        Whether it changed.

    Raises:
        ValueError: If the marks are not there.
    """
    text = path.read_text(encoding="utf-8")
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{path} has no {START.strip()} ... {END}")
    renewed = head + START + results_table() + END + tail
    path.write_text(renewed, encoding="utf-8")
    return renewed != text


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
    sheet = contact_sheet(tiles, columns=len(models) + 2, tile=216)
    sheet.save(path, quality=88)


def _row(name: str, size: str, scores: dict[str, float]) -> str:
    cells = [f"{scores[key]:.{digits}f}" for key, digits in _DIGITS.items()]
    return f"| {name} | {size} | {' | '.join(cells)} |"


_DIGITS = {"psnr": 2, "ssim": 4, "cf": 1, "delta_cf": 1, "auc": 2}
