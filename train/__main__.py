"""The command line: ``python -m train fit``, ``tune``, ``evaluate`` and more; see ``--help``."""

import csv
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from colorzoo.cli._arguments import Branch, CreatePr, Message, OverwriteCard, Private
from colorzoo.errors import ColorzooError
from colorzoo.evaluation.metrics import PROTOCOL
from colorzoo.evaluation.perceptual import find_measures
from colorzoo.hub.checkpoint import WEIGHTS_FILE
from colorzoo.hub.push import PushOptions
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.registry import model_info
from train.evaluate import evaluate_model, measurable_models
from train.recipe import (
    LossName,
    parse_keywords,
    parse_sides,
    parse_split,
    parse_terms,
    with_options,
)
from train.recipes import find_recipe
from train.run_settings import Device, Memory, Metric, Precision, Run
from train.upkeep import flicker
from train.upkeep.cards import renew_cards
from train.upkeep.publish import publish, publish_space
from train.upkeep.ratings import Counts, record
from train.upkeep.readme import GRID, draw_grid, update_readme
from train.upkeep.sheets import lay_out

app = typer.Typer(help="Train and measure the zoo's models.", no_args_is_help=True)
# Errors caused by a wrong name, path or option; any other is a bug and shows its traceback.
_MISTAKES = (ColorzooError, FileNotFoundError, LookupError, ValueError)
WEIGHTS = Path("colorzoo") / "weights"
TUNING = Path("runs") / "tune"


@app.command(name="fit")
def fit_command(
    name: Annotated[str, typer.Argument(help="A registered model that has a recipe.")],
    data: Annotated[
        str, typer.Option(help="Folder of photos or of tar shards, a tar, or a Hub data set.")
    ],
    folder: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if not given.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="Weights folder; colorzoo/weights/NAME if not given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace older weights.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint.")
    ] = False,
    limit_seconds: Annotated[
        float | None, typer.Option(min=1, help="Training time; the schedule adapts to it.")
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
        typer.Option(help="Initial weights: random, imagenet, a timm safetensors file or a model."),
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
) -> None:
    """Train a model by its recipe and export its weights."""
    from train.fit import fit  # importing Lightning takes seconds, and most commands do not need it

    try:
        recipe = find_recipe(name)
    except LookupError as error:
        _fail(error)
    export = export or WEIGHTS / recipe.model
    if export.joinpath(WEIGHTS_FILE).exists() and not overwrite:
        _fail(f"{export} has weights: pass --overwrite to replace them, or --export FOLDER")
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
        limit_photos=limit_photos,
        resume=resume,
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
        )
        fit(recipe, run)
    except _MISTAKES as error:
        _fail(error)


@app.command(name="tune")
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
    from train.tune import Search, tune  # as above

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
    except _MISTAKES as error:
        _fail(error)
    rows = list(csv.reader((folder / f"{recipe.model}.csv").read_text().splitlines()))
    table = Table(*rows[0], title=f"{recipe.model}: {folds}-fold cross-validation")
    for row in rows[1:]:
        table.add_row(*row)
    Console(width=110).print(table)


@app.command(name="evaluate")
def evaluate_command(
    name: Annotated[str, typer.Argument(help="A registered model with weights, or all.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Tar shard or folder of colour photos. If repeated, the first is the main set."
        ),
    ],
    device: Annotated[str, typer.Option(help="Where the models run: cpu, cuda, ...")] = "cpu",
    lpips: Annotated[bool, typer.Option("--lpips", help="Also measure LPIPS.")] = False,
    fid: Annotated[bool, typer.Option("--fid", help="Also measure FID.")] = False,
) -> None:
    """Measure models and the gray baseline; update metrics.json, cards and the README's table."""
    names = measurable_models() if name == "all" else [name]
    asked = [measure for measure, wanted in (("lpips", lpips), ("fid", fid)) if wanted]
    try:
        measures, notes = find_measures(asked, device=device)
        for note in notes:
            print(f"note: {note}")
        for each in names:
            sheet = Path("runs") / each / "evaluation.png"
            path = evaluate_model(each, data, sheet=sheet, measures=measures, device=device)
            print(f"wrote {path} and {sheet}")
        print(PROTOCOL)
        _renew_readme()
    except (ColorzooError, OSError, RuntimeError, ValueError) as error:
        _fail(error)


@app.command(name="choose")
def choose_command(
    model: Annotated[str, typer.Argument(help="A registered model, a folder or a Hub id.")],
    data: Annotated[Path, typer.Argument(help="Validation photos: a folder or a tar.")],
    work_size: Annotated[list[int] | None, typer.Option(help="Pixels; repeatable.")] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="T of -bins models.")] = None,
    mix: Annotated[
        list[float] | None, typer.Option(help="Rebalancing of -bins models, 1 for none.")
    ] = None,
    gain: Annotated[list[float] | None, typer.Option(help="Gain of -bins models.")] = None,
    saturation: Annotated[list[float] | None, typer.Option(help="Factor on ab.")] = None,
    limit_photos: Annotated[
        int | None, typer.Option(min=1, help="Use only the first photos, this many.")
    ] = None,
    aged: Annotated[bool, typer.Option("--aged", help="Make the photos look old.")] = False,
    dial: Annotated[
        bool, typer.Option("--dial", help="Choose the five points of a dial, careful to vivid.")
    ] = False,
) -> None:
    """Measure all combinations of other settings with the same weights, compared with gray.

    With --dial, show only the best settings at five levels of colourfulness.
    """
    from train.choose_settings import DIAL_GRID, choose, combine, dial_of  # as above

    temperatures, mixes, gains = DIAL_GRID if dial else ((), (), ())
    answers = combine(
        work_size or (),
        temperature or temperatures,
        mix or mixes,
        gain or gains,
        saturation or (),
    )
    try:
        outcomes = choose(load(model), data, answers, limit=limit_photos, aged=aged)
        outcomes = dial_of(outcomes) if dial else outcomes
    except (ColorzooError, OSError, ValueError) as error:
        _fail(error)
    table = Table("settings", "PSNR dB", "AuC %", "CF", "truth's CF", box=None)
    for each in outcomes:
        table.add_row(
            str(each.answer),
            f"{each.psnr:+.2f}",
            f"{each.auc:+.2f}",
            f"{each.cf:.1f}",
            f"{each.truth_cf:.1f}",
        )
    Console().print(table)
    print("PSNR and AuC: difference from the gray photo.")


@app.command(name="look")
def look_command(
    data: Annotated[Path, typer.Argument(help="A folder or tar of photos.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; can be given several times.")
    ] = None,
    photos: Annotated[int, typer.Option(min=1, help="Number of photos, chosen at random.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the random choice.")] = 0,
) -> None:
    """Draw a sheet with one row per photo: black and white, every model, the original."""
    try:
        sheet, unreadable = lay_out(data, models=model, photos=photos, seed=seed)
        save_image(sheet, output)
    except (ColorzooError, OSError) as error:
        _fail(error)
    for line in unreadable:
        print(f"skipped: {line}")
    print(f"wrote {output}")


@app.command(name="judge")
def judge_command(
    name: Annotated[str, typer.Argument(help="A registered model with bundled weights.")],
    photos: Annotated[str, typer.Argument(help='The photos, such as "40 photos of test.tar".')],
    plausible: Annotated[int, typer.Argument(min=0, help="Results that look right.")],
    odd: Annotated[
        int, typer.Argument(min=0, help="Results with a tint, a spot, or something left gray.")
    ],
    wrong: Annotated[
        int, typer.Argument(min=0, help="Results in which something has an impossible colour.")
    ],
) -> None:
    """Record how many results on a sheet of `look` look right, for README and card."""
    try:
        record(model_info(name), photos, Counts(plausible, odd, wrong))
    except (ColorzooError, OSError, ValueError) as error:
        _fail(error)
    print(f"recorded for these weights of {name}; update README with `python -m train readme`")


@app.command(name="publish")
def publish_command(
    name: Annotated[
        str | None, typer.Argument(help="A registered model with bundled weights.")
    ] = None,
    repo: Annotated[
        str | None, typer.Argument(help="user/repo; it is created if it does not exist.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="user/space: publish the demo there, not a model.")
    ] = None,
    from_checkout: Annotated[
        bool,
        typer.Option(
            "--from-checkout", help="Push a wheel of this checkout, for the Space to install."
        ),
    ] = False,
    branch: Branch = None,
    create_pr: CreatePr = False,
    private: Private = False,
    message: Message = None,
    overwrite_card: OverwriteCard = False,
) -> None:
    """Push a model's weights, numbers, card and pictures to the Hub and print the commit to pin.

    With --space, publish the demo instead; its README.md is always replaced.
    """
    try:
        if space is not None and name is None:
            options = PushOptions(message, True, branch, create_pr, private or None)
            pushed = publish_space(space, options, from_checkout=from_checkout)
            print(f"published the demo: {pushed.commit.pr_url or pushed.commit.commit_url}")
            return
        if name is None or repo is None or space is not None or from_checkout:
            _fail("give a model's name and user/repo, or --space user/space [--from-checkout]")
        options = PushOptions(message, overwrite_card, branch, create_pr, private or None)
        pushed = publish(name, repo, options)
    except ColorzooError as error:
        _fail(error)
    print(f"published {name}: {pushed.commit.pr_url or pushed.commit.commit_url}")
    if pushed.kept_card:
        print("note: kept the card on the Hub; --overwrite-card replaces it")
    print(f'pin it: repo_id="{pushed.repo_id}", revision="{pushed.commit.oid}"')


@app.command(name="readme")
def readme_command() -> None:
    """Update the README's table and picture, and the bundled cards."""
    try:
        _renew_readme()
    except (ColorzooError, OSError, ValueError) as error:
        _fail(error)


@app.command(name="flicker")
def flicker_command() -> None:
    """Measure how much films flicker with the default model; update the table in docs/films.md."""
    found = flicker.measure()
    print(flicker.flicker_text(found))
    try:
        flicker.update_page(found)
    except (OSError, ValueError) as error:
        _fail(error)


def _renew_readme() -> None:
    changed = update_readme(Path("README.md"))
    draw_grid(GRID)
    print(f"README.md {'updated' if changed else 'was up to date'}, {GRID} drawn")
    print(f"cards updated: {', '.join(renew_cards()) or 'none, all were up to date'}")


def _fail(error: Exception | str) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
