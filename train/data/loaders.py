"""Photos for Lightning: kept on the device if they fit, otherwise streamed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, cast

import lightning as pl
import numpy as np
import psutil
import torch
from datasets.distributed import split_dataset_by_node
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from colorzoo.evaluation.metrics import prepare
from train.data.photos import Photos, _kept_at, _to_lab, random_crops, read_photos
from train.data.sources import Source, Tally, iter_photos, open_data
from train.recipe import Recipe
from train.run_settings import Memory

# Largest share of the free memory for photos, and the number of photos that it is estimated from.
_SHARE, _SAMPLE = 0.4, 64


# Longest epoch of a stream, and its shuffle buffer, photos.
_STREAM_EPOCH, _BUFFER = 20_000, 1_000


# Largest number of photos for validation, and for testing.
_HELD_OUT = 2_000


class MemoryData(pl.LightningDataModule):
    """Photos that are already in memory, and are augmented there.

    Args:
        train: Training photos.
        validation: (N, S, S, 3) float16 L*a*b*.
        recipe: Decides resolution, crops and batch size.
    """

    def __init__(self, train: Photos, validation: Tensor, recipe: Recipe) -> None:
        """Store the photos."""
        super().__init__()
        self.photos, self.validation, self.recipe = train, validation, recipe
        self.test = torch.empty(0)

    def setup(self, stage: str) -> None:
        """Move the photos to the device."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.photos = self.photos.to(device)
        self.validation, self.test = self.validation.to(device), self.test.to(device)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of shuffled photo numbers."""
        size = min(self.recipe.batch_size, len(self.photos))
        return DataLoader(_Indices(len(self.photos)), size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[int]:
        """Return a loader of photo numbers in order."""
        return DataLoader(_Indices(len(self.validation)), self.recipe.batch_size)

    def test_dataloader(self) -> DataLoader[int]:
        """Return a loader of photo numbers in order."""
        return DataLoader(_Indices(len(self.test)), self.recipe.batch_size)

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        """Convert photo numbers to (N, 3, side, side) float32 L*a*b*."""
        trainer = self.trainer
        if trainer is None or not trainer.training:
            held_out = self.test if trainer is not None and trainer.testing else self.validation
            return held_out[batch].permute(0, 3, 1, 2).float()
        side = self.recipe.side_at(cast(float, trainer.lightning_module.progress))
        if batch.dim() > 1:  # a stream yields the photos themselves
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
        limit: Largest number of training photos.
        memory: "device" keeps the training photos on the device, "stream" reads them again each
            epoch, "auto" decides by their number and the free memory.
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
        """Store the arguments; ``setup`` reads the photos."""
        super().__init__(Photos([]), torch.empty(0), recipe)
        self.data, self.limit, self.memory, self.workers = data, limit, memory, workers
        self.stream: PhotoStream | None = None
        self._sources: tuple[Source, Source, Source | None] | None = None

    def open(self) -> None:
        """Find the photos, without reading them.

        Raises:
            FileNotFoundError: If there are none for training.
        """
        self._sources = open_data(self.data, self.recipe)

    def setup(self, stage: str) -> None:
        """Read the photos, once, and move them to the device."""
        if len(self.validation):
            return
        train, validation, test = self._sources or open_data(self.data, self.recipe)
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if self._streams(train, world):
            self.stream = self._stream(train, rank=rank, world=world)
            # A sample, for measurements on training photos before training, such as the prior.
            side = self.recipe.resolutions[-1]
            self.photos, _ = read_photos(train.files(), resolutions=[side], limit=_BUFFER)
            print(f"training: a stream of photos, about {train.size or 'an unknown number'}")
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
        """Ensure one validation photo, and the same number of training photos per process."""
        if not len(self.validation):  # too few photos, so the split has none for validation
            if len(self.photos) < 2:
                raise ValueError(f"{self.data} has one colour photo; training needs at least two")
            first, rest = torch.arange(1), torch.arange(1, len(self.photos))
            self.validation = self.photos.subset(first).squares(self.recipe.resolutions[-1])
            self.photos = self.photos.subset(rest)
        if self.trainer is not None and world > 1 and self.stream is None:
            strategy = self.trainer.strategy
            count = torch.tensor(-float(len(self.photos)), device=strategy.root_device)
            shortest = -int(strategy.reduce(count, reduce_op="max"))
            self.photos = self.photos.subset(torch.randperm(len(self.photos))[:shortest])

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of shuffled photo numbers, or of a stream of photos."""
        if self.stream is None:
            return super().train_dataloader()
        return DataLoader(
            self.stream,
            min(self.recipe.batch_size, self.stream.length),
            num_workers=self.stream.workers,
            persistent_workers=self.stream.workers > 0,
        )

    def _streams(self, source: Source, world: int) -> bool:
        """Decide whether the photos are streamed; all processes get the same result."""
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
        """Open a stream whose epochs are complete batches for each worker of each process."""
        if self.limit is not None:
            source = replace(
                source,
                dataset=source.dataset.take(self.limit),
                size=min(source.size or self.limit, self.limit),
            )
        shared = split_dataset_by_node(source.dataset, rank=rank, world_size=world)
        workers = min(self.workers, shared.num_shards)  # each needs at least one shard
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
    """Photo numbers: loaders shuffle and distribute them, while the photos stay on the device."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class PhotoStream(IterableDataset[Tensor]):
    """An endless, shuffled stream of photos, divided into epochs of a fixed length.

    Args:
        source: This process's share of the photos.
        side: Photos are cropped to the central square and resized to this side, pixels.
        length: Photos per epoch for each worker.
        workers: Processes that read for each training process; 0 means the process itself.
    """

    def __init__(self, source: Source, *, side: int, length: int, workers: int = 0) -> None:
        """Store the arguments; nothing is read before the first epoch."""
        super().__init__()
        self.source = source
        self.side, self.length, self.workers = side, length, workers
        self._photos: Iterator[Tensor] | None = None

    def __len__(self) -> int:
        """Return the number of photos in this process's share of an epoch."""
        return self.length * max(1, self.workers)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield (side, side, 3) float16 L*a*b*, continuing where the last epoch stopped."""
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
        while found:  # stop if the share contains no colour photo at all
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
            print(f"one pass over the stream: {tally}")
