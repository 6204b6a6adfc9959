"""Packages that only some features need."""

import importlib
from typing import Any

from colorzoo.errors import ConfigError


def import_extra(name: str, *, extra: str = "onnx") -> Any:
    """Import one of the packages of an extra, such as colorzoo[onnx], or say how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise ConfigError(
            f"This needs {missing}, which is not installed: pip install 'colorzoo[{extra}]'"
        ) from error
