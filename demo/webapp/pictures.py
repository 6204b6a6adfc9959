"""What the first screen shows and gives away: the best model's result for one photo or many.

Nothing is kept here between requests: each names the photo and how to colour it, and what the
network said about a photo is cached. A page that is loaded again can go on where it was.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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
from webapp.theme import problem

FIRST_SIDE, THUMB_SIDE = 1024, 240  # px, the longer side: of what comes first, of the small ones
SIDES = (1024, 1600, 2560, 4000)  # of the large view; the page asks for what the window shows
POST_WIDTH, POST_HEIGHT = 1200, 2400  # px; the latter is the most
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
        model: The model; the best one if "".
    """

    upload: dict[str, Any]
    settings: zoo.Settings
    version: str
    side: int
    mark: int = 0
    model: str = ""

    @property
    def path(self) -> str:
        """The photo's path, as the page knows it."""
        return str(self.upload["path"])


def asked(sent: Any) -> Asked:
    """Read what a page sent: {"path", "version", "side", "hints", "mark"}.

    The version is {"name", "vividness", "seed", "model"}, hints are those of ``zoo.hints_of``.
    Everything but the path can be left out.

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
        # Its weights may have gone since the page got to know it.
        model if (model := version.get("model")) and model == versions.rich_model() else "",
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

    def __init__(self, ask: Asked, *, deep: bool = False, photo: Photo | None = None) -> None:
        self.model = ask.model or zoo.model_names()[0]
        self.photo = photo or uploads.read(ask.upload, deep=deep)
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

    def ab(self, settings: zoo.Settings) -> np.ndarray:
        model = zoo.get_model(self.model)
        return model.ab_of(self.prediction, **model.taken(**settings.options))[0].numpy()


# On the page --------------------------------------------------------------------------------------


def show(ask: Asked) -> Iterator[dict[str, Any]]:
    """Colour a photo: first the result, then the other versions, then the result in full detail.

    Yields:
        What the page knows by then: {"photo", "name", "width", "height", "notes", "before",
        "view", "side", "mark", "versions": [{"name", "vividness", "seed", "model", "thumb"}]},
        with paths of files.
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
    best = _Scene(replace(ask, model=""), photo=scene.photo) if ask.model else scene
    rich, most = versions.rich_model(), versions.MOST

    def offer(scene: _Scene, each: versions.Version, model: str = "") -> dict[str, Any]:
        return {
            "name": each.name, "vividness": each.settings.vividness, "seed": each.settings.seed,
            "model": model, "thumb": scene.thumb(thumb, each, ask),
        }  # fmt: skip

    found = versions.choose(best.model, best.prediction, natural, most=most - bool(rich))
    told["versions"] = [offer(best, each) for each in found]
    yield dict(told)
    jobs.check()
    large = scene.sized(ask.side)
    if large.rgb.shape != scene.small.rgb.shape:
        told |= scene.pair(large, ask)
        yield dict(told)
    if not rich or rich == best.model:
        return
    jobs.check()
    with suppress(gr.Error):  # then it is not offered; the reason is in the log
        other = _Scene(replace(ask, model=rich), photo=scene.photo)
        if ask.model == rich or versions.is_other(other.ab(natural), best.ab(natural)):
            version = versions.Version(versions.RICH, natural)
            yield told | {"versions": [*told["versions"], offer(other, version, rich)]}


def pick(ask: Asked) -> dict[str, Any]:
    """Make the large view of another version."""
    scene = _Scene(ask)
    return {
        "photo": ask.path, "version": ask.version, **scene.pair(scene.sized(ask.side), ask)
    }  # fmt: skip


def look(ask: Asked) -> dict[str, Any]:
    """Make a small picture of a photo as it is.

    Returns:
        {"photo", "gray"}: the photo's path, and that of the picture.

    Raises:
        gr.Error: If the photo cannot be read; the message is for visitors.
    """
    photo = uploads.read(ask.upload)
    small = uploads.reduce(photo, THUMB_SIDE)
    picture = uploads.original(small, kind_of(small.rgb))
    return {"photo": ask.path, "gray": sessions.save(picture, photo, "small", ".jpg")}


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
    """Write a picture of before and after to post, without metadata.

    It is POST_WIDTH wide, unless that would make it higher than POST_HEIGHT. Wide photos are put
    one above the other rather than side by side.

    Args:
        ask: The photo and how to colour it.
        is_split: Whether it is one picture with a line in the middle, not two side by side.
    """
    scene = _Scene(ask)
    height, width = scene.photo.rgb.shape[:2]
    is_stacked = not is_split and width > 2 * height
    wide = POST_WIDTH if is_split or is_stacked else POST_WIDTH // 2
    wide = max(2, min(wide, round(POST_HEIGHT * width / height)) // 2 * 2)
    tall = max(1, round(height * wide / width))
    large = uploads.reduce(scene.photo, max(wide, tall))
    before, after = (
        _on_white(each).resize((wide, tall), Image.Resampling.LANCZOS)
        for each in (
            uploads.original(large, scene.kind),
            scene.render(large, ask.settings),
        )
    )
    if is_stacked:
        picture = Image.new("RGB", (wide, 2 * tall + 4), "white")
        picture.paste(before, (0, 0))
        picture.paste(after, (0, tall + 4))
    else:
        middle = wide // 2 if is_split else wide
        picture = Image.new("RGB", (2 * middle, tall), "white")
        picture.paste(after, (0 if is_split else middle, 0))
        picture.paste(before.crop((0, 0, middle, tall)), (0, 0))
        picture.paste("white", (middle - 2, 0, middle + 2, tall))
    name = sessions.file_name(scene.photo, "before-and-after", ".jpg")
    return sessions.SHELF.add(name, lambda path: colorzoo.save_image(picture, path, quality=92))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
