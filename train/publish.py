"""Publish a bundled model: its weights, numbers, card and pictures, in one commit."""

import shutil
from pathlib import Path

from colorzoo.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from colorzoo.hub import Pushed, push_files
from colorzoo.registry import model_info
from train.cards import CARDS, render_card, write_card


def publish(
    name: str,
    repo_id: str,
    *,
    cards: Path = CARDS,
    overwrite_card: bool = False,
    branch: str | None = None,
    create_pr: bool = False,
    private: bool | None = None,
    message: str | None = None,
    token: str | bool | None = None,
) -> Pushed:
    """Push a bundled model to the Hub with the card that its metrics.json fills in.

    Args:
        name: Registered name.
        repo_id: "user/repo", or "repo" for the user who is logged in.
        cards: Holds the cards and their template.
        overwrite_card: Replace a card that is on the Hub already; else it stays as it is.
        branch: Branch to push to, created if missing; main if None.
        create_pr: Open a pull request instead.
        private: Whether a repository that is created is private; the owner's default if None.
        message: Summary of the commit.
        token: Hub token; the one that is logged in if None.

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
        for file in (CONFIG_FILE, WEIGHTS_FILE, "metrics.json"):
            shutil.copy(weights / file, place / file)
        write_card(name, repo_id=full_id, folder=place, cards=cards)

    return push_files(
        repo_id,
        write,
        message=message or f"Publish {name}",
        overwrite_card=overwrite_card,
        branch=branch,
        create_pr=create_pr,
        private=private,
        token=token,
    )
