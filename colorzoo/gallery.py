"""Compare models: one photo coloured by several, and sheets of labelled results."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.conditions import warn_of_hints, with_reference
from colorzoo.defaults import MAX_PIXELS
from colorzoo.imaging.read import ImageSource, Photo
from colorzoo.loading import load
from colorzoo.options import Options, check_saturation, given
from colorzoo.prediction import Prediction
from colorzoo.registry import find_model, list_models
from colorzoo.sources import as_photo

_PAPER, _INK = (250, 250, 248), (40, 40, 40)


def compare(
    image: ImageSource,
    *,
    models: str | Path | Iterable[str | Path] | None = None,
    saturation: float = 1.0,
    work_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    device: str | torch.device = "cpu",
    local_files_only: bool = False,
    **options: Unpack[Options],
) -> dict[str, Image.Image]:
    """Colour one photo with several models.

    Examples:
        >>> results = colorzoo.compare("photo.jpg", models=["unet", "unet-bins"], seed=3)
        >>> {name: image.size for name, image in results.items()}
        {'unet': (600, 400), 'unet-bins': (600, 400)}

    Args:
        image: A path, bytes, a binary file object, a PIL image, a NumPy array or a tensor.
        models: Names that :func:`colorzoo.load` accepts, or one of them; every model whose weights
            are on this machine if None, so that nothing is downloaded.
        saturation: Factor on ab.
        work_size: Short side of the networks' input, pixels; each model's default if None.
        max_pixels: Largest width * height to accept.
        device: Device on which the models run.
        local_files_only: Never access the network to load a model.
        options: See :class:`colorzoo.Options`. Models that do not support an option ignore it.

    Returns:
        Each model's name and its result, in the order of ``models``.

    Raises:
        ConfigError: If none of the models supports an option.
        ColorzooError: If the image cannot be read or a model cannot be loaded.
        ValueError: If saturation, work_size or an option is out of range.
    """
    photo = as_photo(image, max_pixels=max_pixels)
    results = compare_photo(
        photo,
        models=models,
        saturation=saturation,
        work_size=work_size,
        device=device,
        local_files_only=local_files_only,
        **options,
    )
    warn_of_hints(photo, options.get("hints"))
    return results


def compare_photo(
    photo: Photo,
    *,
    models: str | Path | Iterable[str | Path] | None = None,
    saturation: float = 1.0,
    work_size: int | None = None,
    device: str | torch.device = "cpu",
    local_files_only: bool = False,
    **options: Unpack[Options],
) -> dict[str, Image.Image]:
    """Colour a photo that :func:`colorzoo.read_photo` returned; see ``compare``."""
    if isinstance(models, str | Path):  # whose letters are no models
        models = [models]
    names = list_models(local=True) if models is None else models
    loaded = {
        str(name): load(name, device=device, local_files_only=local_files_only) for name in names
    }
    for option, value in given(options).items():
        if loaded and not any(option in model.options for model in loaded.values()):
            refused: Any = {option: value}
            next(iter(loaded.values())).check(**refused)  # raises: its message names models that do
    return colorize_with(loaded, photo, saturation=saturation, work_size=work_size, **options)


def colorize_with(
    models: Mapping[str, Colorizer],
    photo: Photo,
    *,
    saturation: float = 1.0,
    work_size: int | None = None,
    **options: Unpack[Options],
) -> dict[str, Image.Image]:
    """Colour a photo with models that are loaded. Names of one network run it once.

    Args:
        models: The models by the names under which they were loaded.
        photo: From :func:`colorzoo.read_photo`.
        saturation: Factor on ab.
        work_size: Short side of the networks' input, pixels; each model's default if None.
        options: See ``compare``.

    Returns:
        Each name and its result, in the order of ``models``.
    """
    check_saturation(saturation)  # before a network runs
    known = with_reference(options)
    said: dict[tuple[object, ...], Prediction] = {}  # by network: several may have the same weights
    results = {}
    for name, model in models.items():
        taken: Any = model.taken(**known)
        key = (_network_of(name, model), work_size or model.work_size)
        if key not in said:
            said[key] = model.predict(photo, work_size=work_size, **taken)
        results[name] = model.render(photo, said[key], saturation=saturation, **taken)
    return results


def _network_of(name: str, model: Colorizer) -> tuple[object, ...]:
    """Return what is equal only for models whose networks give the same output.

    That is the case for several names of the same weights, such as efficientnet-bins.vivid, that
    differ in what ``render`` makes of the output.
    """
    info = find_model(name)
    weights = name if info is None else info.weights_of or info.name
    apart = {"architecture", *model.render_options}
    config = {key: value for key, value in model.config.items() if key not in apart}
    return type(model), weights, repr(sorted(config.items()))


def contact_sheet(
    tiles: Sequence[tuple[str, Image.Image | np.ndarray]],
    *,
    columns: int,
    tile: int = 256,
    letters: int | None = None,
) -> Image.Image:
    """Arrange pictures in a grid, each above its label.

    Examples:
        >>> photo = colorzoo.read_photo("photo.jpg").rgb
        >>> sheet = colorzoo.contact_sheet([("one", photo), ("two", photo)], columns=2)
        >>> sheet.mode
        'RGB'

    Args:
        tiles: Labels and pictures: PIL images or (H, W, 3) uint8 arrays, of any sizes. A row
            without any labels has no space for them. A label that is wider than its picture is
            broken into lines.
        columns: Pictures per row.
        tile: Longest side of a picture on the sheet, pixels; smaller ones are enlarged.
        letters: Font size of the labels, pixels; in proportion to ``tile`` if None.

    Returns:
        An RGB image.

    Raises:
        ValueError: If there are no pictures or no columns.
    """
    if not tiles or columns < 1:
        raise ValueError("a contact sheet needs at least one picture and one column")
    gap, letters = max(4, tile // 32), letters or max(11, tile // 16)
    font = ImageFont.load_default(size=letters)
    rows = []
    for start in range(0, len(tiles), columns):
        row = [
            (_lines(label, font, tile), _fit(picture, tile))
            for label, picture in tiles[start : start + columns]
        ]
        height = max(picture.height for _, picture in row)
        lines = max(label.count("\n") for label, _ in row)
        extra = math.ceil(letters * (1.6 + 1.3 * lines)) if any(label for label, _ in row) else 0
        rows.append((row, height, extra))
    sheet = Image.new(
        "RGB",
        (columns * (tile + gap) + gap, sum(h + extra + gap for _, h, extra in rows) + gap),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    y = gap
    for row, height, extra in rows:
        for i, (label, picture) in enumerate(row):
            x = gap + i * (tile + gap)
            sheet.paste(
                picture, (x + (tile - picture.width) // 2, y + (height - picture.height) // 2)
            )
            middle = (x + tile / 2, y + height + extra / 2)
            draw.text(middle, label, _INK, font, anchor="mm", align="center")
        y += height + extra + gap
    return sheet


def _lines(label: str, font: Any, width: int) -> str:
    """Break a label after spaces and "-" and before ".", so that its lines fit if possible."""
    lines = [""]
    for part in re.findall(r"[.]?[^ .-]*[ -]?", label):
        if part and lines[-1] and font.getlength(lines[-1] + part.strip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def _fit(picture: Image.Image | np.ndarray, tile: int) -> Image.Image:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, _PAPER), image)
    scale = tile / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
