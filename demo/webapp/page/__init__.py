"""The scripts, styles and markup of the page, as text."""

from pathlib import Path

_HERE = Path(__file__).parent


def text(*names: str) -> str:
    """Return files of this folder, one after another."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)
