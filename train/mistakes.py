"""Errors of ``python -m train`` that are explained in one line."""

from typing import NoReturn

import typer

from colorzoo.errors import ColorzooError, printable

# Errors caused by a wrong name, path or option; any other is a bug and shows its traceback.
MISTAKES = (ColorzooError, FileNotFoundError, LookupError, ValueError)


def fail(error: Exception | str) -> NoReturn:
    """Print one line and exit with code 1."""
    typer.echo(printable(" ".join(f"error: {error}".split())), err=True)
    raise typer.Exit(1)
