"""What a person counted on a sheet of ``python -m train look``: plausible, odd and wrong photos.

No number tells whether a sky is blue and a face alive. Plausible: one would not look twice. Odd: a
tint, a spot or a thing left gray that one notices. Wrong: a colour that the thing cannot have. A
count holds for the weights that were looked at, and is forgotten with them.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from colorzoo.hub.checkpoint import WEIGHTS_FILE

EYE_FILE = "eye.json"


@dataclass(frozen=True)
class Counts:
    """Photos of one sheet.

    Attributes:
        plausible: One would not look twice.
        odd: Something is noticed: a tint, a spot, a thing left gray.
        wrong: Something has a colour that it cannot have.
    """

    plausible: int
    odd: int
    wrong: int

    def __str__(self) -> str:
        """Say it as tables do."""
        return f"{self.plausible} / {self.odd} / {self.wrong}"


def record(weights: Path, photos: str, counts: Counts) -> None:
    """Note what was counted beside a model's weights.

    Args:
        weights: The model's weights folder.
        photos: What was looked at, such as "40 photos of test.tar"; an older count of it goes.
        counts: The counts.

    Raises:
        FileNotFoundError: If there are no weights.
        ValueError: If nothing was counted.
    """
    if min(asdict(counts).values()) < 0 or not sum(asdict(counts).values()):
        raise ValueError(f"counts are whole numbers from 0, not all 0, got {counts}")
    known = counted(weights) | {photos: counts}
    found = {
        "weights": _digest(weights),
        "counts": {key: asdict(value) for key, value in sorted(known.items())},
    }
    (weights / EYE_FILE).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def counted(weights: Path) -> dict[str, Counts]:
    """Give what was counted on these very weights, by what was looked at; nothing if nothing was.

    Raises:
        FileNotFoundError: If there are no weights.
    """
    if not (weights / EYE_FILE).is_file():
        return {}
    found = json.loads((weights / EYE_FILE).read_text(encoding="utf-8"))
    if found["weights"] != _digest(weights):
        return {}
    return {key: Counts(**value) for key, value in found["counts"].items()}


def _digest(weights: Path) -> str:
    return hashlib.sha256((weights / WEIGHTS_FILE).read_bytes()).hexdigest()
