"""The command line; one file per command.

Commands import PyTorch, and everything that needs it, only when they run, so ``--help`` is fast.
"""

from typing import Annotated

import typer

from colorzoo._version import __version__
from colorzoo.cli import (
    batch,
    benchmark,
    colorize,
    compare,
    convert,
    evaluate,
    export,
    info,
    list_models,
    push,
)
from colorzoo.cli._console import OUT, Commands, run_app
from colorzoo.threads import share_cores

app = typer.Typer(
    cls=Commands,
    help="Colour black-and-white photos with a zoo of neural networks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        OUT.print(__version__)
        raise typer.Exit


app.command("colorize")(colorize.colorize)
app.command("compare")(compare.compare)
app.command("batch")(batch.batch)
app.command("evaluate")(evaluate.evaluate)
app.command("benchmark")(benchmark.benchmark)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("push")(push.push)
app.command("list")(list_models.list_models)
app.command("info")(info.info)


def main() -> None:
    """Run the command line."""
    share_cores()  # before a command imports PyTorch
    run_app(app)
