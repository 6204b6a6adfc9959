"""Photos on their way in: which file may be read, what kind of photo it is, its gray copy."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gradio.utils import get_upload_folder
from PIL import Image

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import merge_ab
from colorzoo.imaging.write import to_pil
from webapp.theme import problem

MAX_PIXELS, MAX_FILE_SIZE = 50_000_000, "40mb"

Upload = dict[str, Any] | None  # what gr.Image sends: {"path": ..., ...}
Kind = Literal["gray", "toned", "colour"]

# On 500 colour photos and their gray and toned copies (noise, JPEG of quality 75), these limits
# take 3.6 % of the colour photos for toned and at most 0.6 % of the toned ones for colour.
_SIDE = 128  # px; enough to judge what kind of photo it is
_GRAY_CHROMA = 6.0  # L*a*b* units; what the JPEG of a gray scan stays below
_TONE, _TONE_ACROSS = 4.0, 2.0  # L*a*b* units; how far colours stray from the tone, and its hue


def read(upload: Upload) -> Photo:
    """Read the file that gr.Image got; its own decoding loses 16-bit gray and alpha.

    Raises:
        gr.Error: If there is none or it is no picture; the message is for visitors.
    """
    path = Path((upload or {}).get("path") or "/").resolve()
    # Gradio itself lets a client name any file of this machine when "meta" is left out.
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise problem("There is no photo: choose one first.")
    try:
        return colorzoo.read_photo(path, max_pixels=MAX_PIXELS)
    except colorzoo.ImageError as error:
        # What follows in the message about the size is advice for programmers.
        raise problem(str(error).partition(" or, if you trust it")[0]) from error


def reduce(photo: Photo, side: int) -> Photo:
    """Make a copy whose longer side is at most ``side`` pixels."""
    picture = Image.fromarray(photo.rgb)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    if picture.size == photo.rgb.shape[1::-1]:
        return photo
    alpha = photo.alpha
    if alpha is not None:
        alpha = np.asarray(Image.fromarray(alpha).resize(picture.size))
    return replace(photo, rgb=np.asarray(picture), alpha=alpha)


def kind_of(photo: Photo) -> Kind:
    """Tell a gray photo from a toned one (sepia, cyanotype) and from one in colour.

    A gray photo has next to no chroma. In a toned one chroma follows lightness: pixels of one
    lightness have one colour, give or take grain and compression.
    """
    picture = Image.fromarray(photo.rgb)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = rgb_to_lab(torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None] / 255)
    lightness, ab = lab[0, 0].flatten().numpy(), lab[0, 1:].flatten(1).numpy()
    if np.quantile(np.hypot(*ab), 0.99) < _GRAY_CHROMA:
        return "gray"
    bins = (lightness / 4).astype(int)
    count = np.maximum(np.bincount(bins), 1)
    stray = ab - np.stack([(np.bincount(bins, channel) / count)[bins] for channel in ab])
    a, b = ab.mean(axis=1) / (np.hypot(*ab.mean(axis=1)) + 1e-9)
    across = a * stray[1] - b * stray[0]
    is_toned = _rms(np.hypot(*stray)) < _TONE and _rms(across) < _TONE_ACROSS
    return "toned" if is_toned else "colour"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def original(photo: Photo, kind: Kind) -> Image.Image:
    """Give what there is without colorzoo: the photo, black and white if it was in colour."""
    if kind != "colour":
        return to_pil(photo.rgb, photo)
    nothing = torch.zeros(1, 3, 4, 4)
    return to_pil(merge_ab(photo.rgb, nothing[:, :1], nothing[:, 1:]), photo)
