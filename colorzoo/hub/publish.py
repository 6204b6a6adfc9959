"""Push weights on this machine, bundled or saved, to the Hub without changing them."""

import shutil
from pathlib import Path

from colorzoo.errors import ConfigError, WeightsError
from colorzoo.hub.checkpoint import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE
from colorzoo.hub.push import CARD_FILE, Pushed, PushOptions, push_files
from colorzoo.loading import load, local_folder
from colorzoo.registry import find_model


def push(
    name: str | Path,
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    card: str | Path | None = None,
) -> Pushed:
    """Push a registered model's bundled weights, or a folder that save_pretrained() wrote.

    Only config.json, model.safetensors, metrics.json if there is one, and the card are pushed, no
    other files of the folder. Half-precision weights stay in half precision, unlike with
    ``load(name).push_to_hub()``. Weights that cannot be loaded are not pushed.

    Args:
        name: A registered name or a folder.
        repo_id: "user/repo", or "repo" for the logged-in user.
        options: How to push.
        card: Markdown file to push as the card; the folder's README.md if None, or else a short
            default card.

    Returns:
        The commit, whose hash can be pinned in the registry, and whether a card on the Hub was
        kept.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If config.json or the arguments are invalid, or the registered model uses the
            weights of another.
        WeightsError: If there are no weights, or they do not fit.
        HubError: If pushing fails, or the Hub has a card that differs from ``card``.
    """
    folder = local_folder(name)
    if folder is None:
        raise WeightsError(
            f"There are no weights for {name} on this machine. Give a folder that "
            "save_pretrained() wrote, or a model whose weights are bundled."
        )
    info = None if "/" in str(name) else find_model(str(name))
    if info is not None and info.weights_of is not None:
        raise ConfigError(
            f"{info.name} uses the weights of {info.weights_of}. Push that model, or save this one "
            f"to a folder first: colorzoo.load({info.name!r}).save_pretrained('./my-model')."
        )
    model = load(folder)
    own_card = folder / CARD_FILE
    # The card that save_pretrained() wrote does not name the repository: replace it if unedited.
    generated = str(model.generate_model_card())
    edited = own_card.is_file() and own_card.read_text(encoding="utf-8") != generated

    def write(place: Path, full_id: str) -> None:
        for file in (CONFIG_FILE, WEIGHTS_FILE, METRICS_FILE, *([CARD_FILE] if edited else [])):
            if (folder / file).is_file():
                shutil.copy(folder / file, place / file)
        if not edited:
            model.generate_model_card(repo_id=full_id).save(place / CARD_FILE)

    return push_files(
        repo_id,
        write,
        options,
        message=f"Push {model.architecture} using colorzoo",
        card=card,
    )
