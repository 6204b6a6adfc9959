"""``colorzoo compare``: colour a photo with every model, on one sheet."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import (
    Device,
    Hints,
    MaxPixels,
    Models,
    NoDownload,
    Overwrite,
    Reference,
    Saturation,
    Seed,
    Steps,
    Temperature,
    Vividness,
    WorkSize,
    gather_options,
)
from colorzoo.cli._console import OUT, errors, fail, find_device, note
from colorzoo.defaults import MAX_PIXELS


def compare(
    image: Annotated[Path, typer.Argument(help="A photo.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")],
    model: Models = None,
    no_download: NoDownload = False,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    vividness: Vividness = None,
    temperature: Temperature = None,
    seed: Seed = None,
    steps: Steps = None,
    hint: Hints = None,
    reference: Reference = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Colour a photo with every model that is here and arrange the results on a labelled sheet."""
    from colorzoo.atomic import remove_leftovers
    from colorzoo.gallery import compare_photo, contact_sheet
    from colorzoo.imaging.write import write_image
    from colorzoo.jobs.plan import Job, check_target

    with errors():
        job = Job(image, output)
        check_target(job, overwrite=overwrite)
        photo = job.read(max_pixels=max_pixels)
        results = compare_photo(
            photo,
            models=model,
            saturation=saturation,
            work_size=work_size,
            device=find_device(device),
            local_files_only=no_download,
            **gather_options(seed, vividness, temperature, steps, hint, reference),
        )
        if not results:
            fail("no model has weights yet")
        tiles = [("input", photo.rgb), *results.items()]
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(output.parent)
        sheet = contact_sheet(tiles, columns=min(len(tiles), 4), tile=384)
        write_image(sheet, output, within=job.root)
        note(f"{photo.name}: {each}" for each in photo.notes)
    OUT.print(f"wrote {output}", soft_wrap=True)
