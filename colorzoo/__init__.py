"""colorzoo: a zoo of neural networks that colour black-and-white photos."""

import colorzoo.models as _models  # noqa: F401  (registers the families)
from colorzoo._version import __version__
from colorzoo.colorizer import Colorizer
from colorzoo.defaults import DEFAULT_MODEL
from colorzoo.errors import (
    ColorzooError,
    ConfigError,
    FilmError,
    HubError,
    ImageError,
    UnknownModelError,
    WeightsError,
)
from colorzoo.gallery import compare, contact_sheet
from colorzoo.imaging.read import read_photo
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.models._bins import BinsColorizer
from colorzoo.registry import ModelInfo, create_model, list_models, model_info, register_model

__all__ = [
    "DEFAULT_MODEL",
    "BinsColorizer",
    "Colorizer",
    "ColorzooError",
    "ConfigError",
    "FilmError",
    "HubError",
    "ImageError",
    "ModelInfo",
    "UnknownModelError",
    "WeightsError",
    "__version__",
    "compare",
    "contact_sheet",
    "create_model",
    "list_models",
    "load",
    "model_info",
    "read_photo",
    "register_model",
    "save_image",
]
