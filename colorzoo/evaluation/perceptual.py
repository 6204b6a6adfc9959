"""LPIPS and FID from torchmetrics, which need trained networks that may not be available."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.evaluation.metrics import Measure
from colorzoo.torch_state import building

# Timeout in seconds if a server sends nothing; without it, an interrupted download never ends.
_PATIENCE = 5.0


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al. 2018) by AlexNet, mean over photos.

    Paper: https://arxiv.org/abs/1801.03924. 0 means equal, lower is closer.
    """

    def __init__(self, *, device: str | torch.device = "cpu") -> None:
        """Load AlexNet, which torchvision downloads if it is not in its cache.

        Args:
            device: Device on which the network runs.

        Raises:
            ImportError: If torchmetrics or torchvision is not installed.
            OSError: If the weights cannot be downloaded.
        """
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self._device = device
        self._metric: Any = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).to(device)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add a result and the original photo, (H, W, 3) uint8."""
        pair = (_to_batch(picture, self._device).float() / 255 for picture in (predicted, truth))
        with torch.no_grad():
            self._metric.update(*pair)

    def value(self) -> float:
        """The mean over all pictures so far."""
        return float(self._metric.compute())


class Fid:
    """Frechet inception distance (Heusel et al. 2017) between results and original photos.

    Paper: https://arxiv.org/abs/1706.08500. Lower is closer. It decreases as photos are added, so
    only compare values over the same number of photos.
    """

    def __init__(
        self, *, network: int | nn.Module = 2048, device: str | torch.device = "cpu"
    ) -> None:
        """Load Inception-v3, which torch-fidelity downloads if it is not in its cache.

        Args:
            network: Number of features of Inception-v3, or another network that maps (N, 3, H, W)
                uint8 to (N, F).
            device: Device on which the network runs.

        Raises:
            ImportError: If torchmetrics or torch-fidelity is not installed.
            OSError: If the weights cannot be downloaded.
        """
        from torchmetrics.image.fid import FrechetInceptionDistance

        self._device, self._count = device, 0
        self._metric: Any = FrechetInceptionDistance(network).to(device)

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add a result and the original photo, (H, W, 3) uint8."""
        with torch.no_grad():
            self._metric.update(_to_batch(truth, self._device), real=True)
            self._metric.update(_to_batch(predicted, self._device), real=False)
        self._count += 1

    def value(self) -> float | None:
        """The distance over all pictures so far; None for fewer than two (no covariance)."""
        return float(self._metric.compute()) if self._count > 1 else None


_KINDS = {"lpips": Lpips, "fid": Fid}


@building()
def find_measures(
    names: Iterable[str], *, device: str | torch.device = "cpu"
) -> tuple[dict[str, Measure], list[str]]:
    """Prepare LPIPS and FID if their packages and weights are available.

    Args:
        names: "lpips", "fid", both or none.
        device: Device on which their networks run.

    Returns:
        The measures by name, for :func:`colorzoo.evaluation.metrics.evaluate`, and a note for each
        one that is not available, with the reason.
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
                f"{name.upper()} is left out, because {what} could not be loaded: {reason}"
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
    """Convert (H, W, 3) uint8 to (1, 3, H, W) uint8."""
    return torch.tensor(rgb, device=device).permute(2, 0, 1)[None]
