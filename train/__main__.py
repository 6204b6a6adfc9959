"""The command line: ``python -m train fit|evaluate|readme``."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from colorzoo.colorizer import WEIGHTS_FILE
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models
from train.evaluate import evaluate_model
from train.fit import Device, Precision, Run, fit
from train.readme import GRID, draw_grid, update_readme
from train.recipes import find_recipe

app = typer.Typer(help="Train and measure the zoo's models.", no_args_is_help=True)
WEIGHTS = Path("colorzoo") / "weights"


@app.command(name="fit")
def fit_command(
    name: Annotated[str, typer.Argument(help="A registered model that has a recipe.")],
    data: Annotated[Path, typer.Option(help="Folder of photos or of tar shards, or one tar.")],
    folder: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if not given.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="Weights folder; colorzoo/weights/NAME if not given.")
    ] = None,
    device: Annotated[Device, typer.Option(help="auto: the GPU when there is one.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto: as suits the device.")] = "auto",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Instead of the recipe's.")] = None,
    limit_seconds: Annotated[
        float | None, typer.Option(min=1, help="Training time; the schedule fits itself to it.")
    ] = None,
    limit_photos: Annotated[int | None, typer.Option(min=2, help="Use so many photos.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace older weights.")] = False,
) -> None:
    """Train a model by its recipe and export its best weights."""
    export = export or WEIGHTS / name
    if export.joinpath(WEIGHTS_FILE).exists() and not overwrite:
        _fail(f"{export} holds weights: pass --overwrite to replace them, or --export FOLDER")
    run = Run(
        data=data,
        folder=folder or Path("runs") / name,
        export=export,
        device=device,
        precision=precision,
        epochs=epochs,
        batch_size=batch_size,
        limit_seconds=limit_seconds,
        limit_photos=limit_photos,
        resume=resume,
    )
    try:
        print(f"wrote {fit(find_recipe(name), run)}")
    except (ColorzooError, FileNotFoundError, LookupError, ValueError) as error:
        _fail(error)


@app.command(name="evaluate")
def evaluate_command(
    name: Annotated[str, typer.Argument(help="A registered model with weights, or all.")],
    data: Annotated[Path, typer.Option(help="Tar shard or folder of colour photos.")],
) -> None:
    """Measure a model beside the gray baseline and write metrics.json next to its weights."""
    names = list_models(pretrained=True) if name == "all" else [name]
    try:
        for each in names:
            print(evaluate_model(each, data, weights=WEIGHTS / each))
    except (ColorzooError, FileNotFoundError, ValueError) as error:
        _fail(error)


@app.command(name="readme")
def readme_command() -> None:
    """Bring the README's table and picture grid up to date with the bundled weights."""
    try:
        changed = update_readme(Path("README.md"))
        draw_grid(GRID)
    except (ColorzooError, OSError, ValueError) as error:
        _fail(error)
    print(f"README.md {'updated' if changed else 'was up to date'}, {GRID} drawn")


def _fail(error: Exception | str) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
