"""The errors that colorzoo raises on purpose: one base class, one subclass per kind of cause."""

import errno
import re
from pathlib import PurePath

# A full disk or quota: it meets all other files there, too.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

_LONGEST = 1_500  # characters
# Control characters could control a terminal, and those for the direction of text show a name as
# another one; half of a surrogate pair cannot be printed.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Escape what could control a terminal or forge a line in a log, as a Python string does.

    Names of files, tags and messages from elsewhere may contain anything.
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


class ColorzooError(Exception):
    """Base class. Messages say what was wrong, what was expected and what you can do.

    Messages quote names and values from files that may be damaged or malicious, so unprintable
    characters are escaped and the middle of very long messages is removed.
    """

    def __init__(self, message: object) -> None:
        """Escape and shorten the message."""
        text = printable(str(message))
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST * 2 // 3]} [...] {text[-_LONGEST // 3 :]}"
        super().__init__(text)


class ImageError(ColorzooError, ValueError):
    """A picture cannot be read or written."""


class FilmError(ColorzooError, ValueError):
    """A film cannot be read or written."""


class UnknownModelError(ColorzooError, KeyError):
    """No model is registered under that name."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        """Return the message itself."""
        return str(self.args[0])


class ConfigError(ColorzooError, ValueError):
    """An option, an argument or a config.json is not valid for the model."""


class WeightsError(ColorzooError, RuntimeError):
    """A checkpoint is missing, damaged or belongs to another architecture."""


class HubError(ColorzooError, OSError):
    """A model could not be downloaded from, or pushed to, the Hugging Face Hub."""


# What can go wrong with one photo, including running out of CPU or GPU memory.
FAILURES = (ColorzooError, OSError, ValueError, RuntimeError, MemoryError)


def as_given(message: str, path: PurePath) -> str:
    """Name a file by its path, as the user gave it, where a message begins with its name alone."""
    prefix = f"{printable(path.name)}: "
    if not message.startswith(prefix):
        return message
    return f"{printable(str(path))}: {message.removeprefix(prefix)}"


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, or its class name if it has no message."""
    return printable(" ".join(str(error).split())) or type(error).__name__
