"""Publish a bundled model with its numbers, card and pictures, or the demo, in one commit each."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from huggingface_hub import SpaceCard, constants, hf_hub_url

from colorzoo.errors import ConfigError
from colorzoo.hub.checkpoint import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE
from colorzoo.hub.push import CARD_FILE, Pushed, PushOptions, push_files
from colorzoo.registry import list_models, model_info
from train.upkeep.cards import CARDS, render_card, write_card

DEMO = Path("demo")
_THUMBNAIL, _REQUIREMENTS = "zoo.jpg", "requirements.txt"


def publish(
    name: str,
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    cards: Path = CARDS,
) -> Pushed:
    """Push a bundled model to the Hub with the card that its metrics.json fills in.

    Args:
        name: Registered name.
        repo_id: "user/repo", or "repo" for the user who is logged in.
        options: How to push.
        cards: Holds the cards and their template.

    Returns:
        The commit, whose hash a registration pins, and whether a card on the Hub was kept.

    Raises:
        CardError: If the card cannot be filled in.
        HubError: If the Hub refuses.
    """
    render_card(name, repo_id=repo_id, folder=cards)  # what is wrong with it is said before a push
    weights = model_info(name).weights
    assert weights is not None  # or there would be no card

    def write(place: Path, full_id: str) -> None:
        for file in (CONFIG_FILE, WEIGHTS_FILE, METRICS_FILE):
            shutil.copy(weights / file, place / file)
        write_card(name, repo_id=full_id, folder=place, cards=cards)

    return push_files(repo_id, write, options, message=f"Publish {name}")


def publish_space(
    repo_id: str,
    options: PushOptions = PushOptions(),  # noqa: B008  (frozen)
    *,
    from_checkout: bool = False,
    demo: Path = DEMO,
) -> Pushed:
    """Push the demo to a Space: the folder as it is, with what only the Space's name can tell.

    The front matter gets the thumbnail's address, and the Hub's models that the app may load.

    Args:
        repo_id: "user/space", or "space" for the user who is logged in.
        options: How to push.
        from_checkout: Send this checkout's colorzoo along as a wheel, weights included, instead of
            having the Space install the release that requirements.txt names.
        demo: The demo's folder.

    Returns:
        The commit.

    Raises:
        ConfigError: If a private Space shall install a wheel of its own, which its build cannot
            fetch, or if the wheel cannot be built.
        HubError: If the Hub refuses.
    """
    if from_checkout and options.private:
        raise ConfigError(
            "A private Space cannot install a wheel from itself: its build has no token. Push it "
            "public, or without the checkout's wheel once colorzoo is released."
        )

    def write(place: Path, full_id: str) -> None:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(demo, place, dirs_exist_ok=True, ignore=ignored)
        card = SpaceCard.load(place / CARD_FILE)
        card.data["thumbnail"] = _address(full_id, _THUMBNAIL, options.branch)
        models = (model_info(name).repo_id for name in list_models(pretrained=True))
        if published := [each for each in models if each]:
            card.data["models"] = published
        card.save(place / CARD_FILE)
        if from_checkout:
            wheel = _build_wheel(place)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            # The digest makes the Space install again when the wheel is another one.
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
        delete_patterns=["*.py", "*.whl"],  # of an older demo
    )


def _address(repo_id: str, file: str, branch: str | None) -> str:
    return hf_hub_url(
        repo_id, file, repo_type="space", revision=branch, endpoint=constants.ENDPOINT
    )


def _build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    root = Path(__file__).parent.parent
    built = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if built.returncode:
        raise ConfigError(f"The wheel cannot be built: {built.stderr.strip()[-300:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel
