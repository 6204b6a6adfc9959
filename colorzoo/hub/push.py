"""Push files to the Hugging Face Hub in one commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from colorzoo.errors import ColorzooError, ConfigError, HubError
from colorzoo.hub.messages import hub_errors
from colorzoo.hub.saving import save_error

CARD_FILE = "README.md"


Patterns = list[str] | str | None


@dataclass(frozen=True)
class PushOptions:
    """How files are pushed.

    Attributes:
        message: Summary of the commit; a default that names the model if None.
        overwrite_card: Replace a card that is already on the Hub; otherwise it is kept.
        branch: Branch to push to, created from the default one if missing; main if None.
        create_pr: Open a pull request instead.
        private: Whether a newly created repository is private; the owner's default if None.
        token: Hub token; that of the logged-in user if None.
    """

    message: str | None = None
    overwrite_card: bool = False
    branch: str | None = None
    create_pr: bool = False
    private: bool | None = None
    token: str | bool | None = None


class Pushed(NamedTuple):
    """The result of a push.

    Attributes:
        repo_id: The repository, with its owner.
        commit: The commit; ``oid`` is the hash to pin, ``pr_url`` the pull request if there is one.
        kept_card: Whether a card that was already on the Hub was kept.
        changed: Whether there is a new commit. If not, the Hub has these files already, and
            ``commit`` is its latest one; no pull request was opened.
    """

    repo_id: str
    commit: CommitInfo
    kept_card: bool
    changed: bool

    def in_words(self, what: str) -> str:
        """Say in one line what was done with a model, or with the demo."""
        if not self.changed:
            return f"nothing changed: {self.repo_id} has these files already"
        return f"{what}: {self.commit.pr_url or self.commit.commit_url}"


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

    A card (README.md) that is already on the Hub may have been written by a person, so it is kept
    unless ``options.overwrite_card`` is true.

    Args:
        repo_id: "user/repo", or "repo" for the logged-in user.
        write: Called with an empty folder and the full id of the repository, to write the files.
        options: How to push.
        message: Summary of the commit if the options have none.
        repo_type: A model, or a Space with a Gradio app.
        card: Markdown file to push as the card, instead of a README.md that ``write`` creates.
        allow_patterns: Push only files that match one of these.
        ignore_patterns: Do not push files that match one of these.
        delete_patterns: Delete files on the Hub that match one of these and are not pushed.

    Returns:
        The commit, and whether a card was kept. If nothing changed, there is no new commit, and
        the latest one is returned.

    Raises:
        WeightsError: If ``write`` cannot write to a temporary folder.
        ConfigError: If both ``branch`` and ``create_pr`` are set.
        HubError: If pushing fails, if the Hub has a card that differs from ``card``, or if
            ``private`` is set and the repository is public.
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
        with _saving(folder):
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
            # Not upload_folder, which may split the files into several commits.
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
                # Also keep a card that somebody else pushes at the same moment.
                parent_commit=(
                    found.sha if CARD_FILE in files and not options.overwrite_card else None
                ),
            )
    return Pushed(repo_id, commit, kept_card, changed=commit.oid != found.sha)


@contextmanager
def _saving(folder: Path) -> Iterator[None]:
    try:
        yield
    except ColorzooError:
        raise
    except OSError as error:
        raise save_error("A copy to push", folder, error) from error


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
            f"{repo_id} already has a card that differs from {card}, so nothing was pushed. Pass "
            "overwrite_card (--overwrite-card) to replace it, or leave the card out to keep it."
        )
