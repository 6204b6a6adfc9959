"""Packages that only some features need."""

import importlib
from typing import Any

from colorzoo.errors import ConfigError


def import_extra(name: str, *, extra: str = "onnx") -> Any:
    """Import a package of an extra such as colorzoo[onnx], or raise an error with the command.

    Raises:
        ConfigError: If it is not installed; the message has the pip command.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise ConfigError(
            f"This needs {missing}, which is not installed: pip install 'colorzoo[{extra}]'"
        ) from error
