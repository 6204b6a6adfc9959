"""``-`` in the place of a file: standard input and standard output."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from colorzoo.cli._console import fail, write_bytes

STDIO = Path("-")
_NAME = "stdin"  # of what comes from a pipe, in messages and in folders
# How files begin, of the formats that colorzoo writes.
_BEGINNINGS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"RIFF", ".webp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"BM", ".bmp"),
)


def read_stdin() -> tuple[Path, bytes]:
    """Read a picture from standard input; return a name for it, and its bytes."""
    if sys.stdin is None or sys.stdin.isatty():
        fail("- is standard input, and nothing is piped into it: pipe a photo, or name a file")
    data = sys.stdin.buffer.read()
    if not data:
        fail("-: standard input is empty; pipe a photo into it")
    suffix = next((kind for start, kind in _BEGINNINGS if data.startswith(start)), ".png")
    return Path(_NAME + suffix), data


@contextmanager
def stdout_folder(inputs: Sequence[Path]) -> Iterator[Path]:
    """Yield a folder for the one result, which is then written to standard output.

    Args:
        inputs: What is to be coloured.
    """
    if len(inputs) > 1 or inputs[0].is_dir():
        what = f"the folder {inputs[0]}" if len(inputs) == 1 else f"{len(inputs)} files or folders"
        fail(
            f"-o - writes one picture to standard output, and the input is {what}: give a folder, "
            "as in -o coloured/"
        )
    check_stdout()
    with TemporaryDirectory(prefix="colorzoo-") as folder:
        yield Path(folder)
        for path in Path(folder).iterdir():
            if not path.name.startswith("."):
                write_bytes(path.read_bytes())


def check_stdout() -> None:
    """End the command if standard output is a terminal, on which a picture is noise."""
    if sys.stdout is None or sys.stdout.isatty():
        fail("-o - writes a picture to standard output: redirect it, or give the name of a file")
