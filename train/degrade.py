"""Make photos as old as those that people bring: blurred, faded, grainy, scanned to JPEG.

A network that has seen desaturated digital photos only takes grain for texture and a faded print
for fog. Only lightness is degraded; the colours to be found stay those of the clean photo.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as V

# Each is met by half of the pictures that are degraded at all, in the order of a photo's life.
_CHANCE = 0.5
_BLUR = (0.4, 1.6)  # standard deviation, pixels
_BLACK, _WHITE = 35.0, 65.0  # L that the darkest and the lightest tones may fade to
_GAMMA = (0.6, 1.7)  # tone curves of prints, and of sepia turned gray
_GRAIN = (0.5, 5.0)  # standard deviation, L
_GRAIN_SIZE = (0.0, 1.0)  # standard deviation of the blur of the grain, pixels
_QUALITY = (25, 85)  # of JPEG


def degrade(lightness: Tensor, share: float) -> Tensor:
    """Age some pictures of a batch, each in its own way.

    Args:
        lightness: (N, 1, H, W), L in [0, 100].
        share: Of the pictures that are degraded, in [0, 1].

    Returns:
        (N, 1, H, W), L in [0, 100]; the input where nothing is degraded.
    """
    if share <= 0:
        return lightness
    chosen = torch.rand(len(lightness), device=lightness.device) < share
    aged = lightness
    for step in (_blur, _fade, _grain, _compress):
        met = chosen & (torch.rand(len(aged), device=aged.device) < _CHANCE)
        if met.any():
            aged = aged.clone()
            aged[met] = step(aged[met])
    return aged


def _blur(lightness: Tensor) -> Tensor:
    """A lens out of focus or a copy of a copy; one strength a batch, chosen anew in each."""
    return V.gaussian_blur(lightness, [9, 9], [_between(_BLUR)])


def _fade(lightness: Tensor) -> Tensor:
    """Another tone curve, and black and white that are neither."""
    draw = torch.rand(3, len(lightness), 1, 1, 1, device=lightness.device)
    gamma = _GAMMA[0] * (_GAMMA[1] / _GAMMA[0]) ** draw[0]
    black = _BLACK * draw[1] ** 2
    white = 100 - (100 - _WHITE) * draw[2] ** 2
    return black + (white - black) * (lightness / 100).clamp(0, 1) ** gamma


def _grain(lightness: Tensor) -> Tensor:
    noise = torch.randn_like(lightness)
    size = _between(_GRAIN_SIZE)
    if size > 0.3:
        noise = V.gaussian_blur(noise, [7, 7], [size])
        noise = noise / noise.std()
    strength = torch.empty(len(lightness), 1, 1, 1, device=lightness.device).uniform_(*_GRAIN)
    return (lightness + strength * noise).clamp(0, 100)


def _compress(lightness: Tensor) -> Tensor:
    quality = int(_between(_QUALITY))
    coded = []
    for pixels in (lightness * 2.55).round().clamp(0, 255).to("cpu", torch.uint8).numpy():
        buffer = io.BytesIO()
        Image.fromarray(pixels[0]).save(buffer, "JPEG", quality=quality)
        coded.append(np.asarray(Image.open(buffer)))
    return torch.tensor(np.stack(coded)[:, None]).to(lightness.device, lightness.dtype) / 2.55


def _between(limits: tuple[float, float]) -> float:
    return float(torch.empty(()).uniform_(*limits))
