"""``python -m train export``: write the weights of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._console import say
from train.mistakes import MISTAKES, fail
from train.recipe import parse_keywords


def export_command(
    run: Annotated[Path, typer.Argument(help="A run's folder, or one of its .ckpt files.")],
    output: Annotated[Path, typer.Argument(help="The folder to write, for colorzoo.load().")],
    model: Annotated[
        str | None,
        typer.Option(help="The model that was trained, if there is no config.json of the run."),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(help="A keyword of the model, such as attention=true. Can be repeated."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that are there.")
    ] = False,
) -> None:
    """Write the weights of a checkpoint, for example of a run that was killed."""
    from train.export import export_checkpoint  # loads Lightning, which takes seconds

    try:
        keywords = parse_keywords(keyword) if keyword else ()
        checkpoint, trained = export_checkpoint(
            run, output, model=model, keywords=keywords, overwrite=overwrite
        )
    except MISTAKES as error:
        fail(error)
    say(f"wrote {output}: {trained.architecture} of {checkpoint}")
