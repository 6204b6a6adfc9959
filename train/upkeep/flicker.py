"""Keep what the README says of flicker equal to what the default model does."""

from pathlib import Path

from skimage import data

from colorzoo.defaults import DEFAULT_MODEL
from colorzoo.film.flicker import PROTOCOL, Flicker, measure_flicker
from colorzoo.loading import load
from train.upkeep.readme import PHOTOS, escaped

START, END = "<!-- flicker: python -m train flicker -->\n", "<!-- /flicker -->"


def measure() -> Flicker:
    """Measure the default model on the photos of the README's grid."""
    return measure_flicker(load(), (getattr(data, name)() for name in PHOTOS))


def flicker_text(found: Flicker) -> str:
    """Render the numbers as Markdown."""
    return (
        "| frames | flicker | chroma |\n"
        "| --- | --: | --: |\n"
        f"| one by one | {found.alone:.2f} | {found.chroma_alone:.1f} |\n"
        f"| steadied | {found.steadied:.2f} | {found.chroma_steadied:.1f} |\n"
        f"\n`{DEFAULT_MODEL}`, {len(PHOTOS)} photos of scikit-image's gallery. "
        f"{escaped(PROTOCOL)}\n"
    )


def update_readme(path: Path, found: Flicker) -> None:
    """Write the numbers between their marks.

    Raises:
        ValueError: If the marks are not there.
    """
    head, start, rest = path.read_text(encoding="utf-8").partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{path} has no {START.strip()} ... {END}")
    path.write_text(head + START + flicker_text(found) + END + tail, encoding="utf-8")
