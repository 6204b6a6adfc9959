"""Update the flicker table of the documentation with measurements of the default model."""

from pathlib import Path

from skimage import data

from colorzoo.defaults import DEFAULT_MODEL
from colorzoo.film.flicker import PROTOCOL, Flicker, measure_flicker
from colorzoo.loading import load
from train.upkeep.readme import PHOTOS, escaped, replace_between

PAGE = Path("docs") / "films.md"
START, END = "<!-- flicker: python -m train flicker -->\n", "<!-- /flicker -->"


def measure() -> Flicker:
    """Measure the default model on the photos in the README's picture."""
    return measure_flicker(load(), (getattr(data, name)() for name in PHOTOS))


def flicker_text(found: Flicker) -> str:
    """Render the numbers as Markdown."""
    return (
        "| frames | flicker | chroma |\n"
        "| --- | --: | --: |\n"
        f"| one by one | {found.alone:.2f} | {found.chroma_alone:.1f} |\n"
        f"| stable | {found.stable:.2f} | {found.chroma_stable:.1f} |\n"
        f"\n`{DEFAULT_MODEL}`, {len(PHOTOS)} photos of scikit-image's gallery. "
        f"{escaped(PROTOCOL)}\n"
    )


def update_page(found: Flicker, path: Path = PAGE) -> bool:
    """Write the numbers between the markers; return whether the page changed.

    Raises:
        ValueError: If the markers are missing.
    """
    return replace_between(path, START, END, flicker_text(found))
