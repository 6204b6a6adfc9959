"""Lay photos out for the eye: black and white, what each model makes of them, the truth."""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import read_photos
from colorzoo.gallery import contact_sheet
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
    """Draw a sheet with a row a photo, numbered, so that one can count what went wrong.

    Args:
        data: A folder of photos, or a tar archive; black-and-white ones have no other truth.
        models: Registered names, folders or Hub ids; every registered model with weights if None.
        photos: How many photos, drawn at random.
        seed: Of the draw: the same ones are drawn for every model and at any time.
        tile: Side of a picture, pixels.

    Returns:
        The sheet, and a line for each file that could not be read.

    Raises:
        ColorzooError: If there is no photo that can be read, or a model cannot be loaded.
    """
    networks = {
        name: load(name) for name in (list_models(pretrained=True) if models is None else models)
    }
    unreadable: list[str] = []
    squares = [metrics.prepare(photo) for photo in read_photos(data, unreadable)]
    if not squares:
        raise ImageError(f"{data} holds no photo that can be read; name a folder or tar of some")
    drawn = sorted(random.Random(seed).sample(range(len(squares)), min(photos, len(squares))))
    tiles: list[tuple[str, Image.Image | np.ndarray]] = []
    for i in drawn:
        gray = metrics.gray(squares[i])
        tiles.append((f"photo {i}", gray))
        tiles += [(name, model.colorize(gray)) for name, model in networks.items()]
        tiles.append(("truth", squares[i]))
    return contact_sheet(tiles, columns=len(networks) + 2, tile=tile), unreadable
