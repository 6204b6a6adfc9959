"""Export the weights of a checkpoint: ``python -m train export``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.hub.mixin import save_weights
from colorzoo.registry import create_model
from train.checkpoints import state_of
from train.mistakes import check_replaceable

_PREFIX = "model."  # of the network's tensors among those of the LightningModule


def export_checkpoint(
    place: Path,
    output: Path,
    *,
    model: str | None = None,
    keywords: Sequence[tuple[str, Any]] = (),
    overwrite: bool = False,
) -> tuple[Path, Colorizer]:
    """Write the weights in a checkpoint as a folder that ``colorzoo.load`` reads.

    They are the moving average of the weights, in half precision, as at the end of a run. The
    checkpoint is opened so that it cannot run code.

    Args:
        place: A checkpoint, or the folder of a run, of which the checkpoint that the run would have
            exported is taken.
        output: The folder to write.
        model: The registered model that was trained; from the run's config.json if None.
        keywords: Keywords of its constructor; from the run's config.json if there are none.
        overwrite: Replace weights that are there.

    Returns:
        The checkpoint, and the model.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ConfigError: If it is not known which model was trained, or there are weights already.
        ValueError: If the checkpoint is damaged, or of another model.
        WeightsError: If the weights cannot be written.
    """
    folder = place if place.is_dir() else place.parent
    recipe = _recipe_in(folder)
    checkpoint = _checkpoint_in(place, recipe.get("keep")) if place.is_dir() else place
    if not checkpoint.is_file():
        raise FileNotFoundError(f"there is no checkpoint {checkpoint}")
    check_replaceable(output, overwrite=overwrite)
    name = model or recipe.get("model")
    if name is None:
        raise ConfigError(
            f"{folder} has no config.json of a run, so it is not known which model this is: pass "
            "--model NAME, and --keyword for what was changed"
        )
    same = recipe.get("keywords", ()) if name == recipe.get("model") else ()
    given = dict(keywords or same)
    network = create_model(name, **given)
    state = {
        key.removeprefix(_PREFIX): value
        for key, value in state_of(checkpoint).items()
        if key.startswith(_PREFIX)
    }
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(
            f"{checkpoint} does not fit {name} with the keywords {given}: pass the model and the "
            "keywords of the run"
        ) from error
    save_weights(network, output, dtype=torch.float16)
    return checkpoint, network


def _recipe_in(folder: Path) -> dict[str, Any]:
    """Return what a run's config.json says of its recipe; empty if there is none."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _checkpoint_in(folder: Path, keep: str | None) -> Path:
    best, last = folder / "best.ckpt", folder / "last.ckpt"
    return best if keep != "last" and best.is_file() else last
