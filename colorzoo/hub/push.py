"""Files and models pushed to the Hugging Face Hub, in one commit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    SpaceInfo,
)
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.utils import filter_repo_objects

from colorzoo._version import __version__
from colorzoo.errors import ConfigError, HubError
from colorzoo.hub.messages import hub_errors

CARD_FILE = "README.md"


Patterns = list[str] | str | None


@dataclass(frozen=True)
class PushOptions:
    """How files are pushed.

    Attributes:
        message: Summary of the commit; one that names the model if None.
        overwrite_card: Replace a card that is on the Hub already; else it stays as it is.
        branch: Branch to push to, created from the default one if missing; main if None.
        create_pr: Open a pull request instead.
        private: Whether a repository that is created is private; the owner's default if None.
        token: Hub token; the one that is logged in if None.
    """

    message: str | None = None
    overwrite_card: bool = False
    branch: str | None = None
    create_pr: bool = False
    private: bool | None = None
    token: str | bool | None = None


class Pushed(NamedTuple):
    """What came of a push.

    Attributes:
        repo_id: The repository, with its owner.
        commit: The commit; ``oid`` is what to pin, ``pr_url`` the pull request if there is one.
        kept_card: Whether a card that was on the Hub already was left as it is.
    """

    repo_id: str
    commit: CommitInfo
    kept_card: bool


def push_files(
    repo_id: str,
    write: Callable[[Path, str], None],
    options: PushOptions,
    *,
    message: str,
    repo_type: Literal["model", "space"] = "model",
    card: str | Path | None = None,
    allow_patterns: Patterns = None,
    ignore_patterns: Patterns = None,
    delete_patterns: Patterns = None,
) -> Pushed:
    """Push files in one commit; a repository that does not exist is created.

    A card (README.md) that is on the Hub already is a person's work, or may be: it stays unless
    the options say otherwise.

    Args:
        repo_id: "user/repo", or "repo" for the user who is logged in.
        write: Called with an empty folder and the repository's full id, to put the files there.
        options: How to push.
        message: Summary of the commit, where the options have none.
        repo_type: A model, or a Space with a Gradio app.
        card: Markdown file to push as the card, instead of the README.md that ``write`` gives.
        allow_patterns: Push only files that match one of these.
        ignore_patterns: Do not push files that match one of these.
        delete_patterns: Delete files on the Hub that match one of these and are not pushed.

    Returns:
        The commit, and whether a card was kept. If nothing differs, no commit is made and the
        latest one is given.

    Raises:
        ConfigError: If both a branch and a pull request are asked for.
        HubError: If the Hub refuses, if it has another card than ``card``, or if a private push
            would be public.
    """
    branch = options.branch
    if branch is not None and options.create_pr:
        raise ConfigError(
            f"A pull request is opened against the default branch: leave out branch={branch!r} or "
            "create_pr=True."
        )
    given = None if card is None else _read_card(Path(card))
    api = HfApi(token=options.token, library_name="colorzoo", library_version=__version__)
    with hub_errors(repo_id, revision=branch, pushing=True):
        repo_id = api.create_repo(
            repo_id,
            repo_type=repo_type,
            space_sdk="gradio" if repo_type == "space" else None,
            private=options.private,
            exist_ok=True,
        ).repo_id
        found = _find_head(api, repo_id, repo_type, branch)
    if options.private and found.private is False:
        raise HubError(
            f"{repo_id} exists and is public, so nothing was pushed. Make it private in its "
            "settings, or push to another name."
        )
    there = [sibling.rfilename for sibling in found.siblings or ()]
    kept_card = CARD_FILE in there and not options.overwrite_card
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if kept_card and given is not None:
            _check_same_card(api, repo_id, found.sha, given, card)
        write(folder, repo_id)
        if given is not None:
            (folder / CARD_FILE).write_bytes(given)
        kept = {CARD_FILE} if kept_card else set()
        paths = (path for path in folder.rglob("*") if path.is_file())
        files = sorted(path.relative_to(folder).as_posix() for path in paths)
        files = list(
            filter_repo_objects(
                [name for name in files if name not in kept],
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
            )
        )
        gone = (
            set(filter_repo_objects(there, allow_patterns=delete_patterns))
            if delete_patterns
            else set()
        )
        gone -= {*files, *kept, ".gitattributes"}
        with hub_errors(repo_id, revision=branch, pushing=True):
            # Not upload_folder: that may spread the files over several commits.
            commit = api.create_commit(
                repo_id,
                [
                    *(CommitOperationDelete(name) for name in sorted(gone)),
                    *(CommitOperationAdd(name, folder / name) for name in files),
                ],
                commit_message=options.message or message,
                repo_type=repo_type,
                revision=branch,
                create_pr=options.create_pr,
                # A card that is written in this very moment is not to be overwritten either.
                parent_commit=(
                    found.sha if CARD_FILE in files and not options.overwrite_card else None
                ),
            )
    return Pushed(repo_id, commit, kept_card)


def _read_card(card: Path) -> bytes:
    try:
        return card.read_bytes()
    except OSError as error:
        raise ConfigError(f"The card {card} cannot be read ({error.strerror or error}).") from error


def _find_head(
    api: HfApi, repo_id: str, repo_type: str, branch: str | None
) -> ModelInfo | SpaceInfo:
    """Look up the latest commit of a branch; a branch that does not exist is created."""
    look_up = api.space_info if repo_type == "space" else api.model_info
    try:
        return look_up(repo_id, revision=branch)
    except RevisionNotFoundError:
        if branch is None:
            raise
        api.create_branch(repo_id, repo_type=repo_type, branch=branch)
        return look_up(repo_id, revision=branch)


def _check_same_card(
    api: HfApi, repo_id: str, commit: str | None, given: bytes, card: str | Path | None
) -> None:
    with TemporaryDirectory() as temporary, hub_errors(repo_id, revision=commit, pushing=True):
        path = api.hf_hub_download(repo_id, CARD_FILE, revision=commit, local_dir=temporary)
        on_hub = Path(path).read_bytes()
    if on_hub != given:
        raise HubError(
            f"{repo_id} has a card already that differs from {card}, so nothing was pushed. Ask "
            "for overwrite_card (--overwrite-card) to replace it, or leave the card out to keep it."
        )
