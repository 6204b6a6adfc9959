"""``colorzoo compare``: colour a photo with every model, on one sheet."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import (
    ColorOnly,
    Device,
    HintFile,
    Hints,
    KeepGray,
    MaxPixels,
    Models,
    NoDownload,
    Overwrite,
    Palette,
    Quiet,
    Reference,
    Saturation,
    Seed,
    Steps,
    Temperature,
    Threads,
    Vividness,
    WorkSize,
    gather_options,
)
from colorzoo.cli._console import errors, fail, find_device, note, say, write_bytes
from colorzoo.cli._hints import gather_hints
from colorzoo.cli._importing import importing
from colorzoo.cli._pipes import STDIO, check_stdout, read_stdin
from colorzoo.defaults import MAX_PIXELS


def compare(
    image: Annotated[Path, typer.Argument(help="A photo; - is standard input.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The sheet to write; - is standard output, PNG.")
    ],
    model: Models = None,
    no_download: NoDownload = False,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    vividness: Vividness = None,
    temperature: Temperature = None,
    seed: Seed = None,
    steps: Steps = None,
    hint: Hints = None,
    hints: HintFile = None,
    palette: Palette = None,
    keep_gray: KeepGray = None,
    color_only: ColorOnly = None,
    reference: Reference = None,
    device: Device = "auto",
    threads: Threads = None,
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    quiet: Quiet = False,
) -> None:
    """Colour a photo with every model that is here and arrange the results on a labelled sheet."""
    with importing():
        from colorzoo.atomic import remove_leftovers
        from colorzoo.gallery import compare_photo, contact_sheet
        from colorzoo.guided.notes import notes_on
        from colorzoo.imaging.write import image_bytes, write_image
        from colorzoo.jobs.plan import Job, check_target

    with errors(paths=[image, *([reference] if reference else [])]):
        asked = gather_hints(hint, hints, palette, keep_gray, color_only)
        job = Job(image, output)
        if image == STDIO:
            name, data = read_stdin()
            job = Job(name, output, data=data)
        if output == STDIO:
            check_stdout()
        else:
            check_target(job, overwrite=overwrite)
        photo = job.read(max_pixels=max_pixels)
        wanted = asked.of(image, photo.rgb.shape[1], photo.rgb.shape[0])
        results = compare_photo(
            photo,
            models=model,
            saturation=saturation,
            work_size=work_size,
            device=find_device(device),
            local_files_only=no_download,
            **gather_options(seed, vividness, temperature, steps, wanted, reference),
        )
        if not results:
            fail("no model has weights yet")
        tiles = [("input", photo.rgb), *results.items()]
        sheet = contact_sheet(tiles, columns=min(len(tiles), 4), tile=384)
        notes = (*photo.notes, *notes_on(wanted, photo.rgb))
        note(f"{job.source}: {each}" for each in notes)
        if output == STDIO:
            write_bytes(image_bytes(sheet, ".png"))
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(output.parent)
        write_image(sheet, output, within=job.root)
    say(f"wrote {output}")
