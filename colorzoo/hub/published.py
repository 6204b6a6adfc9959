"""Weights that others published, as a registered model declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


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
