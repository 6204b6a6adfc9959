"""``colorzoo convert``: make a colorzoo folder of a checkpoint that other code wrote."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._arguments import Overwrite
from colorzoo.cli._console import OUT, errors, fail
from colorzoo.cli._importing import importing


def convert(
    file: Annotated[Path, typer.Argument(help="A .pth, .pt, .bin, .ckpt or .safetensors file.")],
    output: Annotated[Path, typer.Argument(help="The folder to write.")],
    family: Annotated[
        str | None,
        typer.Option(
            help="A registered model of its family; recognised from its tensors if left out."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a folder for `--model` of a checkpoint that other code wrote.

    Pickles are opened so that they cannot run code; still, only convert files that you trust.
    """
    with importing():
        from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE
        from colorzoo.hub.convert import convert_file, source_of, write

    with errors():
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if (output / name).exists() and not overwrite:
                fail(f"{output / name} exists. Pass --overwrite to replace it.")
        if output.exists() and not output.is_dir():
            fail(f"{output} is a file; give a folder to write to")
        converted = convert_file(file, family=family)
        write(output, converted, source=source_of(file, converted))
    numbers = sum(each.numel() for each in converted.state.values())
    OUT.print(f"{file}: {converted.model.name}, {numbers:,} numbers", soft_wrap=True)
    OUT.print(f"SHA-256 {converted.sha256}", soft_wrap=True)
    if converted.published is None:
        OUT.print("not a file that colorzoo pins: you have to know where it is from")
    elif converted.published.published is not None:
        known = converted.published.published
        OUT.print(
            f"the file that the authors of {converted.published.name} published ({known.page}, "
            f"{known.licence})",
            soft_wrap=True,
        )
    # A name alone would be that of a registered model.
    place = output if output.is_absolute() or output.parent != Path(".") else f"./{output}"
    OUT.print(f"wrote {output}: use it with --model {place}", soft_wrap=True)
