"""``python -m train flicker``: measure how much films flicker."""

from train.mistakes import fail
from train.upkeep import flicker


def flicker_command() -> None:
    """Measure how much films flicker with the default model; update the table in docs/films.md."""
    found = flicker.measure()
    try:
        flicker.update_page(found)
    except (OSError, ValueError) as error:
        fail(error)
    print(flicker.flicker_text(found))
