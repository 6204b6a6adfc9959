"""Update the README's section on speed with measurements of the default model and a peer."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from colorzoo.atomic import write_whole
from colorzoo.defaults import DEFAULT_MODEL
from colorzoo.evaluation.benchmark import (
    FLOOR,
    LOADS,
    PHOTO,
    Timing,
    as_json,
    draw_plot,
    measure,
)
from colorzoo.evaluation.report import hardware
from train.upkeep.readme import escaped, replace_between

README = Path("README.md")
START, END = "<!-- speed: python -m train speed -->\n", "<!-- /speed -->"
PEER = "ddcolor-tiny"
# Everything that is measured alone, and the sizes that are also measured on a busy machine
_SIZES, _SMALL = (0.3, 1.0, 12.0, 50.0), (0.3, 1.0)


def measure_speed() -> list[Timing]:
    """Measure the default model and the peer, and the former on a busy machine: some minutes."""
    alone = measure([DEFAULT_MODEL], _SIZES, peer=PEER)
    busy = measure([DEFAULT_MODEL], _SMALL, loads=LOADS[1:])
    return [*alone, *busy]


def write_report(found: Sequence[Timing], folder: Path) -> None:
    """Write benchmark.json and benchmark.png."""
    folder.mkdir(parents=True, exist_ok=True)
    report = json.dumps(as_json(found, "cpu"), indent=2) + "\n"
    write_whole(folder / "benchmark.json", report.encode())
    draw_plot(found, folder / "benchmark.png")


def speed_text(found: Sequence[Timing], machine: str | None = None) -> str:
    """Render the numbers as Markdown.

    Args:
        found: The timings.
        machine: The hardware; this machine if None.
    """
    lines = [
        "| megapixels | model | other load | ms from file to file | of which the network | times "
        "decoding and encoding | peak MB |",
        "| --: | --- | --- | --: | --: | --: | --: |",
    ]
    for each in found:
        if each.model == FLOOR:
            continue
        load = "" if each.load == "alone" else each.load
        lines.append(
            f"| {each.megapixels:g} | {each.model} | {load} | {each.milliseconds:.0f} "
            f"| {each.network:.0f} | {each.ratio:.1f} | {each.peak_mb:.0f} |"
        )
    return "\n".join(lines) + f"\n\n{escaped(PHOTO)}. {machine or hardware(torch.device('cpu'))}.\n"


def update_page(text: str, path: Path = README) -> bool:
    """Write the section between the markers; return whether the page changed.

    Raises:
        ValueError: If the markers are missing.
    """
    return replace_between(path, START, END, text)
