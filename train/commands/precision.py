"""``python -m train precision``: compare number formats."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.errors import ColorzooError
from colorzoo.threads import share_cores
from train.mistakes import fail
from train.upkeep import precision


def precision_command(
    data: Annotated[Path, typer.Option(help="Tar shard or folder of colour photos.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model to measure, without updating the page. Can be repeated."),
    ] = None,
    limit_photos: Annotated[
        int, typer.Option(min=1, help="Measure on at most this many photos.")
    ] = precision.PHOTOS,
) -> None:
    """Compare float32, bfloat16, ONNX and int8 on this machine; update docs/gpu-and-onnx.md."""
    share_cores()
    try:
        photos = precision.read_set(data, limit_photos)
        names = model or precision.networks()
        found = [row for name in names for row in precision.measure_precision(name, photos)]
        text = precision.precision_text(found, data.resolve().name)
        if not model:
            precision.update_page(text)
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    print(text)
