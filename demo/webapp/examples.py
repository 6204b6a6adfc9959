"""The examples of the first screen, and the picture that an empty page shows."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from gradio.utils import get_upload_folder
from PIL import Image

import colorzoo
from colorzoo.imaging.kind import kind_of
from webapp import models as zoo
from webapp import uploads

FOLDER = Path(__file__).parents[1] / "examples"  # where they come from: SOURCES.md there
TITLES = {
    "grace-hopper": "a naval officer, 1984",
    "astronaut": "an astronaut",
    "camera": "a man with a camera",
    "summer-palace": "a palace at a lake",
    "chelsea": "a cat",
    "coffee": "a cup of coffee",
    "rocket": "a rocket at night",
}
HERO, _CARD = "summer-palace", "card.jpg"
_THUMB_SIDE, _HERO_SIDE = 160, 800  # px


@dataclass(frozen=True)
class Examples:
    """Paths in the folder of uploads, where a page may name them like photos of its own.

    Attributes:
        shown: Those to choose from: {"path", "thumb", "title"}.
        hero: The picture of an empty page: {"before", "view"}.
        files: All of them.
    """

    shown: list[dict[str, str]]
    hero: dict[str, str]
    files: set[str]


def place() -> Examples:
    """Put the examples where uploads are; the model colours the one that an empty page shows."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    shown, files = [], set[str]()

    def write(image: Image.Image, name: str) -> str:
        path = folder / name
        image.convert("RGB").save(path, quality=88)
        files.add(str(path))
        return str(path)

    for name, title in TITLES.items():
        path = folder / f"{name}.jpg"
        shutil.copyfile(FOLDER / path.name, path)
        files.add(str(path))
        with Image.open(path) as image:
            image.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
            thumb = write(image, f"{name}-small.jpg")
        shown.append({"path": str(path), "thumb": thumb, "title": title})
    photo = uploads.reduce(colorzoo.read_photo(folder / f"{HERO}.jpg"), _HERO_SIDE)
    before = uploads.original(photo, kind_of(photo.rgb))
    model = zoo.model_names()[0]
    answer = next(zoo.predict([model], str(folder / f"{HERO}.jpg"), photo, zoo.Settings()))
    after = before
    if answer.prediction is not None:
        after = zoo.render(model, photo, answer.prediction, zoo.Settings())
    hero = {"before": write(before, "before.jpg"), "view": write(after, "after.jpg")}
    card = after.convert("RGB")
    card.paste(before.crop((0, 0, card.width // 2, card.height)), (0, 0))
    write(card, _CARD)
    return Examples(shown, hero, files)


def path_of(name: str) -> str:
    """Return the path of an example, one of TITLES."""
    return str(_folder() / f"{name}.jpg")


def card() -> str:
    """Return the path of a picture of before and after, for links to the page."""
    return str(_folder() / _CARD)


def _folder() -> Path:
    return Path(get_upload_folder()).resolve() / "examples"
