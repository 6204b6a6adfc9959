"""What the first screen shows and gives away: the best model's result for one photo or many.

Nothing is kept here between requests: each names the photo and how to colour it, and what the
network said about a photo is cached. A page that is loaded again can go on where it was.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import gradio as gr
import numpy as np
from PIL import Image

import colorzoo
from colorzoo.imaging.kind import Kind, kind_of
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import without_colour
from webapp import jobs, uploads, versions
from webapp import models as zoo
from webapp import session as sessions
from webapp.theme import problem, words_of

FIRST_SIDE, THUMB_SIDE = 1024, 240  # px, the longer side: of what comes first, of the small ones
SIDES = (1024, 1600, 2560, 4000)  # of the large view; the page asks for what the window shows
POST_WIDTH = 1200  # px
MAX_PHOTOS = 50  # in one ZIP
FORMATS = {"jpg": ".jpg", "png": ".png", "tif": ".tif"}

_KEY = re.compile(r"[a-z0-9-]{1,30}")


@dataclass(frozen=True)
class Asked:
    """What a page asks for: a photo, and how to colour it.

    Attributes:
        upload: The photo.
        settings: How to colour it.
        version: Name of the version, as part of a file's name.
        side: Longer side of the large view, pixels.
        mark: A number that the answer has too, so that the page can tell which one is the newest.
    """

    upload: dict[str, Any]
    settings: zoo.Settings
    version: str
    side: int
    mark: int = 0

    @property
    def path(self) -> str:
        """The photo's path, as the page knows it."""
        return str(self.upload["path"])


def asked(sent: Any) -> Asked:
    """Read what a page sent: {"path", "version", "side", "hints", "mark"}.

    The version is {"name", "vividness", "seed"}, hints are those of ``zoo.hints_of``. Everything
    but the path can be left out.

    Raises:
        gr.Error: If something is missing or out of range; the message is for visitors.
    """
    sent = sent if isinstance(sent, dict) else {}
    if not isinstance(sent.get("path"), str):
        raise problem("There is no photo: choose one first.")
    version = sent.get("version") if isinstance(sent.get("version"), dict) else {}
    name = re.sub("[^a-z0-9]+", "-", str(version.get("name", versions.NATURAL)).lower())
    side, mark = sent.get("side", SIDES[1]), sent.get("mark", 0)
    try:
        settings = zoo.Settings(
            vividness=version.get("vividness", zoo.VIVIDNESS),
            seed=version.get("seed", zoo.NOT_SAMPLED),
            hints=zoo.hints_of(sent.get("hints")),
        )
    except (colorzoo.ColorzooError, TypeError, ValueError) as error:
        raise problem(str(error)) from error
    return Asked(
        {"path": sent["path"]},
        settings,
        name if _KEY.fullmatch(name) else "coloured",
        side if side in SIDES else SIDES[1],
        mark if type(mark) is int and 0 <= mark < 2**53 else 0,
    )


@contextmanager
def _in_words() -> Iterator[None]:
    """Tell visitors what they asked wrong, such as a hint outside the photo."""
    try:
        yield
    except colorzoo.ColorzooError as error:
        raise problem(str(error)) from error


class _Scene:
    """A photo that was read, and what the network says about it."""

    def __init__(self, ask: Asked, *, deep: bool = False) -> None:
        self.model = zoo.model_names()[0]
        self.photo = uploads.read(ask.upload, deep=deep)
        answer = next(zoo.predict([self.model], ask.path, self.photo, ask.settings))
        if answer.prediction is None:
            raise problem(f"The photo could not be coloured: {answer.error}")
        self.prediction = answer.prediction

    @cached_property
    def small(self) -> Photo:
        """What comes first."""
        return uploads.reduce(self.photo, FIRST_SIDE)

    @cached_property
    def kind(self) -> Kind:
        return kind_of(self.small.rgb)

    def render(self, photo: Photo, settings: zoo.Settings) -> Image.Image:
        with _in_words():
            return zoo.render(self.model, photo, self.prediction, settings)

    def sized(self, side: int) -> Photo:
        height, width = self.photo.rgb.shape[:2]
        shrink = min(1.0, (sessions.MAX_SHOWN / (width * height)) ** 0.5)
        return uploads.reduce(self.photo, min(side, int(max(width, height) * shrink)))

    def pair(self, photo: Photo, ask: Asked) -> dict[str, Any]:
        """Write the photo without colour and in colour: their paths and their longer side."""
        before = uploads.original(photo, self.kind)
        after = self.render(photo, ask.settings)
        return {
            "before": sessions.save(before, self.photo, sessions.BEFORE, ".jpg"),
            "view": sessions.save(after, self.photo, ask.version, ".jpg"),
            "side": max(after.size),
            "mark": ask.mark,
        }

    def thumb(self, photo: Photo, version: versions.Version, ask: Asked) -> str:
        """Write a small picture of a version."""
        settings = replace(version.settings, hints=ask.settings.hints)
        image = self.render(photo, settings)
        return sessions.save(image, self.photo, f"{version.name}-small", ".jpg")


# On the page --------------------------------------------------------------------------------------


def show(ask: Asked) -> Iterator[dict[str, Any]]:
    """Colour a photo: first the result, then the other versions, then the result in full detail.

    Yields:
        What the page knows by then: {"photo", "name", "width", "height", "notes", "before",
        "view", "side", "mark", "versions": [{"name", "vividness", "seed", "thumb"}]}, with paths
        of files.
    """
    scene = _Scene(ask)
    height, width = scene.photo.rgb.shape[:2]
    told: dict[str, Any] = {
        "photo": ask.path, "name": scene.photo.name, "width": width, "height": height,
        "notes": _notes(scene), "version": ask.version, **scene.pair(scene.small, ask),
    }  # fmt: skip
    yield dict(told)
    jobs.check()
    thumb = uploads.reduce(scene.small, THUMB_SIDE)
    # Others start from the natural one, whichever is shown, and stay the same whatever the hints.
    natural = replace(ask.settings, vividness=zoo.VIVIDNESS, seed=zoo.NOT_SAMPLED, hints=())
    told["versions"] = [
        {
            "name": each.name, "vividness": each.settings.vividness, "seed": each.settings.seed,
            "thumb": scene.thumb(thumb, each, ask),
        }
        for each in versions.choose(scene.model, scene.prediction, natural)
    ]  # fmt: skip
    yield dict(told)
    jobs.check()
    large = scene.sized(ask.side)
    if large.rgb.shape != scene.small.rgb.shape:
        yield told | scene.pair(large, ask)


def pick(ask: Asked) -> dict[str, Any]:
    """Make the large view of another version."""
    scene = _Scene(ask)
    return {
        "photo": ask.path, "version": ask.version, **scene.pair(scene.sized(ask.side), ask)
    }  # fmt: skip


def suggest(sent: Any) -> dict[str, Any]:
    """Suggest colours for a point.

    Args:
        sent: {"path", "x", "y"}, in pixels of the upright photo.

    Returns:
        {"photo", "point": [x, y], "colours": ["#rrggbb"]}, the most likely first.

    Raises:
        gr.Error: If there is no such photo or point; the message is for visitors.
    """
    ask = asked(sent)
    x, y = sent.get("x"), sent.get("y")
    scene = _Scene(ask)
    with _in_words():
        colours = colorzoo.suggest_colors(zoo.get_model(scene.model), scene.prediction, x, y)
    return {"photo": ask.path, "point": [x, y], "colours": colours}


def _notes(scene: _Scene) -> list[str]:
    told = {
        "gray": [],
        "toned": ["The photo is toned (for example sepia): only its brightness is used."],
        "colour": ["The photo is in colour already: only its brightness is used."],
    }[scene.kind]
    return [*told, *scene.photo.notes]


# To take home -------------------------------------------------------------------------------------


def save(ask: Asked, suffix: str) -> str:
    """Write a result at the photo's own size, with its metadata; a TIFF has 16 bits a channel."""
    if suffix not in FORMATS.values():
        raise problem(f"Choose one of {', '.join(FORMATS)} as the format, not {suffix!r:.20}.")
    is_deep = suffix == ".tif"
    scene = _Scene(ask, deep=is_deep)
    if not is_deep:
        image = scene.render(scene.photo, ask.settings)
        return sessions.save(image, scene.photo, ask.version, suffix)
    photo, model = _deep(scene.photo), zoo.get_model(scene.model)
    with _in_words():
        pixels = colorzoo.render_deep(
            model, photo, scene.prediction, **model.taken(**ask.settings.options)
        )
    name = sessions.file_name(photo, ask.version, suffix)
    return sessions.SHELF.add(
        name, lambda path: colorzoo.save_deep(pixels, path, like=photo, model=scene.model)
    )


def _deep(photo: Photo) -> Photo:
    """Give a photo with 8 bits a channel 16 of the same values."""
    if photo.gray16 is None:
        gray = without_colour(photo.rgb)[..., 0].astype(np.uint16) * 257
        photo = replace(photo, gray16=gray)
    return photo


def post(ask: Asked, *, is_split: bool) -> str:
    """Write a picture of before and after to post: POST_WIDTH wide, without metadata.

    Args:
        ask: The photo and how to colour it.
        is_split: Whether it is one picture with a line in the middle, not two side by side.
    """
    scene = _Scene(ask)
    height, width = scene.photo.rgb.shape[:2]
    wide = POST_WIDTH if is_split else POST_WIDTH // 2
    tall = max(1, round(height * wide / width))
    large = uploads.reduce(scene.photo, max(wide, tall))
    before, after = (
        _on_white(each).resize((wide, tall), Image.Resampling.LANCZOS)
        for each in (
            uploads.original(large, scene.kind),
            scene.render(large, ask.settings),
        )
    )
    picture = Image.new("RGB", (POST_WIDTH, tall), "white")
    middle, half = POST_WIDTH // 2, 2
    if is_split:
        picture.paste(after, (0, 0))
        picture.paste(before.crop((0, 0, middle, tall)), (0, 0))
    else:
        picture.paste(before, (0, 0))
        picture.paste(after, (middle, 0))
    picture.paste("white", (middle - half, 0, middle + half, tall))
    name = sessions.file_name(scene.photo, "before-and-after", ".jpg")
    return sessions.SHELF.add(name, lambda path: colorzoo.save_image(picture, path, quality=92))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


@dataclass(frozen=True)
class Packed:
    """How far a ZIP is.

    Attributes:
        done: Number of photos that are in it, or could not be read.
        total: Number of photos.
        seconds_left: An estimate; None before the first photo is done.
        failed: Why photos are missing.
        path: The file, once it is complete.
    """

    done: int
    total: int
    seconds_left: float | None = None
    failed: tuple[str, ...] = ()
    path: str | None = None


def archive(
    asks: Sequence[Asked], suffix: str, is_cancelled: Callable[[], bool]
) -> Iterator[Packed]:
    """Write a ZIP with the results of several photos; a photo that cannot be read is left out.

    Args:
        asks: The photos and how to colour each.
        suffix: Of the results.
        is_cancelled: Whether to stop, without a file.
    """
    if not 1 <= len(asks) <= MAX_PHOTOS:
        raise problem(f"A ZIP can have from 1 to {MAX_PHOTOS} photos, not {len(asks)}.")
    start, failed, names = time.monotonic(), list[str](), set[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "colorzoo.zip"
        yield Packed(0, len(asks))
        with ZipFile(whole, "w", ZIP_STORED) as file:  # photos are already compressed
            for done, ask in enumerate(asks, 1):
                if is_cancelled():
                    return
                jobs.check()
                try:
                    path = Path(save(ask, suffix))
                except gr.Error as error:
                    failed.append(words_of(error))
                else:
                    file.write(path, _unique(path.name, names))
                    sessions.SHELF.remove(path)
                    sessions.SHELF.check_size(whole.stat().st_size)
                left = (time.monotonic() - start) / done * (len(asks) - done)
                yield Packed(done, len(asks), left, tuple(failed))
        if is_cancelled():
            return
        if not names:
            raise problem("None of the photos could be coloured: " + " ".join(failed))
        path = sessions.SHELF.add("colorzoo.zip", lambda path: shutil.move(whole, path))
    yield Packed(len(asks), len(asks), 0.0, tuple(failed), path)


def _unique(name: str, names: set[str]) -> str:
    """Return a name that is not there yet, and add it."""
    stem, suffix, number = Path(name).stem, Path(name).suffix, 1
    while name.lower() in names:
        number += 1
        name = f"{stem}-{number}{suffix}"
    names.add(name.lower())
    return name
