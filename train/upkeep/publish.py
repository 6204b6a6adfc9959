"""Publish a bundled model with its numbers, card and pictures, or the demo, in one commit."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from huggingface_hub import SpaceCard, constants, hf_hub_url

from colorzoo.errors import ConfigError
from colorzoo.hub.checkpoint import METRICS_FILE
from colorzoo.hub.push import CARD_FILE, Pushed, PushOptions, push_files
from colorzoo.hub.saving import CONFIG_FILE, WEIGHTS_FILE, current
from colorzoo.registry import list_models, model_info
from train.upkeep.cards import CARDS, CardError, render_card, write_card

DEMO = Path("demo")
_THUMBNAIL, _REQUIREMENTS = "zoo.jpg", "requirements.txt"


def publish(
    name: str,
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    cards: Path = CARDS,
) -> Pushed:
    """Push a bundled model to the Hub, with its card filled in from metrics.json.

    Args:
        name: Registered name.
        repo_id: "user/repo", or "repo" for the logged-in user.
        options: How to push.
        cards: Folder of the cards and their template.

    Returns:
        The commit, whose hash can be pinned in the registry, and whether a card on the Hub was
        kept.

    Raises:
        CardError: If the card cannot be filled in, or the weights are those of another model.
        HubError: If pushing fails.
    """
    info = model_info(name)
    if info.weights_of is not None:
        raise CardError(
            f"{info.name} uses the weights of {info.weights_of}: publish {info.weights_of} instead"
        )
    render_card(name, repo_id=repo_id, folder=cards)  # report errors before pushing
    weights = info.weights
    assert weights is not None  # checked by render_card()

    def write(place: Path, full_id: str) -> None:
        for file in (CONFIG_FILE, WEIGHTS_FILE, METRICS_FILE):
            shutil.copy(current(weights, file), place / file)
        write_card(name, repo_id=full_id, folder=place, cards=cards)

    return push_files(repo_id, write, options, message=f"Publish {name}")


def publish_space(
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    from_checkout: bool = False,
    demo: Path = DEMO,
) -> Pushed:
    """Push the demo's folder to a Space.

    The URL of the thumbnail, and the Hub repositories of the models, are added to the front matter.

    Args:
        repo_id: "user/space", or "space" for the logged-in user.
        options: How to push.
        from_checkout: Also push a wheel of this checkout, including weights, which the Space
            installs instead of the release in requirements.txt.
        demo: The demo's folder.

    Returns:
        The commit.

    Raises:
        ConfigError: If ``from_checkout`` is used with a private Space, whose build cannot download
            the wheel, or if the wheel cannot be built.
        HubError: If pushing fails.
    """
    if from_checkout and options.private:
        raise ConfigError(
            "A private Space cannot install a wheel from itself: its build has no token. Make it "
            "public, or leave out --from-checkout once colorzoo is released."
        )

    def write(place: Path, full_id: str) -> None:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(demo, place, dirs_exist_ok=True, ignore=ignored)
        card = SpaceCard.load(place / CARD_FILE)
        card.data["thumbnail"] = _address(full_id, _THUMBNAIL, options.branch)
        models = (model_info(name).repo_id for name in list_models(pretrained=True))
        if published := [each for each in models if each]:
            card.data["models"] = [*(card.data.get("models") or []), *published]
        card.save(place / CARD_FILE)
        if from_checkout:
            wheel = _build_wheel(place)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            # The digest makes the Space reinstall when the wheel has changed.
            address = _address(full_id, wheel.name, options.branch)
            source = f"colorzoo[demo] @ {address}#sha256={digest}"
            path = place / _REQUIREMENTS
            lines = path.read_text(encoding="utf-8").splitlines()
            lines = [source if line.startswith("colorzoo") else line for line in lines]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return push_files(
        repo_id,
        write,
        options,
        message="Publish the demo",
        repo_type="space",
        delete_patterns=["*.py", "*.whl"],  # from an older version of the demo
    )


def _address(repo_id: str, file: str, branch: str | None) -> str:
    return hf_hub_url(
        repo_id, file, repo_type="space", revision=branch, endpoint=constants.ENDPOINT
    )


def _build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    root = Path(__file__).parents[2]
    built = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if built.returncode:
        raise ConfigError(f"The wheel cannot be built: {built.stderr.strip()[-300:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel
