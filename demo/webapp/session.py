"""The state of one visit: photo, settings and results, independent of the page's layout."""

import time
from collections.abc import Iterator
from contextlib import suppress
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
from webapp import jobs, uploads
from webapp import models as zoo
from webapp.downloads import Shelf
from webapp.theme import problem

BEFORE, TRUTH = "before", "real colours"
TILE_SIDE = 640  # px; size of the tiles, and of the pictures that are measured
MAX_SHOWN = 16_000_000  # pixels; the page shows larger photos reduced, downloads are full size
KEPT_BYTES = 2_000_000_000  # of results, for all visitors together
KEPT_SECONDS = 3540  # with the time until it is noticed, nothing stays longer than an hour

SHELF = Shelf(max_bytes=KEPT_BYTES, max_age=KEPT_SECONDS)


class Wish(NamedTuple):
    """A visitor's request: path of the photo, models, settings, and seeds of the samples."""

    photo: str | None
    models: tuple[str, ...]
    settings: zoo.Settings
    seeds: tuple[int, ...] = zoo.seeds(0)


class Numbers(NamedTuple):
    """How close a result is to the original colours, measured as on the leaderboard."""

    psnr: float
    ssim: float
    delta_cf: float


@dataclass(frozen=True)
class Tile:
    """A picture in the overview.

    Attributes:
        path: The picture's file, at most TILE_SIDE px.
        caption: Name, time, colourfulness.
        cf: Colourfulness.
        numbers: The measurements, if the original colours are known.
        error: Why it failed, for visitors, or "".
        recipe: The model's key and the settings, to tell whether the picture can be reused.
    """

    path: str
    caption: str
    cf: float = 0.0
    numbers: Numbers | None = None
    error: str = ""
    recipe: tuple[str, zoo.Settings] | None = None


class Progress(NamedTuple):
    """Progress of a run: number of finished models, total, and status lines."""

    done: int
    total: int
    lines: tuple[str, ...]


@dataclass
class Visit:
    """The state of one open page; changed in place."""

    wish: Wish | None = None
    kind: Kind = "gray"
    due: list[Wish] = field(default_factory=list)  # requests whose run is still to come
    tiles: dict[str, Tile] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)  # added models: "user/repo" -> key
    chosen: tuple[str, str] = (BEFORE, colorzoo.DEFAULT_MODEL)  # left and right in the slider
    truth_shown: bool = True
    owner: str = "nobody"  # to whom the results are attributed
    cancelled: set[str] = field(default_factory=set)  # ids of ZIPs that were cancelled

    def key(self, name: str) -> str:
        """Return a model's key for ``zoo.get_model``: for registered models, the name."""
        return self.guests.get(name, name)

    def shown(self) -> dict[str, Tile]:
        """Return the tiles of the overview."""
        if self.wish is not None and not self.wish.models:
            return {}  # the photo alone is no result
        hidden = () if self.truth_shown else (TRUTH,)
        return {name: tile for name, tile in self.tiles.items() if name not in hidden}

    def pictures(self) -> list[str]:
        """List the pictures that can be shown in the slider."""
        return [name for name, tile in self.shown().items() if not tile.error]

    def pair(self) -> tuple[str, str] | None:
        """Return the two pictures for the slider: those chosen, or else available ones."""
        names = self.pictures()
        if BEFORE not in names:
            return None
        left, right = (name if name in names else BEFORE for name in self.chosen)
        if right == BEFORE and self.chosen[1] != BEFORE:
            right = next(filter(is_model, names), BEFORE)
        return left, right

    def result(self) -> str:
        """Return the picture to download: the right one, or the left one if only that is coloured.

        Raises:
            gr.Error: If there is none; the message is for visitors.
        """
        found = next((name for name in reversed(self.pair() or ()) if name != BEFORE), None)
        if found is None:
            raise problem("There is no result yet: choose a photo and a model first.")
        return found

    def begin(self, wish: Wish) -> None:
        """Store a new request, which ends the previous run; a new photo clears all results."""
        self.due.append(wish)
        self._change(wish)

    def take_up(self, wish: Wish) -> bool:
        """Tell whether a run has to do its request, and not leave it to a newer one.

        The requests of one page may overtake one another, so the one that was stored last may not
        be the newest. That is what the last run asks for.
        """
        with suppress(IndexError):
            self.due.pop()
        if wish != self.wish:
            if self.due:
                return False
            self._change(wish)
        return True

    def _change(self, wish: Wish) -> None:
        if self.wish is None or wish.photo != self.wish.photo:
            self.tiles = {}
        self.views = {}
        self.wish = wish


def is_model(name: str) -> bool:
    """Tell whether a picture is by a model, not the original."""
    return name not in (BEFORE, TRUTH)


# Results, one after another -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Scene:
    """The photo at tile size, the original for blending, and the real colours if known."""

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
    """Run the requested models; after each step, the results so far are in ``visit.tiles``.

    The run ends early if the visitor changes the request. Results with other settings stay until
    new ones replace them, so that the page does not flicker. Results with the same settings are
    reused.

    Raises:
        gr.Error: If the photo cannot be read.
    """
    start, total = time.perf_counter(), len(wish.models)
    visit.owner = jobs.owner() or visit.owner
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
                # A cached prediction, unless the network itself depends on the seed.
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
    except Exception as error:  # one broken model must not stop the others
        return scene.failed(name, zoo.words(name, error))
    seconds = answer.seconds if settings.seed == zoo.NOT_SAMPLED else None
    tile = scene.tile(name, image, seconds=seconds)
    return replace(tile, recipe=(answer.name, settings))


def _notes(photo: Photo, kind: Kind) -> list[str]:
    told = {
        "gray": "The photo is black and white.",
        "toned": "The photo is toned (for example sepia): only its brightness is used.",
        "colour": "The photo is in colour: the models see only its brightness, and the results are "
        "compared with its real colours.",
    }[kind]
    height, width = photo.rgb.shape[:2]
    large = width * height > MAX_SHOWN
    note = f"It is shown here at {MAX_SHOWN / 1e6:.0f} megapixels; downloads have the full size."
    return [told, *photo.notes, *([note] if large else [])]


# Pictures at full size ----------------------------------------------------------------------------


def view(visit: Visit, names: tuple[str, str]) -> tuple[str, str]:
    """Make two pictures for the slider, at full size up to MAX_SHOWN pixels."""
    # Both belong to the same request: a new one replaces the dictionary.
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
    """Write one picture as PNG: lossless, at the photo's size, with its EXIF."""
    wish = _wish(visit)
    photo = uploads.read({"path": wish.photo})
    return save(_picture(visit, wish, name, photo, photo), photo, name, ".png")


def archive(visit: Visit) -> str:
    """Write a ZIP with all results as PNGs."""
    wish = _wish(visit)
    photo = uploads.read({"path": wish.photo})
    names = [name for name in visit.pictures() if is_model(name)]
    if not names:
        raise problem("There is no result yet: choose a photo and a model first.")

    def write(path: Path) -> None:
        with ZipFile(path, "w", ZIP_STORED) as file:  # PNGs are already compressed
            for name in names:
                jobs.check()
                member = path.with_name(file_name(photo, name, ".png"))
                colorzoo.save_image(_picture(visit, wish, name, photo, photo), member)
                file.write(member, member.name)
                member.unlink()
                SHELF.check_size(path.stat().st_size)

    return SHELF.add(file_name(photo, "colorzoo", ".zip"), write)


def sheet(visit: Visit) -> str:
    """Write a labelled contact sheet of the pictures in the overview."""
    photo = uploads.read({"path": _wish(visit).photo})
    shown = [visit.tiles[name] for name in visit.pictures()]
    # The font of the sheet draws a no-break space as a box.
    tiles = [(tile.caption.replace("\xa0", " "), Image.open(tile.path)) for tile in shown]
    columns = 3 if len(tiles) > 4 else 2
    image = colorzoo.contact_sheet(tiles, columns=columns, tile=480, letters=20)
    name = file_name(photo, "sheet", ".jpg")
    return SHELF.add(name, lambda path: colorzoo.save_image(image, path))


def _wish(visit: Visit) -> Wish:
    if visit.wish is None or visit.wish.photo is None or not visit.tiles:
        raise problem("There is no result yet: choose a photo first.")
    return visit.wish


def _picture(visit: Visit, wish: Wish, name: str, photo: Photo, shown: Photo) -> Image.Image:
    """Make a picture at the size of ``shown``, which is the photo or a smaller copy of it."""
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
    """Write a picture for the visitor and return its path; the file name has photo and model."""
    file = file_name(photo, name, suffix)
    return SHELF.add(file, lambda path: colorzoo.save_image(image, path))


def file_name(photo: Photo, name: str, suffix: str) -> str:
    """Name a file after the photo and the picture."""
    stem = Path(photo.name).stem[:40]  # file systems allow 255 bytes
    return f"{stem}-{name[:60]}{suffix}".replace("/", "-").replace(" ", "-")
