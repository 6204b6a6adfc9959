"""``python -m train speed``: measure speed."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.errors import ColorzooError
from colorzoo.threads import share_cores
from train.mistakes import fail
from train.upkeep import speed


def speed_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="For the report and the plot.")],
) -> None:
    """Measure speed on this machine, which nothing else should use; update README.md with it."""
    share_cores()  # what is measured runs in new processes, as the commands do
    found = speed.measure_speed()
    try:
        speed.write_report(found, output)
        text = speed.speed_text(found)
        speed.update_page(text)
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    print(text)
