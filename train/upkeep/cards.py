"""Model cards: hub_cards/NAME.md, filled in from metrics.json, the recipe and the registry.

A card is a Jinja template that extends _template.md, and starts with its own front matter: the
licence of the weights and the data they were trained on. Other files whose names start with "_" are
pieces that several cards include.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError
from PIL import Image
from skimage import data
from yaml import YAMLError

from colorzoo.atomic import write_whole
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ColorzooError
from colorzoo.evaluation import metrics
from colorzoo.evaluation.report import COLUMNS
from colorzoo.gallery import contact_sheet
from colorzoo.hub.checkpoint import BUNDLED_CARD_FILE, WEIGHTS_FILE
from colorzoo.imaging.write import save_image
from colorzoo.loading import load
from colorzoo.registry import ModelInfo, build_model, create_model, list_models, model_info
from train.recipes import find_recipe
from train.upkeep.ratings import counted
from train.upkeep.readme import PHOTOS, by_set, escaped, table_of

CARDS = Path("hub_cards")
SAMPLES, FAILURES = "samples.jpg", "failures.jpg"

# Free pictures from scikit-image that are unlike the training photos.
_UNUSUAL = ("retina", "immunohistochemistry", "hubble_deep_field")


class CardError(ColorzooError):
    """A model card could not be written."""


def card_names(folder: Path = CARDS) -> list[str]:
    """List the models that have a card, sorted."""
    return sorted(path.stem for path in folder.glob("*.md") if not path.stem.startswith("_"))


def render_card(name: str, *, repo_id: str | None = None, folder: Path = CARDS) -> ModelCard:
    """Fill in a model's card.

    Args:
        name: Registered name of a model with weights, bundled or published by others.
        repo_id: Repository in the loading example, "user/repo"; if None, the model's name.
        folder: Folder of the cards and their template.

    Returns:
        The card, including front matter.

    Raises:
        CardError: If there is no card, no weights or no metrics, or the card uses an unknown value.
    """
    info = model_info(name)
    report = info.metrics
    is_of_others = info.published is not None and info.weights is None
    if not is_of_others and (info.weights is None or report is None):
        raise CardError(
            f"{name} has no bundled weights with a metrics.json: train it with `python -m train "
            f"fit {info.weights_of or name}`, then measure it with `python -m train evaluate "
            f"{name}`"
        )
    if not (folder / f"{name}.md").is_file():
        raise CardError(f"there is no {folder / name}.md: write one that extends _template.md")
    pieces = [path.name for path in sorted(folder.glob("_*.md"))]
    sources = {file: _read(folder / file) for file in (*pieces, f"{name}.md")}
    environment = Environment(
        loader=DictLoader({file: text for file, (_, text) in sources.items()}),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    fields = {"name": name, "summary": info.summary, "usage": usage(repo_id or name)}
    fields |= _of_others(info) if is_of_others else _measured(info, report or {})
    given = {key: value for data, _ in sources.values() for key, value in data.items()}
    if untold := {"license", "datasets"} - given.keys():
        raise CardError(
            f"the front matter of {folder / name}.md lacks {' and '.join(sorted(untold))}: the "
            "training data decides who may use the weights"
        )
    try:
        text = environment.get_template(f"{name}.md").render(fields)
        about = _metadata(info, {} if is_of_others else report or {}, given)
        return ModelCard(f"---\n{about.to_yaml()}\n---\n{text}")
    except TemplateError as error:
        raise CardError(f"{folder / name}.md cannot be filled in: {error}") from error


def _measured(info: ModelInfo, report: dict[str, Any]) -> dict[str, Any]:
    """Return what a card says of a model that was trained and measured here."""
    assert info.weights is not None
    return {
        "samples": SAMPLES,
        "failures": FAILURES,
        "config": create_model(info.name).config,
        "work_size": report["work_size"],
        "megabytes": f"{(info.weights / WEIGHTS_FILE).stat().st_size / 1e6:.2g}",
        "parameters": f"{report['parameters']:,}",
        "milliseconds": f"{report['milliseconds']:.0f}",
        "hardware": report["hardware"],
        "photos": report["photos"],
        "data": report["data"],
        "commit": report["commit"],
        "results": "\n\n".join(_table(each) for each in by_set(report)),
        "by_eye": counted(info),
        "protocol": escaped(report["protocol"]),
        **_training(info.name),
    }


def _of_others(info: ModelInfo) -> dict[str, Any]:
    """Return what a card says of a model with weights that others published."""
    theirs = info.published
    assert theirs is not None
    with torch.device("meta"):
        model = build_model(info, {})
    return {
        "page": theirs.page,
        "licence": theirs.licence,
        "source": theirs.url or f"`{theirs.file}` of `{theirs.repo_id}` on the Hub",
        "sha256": theirs.sha256,
        "megabytes": f"{theirs.size / 1e6:.0f}",
        "parameters": f"{model.parameter_count:,}",
        "work_size": model.work_size,
        # With the digits that the authors gave.
        "numbers": [f"{COLUMNS[key].name}: {value}" for key, value in theirs.numbers.items()],
        "numbers_source": theirs.numbers_source,
    }


def usage(name: str) -> str:
    """Return the Python example of a card, which runs unchanged in a folder with a photo.jpg.

    Args:
        name: The argument of colorzoo.load().
    """
    return "\n".join(
        (
            "import colorzoo",
            f'model = colorzoo.load("{name}")',
            'image = model.colorize("photo.jpg")',
            'colorzoo.save_image(image, "coloured.jpg")',
        )
    )


def draw_pictures(model: Colorizer, folder: Path) -> None:
    """Draw a card's pictures: good and bad results on free photos.

    Args:
        model: The model.
        folder: Folder for samples.jpg and failures.jpg.
    """
    save_image(_draw(model, PHOTOS), folder / SAMPLES, quality=90)
    save_image(_draw(model, _UNUSUAL), folder / FAILURES, quality=90)


def _draw(model: Colorizer, names: tuple[str, ...]) -> Image.Image:
    tiles: list[tuple[str, Image.Image | np.ndarray]] = []
    for i, name in enumerate(names):
        truth = metrics.prepare(getattr(data, name)(), side=384)
        gray = metrics.gray(truth)
        row = {"black and white": gray, "coloured": np.asarray(model.colorize(gray)), "real": truth}
        last = i == len(names) - 1
        tiles += [(label if last else "", picture) for label, picture in row.items()]
    return contact_sheet(tiles, columns=3, tile=256)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Split a card into its front matter, if any, and the rest."""
    try:
        content = path.read_text(encoding="utf-8")
        if not content.startswith("---"):
            return {}, content
        card = ModelCard(content)
    except (OSError, ValueError, YAMLError) as error:
        raise CardError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return card.data.to_dict(), card.text


def _training(name: str) -> dict[str, str]:
    """Return command and recipe for the card; empty for a model that was trained elsewhere."""
    try:
        recipe = find_recipe(name)
    except LookupError:
        return {"command": "", "recipe": ""}
    # Leave out what is disabled (None, 0), but not seed 0.
    described = recipe.describe().items()
    rows = {key: value for key, value in described if key != "options" and (value or key == "seed")}
    return {
        "command": f"python -m train fit {recipe.model} --data FOLDER {recipe.options}".strip(),
        "recipe": "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in rows.items()),
    }


def _table(report: dict[str, Any]) -> str:
    """Render the scores on one set of photos; without a heading for the card's main set."""
    heading = (
        "" if "protocol" in report else f"On {report['photos']} photos of {report['data']}:\n\n"
    )
    return heading + table_of([report])


def _metadata(info: ModelInfo, report: dict[str, Any], given: dict[str, Any]) -> ModelCardData:
    results = [
        EvalResult(
            task_type="image-to-image",
            task_name="Image colorization",
            dataset_type="photos",
            dataset_name=f"{each['photos']} photos of {each['data']}",
            dataset_config=each["data"],  # results with the same one are merged
            metric_type=key,
            metric_name=column.name,
            metric_value=each["scores"][key],
        )
        for each in (by_set(report) if report else ())
        for key, column in COLUMNS.items()
        if key in each["scores"]
    ]
    return ModelCardData(model_name=info.name, eval_results=results or None, **given)


def renew_cards(cards: Path = CARDS) -> list[str]:
    """Write the cards of all bundled models to their folders, for the app and the package.

    They have no pictures, which are only drawn for the Hub.

    Args:
        cards: Folder of the cards and their template.

    Returns:
        The names of the models whose cards changed.

    Raises:
        CardError: If a card cannot be filled in.
    """
    changed = []
    for info in map(model_info, list_models(pretrained=True)):
        if info.weights is not None and info.folder is not None:
            path = info.folder / BUNDLED_CARD_FILE
            content = str(render_card(info.name, folder=cards))
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                write_whole(path, content.encode())
                changed.append(info.name)
    return changed


def write_card(name: str, *, repo_id: str, folder: Path, cards: Path = CARDS) -> Path:
    """Write a model's README.md with its pictures, to be pushed with its weights.

    Args:
        name: Registered name.
        repo_id: Repository to which they will be pushed.
        folder: The folder to write to.
        cards: Folder of the cards and their template.

    Returns:
        The path of README.md.

    Raises:
        CardError: If the card cannot be filled in.
    """
    card = render_card(name, repo_id=repo_id, folder=cards)
    folder.mkdir(parents=True, exist_ok=True)
    draw_pictures(load(name), folder)
    path = folder / "README.md"
    card.save(path)
    return path
