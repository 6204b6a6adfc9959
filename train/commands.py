"""The commands: ``python -m train fit``, ``tune``, ``evaluate`` and more; see ``--help``."""

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from colorzoo.cli._arguments import Branch, CreatePr, Message, OverwriteCard, Private
from colorzoo.cli._console import Commands, run_app, say
from colorzoo.errors import ColorzooError
from colorzoo.evaluation.metrics import PROTOCOL
from colorzoo.evaluation.perceptual import find_measures
from colorzoo.hub.push import PushOptions
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.registry import model_info
from colorzoo.threads import share_cores
from train.evaluate import evaluate_model, measurable_models, print_reports
from train.fit_command import fit_command
from train.mistakes import MISTAKES, fail
from train.recipe import parse_keywords
from train.recipes import find_recipe
from train.run_settings import Device, Metric
from train.upkeep import flicker, precision, speed
from train.upkeep.cards import renew_cards
from train.upkeep.guides import update_guides
from train.upkeep.publish import publish, publish_space
from train.upkeep.ratings import Counts, record
from train.upkeep.readme import GRID, draw_grid, update_readme
from train.upkeep.sheets import lay_out

app = typer.Typer(
    cls=Commands,
    help="Train and measure the zoo's models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="fit")(fit_command)
TUNING = Path("runs") / "tune"


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


@app.command(name="export")
def export_command(
    run: Annotated[Path, typer.Argument(help="A run's folder, or one of its .ckpt files.")],
    output: Annotated[Path, typer.Argument(help="The folder to write, for colorzoo.load().")],
    model: Annotated[
        str | None,
        typer.Option(help="The model that was trained, if there is no config.json of the run."),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(help="A keyword of the model, such as attention=true. Can be repeated."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that are there.")
    ] = False,
) -> None:
    """Write the weights of a checkpoint, for example of a run that was killed."""
    from train.export import export_checkpoint  # loads Lightning, which takes seconds

    try:
        keywords = parse_keywords(keyword) if keyword else ()
        checkpoint, trained = export_checkpoint(
            run, output, model=model, keywords=keywords, overwrite=overwrite
        )
    except MISTAKES as error:
        fail(error)
    say(f"wrote {output}: {trained.architecture} of {checkpoint}")


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
    hints: Annotated[
        bool, typer.Option("--hints", help="Also measure PSNR with up to 100 hints.")
    ] = False,
    samples: Annotated[
        bool, typer.Option("--samples", help="Also measure 10 samples per photo.")
    ] = False,
) -> None:
    """Measure models and the gray baseline; update metrics.json, cards and the README's table."""
    names = measurable_models() if name == "all" else [name]
    asked = [measure for measure, wanted in (("lpips", lpips), ("fid", fid)) if wanted]
    measured = []
    try:
        measures, notes = find_measures(asked, device=device)
        for note in notes:
            say(f"note: {note}")
        for each in names:
            sheet = Path("runs") / each / "evaluation.png"
            path, reports = evaluate_model(
                each,
                data,
                sheet=sheet,
                measures=measures,
                device=device,
                hints=hints,
                samples=samples,
            )
            measured.append((f"wrote {path} and {sheet}", reports))
        renewed = _renew_readme()  # all files are written before anything is printed
        for files, reports in measured:
            print_reports(reports)
            say(files)
        say(PROTOCOL)
        say(renewed)
    except (ColorzooError, OSError, RuntimeError, ValueError) as error:
        fail(error)


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
    lift: Annotated[
        list[float] | None, typer.Option(help="Added to the chroma, of -bins models.")
    ] = None,
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
    from train.choose_settings import DIAL_GRID, choose, combine, dial_of  # loads Lightning

    temperatures, mixes, gains, lifts = DIAL_GRID if dial else ((), (), (), ())
    answers = combine(
        work_size or (),
        temperature or temperatures,
        mix or mixes,
        gain or gains,
        lift or lifts,
        saturation or (),
    )
    try:
        outcomes = choose(load(model), data, answers, limit=limit_photos, aged=aged)
        outcomes = dial_of(outcomes) if dial else outcomes
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
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
    say("PSNR and AuC: difference from the gray photo.")


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
        fail(error)
    for line in unreadable:
        say(f"skipped: {line}")
    say(f"wrote {output}")


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
        fail(error)
    say(f"recorded for these weights of {name}; update README with `python -m train readme`")


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
            say(pushed.in_words("published the demo"))
            return
        if name is None or repo is None or space is not None or from_checkout:
            fail("give a model's name and user/repo, or --space user/space [--from-checkout]")
        options = PushOptions(message, overwrite_card, branch, create_pr, private or None)
        pushed = publish(name, repo, options)
    except ColorzooError as error:
        fail(error)
    say(pushed.in_words(f"published {name}"))
    if pushed.kept_card:
        say("note: kept the card on the Hub; --overwrite-card replaces it")
    say(f'pin it: repo_id="{pushed.repo_id}", revision="{pushed.commit.oid}"')


@app.command(name="readme")
def readme_command() -> None:
    """Update the README's table and picture, and the bundled cards."""
    try:
        say(_renew_readme())
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)


@app.command(name="flicker")
def flicker_command() -> None:
    """Measure how much films flicker with the default model; update the table in docs/films.md."""
    found = flicker.measure()
    try:
        flicker.update_page(found)
    except (OSError, ValueError) as error:
        fail(error)
    print(flicker.flicker_text(found))


@app.command(name="speed")
def speed_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="For the report and the plot.")],
) -> None:
    """Measure speed on this machine, which nothing else should use; update README.md with it."""
    share_cores()  # what is measured runs in new processes, as the commands do
    found = speed.measure_speed()
    try:
        speed.write_report(found, output)
        text = speed.speed_text(found)
        speed.update_page(text)
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    print(text)


@app.command(name="precision")
def precision_command(
    data: Annotated[Path, typer.Option(help="Tar shard or folder of colour photos.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model to measure, without updating the page. Can be repeated."),
    ] = None,
    limit_photos: Annotated[
        int, typer.Option(min=1, help="Measure on at most this many photos.")
    ] = precision.PHOTOS,
) -> None:
    """Compare float32, bfloat16, ONNX and int8 on this machine; update docs/gpu-and-onnx.md."""
    share_cores()
    try:
        photos = precision.read_set(data, limit_photos)
        names = model or precision.networks()
        found = [row for name in names for row in precision.measure_precision(name, photos)]
        text = precision.precision_text(found, data.resolve().name)
        if not model:
            precision.update_page(text)
    except (ColorzooError, OSError, ValueError) as error:
        fail(error)
    print(text)


def _renew_readme() -> str:
    changed = update_readme(Path("README.md"))
    draw_grid(GRID)
    guides = ", ".join(map(str, update_guides())) or "none"
    cards = ", ".join(renew_cards()) or "none, all were up to date"
    return (
        f"README.md {'updated' if changed else 'was up to date'}, {GRID} drawn; "
        f"guides written: {guides}; cards updated: {cards}"
    )


def main() -> None:
    """Run the command line."""
    run_app(app)
