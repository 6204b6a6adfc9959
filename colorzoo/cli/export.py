"""``colorzoo export``: write a model as an ONNX file."""

import os
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import NoDownload, OneModel, Overwrite, Quiet, Revision
from colorzoo.cli._console import errors, fail, say
from colorzoo.cli._importing import importing

_INT8_PHOTOS = 200


def export(
    model: OneModel,
    output: Annotated[Path, typer.Argument(help="The file to write, OUT.onnx.")],
    int8: Annotated[
        Path | None,
        typer.Option(
            help="Quantise to 8-bit integers, calibrated and tested on the first 200 colour photos "
            "of this folder or tar: a quarter of the size. Fails if quality drops too much."
        ),
    ] = None,
    revision: Revision = None,
    no_download: NoDownload = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as an ONNX file for pictures of any size, checked against PyTorch."""
    with importing():
        from colorzoo.atomic import remove_leftovers
        from colorzoo.evaluation.report import read_photos
        from colorzoo.exporting import graph
        from colorzoo.exporting.int8 import export_int8
        from colorzoo.loading import load

    with errors():
        if os.path.lexists(output) and not overwrite:
            fail(f"{output} exists. Pass --overwrite to replace it.")
        remove_leftovers(output.parent)
        colorizer = load(model, revision=revision, local_files_only=no_download)
        if int8 is None:
            difference = graph.export(colorizer, output)
            found = f"ab differs from PyTorch's by at most {difference:.1g}"
        else:
            photos = list(islice(read_photos(int8, [], coloured=True), _INT8_PHOTOS))
            cost = export_int8(colorizer, output, photos)
            found = f"PSNR {cost.before:.2f} dB before, {cost.after:.2f} dB after"
            found += f", on {cost.photos} of the photos"
    if colorizer.network_options and not colorizer.has_velocity:
        found += f"; its network runs without {' and '.join(sorted(colorizer.network_options))}"
    say(f"wrote {output}: {found}")
