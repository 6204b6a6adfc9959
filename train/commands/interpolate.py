"""``python -m train interpolate``: mix the weights of two models."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._console import say
from colorzoo.loading import load
from train.mistakes import MISTAKES, fail


def interpolate_command(
    first: Annotated[str, typer.Argument(help="A registered model, a folder or a Hub id.")],
    second: Annotated[str, typer.Argument(help="A model that was trained further from it.")],
    output: Annotated[Path, typer.Argument(help="The folder to write, for colorzoo.load().")],
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the second model's weights.")
    ] = 0.5,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that are there.")
    ] = False,
) -> None:
    """Write a model between two, for example to take back part of what a GAN changed."""
    from train.interpolate import interpolate  # loads PyTorch

    try:
        interpolate(load(first), load(second), share, output, overwrite=overwrite)
    except MISTAKES as error:
        fail(error)
    say(f"wrote {output}: {share:.0%} {second} and {1 - share:.0%} {first}")
