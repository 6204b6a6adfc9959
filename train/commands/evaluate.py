"""``python -m train evaluate``: measure models on photos that they were not trained on."""

from pathlib import Path
from typing import Annotated

import typer

from colorzoo.cli._console import say
from colorzoo.errors import ColorzooError
from colorzoo.evaluation.metrics import PROTOCOL
from colorzoo.evaluation.perceptual import find_measures
from train.commands.readme import renew
from train.evaluate import evaluate_model, measurable_models, print_reports
from train.mistakes import fail


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
        renewed = renew()  # all files are written before anything is printed
        for files, reports in measured:
            print_reports(reports)
            say(files)
        say(PROTOCOL)
        say(renewed)
    except (ColorzooError, OSError, RuntimeError, ValueError) as error:
        fail(error)
