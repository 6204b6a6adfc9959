"""Every error colorzoo raises on purpose: one base class, one subclass for each kind of cause."""

import re

_LONGEST = 1_500  # characters
# Control characters could drive a terminal, and half of a surrogate pair cannot be printed.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class ColorzooError(Exception):
    """Base class: its message says what came in, what was expected and what to do.

    Messages quote names and values of files that may be damaged or hostile: what cannot be
    printed is escaped, and what is too long to read loses its middle.
    """

    def __init__(self, message: object) -> None:
        """Make the message fit to be shown."""
        text = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(message))
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST * 2 // 3]} [...] {text[-_LONGEST // 3 :]}"
        super().__init__(text)


class ImageError(ColorzooError, ValueError):
    """A picture cannot be read or written."""


class FilmError(ColorzooError, ValueError):
    """A film cannot be read or written."""


class UnknownModelError(ColorzooError, KeyError):
    """No colorizer is registered under that name."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        """Return the message as it was given."""
        return str(self.args[0])


class ConfigError(ColorzooError, ValueError):
    """A model's keywords or its config.json do not fit the architecture."""


class WeightsError(ColorzooError, RuntimeError):
    """A checkpoint is missing, damaged or belongs to another architecture."""


class HubError(ColorzooError, OSError):
    """The Hugging Face Hub did not deliver a model."""


# What can go wrong with one photo, memory on the CPU and the GPU included.
FAILURES = (ColorzooError, OSError, ValueError, RuntimeError, MemoryError)


def one_line(error: BaseException) -> str:
    """Give an error's message without line breaks, or its name if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
