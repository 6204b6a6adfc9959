"""Errors of ``python -m train`` that are explained in one line."""

from pathlib import Path
from typing import NoReturn

import typer

from colorzoo.errors import ColorzooError, ConfigError, printable
from colorzoo.hub.saving import WEIGHTS_FILE

# Errors caused by a wrong name, path or option; any other is a bug and shows its traceback.
MISTAKES = (ColorzooError, FileNotFoundError, LookupError, ValueError)


def fail(error: Exception | str) -> NoReturn:
    """Print one line and exit with code 1."""
    typer.echo(printable(" ".join(f"error: {error}".split())), err=True)
    raise typer.Exit(1)


def check_replaceable(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace weights unasked.

    Raises:
        ConfigError: If there are weights in the folder, and they must not be overwritten.
    """
    if (folder / WEIGHTS_FILE).exists() and not overwrite:
        raise ConfigError(f"{folder} has weights: pass --overwrite to replace them")
