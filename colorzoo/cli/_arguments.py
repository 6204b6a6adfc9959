"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from colorzoo.cli._console import be_quiet, use_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from colorzoo.guided.hints import Area, Hint
    from colorzoo.options import Options


def complete_model(incomplete: str) -> list[str]:
    """Complete the name of a registered model in a shell."""
    from colorzoo.registry import list_models

    return [name for name in list_models() if name.startswith(incomplete)]


_HELP = "A registered model, a folder or a Hub id."
Model = Annotated[str, typer.Option("--model", "-m", help=_HELP, autocompletion=complete_model)]
OneModel = Annotated[str, typer.Argument(help=_HELP, autocompletion=complete_model)]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="Only this model; can be given several times.",
        autocompletion=complete_model,
    ),
]
Dtype = Annotated[
    Literal["float32", "float16", "bfloat16"],
    typer.Option(help="float32, float16 or bfloat16; halves need a GPU to be faster."),
]
Backend = Annotated[
    Literal["torch", "onnx"],
    typer.Option(help="torch or onnx, which runs the network in onnxruntime on the CPU."),
]
Quality = Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP results.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but errors.", callback=be_quiet),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="How many cores to use; by default all that this process may use.",
        callback=use_threads,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Saturation = Annotated[
    float,
    typer.Option(min=0, max=10, help="0 is gray, 1 is what the model predicts, 2 is twice that."),
]
WorkSize = Annotated[
    int | None,
    typer.Option(min=16, max=4096, help="Short side of the copy that the network sees, pixels."),
]
Vividness = Annotated[
    float | None,
    typer.Option(
        help="-bins models only: from 0, careful and muted, to 1, vivid but more often wrong."
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="-bins models only, for experts: T of the annealed mean. Low is more vivid but "
        "blotchier."
    ),
]
Depth = Annotated[
    int,
    typer.Option(
        min=8,
        max=16,
        help="16: PNG and TIFF results of 16-bit scans have 16 bits a channel. 8: they never do.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Sample one of several plausible results (-bins and sampling models)."),
]
Steps = Annotated[int | None, typer.Option(help="Number of sampling steps (sampling models).")]
Hints = Annotated[
    list[str] | None,
    typer.Option(
        "--hint",
        metavar="X,Y[,RADIUS][@FRAME]=COLOR",
        help="The colour at a point, in pixels of the photo, such as 120,80=#b03020; in films, "
        "with the number of the frame from which it holds, 120,80@35=#b03020. A CSS name, a name "
        "of the palette, or gray. Can be given several times.",
    ),
]
HintFile = Annotated[
    str | None,
    typer.Option(
        "--hints",
        metavar="FILE|auto",
        help="Hints in a JSON file. With auto, each photo's own, if there is one beside it: "
        "photo.hints.json for photo.jpg.",
    ),
]
Palette = Annotated[
    Path | None, typer.Option(help='Named colours for hints: "colors" in a JSON file.')
]
KeepGray = Annotated[
    list[Path] | None,
    typer.Option(help="A mask, white where the photo stays gray. Can be given several times."),
]
ColorOnly = Annotated[
    Path | None, typer.Option(help="A mask, white where the photo gets colour; the rest is gray.")
]
Reference = Annotated[
    Path | None,
    typer.Option(help="A colour photo whose colours to use. Only for models that support it."),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Skip photos that are done: the output can be decoded, has the photo's size, is not "
        "older and was made by this model with these options. Damaged outputs are made again; "
        "other pictures are replaced only with --overwrite.",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Write one line of JSON per photo, and a summary at the end. --resume appends.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
MaxPixels = Annotated[
    int,
    typer.Option(
        min=1,
        help="Refuse photos with more pixels than this, and films if it is given; else 4K is the "
        "limit of films.",
    ),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit to load from the Hub.")]
NoDownload = Annotated[
    bool,
    typer.Option("--no-download", help="Fail if the model's weights are not on this machine yet."),
]
Branch = Annotated[str | None, typer.Option(help="Push to this branch instead of main.")]
CreatePr = Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead.")]
Private = Annotated[
    bool, typer.Option("--private", help="Make the repository private if it is created.")
]
Message = Annotated[str | None, typer.Option(help="Commit message.")]
OverwriteCard = Annotated[
    bool, typer.Option("--overwrite-card", help="Replace a card that is already on the Hub.")
]


def check_depth(depth: int) -> int:
    """Return the bits a channel of results.

    Raises:
        ConfigError: If they are neither 8 nor 16.
    """
    from colorzoo.errors import ConfigError

    if depth not in (8, 16):
        raise ConfigError(f"--depth must be 8 or 16, got {depth}")
    return depth


def gather_options(
    seed: int | None,
    vividness: float | None,
    temperature: float | None,
    steps: int | None,
    hints: "Sequence[Hint | Area]",
    reference: Path | None,
) -> "Options":
    """Collect the options of the model from the command line."""
    options: Options = {
        "seed": seed,
        "vividness": vividness,
        "temperature": temperature,
        "steps": steps,
        "hints": list(hints) or None,
        "reference": reference,
    }
    return options
