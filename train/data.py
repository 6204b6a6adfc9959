"""Photos for training: kept on the device as float16 L*a*b* when they fit, streamed when not.

Folders, WebDataset shards and Hub data sets are all read by the ``datasets`` library; photos are
decoded by colorzoo's own reader, cropped to squares, and augmented on the device.
"""

import glob
import hashlib
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import datasets
import lightning as pl
import numpy as np
import psutil
import torch
from datasets.distributed import split_dataset_by_node
from datasets.exceptions import DatasetNotFoundError
from datasets.utils.file_utils import xopen
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ImageError
from colorzoo.images import SUFFIXES, photos_below, read_photo
from colorzoo.metrics import prepare
from train.recipe import Recipe
from train.run import Memory

# Mean distance from gray, in L*a*b* units, below which a photo has no colour to learn from.
_GRAY_CHROMA = 2.0
# Photos converted at a time.
_CHUNK = 256
# A photo may be enlarged by so much to be kept at a resolution.
_ENLARGED = 1.3
# Share of the free memory that photos may take, judged by so many of them.
_SHARE, _SAMPLE = 0.4, 64
# The longest epoch of a stream, photos, and its shuffle buffer.
_STREAM_EPOCH, _BUFFER = 20_000, 1_000
# The most photos to validate and to test on.
_HELD_OUT = 2_000
# Parts of a folder, which processes share out.
_SHARDS = 64


@dataclass
class Tally:
    """What became of the files of a source."""

    used: int = 0
    unreadable: int = 0
    gray: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.used} photos, {self.unreadable} unreadable, {self.gray} gray"


@dataclass(frozen=True)
class Source:
    """A data set, or the part of it whose files' hashes lie in [low, high).

    Splitting by content keeps a photo and its exact copies on one side, in whatever order and by
    however many processes the data set is read.

    Attributes:
        dataset: Rows with an encoded image each.
        column: Where the image is; the first column that holds one if None.
        size: How many rows there are, about; None if that cannot be told.
        low: From this place, in [0, 1].
        high: Up to this place.
        seed: Makes another split of the same files.
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
        """Return the part of the files whose hashes lie in [low, high)."""
        size = None if self.size is None else round(self.size * (high - low))
        return replace(self, low=low, high=high, seed=seed, size=size)

    def _place(self, content: bytes) -> float:
        digest = hashlib.blake2b(content, digest_size=8, salt=self.seed.to_bytes(8, "little"))
        return int.from_bytes(digest.digest(), "little") / 2**64


def open_data(data: str, recipe: Recipe) -> tuple[Source, Source, Source | None]:
    """Open what to train on, what to validate on and what to test on.

    Args:
        data: A folder of photos, a folder of WebDataset shards, one shard, or a data set's id on
            the Hub. Shards named val*.tar validate and those named test*.tar are left alone; a
            folder's or Hub data set's own validation split validates. What is not split already is
            split by the recipe.
        recipe: Gives the split and its seed.

    Returns:
        Training, validation and test source; the last is None where there is nothing to test on.

    Raises:
        FileNotFoundError: If there is nothing to train on.
    """
    path = Path(data).expanduser()
    if path.exists():
        parts = _open_local(path)
    elif data.count("/") == 1 and not data.startswith((".", "/", "~")):
        parts = _open_hub(data)
    else:
        raise FileNotFoundError(f"{data} does not exist, and is no Hub data set ('user/name')")
    if "train" not in parts:
        raise FileNotFoundError(
            f"{data} has {' and '.join(sorted(parts))} photos only, none to train on"
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
            f"{path} holds neither tar shards nor photos ({', '.join(sorted(SUFFIXES))})"
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
    """Count a shard's photos, and refuse names of which the reader would take one of many."""
    with tarfile.open(shard) as archive:
        names = [name for name in archive.getnames() if Path(name).suffix.lower() in SUFFIXES]
    keys = {str(Path(name).with_name(Path(name).name.split(".")[0])) for name in names}
    if len(keys) < len(names):
        raise ValueError(
            f"{shard.name} holds {len(names)} photos but {len(keys)} WebDataset keys, the names up "
            "to their first dot: rename the photos so that each has a key of its own"
        )
    return len(names)


def _open_hub(repo_id: str) -> dict[str, Source]:
    try:
        loaded = datasets.load_dataset(repo_id, streaming=True)
    except (DatasetNotFoundError, ConnectionError, OSError) as error:
        raise FileNotFoundError(
            f"{repo_id} is no folder here, and the Hub does not deliver it: {error}"
        ) from error
    sources = {}
    for name, part in cast(dict[str, datasets.IterableDataset], loaded).items():
        splits = part.info.splits or {}
        known = splits[name].num_examples if name in splits else None
        sources[str(name)] = Source(_encoded(part), known)
    return sources


def _encoded(dataset: datasets.IterableDataset) -> datasets.IterableDataset:
    """Leave the decoding of images to us, so that an unreadable one costs no other."""
    features = dataset.features or {}
    columns = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    if not columns:
        raise FileNotFoundError(f"the data has no image column, only {', '.join(features)}")
    for name in columns:
        dataset = dataset.cast_column(name, datasets.Image(decode=False))
    return dataset.select_columns(columns)


def _content(row: dict[str, Any]) -> bytes:
    """Return a row's encoded image; nothing, which is then unreadable, where it has none."""
    image = next((value for value in row.values() if value), None)
    if image is None:
        return b""
    if image["bytes"] is not None:
        return image["bytes"]
    with xopen(image["path"], "rb") as file:  # a path may lie in an archive or on the Hub
        return file.read()


def iter_photos(files: Iterator[bytes], tally: Tally) -> Iterator[np.ndarray]:
    """Yield photos as (H, W, 3) uint8 sRGB; unreadable ones are counted in the tally instead."""
    for content in files:
        try:
            yield read_photo(content).rgb
        except ImageError:
            tally.unreadable += 1


class Photos:
    """Colour photos in memory.

    Args:
        pools: (N, S, S, 3) float16 L*a*b* each, by ascending S: every photo is kept at the largest
            training resolution that it fills.
    """

    def __init__(self, pools: list[Tensor]) -> None:
        """Keep the pools."""
        self.pools = pools

    def __len__(self) -> int:
        """Count the photos."""
        return sum(map(len, self.pools))

    def to(self, device: torch.device) -> "Photos":
        """Move them to a device."""
        return Photos([pool.to(device) for pool in self.pools])

    def subset(self, which: Tensor) -> "Photos":
        """Pick photos by their numbers, which count through the pools."""
        chosen, first = [], 0
        for pool in self.pools:
            inside = which[(which >= first) & (which < first + len(pool))] - first
            chosen.append(pool[inside])
            first += len(pool)
        return Photos([pool for pool in chosen if len(pool)])

    def squares(self, side: int) -> Tensor:
        """Return all of them at one size: (N, side, side, 3) float16."""
        return torch.cat([_resized(pool, side) for pool in self.pools])

    def crops(self, which: Tensor, *, side: int, smallest: float) -> Tensor:
        """Cut a random square of every photo, flip half of them, resize.

        A photo that is too small for the resolution is replaced by one that is not, if there are
        any, so that a run can end at a resolution that only some of its photos have.

        Args:
            which: (B,) int64, numbers of photos.
            side: Side of the results, pixels.
            smallest: Smallest square, as a share of the photo's side.

        Returns:
            (B, 3, side, side) float32 L*a*b*, channels last in memory.
        """
        parts, first = [], 0
        for pool in self.pools:
            inside = which[(which >= first) & (which < first + len(pool))] - first
            first += len(pool)
            if len(inside):
                if pool.shape[1] < side:
                    pool = self.pools[-1]
                parts.append(random_crops(pool, inside % len(pool), side=side, smallest=smallest))
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def read_photos(
    files: Iterator[bytes], *, resolutions: list[int], limit: int | None = None
) -> tuple[Photos, Tally]:
    """Read photos into memory; gray ones are counted and left out.

    Args:
        files: Their contents.
        resolutions: Photos are cropped to the central square and resized to the largest of these
            that they fill, pixels, ascending.
        limit: Stop after so many.

    Returns:
        The photos, and what became of the files.

    Raises:
        ValueError: If no photo with colour is left.
    """
    tally = Tally()
    pools: dict[int, list[Tensor]] = {side: [] for side in resolutions}
    waiting: dict[int, list[np.ndarray]] = {side: [] for side in resolutions}

    def convert(side: int) -> None:
        lab, coloured = _to_lab(waiting[side])
        waiting[side].clear()
        tally.gray += int((~coloured).sum())
        tally.used += int(coloured.sum())
        pools[side].append(lab[coloured])

    for rgb in track(iter_photos(files, tally), description="Reading photos", total=None):
        side = _kept_at(rgb, resolutions)
        waiting[side].append(prepare(rgb, side=side))
        if len(waiting[side]) == _CHUNK or (limit and sum(map(len, waiting.values())) >= limit):
            convert(side)
            if limit and tally.used >= limit:
                break
    for side in resolutions:
        if waiting[side]:
            convert(side)
    photos = Photos([torch.cat(parts) for parts in pools.values() if parts])
    if limit and tally.used > limit:
        photos = photos.subset(torch.arange(limit))
        tally.used = limit
    if not len(photos):
        raise ValueError(f"no colour photo was found: {tally}")
    return photos, tally


def _kept_at(rgb: np.ndarray, resolutions: list[int]) -> int:
    filled = [side for side in resolutions if side <= min(rgb.shape[:2]) * _ENLARGED]
    return max(filled, default=resolutions[0])


def _to_lab(squares: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Convert (S, S, 3) uint8 to (N, S, S, 3) float16 L*a*b*; tell which have colour."""
    lab = rgb_to_lab(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 255)
    coloured = lab[:, 1:].norm(dim=1).mean(dim=(1, 2)) >= _GRAY_CHROMA
    return lab.permute(0, 2, 3, 1).half(), coloured


def _resized(photos: Tensor, side: int) -> Tensor:
    if photos.shape[1] == side:
        return photos
    lab = photos.permute(0, 3, 1, 2).float()
    lab = F.interpolate(lab, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return lab.permute(0, 2, 3, 1).half()


def random_crops(photos: Tensor, which: Tensor, *, side: int, smallest: float) -> Tensor:
    """Cut a random square of every photo, flip half of them, resize.

    All photos of a batch are cut at one random scale, each at its own place, so that one
    antialiased resize serves the batch.

    Args:
        photos: (N, S, S, 3) L*a*b*.
        which: (B,) int64, the photos to cut.
        side: Side of the results, pixels.
        smallest: Smallest square, as a share of S.

    Returns:
        (B, 3, side, side) float32, channels last in memory.
    """
    full, device = photos.shape[1], photos.device
    low = max(1, round(full * smallest))
    cut = int(torch.randint(low, full + 1, ()))
    corner = torch.randint(0, full - cut + 1, (2, len(which), 1), device=device)
    span = torch.arange(cut, device=device)
    rows, columns = corner[0] + span, corner[1] + span
    flipped = torch.rand(len(which), 1, device=device) < 0.5
    columns = torch.where(flipped, columns.flip(1), columns)
    lab = photos[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    lab = lab.permute(0, 3, 1, 2).float()
    if cut == side:
        return lab
    return F.interpolate(lab, (side, side), mode="bilinear", align_corners=False, antialias=True)


class MemoryData(pl.LightningDataModule):
    """Photos that are in memory already, augmented there.

    Args:
        train: What to train on.
        validation: (N, S, S, 3) float16 L*a*b*.
        recipe: Decides resolution, crops and batch size.
    """

    def __init__(self, train: Photos, validation: Tensor, recipe: Recipe) -> None:
        """Keep the photos."""
        super().__init__()
        self.photos, self.validation, self.recipe = train, validation, recipe
        self.test = torch.empty(0)

    def setup(self, stage: str) -> None:
        """Move the photos to the device."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.photos = self.photos.to(device)
        self.validation, self.test = self.validation.to(device), self.test.to(device)

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled photo numbers."""
        size = min(self.recipe.batch_size, len(self.photos))
        return DataLoader(_Indices(len(self.photos)), size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[int]:
        """Photo numbers in order."""
        return DataLoader(_Indices(len(self.validation)), self.recipe.batch_size)

    def test_dataloader(self) -> DataLoader[int]:
        """Photo numbers in order."""
        return DataLoader(_Indices(len(self.test)), self.recipe.batch_size)

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        """Turn photo numbers into (N, 3, side, side) float32 L*a*b*."""
        trainer = self.trainer
        if trainer is None or not trainer.training:
            held_out = self.test if trainer is not None and trainer.testing else self.validation
            return held_out[batch].permute(0, 3, 1, 2).float()
        side = self.recipe.side_at(cast(float, trainer.lightning_module.progress))
        if batch.dim() > 1:  # a stream brings the photos themselves
            return random_crops(
                batch,
                torch.arange(len(batch), device=batch.device),
                side=side,
                smallest=self.recipe.smallest_crop,
            )
        return self.photos.crops(batch, side=side, smallest=self.recipe.smallest_crop)


class PhotoData(MemoryData):
    """Photos read from a folder, shards or the Hub. Each process reads its own share of them.

    Args:
        data: See ``open_data``.
        recipe: Decides resolution, crops, batch size, split and seed.
        limit: Use at most so many training photos.
        memory: "device" keeps the training photos there, "stream" reads them anew each epoch,
            "auto" decides by their number and the memory that is free.
        workers: Processes that decode a stream.
    """

    def __init__(
        self,
        data: str,
        recipe: Recipe,
        *,
        limit: int | None = None,
        memory: Memory = "auto",
        workers: int = 2,
    ) -> None:
        """Remember where the photos are; they are read by ``setup``."""
        super().__init__(Photos([]), torch.empty(0), recipe)
        self.data, self.limit, self.memory, self.workers = data, limit, memory, workers
        self.stream: PhotoStream | None = None

    def setup(self, stage: str) -> None:
        """Read the photos, once, and move them to the device."""
        if len(self.validation):
            return
        train, validation, test = open_data(self.data, self.recipe)
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if self._streams(train, world):
            self.stream = self._stream(train, rank=rank, world=world)
            # A sample for what has to be measured on training photos before training.
            side = self.recipe.resolutions[-1]
            self.photos, _ = read_photos(train.files(), resolutions=[side], limit=_BUFFER)
            print(f"training: a stream of about {train.size or 'unknown many'} photos")
        else:
            self.photos, tally = read_photos(
                islice(train.files(), rank, None, world),
                resolutions=self.recipe.resolutions,
                limit=None if self.limit is None else max(1, self.limit // world),
            )
            print(f"training: {tally}")
        self.validation = self._read_held_out(validation, "validation")
        if test is not None:
            self.test = self._read_held_out(test, "test")
        self._even_out(world)
        super().setup(stage)

    def _even_out(self, world: int) -> None:
        """Leave a photo to validate on, and every process as many to train on."""
        if not len(self.validation):  # too few photos for the split to give one
            if len(self.photos) < 2:
                raise ValueError(f"{self.data} holds one colour photo; training needs at least two")
            first, rest = torch.arange(1), torch.arange(1, len(self.photos))
            self.validation = self.photos.subset(first).squares(self.recipe.resolutions[-1])
            self.photos = self.photos.subset(rest)
        if self.trainer is not None and world > 1 and self.stream is None:
            strategy = self.trainer.strategy
            count = torch.tensor(-float(len(self.photos)), device=strategy.root_device)
            shortest = -int(strategy.reduce(count, reduce_op="max"))
            self.photos = self.photos.subset(torch.randperm(len(self.photos))[:shortest])

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled photo numbers, or a stream of photos."""
        if self.stream is None:
            return super().train_dataloader()
        return DataLoader(
            self.stream,
            min(self.recipe.batch_size, self.stream.length),
            num_workers=self.stream.workers,
            persistent_workers=self.stream.workers > 0,
        )

    def _streams(self, source: Source, world: int) -> bool:
        """Decide, the same in every process, whether the photos are streamed."""
        if self.memory != "auto":
            return self.memory == "stream"
        fits = self._fits(source, world)
        if self.trainer is not None:
            fits = self.trainer.strategy.reduce_boolean_decision(fits, all=True)
        return not fits

    def _fits(self, source: Source, world: int) -> bool:
        counts = [count for count in (source.size, self.limit) if count is not None]
        if not counts:
            return False
        first = iter_photos(islice(source.files(), _SAMPLE), Tally())
        sizes = [3 * 2 * _kept_at(rgb, self.recipe.resolutions) ** 2 for rgb in first]
        needed = min(counts) * np.mean(sizes or [0]) / world
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0]
        else:
            free = psutil.virtual_memory().available / world
        return bool(needed <= _SHARE * free)

    def _stream(self, source: Source, *, rank: int, world: int) -> "PhotoStream":
        """Open a stream whose epochs are whole batches for each worker of each process."""
        if self.limit is not None:
            source = replace(
                source,
                dataset=source.dataset.take(self.limit),
                size=min(source.size or self.limit, self.limit),
            )
        shared = split_dataset_by_node(source.dataset, rank=rank, world_size=world)
        workers = min(self.workers, shared.num_shards)  # one without a shard has nothing to read
        share = min(source.size or _STREAM_EPOCH, _STREAM_EPOCH) // (world * max(1, workers))
        batch = self.recipe.batch_size
        return PhotoStream(
            replace(source, dataset=shared),
            side=self.recipe.resolutions[-1],
            length=share // batch * batch or max(1, share),
            workers=workers,
        )

    def _read_held_out(self, source: Source, name: str) -> Tensor:
        side = self.recipe.resolutions[-1]
        limit = min(_HELD_OUT, self.limit or _HELD_OUT)
        try:
            photos, tally = read_photos(source.files(), resolutions=[side], limit=limit)
        except ValueError:
            return torch.empty(0)
        print(f"{name}: {tally}")
        return photos.squares(side)


class _Indices(Dataset[int]):
    """The photos' numbers: loaders shuffle and share these out, the photos stay on the device."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class PhotoStream(IterableDataset[Tensor]):
    """An endless, shuffled stream of photos, cut into epochs of a fixed length.

    Args:
        source: Where they come from; this process's share of it.
        side: They are cropped to the central square and resized to this side, pixels.
        length: Photos of an epoch, for each worker.
        workers: Processes that read for each training process; 0 is the process itself.
    """

    def __init__(self, source: Source, *, side: int, length: int, workers: int = 0) -> None:
        """Nothing is read before the first epoch."""
        super().__init__()
        self.source = source
        self.side, self.length, self.workers = side, length, workers
        self._photos: Iterator[Tensor] | None = None

    def __len__(self) -> int:
        """Return this process's share of an epoch, photos."""
        return self.length * max(1, self.workers)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield (side, side, 3) float16 L*a*b*, from where the last epoch stopped."""
        self._photos = self._photos or self._shuffled()
        return islice(self._photos, self.length)

    def _shuffled(self) -> Iterator[Tensor]:
        chance = random.Random(torch.initial_seed())
        buffer: list[Tensor] = []
        for photo in self._endless():
            if len(buffer) < min(_BUFFER, self.length):
                buffer.append(photo)
                continue
            place = chance.randrange(len(buffer))
            buffer[place], photo = photo, buffer[place]
            yield photo

    def _endless(self) -> Iterator[Tensor]:
        found = True
        while found:  # a share may hold no colour photo at all
            found = False
            tally = Tally()
            for rgb in iter_photos(self.source.files(), tally):
                lab, coloured = _to_lab([prepare(rgb, side=self.side)])
                if coloured.item():
                    found = True
                    tally.used += 1
                    yield lab[0]
                else:
                    tally.gray += 1
            print(f"once through the stream: {tally}")
