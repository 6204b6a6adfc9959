"""Make photos look old, like those that people want to colour: blurred, faded, grainy, compressed.

A network that was trained only on desaturated digital photos mistakes grain for texture and a faded
print for fog. Only lightness is degraded; the target colours are still those of the clean photo.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as V

# Each step is applied to half of the degraded pictures, in the order in which photos age.
_CHANCE = 0.5
_BLUR = (0.4, 1.6)  # standard deviation, pixels
_BLACK, _WHITE = 35.0, 65.0  # limits of L to which black and white may fade
_GAMMA = (0.6, 1.7)  # tone curves of prints, and of sepia converted to gray
_GRAIN = (0.5, 5.0)  # standard deviation, L
_GRAIN_SIZE = (0.0, 1.0)  # standard deviation of the blur of the grain, pixels
_QUALITY = (25, 85)  # of JPEG


def degrade(lightness: Tensor, share: float) -> Tensor:
    """Make some pictures of a batch look old, each in a different way.

    Args:
        lightness: (N, 1, H, W), L in [0, 100].
        share: Share of the pictures to degrade, in [0, 1].

    Returns:
        (N, 1, H, W), L in [0, 100]; pictures that are not degraded are unchanged.
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
    """Blur, as from a lens out of focus or a copy of a copy; one random strength per batch."""
    return V.gaussian_blur(lightness, [9, 9], [_between(_BLUR)])


def _fade(lightness: Tensor) -> Tensor:
    """Change the tone curve, and fade black and white."""
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
