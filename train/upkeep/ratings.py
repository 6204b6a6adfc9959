"""Record how many results on a sheet of ``python -m train look`` a person found plausible.

No metric measures whether a sky is blue and a face looks alive. Plausible: nothing is noticeable.
Odd: a noticeable tint, spot or gray object. Wrong: an object has an impossible colour. Counts are
only valid for the weights and settings that made the sheet, and are ignored when these change.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from colorzoo.atomic import write_whole
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


def record(model: ModelInfo, photos: str, counts: Counts) -> None:
    """Store counts in a model's folder.

    Args:
        model: A registered model with bundled weights.
        photos: Description of the photos, such as "40 photos of test.tar"; older counts with the
            same description are replaced.
        counts: The counts.

    Raises:
        WeightsError: If there are no weights.
        ValueError: If all counts are 0, one is negative, or they do not add up to the number that
            ``photos`` begins with.
    """
    total = sum(asdict(counts).values())
    if min(asdict(counts).values()) < 0 or not total:
        raise ValueError(f"counts are whole numbers from 0, not all 0, got {counts}")
    stated = re.match(r"\s*(\d+)\b", photos)
    if stated is None:
        raise ValueError(
            f'say how many photos there are, as in "{total} photos of test.tar", got {photos!r}'
        )
    if int(stated[1]) != total:
        raise ValueError(
            f"{counts} are {total} results, but {photos!r} says {stated[1]}: count again, or "
            "correct the description"
        )
    digest = _digest(model)
    known = counted(model) | {photos: counts}
    found = {
        "weights": digest,
        "counts": {key: asdict(value) for key, value in sorted(known.items())},
    }
    path = _file(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(found, indent=2) + "\n").encode())


def counted(model: ModelInfo) -> dict[str, Counts]:
    """Return the counts for a model's weights by description of the photos; empty if none.

    Raises:
        WeightsError: If there are counts, but no weights.
    """
    if not _file(model).is_file():
        return {}
    found = json.loads(_file(model).read_text(encoding="utf-8"))
    if found["weights"] != _digest(model):
        return {}
    return {key: Counts(**value) for key, value in found["counts"].items()}


def _file(model: ModelInfo) -> Path:
    assert model.folder is not None  # that of every registered model is known
    return model.folder / EYE_FILE


def _digest(model: ModelInfo) -> str:
    """Return the SHA-256 of the weights, their config.json and the model's own settings."""
    if model.weights is None:
        raise WeightsError(f"{model.name} has no bundled weights")
    digest = hashlib.sha256((model.weights / WEIGHTS_FILE).read_bytes())
    digest.update(current(model.weights, CONFIG_FILE).read_bytes())
    digest.update(json.dumps(dict(model.config), sort_keys=True).encode())
    return digest.hexdigest()
