"""Error messages for failures of the Hugging Face Hub."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
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

from colorzoo.errors import ColorzooError, HubError

# Base class of connection errors: from httpx in huggingface_hub 1, from httpx2 in version 2.
HTTPError: type[Exception] = next(
    base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"
)


@contextmanager
def hub_errors(
    repo_id: str, *, revision: str | None = None, pushing: bool = False
) -> Iterator[None]:
    """Turn any exception of huggingface_hub into a HubError that says what to do.

    Args:
        repo_id: The repository.
        revision: The requested revision, if any.
        pushing: Whether the repository is being written to.
    """
    try:
        yield
    except ColorzooError:
        raise
    except (HTTPError, EntryNotFoundError, OSError, RuntimeError, ValueError) as error:
        raise HubError(_explain(error, repo_id, revision, pushing=pushing)) from error


def _explain(error: BaseException, repo_id: str, revision: str | None, *, pushing: bool) -> str:
    cause = error.__cause__
    if isinstance(error, (LocalEntryNotFoundError, RuntimeError)) and cause is not None:
        return _explain(cause, repo_id, revision, pushing=pushing)
    match error:
        case HFValidationError():
            return (
                f"{repo_id!r} is neither a Hub repository id ('user/repo': letters, digits, '-', "
                "'_' and '.') nor a folder."
            )
        case OfflineModeIsEnabled():
            return (
                f"{repo_id} is not in the cache, and HF_HUB_OFFLINE is set: unset it, or load the "
                "model once while it is unset."
            )
        case LocalEntryNotFoundError():
            return (
                f"{repo_id} is not in the cache, and local_files_only is set: load it once without "
                "that."
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
                f"{repo_id} has no revision {revision!r}: pass a branch, a tag or a full commit "
                f"hash (see {constants.ENDPOINT}/{repo_id}/commits/main), or leave it out."
            )
        case HfHubHTTPError():
            return _explain_status(error, repo_id, pushing=pushing)
        case _ if isinstance(error, HTTPError):
            return (
                f"The connection to {constants.ENDPOINT} failed for {repo_id} "
                f"({_told(error)}): check your network, HF_ENDPOINT and proxies, and try again."
            )
        case ValueError():
            return f"{repo_id} cannot be {'pushed' if pushing else 'downloaded'}: {_told(error)}"
        case _:
            done = "pushed to" if pushing else "downloaded from"
            # Further lines are about arguments that colorzoo does not have.
            reason = str(error).partition("\n")[0] or type(error).__name__
            return f"{repo_id} could not be {done} the Hub ({reason}). Try again."


def _explain_status(error: HfHubHTTPError, repo_id: str, *, pushing: bool) -> str:
    status = error.response.status_code
    said = " ".join((error.server_message or "").split())
    said = f" ({said})" if said else ""
    match status:
        case 401:
            return (
                f"The Hub needs a valid token to {_verb(pushing)} {repo_id}{said}: log in with "
                "`hf auth login`, or pass a valid token=..."
            )
        case 403:
            return (
                f"The Hub does not allow this token to {_verb(pushing)} {repo_id}{said}: use a "
                "token and an account with that permission."
            )
        case 409 | 412:
            return f"{repo_id} changed during the push, so nothing was pushed{said}: push again."
        case 429:
            return (
                f"The Hub does not serve {repo_id}, because there were too many requests from this "
                f"machine{said}: wait a few minutes, or log in."
            )
        case _ if status >= 500:
            return f"The Hub failed with HTTP {status} for {repo_id}{said}: try again later."
        case _:
            return f"The Hub refused to {_verb(pushing)} {repo_id} with HTTP {status}{said}."


def _verb(pushing: bool) -> str:
    return "write to" if pushing else "read"


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
