"""Read uploaded photos, and make reduced and gray copies of them."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

import colorzoo
from colorzoo.imaging.kind import Kind
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import without_colour
from colorzoo.imaging.write import to_pil
from webapp.place import DISK_FULL, is_disk_full
from webapp.theme import problem

MAX_PIXELS, MAX_BYTES = 50_000_000, 40 * 1024**2  # of one photo

Upload = dict[str, Any] | None  # the value of gr.Image: {"path": ..., ...}


def read(upload: Upload, *, deep: bool = False) -> Photo:
    """Read an uploaded file; ``deep`` is that of ``colorzoo.read_photo``.

    Raises:
        gr.Error: If there is no file or it cannot be read; the message is for visitors.
    """
    path = checked_path(upload)
    if not path.exists():
        raise problem("The photo is no longer here, because photos are deleted: choose it again.")
    try:
        return colorzoo.read_photo(path, max_pixels=MAX_PIXELS, deep=deep)
    except colorzoo.ImageError as error:
        # Cut the advice for programmers from the message about the size.
        raise problem(str(error).partition(" or, if you trust it")[0]) from error


def checked_path(upload: Upload) -> Path:
    """Return the path of an upload, if it is inside Gradio's upload folder.

    Raises:
        gr.Error: If it is not; the message is for visitors.
    """
    if upload is not None and not (
        isinstance(upload, dict) and isinstance(upload.get("path"), str | None)
    ):
        raise problem(
            f"A photo has to be uploaded, got {upload!r:.100}: in Python, send "
            'gradio_client.handle_file("photo.jpg").'
        )
    path = Path((upload or {}).get("path") or "/").resolve()
    # Gradio accepts the path of any file on this machine if a client leaves out "meta".
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise problem("There is no photo: choose one first.")
    return path


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


def original(photo: Photo, kind: Kind) -> Image.Image:
    """Return the photo before colouring: in black and white if it was in colour."""
    if kind != "colour":
        return to_pil(photo.rgb, photo)
    return to_pil(without_colour(photo.rgb), photo)


# Of the server ----------------------------------------------------------------------------------


def _tell_full_disk(_: Request, error: Exception) -> Response:
    if not is_disk_full(error):
        raise error
    logging.getLogger("colorzoo.demo").error("The disk is full: %s", error)
    return PlainTextResponse(DISK_FULL, status_code=507)


def _ignore(_: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


# For uploads and whatever else Gradio writes; an aborted upload is no failure.
HANDLERS = {OSError: _tell_full_disk, ClientDisconnect: _ignore}
