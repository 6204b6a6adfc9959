"""``python -m train``; one file per command. See ``--help``."""

import typer

from colorzoo.cli._console import Commands, run_app
from train.commands import (
    choose,
    evaluate,
    export,
    fit,
    flicker,
    interpolate,
    judge,
    look,
    precision,
    publish,
    readme,
    speed,
    tune,
)

app = typer.Typer(
    cls=Commands,
    help="Train and measure the zoo's models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("fit")(fit.fit_command)
app.command("tune")(tune.tune_command)
app.command("export")(export.export_command)
app.command("interpolate")(interpolate.interpolate_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("choose")(choose.choose_command)
app.command("look")(look.look_command)
app.command("judge")(judge.judge_command)
app.command("publish")(publish.publish_command)
app.command("readme")(readme.readme_command)
app.command("flicker")(flicker.flicker_command)
app.command("speed")(speed.speed_command)
app.command("precision")(precision.precision_command)


def main() -> None:
    """Run the command line."""
    run_app(app)
