"""``python -m train tune``: search for a model's batch size, learning rate and loss."""

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from train.mistakes import MISTAKES, fail
from train.recipes import find_recipe
from train.run_settings import Device, Metric

TUNING = Path("runs") / "tune"


def tune_command(
    name: Annotated[str, typer.Argument(help="A registered model that has a recipe.")],
    data: Annotated[
        str, typer.Option(help="Folder of photos or of tar shards, a tar, or a Hub data set.")
    ],
    folder: Annotated[Path, typer.Option(help="Folder for the study and its table.")] = TUNING,
    trials: Annotated[int, typer.Option(min=1, help="Total number of settings to try.")] = 12,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 3,
    limit_photos: Annotated[int, typer.Option(min=2, help="Use at most this many photos.")] = 3000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over a fold.")] = 3,
    side: Annotated[int, typer.Option(min=16, help="Resolution, pixels.")] = 64,
    metric: Annotated[Metric, typer.Option(help="The metric to maximise.")] = "val_psnr",
    device: Annotated[Device, typer.Option(help="auto: the GPU if there is one.")] = "auto",
) -> None:
    """Search for batch size, learning rate and loss; run it again to continue."""
    from train.tune import Search, tune  # loads Lightning, which takes seconds

    search = Search(
        folder=folder,
        trials=trials,
        folds=folds,
        photos=limit_photos,
        epochs=epochs,
        side=side,
        metric=metric,
        device=device,
    )
    try:
        recipe = find_recipe(name)
        tune(recipe, data, search)
    except MISTAKES as error:
        fail(error)
    rows = list(csv.reader((folder / f"{recipe.model}.csv").read_text().splitlines()))
    table = Table(*rows[0], title=f"{recipe.model}: {folds}-fold cross-validation")
    for row in rows[1:]:
        table.add_row(*row)
    Console(width=110).print(table)
