"""One visitor's session: a photo, wishes, results. Nothing here knows the page's layout."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from PIL import Image

import colorzoo
from colorzoo.evaluation import metrics
from colorzoo.imaging.kind import Kind, kind_of
from colorzoo.imaging.read import Photo
from colorzoo.imaging.write import to_pil
from webapp import models as zoo
from webapp import uploads
from webapp.downloads import Shelf
from webapp.theme import problem

BEFORE, TRUTH = "before", "real colours"
TILE_SIDE = 640  # px; what the tiles show, and what is measured
MAX_SHOWN = 16_000_000  # pixels; the page reduces a larger photo to that, downloads never
KEPT_SECONDS, KEPT_BYTES = 3600, 2_000_000_000

SHELF = Shelf(max_bytes=KEPT_BYTES, max_age=KEPT_SECONDS)


class Wish(NamedTuple):
    """What a visitor wants to see: the photo's path, the models, how to colour, what to draw."""

    photo: str | None
    models: tuple[str, ...]
    settings: zoo.Settings
    seeds: tuple[int, ...] = zoo.seeds(0)


class Numbers(NamedTuple):
    """How near a result is to the truth, by the protocol of the leaderboard."""

    psnr: float
    ssim: float
    delta_cf: float


@dataclass(frozen=True)
class Tile:
    """A picture of the overview.

    Attributes:
        path: The picture's file, at most TILE_SIDE px.
        caption: Name, time, colourfulness.
        cf: Colourfulness.
        numbers: What was measured where the truth is known.
        error: In words why it failed, or nothing.
        recipe: The model's key and the settings it was made with, if it can be used again.
    """

    path: str
    caption: str
    cf: float = 0.0
    numbers: Numbers | None = None
    error: str = ""
    recipe: tuple[str, zoo.Settings] | None = None


class Progress(NamedTuple):
    """How far a run is: models done, of how many, and in words."""

    done: int
    total: int
    lines: tuple[str, ...]


@dataclass
class Visit:
    """What one open page wants and what it has got; changed in place."""

    wish: Wish | None = None
    kind: Kind = "gray"
    tiles: dict[str, Tile] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)  # "user/repo" -> its key in the engine
    chosen: tuple[str, str] = (BEFORE, colorzoo.DEFAULT_MODEL)  # what slides against each other
    truth_shown: bool = True

    def key(self, name: str) -> str:
        """Give what the engine calls a model: registered ones have one name only."""
        return self.guests.get(name, name)

    def shown(self) -> dict[str, Tile]:
        """Give the tiles of the overview."""
        hidden = () if self.truth_shown else (TRUTH,)
        return {name: tile for name, tile in self.tiles.items() if name not in hidden}

    def pictures(self) -> list[str]:
        """Name the pictures that can be shown large."""
        return [name for name, tile in self.shown().items() if not tile.error]

    def pair(self) -> tuple[str, str] | None:
        """Name the two pictures to slide: what was chosen, or what there is in its place."""
        names = self.pictures()
        if BEFORE not in names:
            return None
        left, right = (name if name in names else BEFORE for name in self.chosen)
        if right == BEFORE and self.chosen[1] != BEFORE:
            right = next(filter(is_model, names), BEFORE)
        return left, right

    def begin(self, wish: Wish) -> None:
        """Note what is wanted now, which ends the run before; a new photo starts afresh."""
        if self.wish is None or wish.photo != self.wish.photo:
            self.tiles = {}
        self.views = {}
        self.wish = wish


def is_model(name: str) -> bool:
    """Tell a model from the pictures that are there without one."""
    return name not in (BEFORE, TRUTH)


# Results, one after another -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Scene:
    """The photo as the tiles show it, what a weak result fades to, and the truth if known."""

    small: Photo
    original: Image.Image
    truth: np.ndarray | None

    def numbers(self, rgb: np.ndarray) -> Numbers | None:
        if self.truth is None:
            return None
        predicted, truth = metrics.prepare(rgb), metrics.prepare(self.truth)
        return Numbers(
            metrics.psnr(predicted, truth),
            metrics.ssim(predicted, truth),
            abs(metrics.colorfulness(predicted) - metrics.colorfulness(truth)),
        )

    def tile(self, name: str, image: Image.Image, *, seconds: float | None = None) -> Tile:
        rgb = np.asarray(image.convert("RGB"))
        cf = metrics.colorfulness(rgb)
        took = "" if seconds is None else f" · {seconds:.2f} s"
        path = save(image, self.small, name, ".jpg")
        return Tile(path, f"{name}{took} · CF\N{NO-BREAK SPACE}{cf:.0f}", cf, self.numbers(rgb))

    def failed(self, name: str, error: str) -> Tile:
        blank = Image.new("RGB", self.original.size, (128, 128, 128))
        return Tile(save(blank, self.small, name, ".jpg"), f"{name} · failed", error=error)


def colour(visit: Visit, wish: Wish, upload: uploads.Upload) -> Iterator[Progress]:
    """Run the models that are wanted; when a step is given, its result is in ``visit.tiles``.

    It ends early when the visitor wants something else. Results of other settings stay until the
    new ones take their place, so that the page does not flicker. Those of the same settings stay.

    Raises:
        gr.Error: If the photo cannot be read.
    """
    start, total = time.perf_counter(), len(wish.models)
    photo = uploads.read(upload)
    small = uploads.reduce(photo, TILE_SIDE)
    visit.kind = kind_of(small.rgb)
    scene = _Scene(
        small,
        uploads.original(small, visit.kind),
        small.rgb if visit.kind == "colour" else None,
    )
    tiles = {BEFORE: scene.tile(BEFORE, scene.original)}
    if scene.truth is not None:
        tiles[TRUTH] = scene.tile(TRUTH, to_pil(small.rgb, small))
    wanted = [zoo.picture_name(name, seed) for name in wish.models for seed in wish.seeds]
    kept = {name: visit.tiles[name] for name in wanted if name in visit.tiles}
    visit.tiles = tiles | kept
    keys = [visit.key(name) for name in wish.models]
    answers = zoo.predict(keys, str(wish.photo), photo, wish.settings)
    for done, name in enumerate(wish.models):
        progress = Progress(done, total, (f"Colouring with {name}, {done + 1} of {total} …",))
        yield progress
        answer = next(answers)
        for seed in wish.seeds if zoo.takes(answer.name, "seed") else wish.seeds[:1]:
            settings = replace(wish.settings, seed=seed)
            if seed != zoo.NOT_SAMPLED:
                yield progress
                # The same prediction, unless the network itself depends on the seed.
                answer = next(zoo.predict([answer.name], str(wish.photo), photo, settings))
            if visit.wish != wish:
                return
            picture = zoo.picture_name(name, seed)
            tile = kept.pop(picture, None)
            if not (tile and tile.recipe == (answer.name, settings) and Path(tile.path).exists()):
                tile = _result(scene, picture, answer, settings)
            tiles[picture] = tile
            visit.tiles = tiles | kept
    visit.tiles = tiles
    failed = [f"{name} failed: {tile.error}" for name, tile in visit.tiles.items() if tile.error]
    took = time.perf_counter() - start
    done = sum(not visit.tiles[name].error for name in wish.models)
    summary = f"{done} of {total} models in {took:.1f} s."
    yield Progress(total, total, (summary, *failed, *_notes(photo, visit.kind)))


def _result(scene: _Scene, name: str, answer: zoo.Answer, settings: zoo.Settings) -> Tile:
    if answer.prediction is None:
        return scene.failed(name, answer.error)
    try:
        image = zoo.render(answer.name, scene.small, answer.prediction, settings, scene.original)
    except Exception as error:  # as with the network itself: the others go on
        return scene.failed(name, zoo.words(name, error))
    seconds = answer.seconds if settings.seed == zoo.NOT_SAMPLED else None
    tile = scene.tile(name, image, seconds=seconds)
    return replace(tile, recipe=(answer.name, settings))


def _notes(photo: Photo, kind: Kind) -> list[str]:
    told = {
        "gray": "The photo is black and white.",
        "toned": "The photo is toned (sepia or the like): only its lightness is used.",
        "colour": "The photo is in colour: the models saw only its lightness, and its own colours "
        "are the truth that results are measured against.",
    }[kind]
    height, width = photo.rgb.shape[:2]
    large = width * height > MAX_SHOWN
    note = f"The page shows it reduced to {MAX_SHOWN / 1e6:.0f} megapixels, downloads are whole."
    return [told, *photo.notes, *([note] if large else [])]


# Pictures at full size ----------------------------------------------------------------------------


def view(visit: Visit, names: tuple[str, str]) -> tuple[str, str]:
    """Make two pictures to slide against each other, at full size up to MAX_SHOWN pixels."""
    # Both are of this moment: a new wish brings a new dictionary.
    wish, views = _wish(visit), visit.views
    missing = [name for name in dict.fromkeys(names) if name not in views]
    if missing:
        photo = uploads.read({"path": wish.photo})
        height, width = photo.rgb.shape[:2]
        shrink = min(1.0, (MAX_SHOWN / (width * height)) ** 0.5)
        shown = uploads.reduce(photo, int(max(width, height) * shrink))
        for name in missing:
            views[name] = save(_picture(visit, wish, name, photo, shown), photo, name, ".jpg")
    return views[names[0]], views[names[1]]


def png(visit: Visit, name: str) -> str:
    """Write one picture as PNG: lossless, in the photo's size, with its EXIF."""
    wish = _wish(visit)
    photo = uploads.read({"path": wish.photo})
    return save(_picture(visit, wish, name, photo, photo), photo, name, ".png")


def archive(visit: Visit) -> str:
    """Write a ZIP with the PNGs of every model's results."""
    wish = _wish(visit)
    photo = uploads.read({"path": wish.photo})
    names = [name for name in visit.pictures() if is_model(name)]

    def write(path: Path) -> None:
        with ZipFile(path, "w", ZIP_STORED) as file:  # PNGs are compressed already
            for name in names:
                member = path.with_name(_file_name(photo, name, ".png"))
                colorzoo.save_image(_picture(visit, wish, name, photo, photo), member)
                file.write(member, member.name)
                member.unlink()

    return SHELF.add(_file_name(photo, "colorzoo", ".zip"), write)


def sheet(visit: Visit) -> str:
    """Write a labelled contact sheet of what the overview shows."""
    photo = uploads.read({"path": _wish(visit).photo})
    shown = [visit.tiles[name] for name in visit.pictures()]
    # The sheet's font would draw a no-break space as a box.
    tiles = [(tile.caption.replace("\xa0", " "), Image.open(tile.path)) for tile in shown]
    columns = 3 if len(tiles) > 4 else 2
    image = colorzoo.contact_sheet(tiles, columns=columns, tile=480, letters=20)
    name = _file_name(photo, "sheet", ".jpg")
    return SHELF.add(name, lambda path: colorzoo.save_image(image, path))


def _wish(visit: Visit) -> Wish:
    if visit.wish is None or visit.wish.photo is None or not visit.tiles:
        raise problem("There is no result yet: choose a photo first.")
    return visit.wish


def _picture(visit: Visit, wish: Wish, name: str, photo: Photo, shown: Photo) -> Image.Image:
    """Make a picture of the size of ``shown``, a copy of the photo or the photo itself."""
    if name == TRUTH:
        return to_pil(shown.rgb, shown)
    original = uploads.original(shown, visit.kind)
    if name == BEFORE:
        return original
    model, seed = zoo.origin(name)
    key, settings = visit.key(model), replace(wish.settings, seed=seed)
    answer = next(zoo.predict([key], str(wish.photo), photo, settings))
    if answer.prediction is None:
        raise problem(f"{name} failed: {answer.error}")
    return zoo.render(key, shown, answer.prediction, settings, original)


def save(image: Image.Image, photo: Photo, name: str, suffix: str) -> str:
    """Write a picture for the visitor and give its path; it is called after photo and model."""
    file = _file_name(photo, name, suffix)
    return SHELF.add(file, lambda path: colorzoo.save_image(image, path))


def _file_name(photo: Photo, name: str, suffix: str) -> str:
    stem = Path(photo.name).stem[:40]  # file systems take 255 bytes
    return f"{stem}-{name[:60]}{suffix}".replace("/", "-").replace(" ", "-")
