"""How many results on a sheet of photos a person found plausible, odd or wrong.

No metric measures whether a sky is blue and a face looks alive. Plausible: nothing is noticeable.
Odd: a noticeable tint, spot or gray object. Wrong: an object has an impossible colour. Counts are
only valid for the weights and settings that made the sheet, and are ignored when these change.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from colorzoo.errors import WeightsError
from colorzoo.hub.saving import CONFIG_FILE, WEIGHTS_FILE, current
from colorzoo.registry import ModelInfo

EYE_FILE = "eye.json"


@dataclass(frozen=True)
class Counts:
    """Numbers of photos on one sheet.

    Attributes:
        plausible: Nothing is noticeable.
        odd: A tint, a spot or a gray object is noticeable.
        wrong: An object has an impossible colour.
    """

    plausible: int
    odd: int
    wrong: int

    def __str__(self) -> str:
        """Format the counts for tables."""
        return f"{self.plausible} / {self.odd} / {self.wrong}"


def counted(model: ModelInfo) -> dict[str, Counts]:
    """Return the counts for a model's weights by description of the photos; empty if none.

    Raises:
        WeightsError: If there are counts, but no weights.
    """
    if not file_of(model).is_file():
        return {}
    found = json.loads(file_of(model).read_text(encoding="utf-8"))
    if found["weights"] != digest_of(model):
        return {}
    return {key: Counts(**value) for key, value in found["counts"].items()}


def file_of(model: ModelInfo) -> Path:
    """Return where a model's counts are, if it has any."""
    assert model.folder is not None  # that of every registered model is known
    return model.folder / EYE_FILE


def digest_of(model: ModelInfo) -> str:
    """Return the SHA-256 of the weights, their config.json and the model's own settings."""
    if model.weights is None:
        raise WeightsError(f"{model.name} has no bundled weights")
    digest = hashlib.sha256((model.weights / WEIGHTS_FILE).read_bytes())
    digest.update(current(model.weights, CONFIG_FILE).read_bytes())
    digest.update(json.dumps(dict(model.config), sort_keys=True).encode())
    return digest.hexdigest()
