"""Record how many results on a sheet of ``python -m train look`` a person found plausible.

No metric measures whether a sky is blue and a face looks alive. Plausible: nothing is noticeable.
Odd: a noticeable tint, spot or gray object. Wrong: an object has an impossible colour. Counts are
only valid for the weights that made the sheet, and are ignored when the weights change.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from colorzoo.hub.checkpoint import WEIGHTS_FILE

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


def record(weights: Path, photos: str, counts: Counts) -> None:
    """Store counts next to a model's weights.

    Args:
        weights: The model's weights folder.
        photos: Description of the photos, such as "40 photos of test.tar"; older counts with the
            same description are replaced.
        counts: The counts.

    Raises:
        FileNotFoundError: If there are no weights.
        ValueError: If all counts are 0, or one is negative.
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
    """Return the counts for these weights by description of the photos; empty if there are none.

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
