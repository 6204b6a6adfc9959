"""``colorzoo evaluate``: measure a model on colour photos."""

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo._version import __version__
from colorzoo.cli._arguments import Device, MaxPixels, NoDownload, OneModel, Overwrite, Revision
from colorzoo.cli._console import ERR, OUT, errors, find_device, note, progress
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError

if TYPE_CHECKING:
    from colorzoo.evaluation.report import Report

_REPORT_FILE, _SHEET_FILE = "metrics.json", "sheet.png"


def evaluate(
    model: OneModel,
    data: Annotated[Path, typer.Argument(help="A folder of colour photos, or a tar of them.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder to write metrics.json and sheet.png to."),
    ] = None,
    revision: Revision = None,
    no_download: NoDownload = False,
    lpips: Annotated[bool, typer.Option("--lpips", help="Also measure LPIPS.")] = False,
    fid: Annotated[bool, typer.Option("--fid", help="Also measure FID.")] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Measure a model on your own colour photos, compared with the photos without colour."""
    from colorzoo.evaluation.perceptual import find_measures
    from colorzoo.evaluation.report import evaluate_model
    from colorzoo.loading import load

    chosen = find_device(device)
    with errors():
        if output is not None:
            _check_folder(output, data, overwrite=overwrite)
        colorizer = load(model, revision=revision, local_files_only=no_download, device=chosen)
        asked = [name for name, wanted in (("lpips", lpips), ("fid", fid)) if wanted]
        measures, notes = find_measures(asked, device=chosen)
        note(notes)
        with progress() as bar:
            report = evaluate_model(
                colorizer,
                model,
                data,
                measures=measures,
                skip=output,
                max_pixels=max_pixels,
                track=partial(bar.track, description=f"Measuring {model}"),
            )
        if output is not None:
            _write(report, output)  # first, in case that printing fails
        for line in report.unreadable:
            ERR.print(f"skipped: {line}", style="red", soft_wrap=True)
        _print(report)
        if output is not None:
            files = f"{output / _REPORT_FILE} and {output / _SHEET_FILE}"
            OUT.print(f"wrote {files}", soft_wrap=True)


def _check_folder(output: Path, data: Path, *, overwrite: bool) -> None:
    if os.path.realpath(output) == os.path.realpath(data):
        raise ImageError(
            f"{output} contains the photos, and the sheet would be read as one: choose another."
        )
    for path in (output / _REPORT_FILE, output / _SHEET_FILE):
        if os.path.lexists(path) and not overwrite:
            raise ImageError(f"{path} exists. Pass --overwrite to replace it.")


def _print(report: "Report") -> None:
    from colorzoo.evaluation.report import scores_table

    found = report.as_json()
    OUT.print(scores_table({"gray": found["gray"], report.name: found["scores"]}))
    OUT.print(
        f"{found['photos']} photos of {found['data']}, {found['unreadable']} skipped. "
        f"{found['parameters']:,} parameters, {found['milliseconds']:.1f} ms per photo on "
        f"{found['hardware']}."
    )
    OUT.print(found["protocol"])


def _write(report: "Report", folder: Path) -> None:
    from colorzoo.atomic import remove_leftovers, write_whole
    from colorzoo.imaging.write import write_image

    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    found = {**report.as_json(), "colorzoo": __version__}
    write_whole(folder / _REPORT_FILE, (json.dumps(found, indent=2) + "\n").encode())
    write_image(report.sheet, folder / _SHEET_FILE, within=folder)
