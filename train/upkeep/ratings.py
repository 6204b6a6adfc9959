"""Record how many results on a sheet of ``python -m train look`` a person found plausible."""

import json
import re
from dataclasses import asdict

from colorzoo.atomic import write_whole
from colorzoo.evaluation.eye import EYE_FILE, Counts, counted, digest_of, file_of
from colorzoo.registry import ModelInfo

__all__ = ["EYE_FILE", "Counts", "counted", "record"]


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
    digest = digest_of(model)
    known = counted(model) | {photos: counts}
    found = {
        "weights": digest,
        "counts": {key: asdict(value) for key, value in sorted(known.items())},
    }
    path = file_of(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(found, indent=2) + "\n").encode())
