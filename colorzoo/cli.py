"""The command line: colorizing, comparing, measuring, exporting, publishing; see ``--help``."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn, get_args

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

import colorzoo
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation.benchmark import MEGAPIXELS, PHOTO, Timing, as_json, benchmark, draw_plot
from colorzoo.evaluation.perceptual import find_measures
from colorzoo.evaluation.report import (
    Report,
    evaluate_model,
    hardware,
    read_photos,
    scores_table,
    short_count,
)
from colorzoo.exporting.graph import export
from colorzoo.exporting.int8 import export_int8
from colorzoo.gallery import compare_photo
from colorzoo.hub.checkpoint import METRICS_FILE, weights_digest
from colorzoo.hub.push import PushOptions
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import save_image
from colorzoo.jobs.films import colour_film, films_note, is_film
from colorzoo.jobs.pipeline import colour_jobs
from colorzoo.jobs.plan import (
    FAILURES,
    STOPPED,
    How,
    Job,
    Outcome,
    Status,
    check_target,
    one_line,
    plan,
)
from colorzoo.jobs.report import RunReport
from colorzoo.jobs.signals import Interrupted, Interrupts
from colorzoo.publish import push

app = typer.Typer(
    help="Colour black-and-white photos with a zoo of neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# No markup: file names may hold brackets.
_out = Console(markup=False, highlight=False)
_TIMES = ("ms a photo", "times the floor", "photos/s", "peak MB")
_err = Console(markup=False, highlight=False, stderr=True)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Saturation = Annotated[
    float, typer.Option(min=0, max=10, help="0 is gray, 1 is what the model says, 2 is twice that.")
]
WorkSize = Annotated[
    int | None,
    typer.Option(min=16, max=4096, help="Short side, in pixels, at which the model looks."),
]
Temperature = Annotated[
    float | None,
    typer.Option(help="Of models over colour bins: low is bold and spotted, 1 smooth and dull."),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Of models over colour bins: draw one of the colourings they hold possible."),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Skip photos whose output is there: decodable to its end, of the photo's size, not "
        "older than the photo and, as far as --report tells, of this model and these options. A "
        "damaged output is made again; any other is replaced only with --overwrite.",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write a JSON object a line: what became of each photo, in the end a summary. "
        "--resume appends.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse photos with more pixels than this.")]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of the model, which is then of the Hub.")
]
Branch = Annotated[str | None, typer.Option(help="Push to this branch, not main.")]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead.")]
Private = Annotated[
    bool, typer.Option("--private", help="If the repository is created, make it private.")
]
Message = Annotated[str | None, typer.Option(help="Summary of the commit.")]
OverwriteCard = Annotated[
    bool, typer.Option("--overwrite-card", help="Replace a card that is on the Hub already.")
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        _out.print(colorzoo.__version__)
        raise typer.Exit


@app.command(name="list")
def list_command() -> None:
    """List the models, what they are and how they measure."""
    table = Table("model", "size", "PSNR", "CF", "weights", "what it is", box=None)
    for name in colorzoo.list_models():
        info = colorzoo.model_info(name)
        psnr, colour = "-", "-"
        if info.metrics:
            scores, gray = info.metrics["scores"], info.metrics["gray"]
            psnr, colour = f"{scores['psnr'] - gray['psnr']:+.2f} dB", f"{scores['cf']:.1f}"
        where = "bundled" if info.weights else "Hub" if info.repo_id else "none"
        size = short_count(colorzoo.create_model(name).parameter_count)
        table.add_row(name, size, psnr, colour, where, info.summary)
    _out.print(table)
    _out.print("PSNR: over the gray photo. CF: colourfulness. `colorzoo info NAME` tells more.")


@app.command()
def info(name: Annotated[str, typer.Argument(help="A registered model.")]) -> None:
    """Show what is known of one model."""
    with _errors():
        known = colorzoo.model_info(name)
        model = colorzoo.create_model(name)
    _out.print(f"{name} ({known.year}): {known.summary}")
    _out.print(f"{(known.family.__doc__ or '').splitlines()[0]}")
    for key, value in model.config.items():
        _out.print(f"  {key} = {value!r}")
    _out.print(f"  parameters = {model.parameter_count:,}")
    _out.print(f"  weights = {known.weights or known.repo_id or 'none'}", soft_wrap=True)
    if known.metrics:
        rows = {"gray": known.metrics["gray"], name: known.metrics["scores"]}
        _out.print(scores_table(rows))
        _out.print(f"{known.metrics['photos']} photos. {known.metrics['protocol']}")


@app.command()
def colorize(
    inputs: Annotated[list[Path], typer.Argument(help="Photos, films, or folders of photos.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder, or a file if there is one input.")
    ],
    model: Annotated[
        str, typer.Option(help="A registered model, a folder or a Hub id.")
    ] = colorzoo.DEFAULT_MODEL,
    revision: Revision = None,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    temperature: Temperature = None,
    seed: Seed = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    resume: Resume = False,
    report: ReportFile = None,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Colour photos, films and folders of photos; names are kept, inputs never overwritten."""
    how = How(
        saturation=saturation,
        work_size=work_size,
        max_pixels=max_pixels,
        overwrite=overwrite,
        resume=resume,
    )
    run = _Run()
    with _errors(), Interrupts() as interrupts:
        jobs = plan(inputs, output)
        left = films_note(inputs, output)
        if not jobs:
            _fail(f"there is no photo in {', '.join(map(str, inputs))}{left and f'; {left}'}")
        if left:
            _err.print(f"note: {left}", soft_wrap=True)
        colorizer = colorzoo.load(model, revision=revision, device=_device(device))
        if temperature is not None or seed is not None:
            colorizer = _choose_of_bins(colorizer, model, temperature, seed)
        if report is not None:
            _check_report(report, jobs)
            settings = {
                "model": model,
                "weights": weights_digest(colorizer.state_dict())[:12],
                "saturation": saturation,
                "work_size": work_size or colorizer.work_size,
                "temperature": temperature,
                "seed": seed,
            }
            run.report = RunReport(report, settings, append=resume, overwrite=overwrite)
        films = [job for job in jobs if is_film(job)]
        photos = [job for job in jobs if not is_film(job)]
        made_otherwise = run.report and run.report.made_otherwise
        is_stopped = interrupts.defer()
        outcomes = colour_jobs(
            colorizer, photos, how, made_otherwise=made_otherwise, is_stopped=is_stopped
        )
        with closing(outcomes), _progress() as progress:
            for outcome in progress.track(
                outcomes, total=len(photos), description=f"Colouring with {model}"
            ):
                run.add(outcome)
        for job in films:
            with _progress() as progress:
                task = progress.add_task(f"Colouring {job.source.name} with {model}", total=None)
                outcome = colour_film(
                    colorizer,
                    job,
                    how,
                    made_otherwise=made_otherwise,
                    is_stopped=is_stopped,
                    watch=lambda done, total, p=progress, t=task: p.update(
                        t, completed=done, total=total and max(done, total)
                    ),
                )
            run.add(outcome)
        found = f"{run.finish()}, in {output}"
        if interrupts.number is not None:
            _stop(interrupts.number, f"{found}. --resume goes on.")
    _out.print(found, soft_wrap=True)
    if not run.is_good:
        raise typer.Exit(1)


@app.command()
def compare(
    image: Annotated[Path, typer.Argument(help="A photo.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet to write.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given several times.")
    ] = None,
    saturation: Saturation = 1.0,
    work_size: WorkSize = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Colour a photo with every model and lay the results out on a labelled sheet."""
    with _errors():
        check_target(Job(image, output), overwrite=overwrite)
        photo = read_photo(image, max_pixels=max_pixels)
        results = compare_photo(
            photo,
            models=model,
            saturation=saturation,
            work_size=work_size,
            device=_device(device),
        )
        if not results:
            _fail("no model has weights yet")
        tiles = [("input", photo.rgb), *results.items()]
        columns = min(len(tiles), 4)
        output.parent.mkdir(parents=True, exist_ok=True)
        save_image(colorzoo.contact_sheet(tiles, columns=columns, tile=384), output)
        _print_notes(photo.name, photo.notes)
    _out.print(f"wrote {output}", soft_wrap=True)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A registered model, a folder or a Hub id.")],
    data: Annotated[Path, typer.Argument(help="A folder of colour photos, or a tar of them.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder to write metrics.json and sheet.png to."),
    ] = None,
    revision: Revision = None,
    lpips: Annotated[bool, typer.Option("--lpips", help="Measure LPIPS too.")] = False,
    fid: Annotated[bool, typer.Option("--fid", help="Measure FID too.")] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Measure a model, beside the gray photo, on colour photos of your own."""
    chosen = _device(device)
    with _errors():
        if output is not None:
            _check_report_folder(output, data, overwrite=overwrite)
        colorizer = colorzoo.load(model, revision=revision, device=chosen)
        asked = [name for name, wanted in (("lpips", lpips), ("fid", fid)) if wanted]
        measures, notes = find_measures(asked, device=chosen)
        for note in notes:
            _err.print(f"note: {note}", soft_wrap=True)
        with _progress() as progress:
            report = evaluate_model(
                colorizer,
                model,
                data,
                measures=measures,
                skip=output,
                max_pixels=max_pixels,
                track=partial(progress.track, description=f"Measuring {model}"),
            )
        for line in report.unreadable:
            _err.print(f"skipped: {line}", style="red", soft_wrap=True)
        _print_report(report)
        if output is not None:
            _write_report(report, output)


@app.command(name="benchmark")
def benchmark_command(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder for benchmark.json and benchmark.png."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be given several times.")
    ] = None,
    megapixels: Annotated[
        list[float] | None, typer.Option(help="Only this size; may be given several times.")
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Time models from file to file beside decoding and encoding alone; with peak memory."""
    chosen = _device(device)
    report = None if output is None else output / "benchmark.json"
    if report is not None and report.exists() and not overwrite:
        _fail(f"{report} exists: pass --overwrite, or another folder")
    names = model or colorzoo.list_models(pretrained=True)
    sizes = megapixels or MEGAPIXELS
    table = Table("MP", "model", *(Column(each, justify="right") for each in _TIMES), box=None)
    timings: list[Timing] = []
    with _errors(), _progress() as progress:
        for timing in progress.track(
            benchmark(names, sizes, device=chosen),
            total=len(sizes) * (1 + len(names)),
            description="Measuring",
        ):
            timings.append(timing)
            table.add_row(
                f"{timing.megapixels:g}",
                timing.model,
                f"{timing.milliseconds:.0f}",
                f"{timing.ratio:.2f}",
                f"{timing.photos_per_second:.1f}",
                f"{timing.peak_mb:.0f}",
            )
    _out.print(table)
    _out.print(f"{PHOTO}. {hardware(torch.device(chosen))}.", soft_wrap=True)
    if output is None or report is None:
        return
    with _errors():
        output.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(as_json(timings, chosen), indent=2) + "\n", encoding="utf-8")
        _out.print(f"wrote {report}", soft_wrap=True)
        draw_plot(timings, output / "benchmark.png")
        _out.print(f"wrote {output / 'benchmark.png'}", soft_wrap=True)


@app.command(name="export")
def export_command(
    model: Annotated[str, typer.Argument(help="A registered model, a folder or a Hub id.")],
    output: Annotated[Path, typer.Argument(help="The file to write, OUT.onnx.")],
    int8: Annotated[
        Path | None,
        typer.Option(
            help="Count in 8-bit integers, tried out on the first 200 colour photos of this folder "
            "or tar: a quarter of the size; refused where it costs quality."
        ),
    ] = None,
    revision: Revision = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as an ONNX file for pictures of any size, checked against PyTorch."""
    with _errors():
        if output.exists() and not overwrite:
            _fail(f"{output} exists. Pass --overwrite to replace it.")
        colorizer = colorzoo.load(model, revision=revision)
        if int8 is None:
            difference = export(colorizer, output)
            found = f"ab differs by {difference:.1g} at most from PyTorch's on odd sizes"
        else:
            photos = list(islice(read_photos(int8, [], coloured=True), _INT8_PHOTOS))
            cost = export_int8(colorizer, output, photos)
            found = f"PSNR {cost.before:.2f} dB before, {cost.after:.2f} dB after"
            found += f", on {cost.photos} of the photos"
    _out.print(f"wrote {output}: {found}", soft_wrap=True)


@app.command(name="push")
def push_command(
    model: Annotated[str, typer.Argument(help="A registered model, or a folder.")],
    repo: Annotated[str, typer.Argument(help="user/repo; it is created if it does not exist.")],
    card: Annotated[
        Path | None,
        typer.Option(help="Markdown file for the model's page; else the folder's README.md."),
    ] = None,
    branch: Branch = None,
    create_pr: CreatePr = False,
    private: Private = False,
    message: Message = None,
    overwrite_card: OverwriteCard = False,
) -> None:
    """Push weights to the Hugging Face Hub and print the commit to pin; log in first."""
    with _errors():
        options = PushOptions(message, overwrite_card, branch, create_pr, private or None)
        pushed = push(model, repo, options, card=card)
    commit = pushed.commit
    _out.print(f"pushed {model}: {commit.pr_url or commit.commit_url}", soft_wrap=True)
    if pushed.kept_card:
        _err.print("note: kept the card on the Hub; --overwrite-card replaces it", soft_wrap=True)
    _out.print(f"commit: {commit.oid}", soft_wrap=True)
    _out.print(
        f'colorzoo.load("{pushed.repo_id}", revision="{commit.oid}") loads it.', soft_wrap=True
    )


def _check_report_folder(output: Path, data: Path, *, overwrite: bool) -> None:
    if output.resolve() == data.resolve():
        raise ImageError(f"{output} holds the photos: the sheet would be one. Choose another one.")
    for path in (output / _REPORT_FILE, output / _SHEET_FILE):
        if path.exists() and not overwrite:
            raise ImageError(f"{path} exists. Pass --overwrite to replace it.")


def _print_report(report: Report) -> None:
    found = report.as_json()
    _out.print(scores_table({"gray": found["gray"], report.name: found["scores"]}))
    _out.print(
        f"{found['photos']} photos of {found['data']}, {found['unreadable']} left out. "
        f"{found['parameters']:,} parameters, {found['milliseconds']:.1f} ms a photo on "
        f"{found['hardware']}."
    )
    _out.print(found["protocol"])


def _write_report(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = {**report.as_json(), "colorzoo": colorzoo.__version__}
    text = json.dumps(found, indent=2) + "\n"
    (folder / _REPORT_FILE).write_text(text, encoding="utf-8")
    save_image(report.sheet, folder / _SHEET_FILE)
    _out.print(f"wrote {folder / _REPORT_FILE} and {folder / _SHEET_FILE}", soft_wrap=True)


_INT8_PHOTOS = 200
_REPORT_FILE, _SHEET_FILE = METRICS_FILE, "sheet.png"


class _Run:
    """What became of the photos so far: told on the screen and in the report."""

    def __init__(self) -> None:
        self.report: RunReport | None = None
        self.is_good = True
        self._counts: Counter[Status] = Counter()
        self._told: set[str | None] = {STOPPED}  # that is told in the end

    def add(self, outcome: Outcome) -> None:
        self._counts[outcome.status] += 1
        if outcome.status in ("failed", "left"):
            self.is_good = False
            if outcome.reason not in self._told:
                _err.print(f"{outcome.status}: {outcome.reason}", style="red", soft_wrap=True)
        if outcome.status == "left":  # for a reason that it shares with many
            self._told.add(outcome.reason)
        if outcome.status == "done":
            _print_notes(outcome.job.source.name, outcome.notes)
        self._write(lambda report: report.add(outcome))

    def finish(self) -> str:
        """End the report and give the sum in words."""
        self._write(RunReport.finish)
        words = {"done": "coloured", "failed": "failed", "skipped": "skipped", "left": "left"}
        return ", ".join(
            f"{self._counts[status]} {words[status]}"
            for status in get_args(Status)
            if self._counts[status] or status in ("done", "failed")
        )

    def _write(self, what: Callable[[RunReport], None]) -> None:
        try:
            if self.report is not None:
                what(self.report)
        except OSError as error:  # the photos matter more: go on without it
            self.report, self.is_good = None, False
            _err.print(f"failed: the report ends here ({error.strerror})", style="red")


def _choose_of_bins(
    model: colorzoo.Colorizer, name: str, temperature: float | None, seed: int | None
) -> colorzoo.Colorizer:
    """Give the model as it colours at that temperature and draws by that seed."""
    if not isinstance(model, colorzoo.BinsColorizer):
        raise ConfigError(
            f"{name} is no model over colour bins, and --temperature and --seed are for those "
            "alone: leave them out, or choose another model, such as unet-bins."
        )
    return model.answering(temperature, seed)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        _fail(f"the device {name!r} is not there; try auto or cpu")
    return torch.device(name)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
        disable=not _err.is_terminal,  # it would leave an empty line in files
    )


def _print_notes(name: str, notes: tuple[str, ...]) -> None:
    for note in notes:
        _err.print(f"note: {name}: {note}", soft_wrap=True)


def _check_report(report: Path, jobs: list[Job]) -> None:
    photos = {path.resolve() for job in jobs for path in (job.source, job.target)}
    if report.resolve() in photos:
        raise ConfigError(f"the report {report} is a photo or a result; choose another path")


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what colorzoo raises on purpose, and Ctrl-C, into a line and an exit code."""
    try:
        yield
    except typer.Exit:  # a RuntimeError, and told already
        raise
    except KeyboardInterrupt as stop:
        _stop(stop.number if isinstance(stop, Interrupted) else signal.SIGINT, "by a signal")
    except FAILURES as error:
        _fail(one_line(error))


def _stop(number: int, what: str) -> NoReturn:
    """End with a line and the exit code that shells know the signal by."""
    _err.print(f"stopped: {what}", style="red", soft_wrap=True)
    raise typer.Exit(128 + number) from None


def _fail(message: str) -> NoReturn:
    _err.print(f"error: {message}", style="red", soft_wrap=True)
    raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()
