"""Push weights on this machine, bundled or saved, to the Hub without changing them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from colorzoo.errors import ConfigError, WeightsError
from colorzoo.hub.checkpoint import METRICS_FILE
from colorzoo.hub.push import CARD_FILE, Pushed, PushOptions, push_files
from colorzoo.hub.saving import CONFIG_FILE, WEIGHTS_FILE, current
from colorzoo.loading import load, local_folder
from colorzoo.registry import find_model

_MAX_TEXT_BYTES = 5_000_000  # of a card or metrics.json


def push(
    name: str | Path,
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    card: str | Path | None = None,
) -> Pushed:
    """Push a registered model's bundled weights, or a folder that save_pretrained() wrote.

    Only config.json, model.safetensors, metrics.json if there is one, and the card are pushed, no
    other files of the folder. Links out of the folder are refused, except into the blobs of the
    Hub's cache, where every file is such a link. Half-precision weights stay in half precision,
    unlike with ``load(name).push_to_hub()``. Weights that cannot be loaded are not pushed.

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
        WeightsError: If there are no weights, they do not fit, or a file is a link out of the
            folder.
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
    found = (current(folder, CONFIG_FILE), folder / WEIGHTS_FILE)
    files = dict(zip((CONFIG_FILE, WEIGHTS_FILE), found, strict=True))
    files |= {file: folder / file for file in (METRICS_FILE, CARD_FILE)}
    for file in list(files):
        if not files[file].is_file():
            del files[file]
        elif file in (METRICS_FILE, CARD_FILE) and files[file].stat().st_size > _MAX_TEXT_BYTES:
            raise ConfigError(f"{files[file]} is too large to be pushed as {file}.")
    _check_links(folder, files.values())
    # The card that save_pretrained() wrote does not name the repository: replace it if unedited.
    generated = str(model.generate_model_card()).encode()
    if CARD_FILE in files and files[CARD_FILE].read_bytes().replace(b"\r\n", b"\n") == generated:
        del files[CARD_FILE]

    def write(place: Path, full_id: str) -> None:
        for file, path in files.items():
            shutil.copyfile(path, place / file)
        if CARD_FILE not in files:
            model.generate_model_card(repo_id=full_id).save(place / CARD_FILE)

    return push_files(
        repo_id,
        write,
        options,
        message=f"Push {model.architecture} using colorzoo",
        card=card,
    )


def _check_links(folder: Path, files: Iterable[Path]) -> None:
    """Reject links to other places: a stranger's folder must not publish the user's own files."""
    own = folder.resolve()
    allowed = [own]
    if own.parent.name == "snapshots":  # in the Hub's cache
        allowed.append(own.parent.parent / "blobs")
    for file in files:
        target = file.resolve()
        if not any(target.is_relative_to(place) for place in allowed):
            raise WeightsError(
                f"{file} is a link to {target}, outside the folder, so nothing was pushed. Replace "
                "the link with a copy of that file if it belongs to the model."
            )
