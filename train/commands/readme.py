"""``python -m train readme``: update what is written from metrics.json."""

from pathlib import Path

from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from train.mistakes import fail
from train.upkeep.cards import renew_cards
from train.upkeep.guides import update_guides
from train.upkeep.readme import GRID, draw_grid, update_readme


def readme_command() -> None:
    """Update the README's table and picture, and the bundled cards."""
    try:
        say(renew())
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)


def renew() -> str:
    """Update README, its picture, the guides and the cards; return what was changed, in words."""
    changed = update_readme(Path("README.md"))
    draw_grid(GRID)
    guides = ", ".join(map(str, update_guides())) or "none"
    cards = ", ".join(renew_cards()) or "none, all were up to date"
    return (
        f"README.md {'updated' if changed else 'was up to date'}, {GRID} drawn; "
        f"guides written: {guides}; cards updated: {cards}"
    )
