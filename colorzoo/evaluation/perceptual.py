"""LPIPS and FID by torchmetrics: scores that need trained networks, which are not always there."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.evaluation.metrics import Measure

# Seconds that a server may be silent: without a limit, a download that is cut off waits for ever.
_PATIENCE = 5.0


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al. 2018) by AlexNet, mean over photos.

    Paper: https://arxiv.org/abs/1801.03924. 0 is equal, lower is closer.
    """

    def __init__(self, *, device: str | torch.device = "cpu") -> None:
        """Load AlexNet, which torchvision downloads when it is not in its cache.

        Args:
            device: Where the network runs.

        Raises:
            ImportError: If torchmetrics or torchvision is not installed.
            OSError: If the weights cannot be downloaded.
        """
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self._device = device
        self._metric: Any = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).to(device)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in a picture and the photo that it should be, (H, W, 3) uint8."""
        pair = (_to_batch(picture, self._device) / 255 for picture in (predicted, truth))
        with torch.no_grad():
            self._metric.update(*pair)

    def value(self) -> float:
        """The mean of all pictures so far."""
        return float(self._metric.compute())


class Fid:
    """Frechet inception distance (Heusel et al. 2017) of the pictures to the true photos.

    Paper: https://arxiv.org/abs/1706.08500. Lower is closer; it falls as photos are added, so only
    values over equally many photos compare.
    """

    def __init__(
        self, *, network: int | nn.Module = 2048, device: str | torch.device = "cpu"
    ) -> None:
        """Load Inception-v3, which torch-fidelity downloads when it is not in its cache.

        Args:
            network: That many features of Inception-v3, or a network of one's own that maps
                (N, 3, H, W) uint8 to (N, F).
            device: Where the network runs.

        Raises:
            ImportError: If torchmetrics or torch-fidelity is not installed.
            OSError: If the weights cannot be downloaded.
        """
        from torchmetrics.image.fid import FrechetInceptionDistance

        self._device, self._count = device, 0
        self._metric: Any = FrechetInceptionDistance(network).to(device)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Take in a picture and the photo that it should be, (H, W, 3) uint8."""
        with torch.no_grad():
            self._metric.update(_to_batch(truth, self._device), real=True)
            self._metric.update(_to_batch(predicted, self._device), real=False)
        self._count += 1

    def value(self) -> float | None:
        """The distance of all pictures so far; None for fewer than two, which have no spread."""
        return float(self._metric.compute()) if self._count > 1 else None


_KINDS = {"lpips": Lpips, "fid": Fid}


def find_measures(
    names: Iterable[str], *, device: str | torch.device = "cpu"
) -> tuple[dict[str, Measure], list[str]]:
    """Get LPIPS and FID ready where their packages and weights can be had.

    Args:
        names: "lpips", "fid", both or none.
        device: Where their networks run.

    Returns:
        The measures by name, for :func:`colorzoo.metrics.evaluate`, and for each that cannot be
        had a line that says so and why.
    """
    found: dict[str, Measure] = {}
    notes: list[str] = []
    for name in names:
        try:
            with _impatient():
                found[name] = _KINDS[name](device=device)
        except (ImportError, OSError, RuntimeError, HTTPException) as error:
            what = "a package it needs" if isinstance(error, ImportError) else "its weights"
            reason = " ".join(str(error).split()) or type(error).__name__
            notes.append(
                f"{name.upper()} was asked for, but {what} cannot be had here, so it is left out: "
                f"{reason}"
            )
    return found, notes


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _to_batch(rgb: np.ndarray, device: str | torch.device) -> Tensor:
    """Turn (H, W, 3) uint8 into (1, 3, H, W) uint8."""
    return torch.tensor(rgb, device=device).permute(2, 0, 1)[None]
