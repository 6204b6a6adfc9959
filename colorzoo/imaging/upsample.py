"""Enlarge low-resolution ab to full size along the edges of the full-resolution L.

Bicubic interpolation alone makes colour bleed over edges. Here, the detail that full-resolution L
has and low-resolution L has not is added to ab, scaled by the local linear relation of ab and L.
This is the model of the guided filter (He, Sun & Tang 2013, "Guided Image Filtering"; He & Sun
2015, "Fast Guided Filter", https://arxiv.org/abs/1505.00996), applied to the residual only, so flat
areas keep the network's colour exactly. The result is clamped to the range of ab in the 3x3
neighbourhood, so it has no colours that the network did not predict nearby.

Measured on four photos of scikit-image's gallery, with their true ab reduced to 64 px and enlarged
again: 36.6 dB, against 35.8 for bicubic, 35.6 for joint bilateral and 34.8 for the fast guided
filter itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = 10.0  # L variance below which a window counts as flat


class GuidedUpsampler:
    """Enlarges ab to full size strip by strip, so memory does not grow with the photo.

    Args:
        lightness: (N, 1, h, w), L in [0, 100] at low resolution.
        ab: (N, 2, h, w), ab at the same resolution.
        size: (H, W) of the full resolution.
    """

    def __init__(self, lightness: Tensor, ab: Tensor, *, size: tuple[int, int]) -> None:
        """Fit the local linear relations of ab and L at low resolution."""
        self._cubic, self._linear = _fit(lightness, ab)
        self._down = [_weights(ab.shape[-2], size[0], mode, ab) for mode in ("bicubic", "bilinear")]
        self._across = [
            _weights(ab.shape[-1], size[1], mode, ab) for mode in ("bicubic", "bilinear")
        ]

    def rows(self, start: int, lightness: Tensor) -> Tensor:
        """Compute some rows of the full-size ab.

        Args:
            start: First row.
            lightness: (N, 1, rows, W), the full-resolution L of these rows.

        Returns:
            (N, 2, rows, W), ab.
        """
        part = slice(start, start + lightness.shape[-2])
        base = self._down[0][part] @ self._cubic @ self._across[0].T
        local = self._down[1][part] @ self._linear @ self._across[1].T
        return _detailed(base, local, lightness)


def upsample(lightness: Tensor, ab: Tensor, guide: Tensor) -> Tensor:
    """Enlarge ab to any size at once: three times as fast as ``GuidedUpsampler``.

    Args:
        lightness: (N, 1, h, w), L in [0, 100] at low resolution.
        ab: (N, 2, h, w), ab at the same resolution.
        guide: (N, 1, H, W), L at full resolution.

    Returns:
        (N, 2, H, W), ab.
    """
    cubic, linear = _fit(lightness, ab)
    size = guide.shape[-2:]
    # Antialiasing has no effect when enlarging, but decides how cubic interpolation is done.
    is_smaller = any(full < side for full, side in zip(size, ab.shape[-2:], strict=True))
    base = F.interpolate(cubic, size, mode="bicubic", antialias=True)
    local = F.interpolate(linear, size, mode="bilinear", antialias=is_smaller)
    return _detailed(base, local, guide)


def _fit(lightness: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
    """Fit the relations of ab and L in small windows.

    Returns:
        What is enlarged by cubic interpolation, (N, 3, h, w): L and ab; and what is enlarged
        linearly, (N, 6, h, w): slope, largest and smallest ab.
    """
    moments = _box(torch.cat((lightness, lightness**2, ab, lightness * ab), dim=1))
    mean_l, mean_square, mean_ab, mean_product = moments.split((1, 1, 2, 2), dim=1)
    variance = mean_square - mean_l**2
    slope = _box((mean_product - mean_l * mean_ab) / (variance + _EPSILON))
    around = _padded(ab)
    highest, lowest = _in_window(torch.maximum, around), _in_window(torch.minimum, around)
    return torch.cat((lightness, ab), dim=1), torch.cat((slope, highest, lowest), dim=1)


def _detailed(base: Tensor, local: Tensor, lightness: Tensor) -> Tensor:
    """Add the detail of L to enlarged ab: the two outputs of ``_fit``, enlarged, and L."""
    smooth_l, ab = base[:, :1], base[:, 1:]
    slope, highest, lowest = local.chunk(3, dim=1)
    detailed = ab + slope * (lightness - smooth_l)
    return torch.maximum(torch.minimum(detailed, highest), lowest)


def _box(x: Tensor) -> Tensor:
    return _in_window(torch.add, _padded(x)) / 9


def _padded(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _in_window(combine: Callable[[Tensor, Tensor], Tensor], padded: Tensor) -> Tensor:
    """Combine the values of each 3x3 window, rows first: pooling takes several times as long."""
    height, width = (side - 2 for side in padded.shape[-2:])
    rows = combine(
        combine(padded[..., :height, :], padded[..., 1 : height + 1, :]), padded[..., 2:, :]
    )
    return combine(combine(rows[..., :width], rows[..., 1 : width + 1]), rows[..., 2:])


def _weights(inputs: int, outputs: int, mode: str, like: Tensor) -> Tensor:
    """Return 1-D interpolation as an (outputs, inputs) matrix, so that any rows can be computed."""
    identity = torch.eye(inputs, device=like.device, dtype=like.dtype)[None, None]
    size = (outputs, inputs)
    return F.interpolate(identity, size, mode=mode, align_corners=False, antialias=True)[0, 0]
