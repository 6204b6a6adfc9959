"""Fetch files from the Hugging Face Hub or its cache."""

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
from colorzoo.hub.saving import current

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


_PICKLES_REFUSED = (
    "Loading a pickle can run any code, so colorzoo.load() never does. Ask the author for a "
    "model.safetensors. `colorzoo convert FILE FOLDER` makes one of a downloaded checkpoint, if it "
    "is of a network that colorzoo has (see `colorzoo list`)."
)


class Source(Protocol):
    """Where a model's files are."""

    def fetch(self, file: str, *, most: int | None = None) -> "tuple[Path, Source]":
        """Return the path of a file, and a source for further files of the same version.

        Larger files than ``most`` bytes are not downloaded.
        """
        ...

    def check_pickles(self) -> None:
        """Raise an error if the weights are only there as pickles, as far as that can be found."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder with a model's files.

    Attributes:
        path: The folder.
    """

    path: Path

    def fetch(self, file: str, *, most: int | None = None) -> "tuple[Path, Folder]":
        """Return the path of a file, whether or not it exists."""
        return current(self.path, file), self

    def check_pickles(self) -> None:
        """Do nothing: the search for the weights checks for pickles."""


@dataclass(frozen=True)
class HubRepo:
    """A repository on the Hub with a model's files, and how to access it.

    Attributes:
        repo_id: "user/repo".
        revision: Branch, tag or commit; the default branch if None.
        token: Hub token; that of the logged-in user if None.
        cache_dir: Folder for downloads; the default of huggingface_hub if None.
        local_files_only: Never access the network.
        force_download: Download files again even if they are cached.
    """

    repo_id: str
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    force_download: bool = False

    def fetch(self, file: str, *, most: int | None = None) -> tuple[Path, "HubRepo"]:
        """Fetch a file, or find it in the cache.

        Args:
            file: Its name in the repository.
            most: Bytes that it may have to be downloaded; any number if None.

        Returns:
            The file, and this repository pinned to the commit of the file, so that further files
            come from the same commit and a branch is looked up only once.

        Raises:
            HubError: If the file cannot be fetched; the message says what to do.
        """
        with hub_errors(self.repo_id, revision=self.revision):
            try:
                self._check_connection(file, most)
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
                    f"{self.repo_id} has no {file}, so it is not a colorzoo model. Those have a "
                    "config.json and a model.safetensors, as written by push_to_hub()."
                ) from error
        return path, replace(self, revision=path.parent.name)

    def check_pickles(self) -> None:
        """Raise an error if the weights are only there as pickles.

        Raises:
            HubError: If the repository has a pickle and no safetensors file.
        """
        if self.local_files_only:
            return
        try:
            found = HfApi(token=self.token, library_name="colorzoo").model_info(
                self.repo_id, revision=self.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        except (HTTPError, OSError, ValueError):
            return  # the caller is about to raise another error
        refusal = pickles_only([sibling.rfilename for sibling in found.siblings or ()])
        if refusal:
            raise HubError(f"{self.repo_id} {refusal}")

    def _check_connection(self, file: str, most: int | None) -> None:
        """Fail at once if there is no network, or the file is too large.

        Without a network, hf_hub_download would retry for 23 s first.
        """
        if self.local_files_only or isinstance(
            try_to_load_from_cache(
                self.repo_id, file, cache_dir=self.cache_dir, revision=self.revision
            ),
            str,
        ):
            return
        try:
            found = get_hf_file_metadata(
                hf_hub_url(self.repo_id, file, revision=self.revision),
                token=self.token,
                library_name="colorzoo",
                library_version=__version__,
            )
        except HfHubHTTPError as error:
            # If the Hub is overloaded or restarting, leave the retries to hf_hub_download.
            if error.response.status_code < 500 and error.response.status_code != 429:
                raise
            return
        if most is not None and found.size is not None and found.size > most:
            raise HubError(
                f"The {file} of {self.repo_id} has {found.size:,} bytes, more than the {most:,} "
                "that it can have, so it was not downloaded. It is damaged, or not of colorzoo."
            )


def pickles_only(names: list[str]) -> str | None:
    """Return an error message if the files include pickles but no safetensors, otherwise None."""
    pickles = sorted(name for name in names if PurePosixPath(name).suffix.lower() in PICKLES)
    if not pickles or any(name.endswith(".safetensors") for name in names):
        return None
    return f"has its weights only as a pickle ({pickles[0]}). {_PICKLES_REFUSED}"
