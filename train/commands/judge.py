"""``python -m train judge``: record what was seen on a sheet."""

from typing import Annotated

import typer

from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from colorzoo.registry import model_info
from train.mistakes import fail
from train.upkeep.ratings import Counts, record


def judge_command(
    name: Annotated[str, typer.Argument(help="A registered model with bundled weights.")],
    photos: Annotated[str, typer.Argument(help='The photos, such as "40 photos of test.tar".')],
    plausible: Annotated[int, typer.Argument(min=0, help="Results that look right.")],
    odd: Annotated[
        int, typer.Argument(min=0, help="Results with a tint, a spot, or something left gray.")
    ],
    wrong: Annotated[
        int, typer.Argument(min=0, help="Results in which something has an impossible colour.")
    ],
) -> None:
    """Record how many results on a sheet of `look` look right, for README and card."""
    try:
        record(model_info(name), photos, Counts(plausible, odd, wrong))
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    say(f"recorded for these weights of {name}; update README with `python -m train readme`")
