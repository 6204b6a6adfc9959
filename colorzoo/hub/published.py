"""Weights that others published, as a registered model declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from huggingface_hub import constants

from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE

SOURCE_FILE = "source.json"  # beside converted weights: where they are from


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint of the method's authors, pinned by its hash.

    It is downloaded on first use, checked, converted to safetensors and kept in the cache.

    Attributes:
        url: Where the file is, for addresses outside the Hub; "" if it is on the Hub.
        repo_id: Hub repository "user/repo"; "" for a ``url``.
        revision: Full hash of the commit of that repository; "" for a ``url``.
        file: Name of the file in the repository, or the last part of the ``url``.
        sha256: SHA-256 of the file, 64 hexadecimal digits.
        size: Bytes of the file.
        licence: SPDX identifier of the weights' licence, such as "Apache-2.0".
        page: Web page of the authors' code.
        numbers: What the authors published about the quality: name of the measure to its value.
        numbers_source: Where these numbers come from, with the data that they were measured on.
    """

    sha256: str
    size: int
    licence: str
    page: str
    url: str = ""
    repo_id: str = ""
    revision: str = ""
    file: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    numbers_source: str = ""

    def __post_init__(self) -> None:
        """Check that the file is pinned.

        Raises:
            ValueError: If it is not, or its address is incomplete.
        """
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"sha256 must be 64 hexadecimal digits, got {self.sha256!r}")
        if bool(self.url) == bool(self.repo_id):
            raise ValueError("give either url, or repo_id with revision and file")
        if self.repo_id and not (len(self.revision) == 40 and self.file):
            raise ValueError(f"{self.repo_id}: give file, and revision as a full commit hash")
        if self.url and not self.file:
            object.__setattr__(self, "file", PurePosixPath(self.url).name)

    @property
    def address(self) -> str:
        """Where the file is, for people."""
        if self.url:
            return self.url
        return f"{constants.ENDPOINT}/{self.repo_id}/resolve/{self.revision}/{self.file}"

    @property
    def megabytes(self) -> str:
        """The size of the download, such as "220 MB"."""
        return f"{self.size / 1e6:,.0f} MB" if self.size >= 1e6 else f"{self.size / 1e3:,.0f} kB"

    def about(self) -> dict[str, str | int]:
        """Return where the weights are from, as source.json says it."""
        return {
            "source": self.address,
            "sha256": self.sha256,
            "size": self.size,
            "licence": self.licence,
            "page": self.page,
        }


def converted_folder(
    name: str, published: PublishedWeights, cache_dir: str | Path | None = None
) -> Path:
    """Return where the converted weights of a model are kept, whether or not they are there.

    Args:
        name: The registered name of the model that has the weights.
        published: The weights.
        cache_dir: Folder for downloads; a folder next to huggingface_hub's downloads if None.
    """
    root = Path(constants.HF_ASSETS_CACHE if cache_dir is None else cache_dir)
    return root / "colorzoo" / "weights" / f"{name}--{published.sha256[:8]}"


def is_converted(folder: Path) -> bool:
    """Tell whether a folder has converted weights; it appears only when they are complete."""
    return all((folder / file).is_file() for file in (CONFIG_FILE, WEIGHTS_FILE, SOURCE_FILE))
