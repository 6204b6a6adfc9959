"""Draw sheets for judging results by eye: gray, the result of each model, original."""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import read_photos
from colorzoo.gallery import colorize_with, contact_sheet
from colorzoo.imaging.read import read_photo
from colorzoo.loading import load
from colorzoo.registry import list_models


def lay_out(
    data: Path,
    *,
    models: list[str] | None = None,
    photos: int = 40,
    seed: int = 0,
    tile: int = 192,
) -> tuple[Image.Image, list[str]]:
    """Draw a sheet with one numbered row per photo, for counting good and bad results.

    Args:
        data: A folder or tar archive of photos, which may be black and white.
        models: Registered names, folders or Hub ids; every registered model whose
            weights are on this machine if None.
        photos: Number of photos, chosen at random.
        seed: Seed of the choice; the same seed always gives the same photos.
        tile: Side of a picture, pixels.

    Returns:
        The sheet, and one line for each file that could not be read.

    Raises:
        ColorzooError: If there is no readable photo, or a model cannot be loaded.
    """
    networks = {
        name: load(name) for name in (list_models(local=True) if models is None else models)
    }
    unreadable: list[str] = []
    squares = [metrics.prepare(photo) for photo in read_photos(data, unreadable)]
    if not squares:
        raise ImageError(f"{data} has no readable photo; give a folder or tar of photos")
    drawn = sorted(random.Random(seed).sample(range(len(squares)), min(photos, len(squares))))
    tiles: list[tuple[str, Image.Image | np.ndarray]] = []
    for i in drawn:
        gray = metrics.gray(squares[i])
        tiles.append((f"photo {i}", gray))
        tiles += colorize_with(networks, read_photo(gray)).items()
        tiles.append(("truth", squares[i]))
    return contact_sheet(tiles, columns=len(networks) + 2, tile=tile), unreadable
