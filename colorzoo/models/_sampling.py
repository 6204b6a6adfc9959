"""Samplers: solve dx/dt = velocity(x, t) along a list of times, from noise to a picture.

They are named as in k-diffusion and EDM (Karras et al. 2022, https://arxiv.org/abs/2206.00364). A
flow passes its own velocity. A diffusion model passes ``to_d`` of its denoiser, with noise levels
as the times. The state is float32 whatever the network runs in: over several steps, the rounding of
bfloat16 would add up.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from colorzoo.torch_state import on_cpu

Velocity = Callable[[Tensor, float], Tensor]
Sampler = Callable[[Velocity, Tensor, Sequence[float]], Tensor]


def sample_euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Follow the velocity at the start of each step: order 1, one evaluation a step.

    Args:
        velocity: Maps a state like ``x`` and a time to dx/dt, of the same shape.
        x: (N, ...), the state at the first time.
        times: Rising or falling; there is a step from each one to the next.

    Returns:
        The state at the last time, float32.
    """
    x = x.float()
    for t, after in zip(times, times[1:], strict=False):
        x = x + (after - t) * velocity(x, t).float()
    return x


def sample_heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Follow the mean of the velocities at both ends of each step: order 2, two evaluations.

    See ``sample_euler`` for the arguments. The velocity must be defined at the last time.
    """
    x = x.float()
    for t, after in zip(times, times[1:], strict=False):
        first = velocity(x, t).float()
        second = velocity(x + (after - t) * first, after).float()
        x = x + (after - t) * (first + second) / 2
    return x


def sample_midpoint(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Follow the velocity in the middle of each step: order 2, two evaluations, as DPM-Solver-2.

    See ``sample_euler`` for the arguments. The velocity is never evaluated at the last time.
    """
    x = x.float()
    for t, after in zip(times, times[1:], strict=False):
        half = x + (after - t) / 2 * velocity(x, t).float()
        x = x + (after - t) * velocity(half, (t + after) / 2).float()
    return x


SAMPLERS: Mapping[str, Sampler] = {
    "euler": sample_euler,
    "heun": sample_heun,
    "midpoint": sample_midpoint,
}


def flow_times(steps: int, *, rho: float = 1.0) -> list[float]:
    """Return the times of a flow: from 0, noise, to 1, colours.

    Args:
        steps: Number of steps, at least 1.
        rho: 1 for equal steps; more makes the first ones shorter. White noise hides fine detail
            long before it hides what colour a whole sky has, so that is decided near 0.
    """
    return [(i / steps) ** rho for i in range(steps + 1)]


def karras_sigmas(steps: int, *, low: float, high: float, rho: float = 7.0) -> list[float]:
    """Return the noise levels of a diffusion model: falling, denser at low noise (EDM, eq. 5).

    Args:
        steps: Number of steps, at least 1.
        low: The last noise level, above 0.
        high: The first one.
        rho: How much denser.
    """
    first, last = high ** (1 / rho), low ** (1 / rho)
    return [(first + i / steps * (last - first)) ** rho for i in range(steps + 1)]


def to_d(x: Tensor, sigma: float, denoised: Tensor) -> Tensor:
    """Convert a denoiser's output to the velocity dx/dsigma of its ODE (EDM, eq. 3)."""
    return (x - denoised) / sigma


@on_cpu()
def seeded_noise(seed: int | Sequence[int], like: Tensor) -> Tensor:
    """Draw the noise that belongs to seeds, whatever the device, the type and the batch.

    Args:
        seed: One seed for all rows, or one for each row.
        like: (N, ...), which gives shape and device.

    Returns:
        Standard Gaussian noise of that shape, float32.
    """
    seeds = [seed] if isinstance(seed, int) else list(seed)
    rows = [
        torch.randn(
            like.shape[1:], generator=torch.Generator().manual_seed(each), dtype=torch.float32
        )
        for each in seeds
    ]
    return torch.stack(rows).to(like.device).expand(like.shape)
