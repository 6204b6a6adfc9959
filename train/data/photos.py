"""Photos in memory as float16 L*a*b*, cropped, flipped and resized in batches."""

from collections.abc import Iterator

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.evaluation.metrics import prepare
from colorzoo.imaging.kind import is_gray
from train.data.sources import Tally, iter_photos

# Photos converted at a time.
_CHUNK = 256


# Largest factor by which a photo may be enlarged to be kept at a resolution.
_ENLARGED = 1.3


class Photos:
    """Colour photos in memory.

    Args:
        pools: (N, S, S, 3) float16 L*a*b* each, by ascending S: every photo is kept at the largest
            training resolution for which it is large enough.
    """

    def __init__(self, pools: list[Tensor]) -> None:
        """Store the pools."""
        self.pools = pools

    def __len__(self) -> int:
        """Count the photos."""
        return sum(map(len, self.pools))

    def to(self, device: torch.device) -> "Photos":
        """Return a copy on a device."""
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
        """Return all photos at one size: (N, side, side, 3) float16."""
        return torch.cat([_resized(pool, side) for pool in self.pools])

    def crops(self, which: Tensor, *, side: int, smallest: float) -> Tensor:
        """Crop a random square from each photo, flip half of them, and resize.

        A photo that is too small for the resolution is replaced by a larger one, if there is any,
        so that a run can end at a resolution that only some of its photos have.

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
        files: The contents of the files.
        resolutions: Ascending, pixels. Photos are cropped to the central square and resized to the
            largest of these for which they are large enough.
        limit: Stop after this many photos.

    Returns:
        The photos, and the counts of used and skipped files.

    Raises:
        ValueError: If there is no colour photo.
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
    coloured = ~is_gray(lab[:, 1:])
    return lab.permute(0, 2, 3, 1).half(), coloured


def _resized(photos: Tensor, side: int) -> Tensor:
    if photos.shape[1] == side:
        return photos
    lab = photos.permute(0, 3, 1, 2).float()
    lab = F.interpolate(lab, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return lab.permute(0, 2, 3, 1).half()


def random_crops(photos: Tensor, which: Tensor, *, side: int, smallest: float) -> Tensor:
    """Crop a random square from each photo, flip half of them, and resize.

    All crops of a batch have the same random size, at different positions, so that the batch needs
    only one antialiased resize.

    Args:
        photos: (N, S, S, 3) L*a*b*.
        which: (B,) int64, numbers of the photos.
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
