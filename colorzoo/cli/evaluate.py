"""``colorzoo evaluate``: measure a model on colour photos."""

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo._version import __version__
from colorzoo.cli._arguments import (
    Backend,
    Device,
    Dtype,
    MaxPixels,
    NoDownload,
    OneModel,
    Overwrite,
    Revision,
    Threads,
)
from colorzoo.cli._console import ERR, OUT, errors, find_device, note, progress
from colorzoo.cli._importing import importing
from colorzoo.cli._words import in_words
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ImageError

if TYPE_CHECKING:
    from colorzoo.evaluation.guided import HintCurve
    from colorzoo.evaluation.report import Report
    from colorzoo.evaluation.samples import SampleScores

_REPORT_FILE, _SHEET_FILE, _CURVE_FILE = "metrics.json", "sheet.png", "hints.png"
_SAMPLES_FILE = "samples.png"


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
    hints: Annotated[
        bool,
        typer.Option("--hints", help="Also measure PSNR with up to 100 hints of the true colour."),
    ] = False,
    samples: Annotated[
        bool,
        typer.Option(
            "--samples",
            help="Also measure 10 samples per photo: the best of them, and how far they lie apart.",
        ),
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    dtype: Dtype = "float32",
    backend: Backend = "torch",
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Measure a model on your own colour photos, compared with the photos without colour."""
    with importing():
        from colorzoo.evaluation.guided import measure_hints
        from colorzoo.evaluation.perceptual import find_measures
        from colorzoo.evaluation.report import evaluate_model, read_photos
        from colorzoo.evaluation.samples import measure_samples
        from colorzoo.loading import load

    chosen = find_device(device)
    with errors():
        if output is not None:
            files = [_REPORT_FILE, _SHEET_FILE, *([_CURVE_FILE] if hints else [])]
            files += [_SAMPLES_FILE] if samples else []
            _check_folder(output, data, files, overwrite=overwrite)
        colorizer = load(
            model,
            revision=revision,
            local_files_only=no_download,
            device=chosen,
            dtype=dtype,
            backend=backend,
        )
        if samples:
            colorizer.check(seed=0)  # fail now, not after minutes
        asked = [name for name, wanted in (("lpips", lpips), ("fid", fid)) if wanted]
        measures, notes = find_measures(asked, device=chosen)
        note(notes)
        with progress("photo") as bar:
            report = evaluate_model(
                colorizer,
                model,
                data,
                measures=measures,
                skip=output,
                max_pixels=max_pixels,
                track=partial(bar.track, description=f"Measuring {model}"),
            )
        curve = None
        if hints:
            with progress("photo") as bar:
                photos = read_photos(data, [], skip=output, max_pixels=max_pixels, coloured=True)
                curve = measure_hints(
                    colorizer, bar.track(photos, description="With hints", total=None)
                )
        sampled = None
        if samples:
            with progress("photo") as bar:
                photos = read_photos(data, [], skip=output, max_pixels=max_pixels, coloured=True)
                sampled = measure_samples(
                    colorizer,
                    bar.track(photos, description="Sampling", total=None),
                    lpips=measures.get("lpips"),
                )
        if output is not None:
            note(_write(report, curve, sampled, output))  # first, in case that printing fails
        for line in report.unreadable:
            ERR.print(f"skipped: {in_words(line)}", style="red", soft_wrap=True)
        _print(report)
        if curve is not None:
            _print_curve(model, curve)
        if sampled is not None:
            _print_samples(model, sampled)
        if output is not None:
            wrote = " and ".join(str(output / name) for name in (_REPORT_FILE, _SHEET_FILE))
            OUT.print(f"wrote {wrote}", soft_wrap=True)


def _check_folder(output: Path, data: Path, files: list[str], *, overwrite: bool) -> None:
    if os.path.realpath(output) == os.path.realpath(data):
        raise ImageError(
            f"{output} contains the photos, and the sheet would be read as one: choose another."
        )
    for path in (output / name for name in files):
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


def _print_curve(name: str, curve: "HintCurve") -> None:
    from colorzoo.evaluation.guided import PROTOCOL, curve_table

    OUT.print(curve_table(name, curve))
    OUT.print(PROTOCOL)


def _print_samples(name: str, sampled: "SampleScores") -> None:
    from colorzoo.evaluation.samples import PROTOCOL, samples_tables

    for table in samples_tables(name, sampled):
        OUT.print(table)
    OUT.print(PROTOCOL)


def _write(
    report: "Report",
    curve: "HintCurve | None",
    sampled: "SampleScores | None",
    folder: Path,
) -> tuple[str, ...]:
    """Write the files; return notes."""
    from colorzoo.atomic import remove_leftovers, write_whole
    from colorzoo.evaluation.guided import draw_curves
    from colorzoo.imaging.write import write_image

    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    found = {**report.as_json(), "colorzoo": __version__}
    if curve is not None:
        found["hints"] = curve.as_json()
    if sampled is not None:
        found["samples"] = sampled.as_json()
        write_image(sampled.sheet, folder / _SAMPLES_FILE, within=folder)
    write_whole(folder / _REPORT_FILE, (json.dumps(found, indent=2) + "\n").encode())
    write_image(report.sheet, folder / _SHEET_FILE, within=folder)
    if curve is not None:
        try:
            write_whole(folder / _CURVE_FILE, draw_curves({report.name: curve.psnr}))
        except ImportError:
            return (f"{_CURVE_FILE} is not drawn: that needs matplotlib (pip install matplotlib)",)
    return ()
