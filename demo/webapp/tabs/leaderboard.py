"""The third tab: what people and measurements say about all models."""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

import colorzoo
from colorzoo.evaluation.eye import Counts, counted
from colorzoo.evaluation.report import COLUMNS, in_words
from webapp import models as zoo
from webapp.theme import table

ACCURACIES = {"PSNR dB": "psnr", "AuC %": "auc", "rebalanced AuC %": "auc_rebalanced"}
GRAY, _MISSING = "gray (ab = 0)", "–"

BY_EYE = """No number measures whether a sky is blue and a face looks alive, so a person looked at
results. **Plausible**: nothing is noticeable. **Odd**: a tint, a spot or a gray object.
**Wrong**: an object has an impossible colour."""
INTRO = """**↑: higher is better. ↓: lower is better.** The gray row is the photo without any
colour: a cautious model beats it narrowly, a bold one may lose to it. CF is how colourful the
results are, ΔCF how far that is from the real photos. Click a heading to sort."""


def build() -> None:
    """Build the tab."""
    heads, rows = by_eye()
    if rows:
        gr.Markdown(BY_EYE)
        caption = "Photos that look plausible / odd / wrong"
        gr.HTML(table(caption, heads, rows), elem_id="by-eye")
    reports = _reports()
    if not reports:
        gr.Markdown("No model has been measured yet.")
        gr.HTML(_paragraphs(published()), elem_classes="quiet")
        return
    heads, rows = numbers(reports)
    gr.Markdown(INTRO)
    gr.HTML(table(f"{len(reports)} models", heads, rows, sortable=True), elem_id="leaderboard")
    measured = {name: key for name, key in ACCURACIES.items() if _has(reports, key)}
    kind = gr.Radio(list(measured), value=next(iter(measured)), label="Accuracy in the chart")
    chart = gr.HTML(draw(next(iter(measured))), elem_id="chart")
    kind.input(
        draw, kind, chart, queue=False, show_progress="hidden", api_visibility="private"
    )  # fmt: skip
    words = _paragraphs([*published(), *protocol(reports)])
    gr.HTML(words, elem_classes="quiet", elem_id="protocol")


def by_eye() -> tuple[list[str], list[list[str]]]:
    """Return the headings and rows of what a person found plausible, odd and wrong, best first."""
    found: dict[str, dict[str, Counts]] = {}
    for name in zoo.model_names():
        info = colorzoo.model_info(name)
        found[name] = counted(info) if info.weights is not None else {}
    sets = sorted({photos for counts in found.values() for photos in counts}, reverse=True)
    if not sets:
        return [], []

    def share(name: str) -> float:
        counts = found[name].values()
        total = sum(each.plausible + each.odd + each.wrong for each in counts)
        return sum(each.plausible for each in counts) / total if total else -1

    rows = [
        [name, *(str(found[name].get(photos, _MISSING)) for photos in sets)]
        for name in sorted(found, key=share, reverse=True)
    ]
    return ["model", *sets], rows


def published() -> list[str]:
    """Tell what the authors of models that were not measured here published about them."""
    infos = (colorzoo.model_info(name) for name in zoo.model_names())
    return [
        f"{info.name} was not measured here. Its authors published {in_words(theirs.numbers)} "
        f"({theirs.numbers_source}), which cannot be compared with the numbers above."
        for info in infos
        if (theirs := info.published) is not None and theirs.numbers and not info.metrics
    ]


def _paragraphs(words: list[str]) -> str:
    return "".join(f"<p>{html.escape(each)}</p>" for each in words)


def numbers(reports: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and rows of the table, with the gray row first."""
    keys = [key for key in COLUMNS if _has(reports, key)]
    measured = [f"{COLUMNS[key].heading} {COLUMNS[key].better}".strip() for key in keys]
    heads = ["model", "parameters", *measured, "ms a photo"]
    gray = next(iter(reports.values()))["gray"]
    rows = [[GRAY, _MISSING, *_told(gray, keys), _MISSING]]
    for name, report in reports.items():
        count, time = report["parameters"], report.get("milliseconds")
        took = _MISSING if time is None else f"{time:.1f}"
        rows.append([name, f"{count / 1e6:.2f}M", *_told(report["scores"], keys), took])
    return heads, rows


def protocol(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Describe how the numbers were measured, only once if it is the same for all models."""
    told: dict[str, list[str]] = {}
    for name, report in reports.items():
        words = f"{report['photos']} photos of {report['data']}. {report['protocol']}"
        hardware = report.get("hardware")
        told.setdefault(words + (f" Times: {hardware}." if hardware else ""), []).append(name)
    if len(told) == 1:
        return list(told)
    return [f"{', '.join(names)}: {words}" for words, names in told.items()]


def _reports() -> dict[str, dict[str, Any]]:
    found = {name: colorzoo.model_info(name).metrics for name in zoo.model_names()}
    reports = {name: report for name, report in found.items() if report}
    return dict(sorted(reports.items(), key=lambda item: -item[1]["scores"]["psnr"]))


def _has(reports: dict[str, dict[str, Any]], key: str) -> bool:
    return any(report["scores"].get(key) is not None for report in reports.values())


def _told(scores: dict[str, float | None], keys: list[str]) -> list[str]:
    values = ((key, scores.get(key)) for key in keys)
    return [
        _MISSING if value is None else f"{value:.{COLUMNS[key].digits}f}" for key, value in values
    ]


# The chart ----------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 760, 420, 64, 52, 24, 24
_RADIUS = 14  # px, of the largest model


@dataclass(frozen=True)
class _Axis:
    """An axis of the chart: maps values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        rough = (self.high - self.low) / 5
        step = min((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if s >= rough), default=100)
        first = int(self.low / step) * step
        values = (first + i * step for i in range(20))
        return [value for value in values if self.low <= value <= self.high]


def draw(accuracy: str) -> str:
    """Draw accuracy against colourfulness as SVG; a bubble's area is the number of parameters.

    Args:
        accuracy: One of ACCURACIES.
    """
    key = ACCURACIES[accuracy]
    reports = {n: r for n, r in _reports().items() if r["scores"].get(key) is not None}
    gray = next(iter(reports.values()))["gray"]
    points = {name: (r["scores"]["cf"], r["scores"][key]) for name, r in reports.items()}
    points[GRAY] = (gray["cf"], gray[key])
    real = gray["delta_cf"]  # gray has CF 0, so its distance is the CF of real photos
    values = [y for _, y in points.values()]
    margin = 0.12 * (max(values) - min(values)) or 1.0
    across = _Axis(-2, 1.08 * max(real, *(x for x, _ in points.values())), _LEFT, _WIDTH - _RIGHT)
    up = _Axis(min(values) - margin, max(values) + margin, _HEIGHT - _BOTTOM, _TOP)
    largest = max(report["parameters"] for report in reports.values())
    marks, labels = (
        [],
        _place({name: (across(x), up(y)) for name, (x, y) in points.items()}, across(real)),
    )
    for name, (x, y) in points.items():
        count = reports[name]["parameters"] if name in reports else 0
        radius = max(4, _RADIUS * (count / largest) ** 0.5)
        told = f"{name}: CF {x:.1f}, {accuracy} {y:.2f}" + (f", {count:,} parameters" * bool(count))
        marks.append(
            f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="{radius:.1f}" fill="currentColor" '
            f'fill-opacity=".35" stroke="currentColor"><title>{html.escape(told)}</title></circle>'
            f'<text x="{labels[name][0]:.1f}" y="{labels[name][1]:.1f}" text-anchor="middle">'
            f"{html.escape(name)}</text>"
        )
    summary = "; ".join(f"{name} CF {x:.1f}, {y:.2f}" for name, (x, y) in points.items())
    return (
        '<div class="scroll" tabindex="0">'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="chart-title chart-desc"'
        ' font-size="14" fill="currentColor" style="color: var(--body-text-color)">'
        f'<title id="chart-title">{html.escape(accuracy)} against colourfulness</title>'
        f'<desc id="chart-desc">{html.escape(summary)}. Real photos: CF {real:.1f}.</desc>'
        f"{_frame(across, up, real, accuracy)}{''.join(marks)}</svg></div>"
    )


def _frame(across: _Axis, up: _Axis, real: float, accuracy: str) -> str:
    """Draw the grid, the names of the axes, and the line for real photos."""
    faint = 'stroke="currentColor" stroke-opacity=".2"'
    parts = [
        f'<path d="M{across(x):.1f} {up.start}V{up.end}" {faint}/>'
        f'<text x="{across(x):.1f}" y="{up.start + 18}" text-anchor="middle">{x:g}</text>'
        for x in across.ticks()
    ]
    parts += [
        f'<path d="M{across.start} {up(y):.1f}H{across.end}" {faint}/>'
        f'<text x="{across.start - 8}" y="{up(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
        for y in up.ticks()
    ]
    middle = (across.start + across.end) / 2, (up.start + up.end) / 2
    parts += [
        f'<path d="M{across(real):.1f} {up.start}V{up.end}" stroke="currentColor" '
        f'stroke-dasharray="4 4"/><text x="{across(real) - 6:.1f}" y="{up.end + 12}" '
        f'text-anchor="end">real photos</text>',
        f'<text x="{middle[0]}" y="{_HEIGHT - 10}" text-anchor="middle">colourfulness (CF)</text>',
        f'<text transform="translate(16 {middle[1]}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(accuracy)}</text>",
    ]
    return "".join(parts)


def _place(points: dict[str, tuple[float, float]], right: float) -> dict[str, tuple[float, float]]:
    """Place each label next to its point, without covering other points or labels.

    Args:
        points: The centres of the points.
        right: Labels must end before this x coordinate.

    Returns:
        The bottom centre of each label.
    """
    taken = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in points.values()]
    placed: dict[str, tuple[float, float]] = {}
    for name, (x, y) in sorted(points.items(), key=lambda item: item[1][1]):
        length, beside = 7.5 * len(name), _RADIUS + 4
        boxes = [  # right, left, above, then further and further below
            (x + beside, y - 8, x + beside + length, y + 8),
            (x - beside - length, y - 8, x - beside, y + 8),
            (x - length / 2, y - beside - 16, x + length / 2, y - beside),
            *((x + beside, y + d - 8, x + beside + length, y + d + 8) for d in range(8, 200, 4)),
        ]
        box = next((b for b in boxes if b[2] < right and not _meets(b, taken)), boxes[0])
        taken.append(box)
        placed[name] = ((box[0] + box[2]) / 2, box[3] - 3)
    return placed


_Box = tuple[float, float, float, float]


def _meets(box: _Box, others: list[_Box]) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in others
    )
