"""Read uploaded photos, make reduced and gray copies of them, and limit what is kept of them."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
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
from webapp.eviction import heaviest_first
from webapp.place import DISK_FULL, is_disk_full
from webapp.theme import problem

MAX_PIXELS, MAX_BYTES = 50_000_000, 40 * 1024**2  # of one photo
KEPT_BYTES = 1_000_000_000  # of uploads, for all visitors together
FRESH_SECONDS = 60  # what was uploaded or named by a job only just now is kept if possible

Upload = dict[str, Any] | None  # the value of gr.Image: {"path": ..., ...}


def read(upload: Upload) -> Photo:
    """Read the uploaded file of gr.Image, whose own decoding loses 16-bit gray and alpha.

    Raises:
        gr.Error: If there is no file or it cannot be read; the message is for visitors.
    """
    path = checked_path(upload)
    if not path.exists():
        raise problem("The photo is no longer here, because photos are deleted: choose it again.")
    try:
        return colorzoo.read_photo(path, max_pixels=MAX_PIXELS)
    except colorzoo.ImageError as error:
        # Cut the advice for programmers from the message about the size.
        raise problem(str(error).partition(" or, if you trust it")[0]) from error


def checked_path(upload: Upload) -> Path:
    """Return the path of an upload, if it is inside Gradio's upload folder.

    Raises:
        gr.Error: If it is not; the message is for visitors.
    """
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


# What is kept -------------------------------------------------------------------------------------

_claims: dict[str, tuple[str, float]] = {}  # by path: who has named it in a job, and when
_claiming = threading.Lock()


def claim(values: Any, owner: str) -> None:
    """Note whose uploads a job's values name, so that they are not the first to go.

    Args:
        values: The values, in which uploads are dictionaries with "path".
        owner: To whom the job is attributed.
    """
    for value in values or []:
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            with _claiming:
                _claims[value["path"]] = owner, time.time()


def tidy(keep: Collection[str] = (), *, max_bytes: int = KEPT_BYTES) -> None:
    """If there are too many bytes of uploads, delete those of the visitor with the most first.

    What no job has named belongs to nobody and counts as one visitor's, so that uploads for the
    sake of uploading go first. What a job has named only just now is likely to be named again, so
    it goes last.

    Args:
        keep: Files to keep; they do not count.
        max_bytes: Total size of the uploads.
    """
    now, sizes, used = time.time(), {}, {}
    for path in Path(get_upload_folder()).rglob("*"):
        with suppress(OSError):
            told = path.lstat()
            if path.is_file() and str(path) not in keep:
                sizes[str(path)], used[str(path)] = told.st_size, told.st_mtime
    with _claiming:
        for path in [path for path in _claims if path not in sizes]:
            del _claims[path]
        owners = {path: _claims[path][0] if path in _claims else None for path in sizes}
        used |= {path: last for path, (_, last) in _claims.items()}
    shares: Counter[str | None] = Counter()
    loose: dict[str | None, list[str]] = {}  # by owner, the oldest last
    fresh: dict[str | None, list[str]] = {}
    for path in sorted(sizes, key=lambda path: -used[path]):
        owner = owners[path]
        shares[owner] += sizes[path]
        if now - used[path] > FRESH_SECONDS:
            loose.setdefault(owner, []).append(path)
        elif owner is not None:
            fresh.setdefault(owner, []).append(path)
    excess = sum(sizes.values()) - max_bytes
    for goes in (loose, fresh):
        for path in heaviest_first(goes, shares, sizes, excess):
            excess -= sizes[path]
            Path(path).unlink(missing_ok=True)


def _tell_full_disk(_: Request, error: Exception) -> Response:
    if not is_disk_full(error):
        raise error
    logging.getLogger("colorzoo.demo").error("The disk is full: %s", error)
    return PlainTextResponse(DISK_FULL, status_code=507)


def _ignore(_: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


# Of the server, for uploads and whatever else Gradio writes; an aborted upload is no failure.
HANDLERS = {OSError: _tell_full_disk, ClientDisconnect: _ignore}
