"""Files fetched from the Hugging Face Hub, or found in its cache."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from colorzoo._version import __version__
from colorzoo.errors import HubError
from colorzoo.hub.messages import HTTPError, hub_errors

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


_PICKLES_REFUSED = (
    "Loading a pickle can run any code, so colorzoo never does. Ask for the weights as "
    "model.safetensors, or make it yourself from a model you trust, with save_pretrained()."
)


class Source(Protocol):
    """Where a model's files are."""

    def fetch(self, file: str) -> "tuple[Path, Source]":
        """Give a file by its name, and where files of the same version are."""
        ...

    def check_pickles(self) -> None:
        """Refuse a place that holds its weights as pickles only, where that can be told."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder with a model's files.

    Attributes:
        path: The folder.
    """

    path: Path

    def fetch(self, file: str) -> "tuple[Path, Folder]":
        """Give the path of a file, whether or not it exists."""
        return self.path / file, self

    def check_pickles(self) -> None:
        """Leave it to whoever looks for the weights, which are here or not."""


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
        except (HTTPError, OSError, ValueError):
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
