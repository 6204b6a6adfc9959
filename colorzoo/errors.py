"""Every error colorzoo raises on purpose: one base class, one subclass for each kind of cause."""


class ColorzooError(Exception):
    """Base class: its message says what came in, what was expected and what to do."""


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
