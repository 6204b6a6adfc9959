"""Publish a bundled model: its weights, numbers, card and pictures, in one commit."""

import shutil
from pathlib import Path

from colorzoo.checkpoint import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE
from colorzoo.hub import Pushed, PushOptions, push_files
from colorzoo.registry import model_info
from train.cards import CARDS, render_card, write_card


def publish(
    name: str,
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    cards: Path = CARDS,
) -> Pushed:
    """Push a bundled model to the Hub with the card that its metrics.json fills in.

    Args:
        name: Registered name.
        repo_id: "user/repo", or "repo" for the user who is logged in.
        options: How to push.
        cards: Holds the cards and their template.

    Returns:
        The commit, whose hash a registration pins, and whether a card on the Hub was kept.

    Raises:
        CardError: If the card cannot be filled in.
        HubError: If the Hub refuses.
    """
    render_card(name, repo_id=repo_id, folder=cards)  # what is wrong with it is said before a push
    weights = model_info(name).weights
    assert weights is not None  # or there would be no card

    def write(place: Path, full_id: str) -> None:
        for file in (CONFIG_FILE, WEIGHTS_FILE, METRICS_FILE):
            shutil.copy(weights / file, place / file)
        write_card(name, repo_id=full_id, folder=place, cards=cards)

    return push_files(repo_id, write, options, message=f"Publish {name}")
