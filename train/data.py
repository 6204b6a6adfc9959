"""Photos for training: read once, kept as float16 L*a*b*, cropped and flipped on the device."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import lightning as pl
import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ImageError
from colorzoo.images import SUFFIXES, read_photo
from colorzoo.metrics import prepare
from train.recipe import Recipe

# Mean distance from gray, in L*a*b* units, below which a photo has no colour to learn from.
_GRAY_CHROMA = 2.0
# Photos converted at a time.
_CHUNK = 256


@dataclass
class Tally:
    """What became of the files of a source."""

    used: int = 0
    unreadable: int = 0
    gray: int = 0

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.used} photos, {self.unreadable} unreadable, {self.gray} gray"


def find_sources(data: Path) -> tuple[list[Path], list[Path]]:
    """Find what to train on and what to validate on.

    A folder with tar files holds WebDataset shards: val*.tar validate, test*.tar are left alone,
    all others train. Any other folder is walked for photos, which are split by the recipe's share.

    Args:
        data: A folder, or one tar file.

    Returns:
        Sources for training, sources for validation (empty: split the former).

    Raises:
        FileNotFoundError: If there is nothing to train on.
    """
    shards = [data] if data.suffix == ".tar" and data.is_file() else sorted(data.glob("*.tar"))
    train = [path for path in shards if not path.name.startswith(("val", "test"))]
    validation = [path for path in shards if path.name.startswith("val")]
    if shards and not train:
        raise FileNotFoundError(f"{data} has validation or test shards only, none to train on")
    if not shards:
        files = photos_below(data)
        if not files:
            raise FileNotFoundError(
                f"{data} holds neither tar shards nor photos ({', '.join(sorted(SUFFIXES))})"
            )
        return files, []
    return train, validation


def photos_below(folder: Path) -> list[Path]:
    """Find the files in a folder, and in those below it, that are named like photos."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def iter_files(sources: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every photo in tar shards and files."""
    for source in sources:
        if source.suffix != ".tar":
            yield source.name, source.read_bytes()
            continue
        with tarfile.open(source) as shard:
            for member in shard:
                file = shard.extractfile(member) if member.isfile() else None
                if file and Path(member.name).suffix.lower() in SUFFIXES:
                    yield f"{source.name}/{member.name}", file.read()


def iter_photos(sources: list[Path], tally: Tally) -> Iterator[np.ndarray]:
    """Yield photos as (H, W, 3) uint8 sRGB; unreadable ones are counted in the tally instead."""
    for _, content in iter_files(sources):
        try:
            yield read_photo(content).rgb
        except ImageError:
            tally.unreadable += 1


def read_lab(sources: list[Path], *, side: int, limit: int | None = None) -> tuple[Tensor, Tally]:
    """Read photos into one tensor; gray ones are counted and left out.

    Args:
        sources: Tar shards and photos.
        side: Photos are cropped to the central square and resized to this side, pixels.
        limit: Stop after so many.

    Returns:
        (N, side, side, 3) float16 L*a*b*, and what became of the files.

    Raises:
        ValueError: If no photo with colour is left.
    """
    tally = Tally()
    parts: list[Tensor] = []
    squares = (prepare(rgb, side=side) for rgb in iter_photos(sources, tally))
    reading = track(squares, description="Reading photos", total=None)
    while chunk := list(islice(reading, _CHUNK)):
        lab = rgb_to_lab(torch.from_numpy(np.stack(chunk)).permute(0, 3, 1, 2) / 255)
        coloured = lab[:, 1:].norm(dim=1).mean(dim=(1, 2)) >= _GRAY_CHROMA
        tally.gray += int((~coloured).sum())
        parts.append(lab[coloured].permute(0, 2, 3, 1).half())
        if limit and sum(map(len, parts)) >= limit:
            break
    photos = torch.cat(parts)[:limit] if parts else torch.empty(0)
    tally.used = len(photos)
    if not len(photos):
        raise ValueError(f"no colour photo was found: {tally}")
    return photos, tally


class _Indices(Dataset[int]):
    """The photos' numbers: loaders shuffle and share these out, the photos stay on the device."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class PhotoData(pl.LightningDataModule):
    """Training and validation photos, augmented on the device.

    Args:
        data: A folder or tar file; see ``find_sources``.
        recipe: Decides resolution, crops, batch size, split and seed.
        limit: Use at most so many training photos.
    """

    def __init__(self, data: Path, recipe: Recipe, *, limit: int | None = None) -> None:
        """Remember where the photos are; they are read by ``setup``."""
        super().__init__()
        self.data, self.recipe, self.limit = data, recipe, limit
        self.train_lab = self.val_lab = torch.empty(0)

    def setup(self, stage: str) -> None:
        """Read the photos, once, and move them to the device."""
        if len(self.train_lab):
            return
        train, validation = find_sources(self.data)
        side = self.recipe.largest_side
        lab, tally = read_lab(train, side=side, limit=self.limit)
        print(f"training: {tally}")
        if validation:
            held_out, tally = read_lab(validation, side=side)
            print(f"validation: {tally}")
        else:
            order = torch.randperm(len(lab), generator=_generator(self.recipe.seed))
            count = max(1, round(len(lab) * self.recipe.validation_share))
            held_out, lab = lab[order[:count]], lab[order[count:]]
            print(f"validation: {count} of them, which are not trained on")
        if not len(lab):
            raise ValueError(f"{self.data} holds one colour photo; training needs at least two")
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.train_lab, self.val_lab = lab.to(device), held_out.to(device)

    def train_dataloader(self) -> DataLoader[int]:
        """Shuffled photo numbers."""
        size = min(self.recipe.batch_size, len(self.train_lab))
        return DataLoader(_Indices(len(self.train_lab)), size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[int]:
        """Photo numbers in order."""
        return DataLoader(_Indices(len(self.val_lab)), self.recipe.batch_size)

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        """Turn photo numbers into (N, 3, side, side) float32 L*a*b*."""
        trainer = self.trainer
        if trainer is None or not trainer.training:
            return self.val_lab[batch].permute(0, 3, 1, 2).float()
        side = self.recipe.side_at(cast(float, trainer.lightning_module.progress))
        return random_crops(self.train_lab, batch, side=side, smallest=self.recipe.smallest_crop)


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


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
