"""``python -m train look``: draw a sheet of results, to judge by eye."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from colorzoo.imaging.write import save_image
from train.mistakes import fail
from train.upkeep.sheets import lay_out


def look_command(
    data: Annotated[Path, typer.Argument(help="A folder or tar of photos.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; can be given several times.")
    ] = None,
    photos: Annotated[int, typer.Option(min=1, help="Number of photos, chosen at random.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the random choice.")] = 0,
) -> None:
    """Draw a sheet with one row per photo: black and white, every model, the original."""
    try:
        sheet, unreadable = lay_out(data, models=model, photos=photos, seed=seed)
        save_image(sheet, output)
    except (ColorzooError, OSError) as error:
        fail(error)
    for line in unreadable:
        say(f"skipped: {line}")
    say(f"wrote {output}")
