"""``colorzoo push``: push weights to the Hugging Face Hub."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import Branch, CreatePr, Message, OverwriteCard, Private
from colorzoo.cli._console import OUT, errors, note
from colorzoo.cli._importing import importing
from colorzoo.files import regular_only


def push(
    model: Annotated[str, typer.Argument(help="A registered model, or a folder.")],
    repo: Annotated[str, typer.Argument(help="user/repo; it is created if it does not exist.")],
    card: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file for the model's page; the folder's README.md if left out."
        ),
    ] = None,
    branch: Branch = None,
    create_pr: CreatePr = False,
    private: Private = False,
    message: Message = None,
    overwrite_card: OverwriteCard = False,
) -> None:
    """Push weights to the Hugging Face Hub and print the commit to pin; log in first."""
    with importing():
        from colorzoo.hub import publish
        from colorzoo.hub.push import PushOptions

    with errors():
        if card is not None:  # a pipe would be waited for
            with suppress(OSError), open(card, "rb", opener=regular_only):
                pass
        options = PushOptions(message, overwrite_card, branch, create_pr, private or None)
        pushed = publish.push(model, repo, options, card=card)
    commit = pushed.commit
    told = pushed.in_words(f"pushed {model}")
    if create_pr and not pushed.changed:
        told += ", so no pull request was opened"
    OUT.print(told, soft_wrap=True)
    if pushed.kept_card:
        note(["kept the card on the Hub; --overwrite-card replaces it"])
    OUT.print(f"commit: {commit.oid}", soft_wrap=True)
    OUT.print(
        f'Load it with colorzoo.load("{pushed.repo_id}", revision="{commit.oid}").', soft_wrap=True
    )
