"""Where training photos come from: folders, WebDataset shards and Hub data sets."""

import glob
import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import datasets
import numpy as np
from datasets.exceptions import DatasetNotFoundError
from datasets.utils.file_utils import xopen

from colorzoo.errors import ImageError
from colorzoo.imaging.formats import SUFFIXES, photos_below
from colorzoo.imaging.read import read_photo
from train.recipe import Recipe

# Number of parts of a folder, for distribution to processes.
_SHARDS = 64


@dataclass
class Tally:
    """Counts of used and skipped files."""

    used: int = 0
    unreadable: int = 0
    gray: int = 0

    def __str__(self) -> str:
        """Return the counts in one line."""
        return f"{self.used} photos, {self.unreadable} unreadable, {self.gray} gray"


@dataclass(frozen=True)
class Source:
    """A data set, or the part of it whose file hashes are in [low, high).

    Splitting by content keeps exact copies of a photo in the same part. The split does not depend
    on the order of reading, or on the number of processes.

    Attributes:
        dataset: Rows with one encoded image each.
        size: Approximate number of rows; None if unknown.
        low: Lower limit of the hashes, which are scaled to [0, 1].
        high: Upper limit of the hashes.
        seed: Another seed gives another split of the same files.
    """

    dataset: datasets.IterableDataset
    size: int | None
    low: float = 0.0
    high: float = 1.0
    seed: int = 0

    def files(self) -> Iterator[bytes]:
        """Yield the content of every file of this part."""
        for row in self.dataset:
            content = _content(row)
            if (self.low, self.high) == (0.0, 1.0) or self.low <= self._place(content) < self.high:
                yield content

    def part(self, low: float, high: float, *, seed: int) -> "Source":
        """Return the part of the files whose hashes are in [low, high)."""
        size = None if self.size is None else round(self.size * (high - low))
        return replace(self, low=low, high=high, seed=seed, size=size)

    def _place(self, content: bytes) -> float:
        digest = hashlib.blake2b(content, digest_size=8, salt=self.seed.to_bytes(8, "little"))
        return int.from_bytes(digest.digest(), "little") / 2**64


def open_data(data: str, recipe: Recipe) -> tuple[Source, Source, Source | None]:
    """Open the training, validation and test photos.

    Args:
        data: A folder of photos, a folder of WebDataset shards, one shard, or the id of a data set
            on the Hub. Shards named val*.tar are used for validation, and shards named test*.tar
            are not used. A folder or Hub data set may have its own validation split. Otherwise the
            photos are split by the recipe.
        recipe: Has the split and its seed.

    Returns:
        Training, validation and test source; the last is None if there are no test photos.

    Raises:
        FileNotFoundError: If there are no training photos.
    """
    path = Path(data).expanduser()
    if path.exists():
        parts = _open_local(path)
    elif data.count("/") == 1 and not data.startswith((".", "/", "~")):
        parts = _open_hub(data)
    else:
        raise FileNotFoundError(f"{data} does not exist, and is not a Hub data set ('user/name')")
    if "train" not in parts:
        raise FileNotFoundError(
            f"{data} has only {' and '.join(sorted(parts))} photos, none for training"
        )
    if "validation" in parts:
        return parts["train"], parts["validation"], None
    whole, seed = parts["train"], recipe.seed
    first, second = recipe.split[0], recipe.split[0] + recipe.split[1]
    return (
        whole.part(0.0, first, seed=seed),
        whole.part(first, second, seed=seed),
        whole.part(second, 1.0, seed=seed) if recipe.split[2] > 0 else None,
    )


def _open_local(path: Path) -> dict[str, Source]:
    shards = [path] if path.suffix == ".tar" and path.is_file() else sorted(path.glob("*.tar"))
    if shards:
        return _open_shards(shards)
    parts = {}
    for name in ("train", "validation", "test"):
        if files := list(photos_below(path / name)):
            parts[name] = _open_files(files)
    if "train" in parts:
        return parts
    files = list(photos_below(path))
    if not files:
        raise FileNotFoundError(
            f"{path} contains neither tar shards nor photos ({', '.join(sorted(SUFFIXES))})"
        )
    return {"train": _open_files(files)}


def _open_files(files: list[Path]) -> Source:
    rows = datasets.Dataset.from_dict({"image": [str(file) for file in files]})
    encoded = rows.cast_column("image", datasets.Image(decode=False))
    return Source(encoded.to_iterable_dataset(num_shards=min(len(files), _SHARDS)), len(files))


def _open_shards(shards: list[Path]) -> dict[str, Source]:
    groups: dict[str, list[Path]] = {}
    for shard in shards:
        kind = next((name for name in ("val", "test") if shard.name.startswith(name)), "train")
        split = "train" if len(shards) == 1 else {"val": "validation"}.get(kind, kind)
        groups.setdefault(split, []).append(shard)
    sizes = {name: sum(map(_count, files)) for name, files in groups.items()}
    files = {name: [glob.escape(str(file)) for file in group] for name, group in groups.items()}
    loaded = datasets.load_dataset("webdataset", data_files=files, streaming=True)
    return {
        str(name): Source(_encoded(part), sizes[str(name)])
        for name, part in cast(dict[str, datasets.IterableDataset], loaded).items()
    }


def _count(shard: Path) -> int:
    """Count a shard's photos.

    Raises:
        ValueError: If several photos have the same WebDataset key, so all but one would be lost.
    """
    with tarfile.open(shard) as archive:
        names = [name for name in archive.getnames() if Path(name).suffix.lower() in SUFFIXES]
    keys = {str(Path(name).with_name(Path(name).name.split(".")[0])) for name in names}
    if len(keys) < len(names):
        raise ValueError(
            f"{shard.name} has {len(names)} photos but only {len(keys)} WebDataset keys (names up "
            "to the first dot): rename the photos so that each has a different key"
        )
    return len(names)


def _open_hub(repo_id: str) -> dict[str, Source]:
    try:
        loaded = datasets.load_dataset(repo_id, streaming=True)
    except (DatasetNotFoundError, ConnectionError, OSError) as error:
        raise FileNotFoundError(
            f"{repo_id} is not a folder, and cannot be loaded from the Hub: {error}"
        ) from error
    sources = {}
    for name, part in cast(dict[str, datasets.IterableDataset], loaded).items():
        splits = part.info.splits or {}
        known = splits[name].num_examples if name in splits else None
        sources[str(name)] = Source(_encoded(part), known)
    return sources


def _encoded(dataset: datasets.IterableDataset) -> datasets.IterableDataset:
    """Select the image columns, without decoding, so that unreadable images can be skipped."""
    features = dataset.features or {}
    columns = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    if not columns:
        raise FileNotFoundError(f"the data has no image column, only {', '.join(features)}")
    for name in columns:
        dataset = dataset.cast_column(name, datasets.Image(decode=False))
    return dataset.select_columns(columns)


def _content(row: dict[str, Any]) -> bytes:
    """Return a row's encoded image; b"", which counts as unreadable, if it has none."""
    image = next((value for value in row.values() if value), None)
    if image is None:
        return b""
    if image["bytes"] is not None:
        return image["bytes"]
    with xopen(image["path"], "rb") as file:  # the path may be in an archive or on the Hub
        return file.read()


def iter_photos(files: Iterator[bytes], tally: Tally) -> Iterator[np.ndarray]:
    """Yield photos as (H, W, 3) uint8 sRGB; unreadable ones are only counted in the tally."""
    for content in files:
        try:
            yield read_photo(content).rgb
        except ImageError:
            tally.unreadable += 1
