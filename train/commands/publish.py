"""``python -m train publish``: push a model or the demo to the Hugging Face Hub."""

from typing import Annotated

import typer

from colorzoo.cli._arguments import Branch, CreatePr, Message, OverwriteCard, Private
from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from colorzoo.hub.push import PushOptions
from train.mistakes import fail
from train.upkeep.publish import publish, publish_space


def publish_command(
    name: Annotated[
        str | None, typer.Argument(help="A registered model with bundled weights.")
    ] = None,
    repo: Annotated[
        str | None, typer.Argument(help="user/repo; it is created if it does not exist.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="user/space: publish the demo there, not a model.")
    ] = None,
    from_checkout: Annotated[
        bool,
        typer.Option(
            "--from-checkout", help="Push a wheel of this checkout, for the Space to install."
        ),
    ] = False,
    branch: Branch = None,
    create_pr: CreatePr = False,
    private: Private = False,
    message: Message = None,
    overwrite_card: OverwriteCard = False,
) -> None:
    """Push a model's weights, numbers, card and pictures to the Hub and print the commit to pin.

    With --space, publish the demo instead; its README.md is always replaced.
    """
    try:
        if space is not None and name is None:
            options = PushOptions(message, True, branch, create_pr, private or None)
            pushed = publish_space(space, options, from_checkout=from_checkout)
            say(pushed.in_words("published the demo"))
            return
        if name is None or repo is None or space is not None or from_checkout:
            fail("give a model's name and user/repo, or --space user/space [--from-checkout]")
        options = PushOptions(message, overwrite_card, branch, create_pr, private or None)
        pushed = publish(name, repo, options)
    except ColorzooError as error:
        fail(error)
    say(pushed.in_words(f"published {name}"))
    if pushed.kept_card:
        say("note: kept the card on the Hub; --overwrite-card replaces it")
    say(f'pin it: repo_id="{pushed.repo_id}", revision="{pushed.commit.oid}"')
