"""The Hugging Face Hub: files fetched from it, files pushed to it, its failures in plain words.

Nothing here knows what a model is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    SpaceInfo,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects

from colorzoo._version import __version__
from colorzoo.errors import ColorzooError, ConfigError, HubError

CARD_FILE = "README.md"

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_PICKLES_REFUSED = (
    "Loading a pickle can run any code, so colorzoo never does. Ask for the weights as "
    "model.safetensors, or make it yourself from a model you trust, with save_pretrained()."
)

# What a broken connection raises: httpx's base class under huggingface_hub 1, httpx2's under 2.
_HTTPError: type[Exception] = next(
    base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"
)

Patterns = list[str] | str | None


@dataclass(frozen=True)
class HubRepo:
    """Where on the Hub a model's files are, and how to get at them.

    Attributes:
        repo_id: "user/repo".
        revision: Branch, tag or commit; the default branch if None.
        token: Hub token; the one that is logged in if None.
        cache_dir: Where downloads are kept; huggingface_hub's own place if None.
        local_files_only: Never touch the network.
        force_download: Fetch again what is cached.
    """

    repo_id: str
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    force_download: bool = False

    def fetch(self, file: str) -> tuple[Path, "HubRepo"]:
        """Fetch a file, or find it in the cache.

        Args:
            file: Its name in the repository.

        Returns:
            The file, and this repository pinned to the commit that it came from, so that further
            files are of the same commit and a branch is looked up once.

        Raises:
            HubError: If it cannot be had; the message says what to do.
        """
        with hub_errors(self.repo_id, revision=self.revision):
            try:
                self._check_connection(file)
                path = Path(
                    hf_hub_download(
                        self.repo_id,
                        file,
                        revision=self.revision,
                        token=self.token,
                        cache_dir=self.cache_dir,
                        local_files_only=self.local_files_only,
                        force_download=self.force_download,
                        library_name="colorzoo",
                        library_version=__version__,
                    )
                )
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError as error:
                self.check_pickles()
                raise HubError(
                    f"{self.repo_id} holds no {file}, so it is no colorzoo model: those are a "
                    "config.json and a model.safetensors, as push_to_hub() writes them."
                ) from error
        return path, replace(self, revision=path.parent.name)

    def check_pickles(self) -> None:
        """Refuse a repository whose weights are pickles only.

        Raises:
            HubError: If it holds a pickle and no safetensors file.
        """
        if self.local_files_only:
            return
        try:
            found = HfApi(token=self.token, library_name="colorzoo").model_info(
                self.repo_id, revision=self.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        except (_HTTPError, OSError, ValueError):
            return  # it only words an error: the caller has another one
        refusal = pickles_only([sibling.rfilename for sibling in found.siblings or ()])
        if refusal:
            raise HubError(f"{self.repo_id} {refusal}")

    def _check_connection(self, file: str) -> None:
        """Fail at once where there is no network: hf_hub_download would try for 23 s first."""
        if self.local_files_only or isinstance(
            try_to_load_from_cache(
                self.repo_id, file, cache_dir=self.cache_dir, revision=self.revision
            ),
            str,
        ):
            return
        try:
            get_hf_file_metadata(
                hf_hub_url(self.repo_id, file, revision=self.revision),
                token=self.token,
                library_name="colorzoo",
                library_version=__version__,
            )
        except HfHubHTTPError as error:
            # A Hub that is overloaded or restarts is worth the retries.
            if error.response.status_code < 500 and error.response.status_code != 429:
                raise


def pickles_only(names: list[str]) -> str | None:
    """Word the refusal of a place that holds pickles and no safetensors; None if it does not."""
    pickles = sorted(name for name in names if PurePosixPath(name).suffix.lower() in _PICKLES)
    if not pickles or any(name.endswith(".safetensors") for name in names):
        return None
    return f"holds its weights as a pickle only ({pickles[0]}). {_PICKLES_REFUSED}"


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


@contextmanager
def hub_errors(
    repo_id: str, *, revision: str | None = None, pushing: bool = False
) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into a HubError that says what to do.

    Args:
        repo_id: The repository that is asked for.
        revision: Its revision, if one was asked for.
        pushing: Whether it is written to.
    """
    try:
        yield
    except ColorzooError:
        raise
    except (_HTTPError, EntryNotFoundError, OSError, RuntimeError, ValueError) as error:
        raise HubError(_explain(error, repo_id, revision, pushing=pushing)) from error


def _explain(error: BaseException, repo_id: str, revision: str | None, *, pushing: bool) -> str:
    cause = error.__cause__
    if isinstance(error, (LocalEntryNotFoundError, RuntimeError)) and cause is not None:
        return _explain(cause, repo_id, revision, pushing=pushing)
    match error:
        case HFValidationError():
            return (
                f"{repo_id!r} is no Hub repository id ('user/repo': letters, digits, '-', '_' and "
                "'.'), nor a folder."
            )
        case OfflineModeIsEnabled():
            return (
                f"{repo_id} is not in the cache, and HF_HUB_OFFLINE is set: unset it, or load the "
                "model once while it is unset."
            )
        case LocalEntryNotFoundError():
            return (
                f"{repo_id} is not in the cache, and local_files_only was asked for: load it once "
                "without."
            )
        case GatedRepoError():
            return (
                f"{repo_id} is gated: accept its terms at {constants.ENDPOINT}/{repo_id}, then log "
                "in with `hf auth login` or pass token=..."
            )
        case RepositoryNotFoundError():
            return (
                f"The Hub has no repository {repo_id}, or it is private: check the spelling, log "
                f"in with `hf auth login`, or pass a token that may {_verb(pushing)} it."
            )
        case RevisionNotFoundError():
            return (
                f"{repo_id} has no revision {revision!r}: give a branch, a tag or a full commit "
                f"hash that {constants.ENDPOINT}/{repo_id}/commits/main shows, or leave it out."
            )
        case HfHubHTTPError():
            return _explain_status(error, repo_id, pushing=pushing)
        case _ if isinstance(error, _HTTPError):
            return (
                f"The connection to {constants.ENDPOINT} failed for {repo_id} "
                f"({_told(error)}): check it, HF_ENDPOINT and proxies, and try again."
            )
        case ValueError():
            return f"{repo_id} cannot be {'pushed' if pushing else 'fetched'}: {_told(error)}"
        case _:
            done = "take" if pushing else "deliver"
            # Further lines advise on arguments that colorzoo does not have.
            reason = str(error).partition("\n")[0] or type(error).__name__
            return f"The Hub did not {done} {repo_id} ({reason}). Try again."


def _explain_status(error: HfHubHTTPError, repo_id: str, *, pushing: bool) -> str:
    status = error.response.status_code
    said = " ".join((error.server_message or "").split())
    said = f" ({said})" if said else ""
    match status:
        case 401:
            return (
                f"The Hub does not accept the token, or there is none, to {_verb(pushing)} "
                f"{repo_id}{said}: log in with `hf auth login`, or pass a valid token=..."
            )
        case 403:
            return (
                f"The Hub does not allow this token to {_verb(pushing)} {repo_id}{said}: use a "
                "token and an account with that right."
            )
        case 409 | 412:
            return f"{repo_id} changed while this was pushed, so nothing was{said}: push again."
        case 429:
            return (
                f"The Hub has had too many requests from here to serve {repo_id}{said}: wait some "
                "minutes, or log in."
            )
        case _ if status >= 500:
            return f"The Hub failed with HTTP {status} for {repo_id}{said}: try again later."
        case _:
            return f"The Hub refused to {_verb(pushing)} {repo_id} with HTTP {status}{said}."


def _verb(pushing: bool) -> str:
    return "write to" if pushing else "read"


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
