"""Update the tables and the plot of the guides that come from the metrics.json of the models."""

from pathlib import Path
from typing import Any

from colorzoo.atomic import write_whole
from colorzoo.evaluation import guided, samples
from train.upkeep.readme import as_markdown, escaped, replace_between, shown

HINTS_PAGE, HINTS_PLOT = Path("docs") / "guided.md", Path("docs") / "images" / "hints.png"
HINTS_START, HINTS_END = "<!-- hints: python -m train readme -->\n", "<!-- /hints -->"
SAMPLES_PAGE = Path("docs") / "models.md"
SAMPLES_START, SAMPLES_END = "<!-- samples: python -m train readme -->\n", "<!-- /samples -->"


def hints_text(found: dict[str, dict[str, Any]]) -> str:
    """Render how much hints help each model, best first, as Markdown.

    Args:
        found: The "hints" of metrics.json, by the name of the model; at least one.
    """
    counts = guided.COUNTS
    headings = ["hints", *(f"{count}" for count in counts)]
    rows = [headings, ["---", *["--:"] * len(counts)]]
    ranked = sorted(found.items(), key=lambda each: -each[1]["psnr"][-1])
    measured = {f"`{name}`": entry["psnr"] for name, entry in ranked}
    for label, psnr in {**measured, **guided.PUBLISHED}.items():
        gains = [f"{gain:+.2f}" for gain in guided.gains(psnr)[1:]]
        rows.append([label, f"{psnr[0]:.2f} dB", *gains])
    photos = sorted({entry["photos"] for entry in found.values()})
    return (
        f"{as_markdown(rows)}\n\nPSNR without hints, and what hints add to it. "
        f"{escaped(guided.PROTOCOL)} {' or '.join(map(str, photos))} test photos; the published "
        "numbers are of 1,000 photos of ImageNet, so only their gains can be compared.\n"
    )


def samples_text(found: dict[str, dict[str, Any]]) -> str:
    """Render how good and how varied the samples of each model are, best first, as Markdown.

    Args:
        found: The "samples" of metrics.json, by the name of the model; at least one.
    """
    best = [f"best of {count}, dB" for count in samples.COUNTS[1:]]
    rows = [["samples", "one, dB", *best, "CF", "ΔCF", "distance"], ["---", *["--:"] * 6]]
    for name, entry in sorted(found.items(), key=lambda each: -each[1]["psnr"][-1]):
        numbers = [f"{value:.2f}" for value in entry["psnr"]]
        colour = [f"{entry[key]:.1f}" for key in ("cf", "delta_cf", "ab_distance")]
        rows.append([f"`{name}`", *numbers, *colour])
    return f"{as_markdown(rows)}\n\n{escaped(samples.PROTOCOL)}\n"


def update_guides() -> list[Path]:
    """Write the tables and the plot of all models that were measured; return what has changed.

    Raises:
        ValueError: If a page has no markers.
    """
    reports = {info.name: info.metrics for info in shown() if info.metrics}
    hinted, sampled = (
        {name: report[key] for name, report in reports.items() if key in report}
        for key in ("hints", "samples")
    )
    written = []
    if hinted and replace_between(HINTS_PAGE, HINTS_START, HINTS_END, hints_text(hinted)):
        curves = {name: entry["psnr"] for name, entry in hinted.items()}
        write_whole(HINTS_PLOT, guided.draw_curves(curves))
        written += [HINTS_PAGE, HINTS_PLOT]
    if sampled and replace_between(SAMPLES_PAGE, SAMPLES_START, SAMPLES_END, samples_text(sampled)):
        written += [SAMPLES_PAGE]
    return written
