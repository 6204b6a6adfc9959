"""``python -m train choose``: measure settings that need no training."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from colorzoo.loading import load
from train.mistakes import fail


def choose_command(
    model: Annotated[str, typer.Argument(help="A registered model, a folder or a Hub id.")],
    data: Annotated[Path, typer.Argument(help="Validation photos: a folder or a tar.")],
    work_size: Annotated[list[int] | None, typer.Option(help="Pixels; repeatable.")] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="T of -bins models.")] = None,
    mix: Annotated[
        list[float] | None, typer.Option(help="Rebalancing of -bins models, 1 for none.")
    ] = None,
    gain: Annotated[list[float] | None, typer.Option(help="Gain of -bins models.")] = None,
    lift: Annotated[
        list[float] | None, typer.Option(help="Added to the chroma, of -bins models.")
    ] = None,
    saturation: Annotated[list[float] | None, typer.Option(help="Factor on ab.")] = None,
    limit_photos: Annotated[
        int | None, typer.Option(min=1, help="Use only the first photos, this many.")
    ] = None,
    aged: Annotated[bool, typer.Option("--aged", help="Make the photos look old.")] = False,
    dial: Annotated[
        bool, typer.Option("--dial", help="Choose the five points of a dial, careful to vivid.")
    ] = False,
) -> None:
    """Measure all combinations of other settings with the same weights, compared with gray.

    With --dial, show only the best settings at five levels of colourfulness.
    """
    from train.choose_settings import DIAL_GRID, choose, combine, dial_of  # loads Lightning

    temperatures, mixes, gains, lifts = DIAL_GRID if dial else ((), (), (), ())
    answers = combine(
        work_size or (),
        temperature or temperatures,
        mix or mixes,
        gain or gains,
        lift or lifts,
        saturation or (),
    )
    try:
        outcomes = choose(load(model), data, answers, limit=limit_photos, aged=aged)
        outcomes = dial_of(outcomes) if dial else outcomes
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    table = Table("settings", "PSNR dB", "AuC %", "CF", "truth's CF", box=None)
    for each in outcomes:
        table.add_row(
            str(each.answer),
            f"{each.psnr:+.2f}",
            f"{each.auc:+.2f}",
            f"{each.cf:.1f}",
            f"{each.truth_cf:.1f}",
        )
    Console().print(table)
    say("PSNR and AuC: difference from the gray photo.")
