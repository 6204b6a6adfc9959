"""``python -m train fit``: train one model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from colorzoo.hub.checkpoint import WEIGHTS_FILE
from train.mistakes import MISTAKES, fail
from train.recipe import (
    LossName,
    parse_keywords,
    parse_sides,
    parse_split,
    parse_terms,
    with_options,
)
from train.recipes import find_recipe
from train.run_settings import Device, Memory, Precision, Run

WEIGHTS = Path("colorzoo") / "weights"


def fit_command(
    name: Annotated[str, typer.Argument(help="A registered model that has a recipe.")],
    data: Annotated[
        str, typer.Option(help="Folder of photos or of tar shards, a tar, or a Hub data set.")
    ],
    folder: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if not given.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="Weights folder; colorzoo/weights/NAME if not given.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace older weights and, without --resume, the checkpoints of an earlier run, "
            "each when this run has new ones.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint.")
    ] = False,
    limit_seconds: Annotated[
        float | None, typer.Option(min=1, help="Training time; the schedule adapts to it.")
    ] = None,
    keep_every: Annotated[
        float | None,
        typer.Option(min=0.01, help="Keep a checkpoint every so many minutes, to choose from."),
    ] = None,
    limit_photos: Annotated[int | None, typer.Option(min=2, help="Use at most this many.")] = None,
    device: Annotated[Device, typer.Option(help="auto: the GPU if there is one.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or CPU processes, per node.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Number of machines.")] = 1,
    precision: Annotated[Precision, typer.Option(help="auto: what is fast there.")] = "auto",
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network, for long runs.")
    ] = False,
    memory: Annotated[
        Memory, typer.Option(help="Keep photos on the device, or stream them.")
    ] = "auto",
    start: Annotated[
        str | None,
        typer.Option(
            help="Initial weights: random, imagenet, a timm safetensors file, a model or a folder."
        ),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(help="A keyword of the model, such as attention=true. Can be repeated."),
    ] = None,
    loss: Annotated[LossName | None, typer.Option(help="Replaces the recipe's loss.")] = None,
    term: Annotated[
        list[str] | None,
        typer.Option(
            help="Adds a term to the loss: colorfulness, gradient or perceptual, as in "
            "gradient=0.5. Repeatable."
        ),
    ] = None,
    term_weights: Annotated[
        str | None, typer.Option(help="A timm safetensors file for the perceptual term.")
    ] = None,
    sides: Annotated[
        str | None,
        typer.Option(help="Training resolution: 64, or 96,0.7:128 for 128 after 70 % of the run."),
    ] = None,
    degraded: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of photos that are made to look old.")
    ] = None,
    schedule: Annotated[
        Literal["cosine", "plateau"] | None, typer.Option(help="Replaces the recipe's schedule.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without progress.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Training/validation/test, such as 80/10/10.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Replaces the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Replaces the recipe's.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Replaces the recipe's.")
    ] = None,
    encoder_rate: Annotated[
        float | None,
        typer.Option(min=0, help="Learning rate of the encoder, as a factor on the others'."),
    ] = None,
) -> None:
    """Train a model by its recipe and export its weights."""
    # Importing Lightning takes seconds, and most commands do not need it.
    from train.fit import fit
    from train.interrupt import Stopped

    try:
        recipe = find_recipe(name)
    except LookupError as error:
        fail(error)
    export = export or WEIGHTS / recipe.model
    if export.joinpath(WEIGHTS_FILE).exists() and not overwrite:
        fail(f"{export} has weights: pass --overwrite to replace them, or --export FOLDER")
    run = Run(
        data=data,
        folder=folder or Path("runs") / recipe.model,
        export=export,
        device=device,
        devices=devices,
        nodes=nodes,
        precision=precision,
        compile=compile_,
        memory=memory,
        limit_seconds=limit_seconds,
        keep_every=keep_every,
        limit_photos=limit_photos,
        resume=resume,
        overwrite=overwrite,
    )
    try:
        recipe = with_options(
            recipe,
            keywords=parse_keywords(keyword) if keyword else None,
            loss=loss,
            terms=parse_terms(term) if term else None,
            term_weights=term_weights,
            start=start,
            sides=parse_sides(sides) if sides else None,
            degraded=degraded,
            schedule=schedule,
            patience=patience,
            split=parse_split(split) if split else None,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            encoder_rate=encoder_rate,
        )
        fit(recipe, run)
    except MISTAKES as error:
        fail(error)
    except Stopped as stopped:
        typer.echo(f"stopped: {stopped}", err=True)
        raise typer.Exit(130) from None
