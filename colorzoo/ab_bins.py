"""The 313 ab bins of Zhang et al. 2016, "Colorful Image Colorization", and how often each occurs.

The ab plane is divided into squares of 10 units. The bins are the squares that contain sRGB colours
at some lightness. The paper publishes them as a table, not a formula, so they are written out here:
for every a, the bins form one contiguous range of b. Paper: https://arxiv.org/abs/1603.08511
"""

import torch
from torch import Tensor

GRID = 10

# Centre a: (smallest, largest) centre b.
_RANGES = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}
COUNT = 313

# The tables cover -_REACH..+_REACH squares of the grid in each direction.
_REACH = 13


def bin_centres() -> Tensor:
    """Return the centres of the bins: (313, 2) float32 ab in L*a*b* units, sorted by a, then b."""
    return torch.tensor(
        [(a, b) for a, (low, high) in _RANGES.items() for b in range(low, high + GRID, GRID)],
        dtype=torch.float32,
    )


def nearest_bin(ab: Tensor) -> Tensor:
    """Find the bin of every pixel.

    A colour in a square that is not a bin gets the bin nearest to the centre of that square.

    Args:
        ab: (N, 2, H, W), L*a*b* units.

    Returns:
        (N, H, W) int64, from 0 to 312.
    """
    return near_squares(1).to(ab.device)[square(ab.movedim(1, -1))][..., 0]


def near_squares(count: int) -> Tensor:
    """List the bins nearest to the centre of every square of the grid.

    Args:
        count: Number of bins to list for each square.

    Returns:
        (729, count) int64, nearest first; row i belongs to the square that ``square`` numbers i.
    """
    steps = torch.arange(-_REACH, _REACH + 1, dtype=torch.float32) * GRID
    distance = torch.cdist(torch.cartesian_prod(steps, steps), bin_centres())
    return distance.topk(count, largest=False).indices


def square(ab: Tensor) -> Tensor:
    """Return the number of the grid square that contains each (..., 2) ab: (...) int64."""
    place = (ab.float() / GRID).round().clamp(-_REACH, _REACH).long() + _REACH
    return place[..., 0] * (2 * _REACH + 1) + place[..., 1]


def smoothed_prior(counts: Tensor, *, sigma: float = 5.0) -> Tensor:
    """Compute the smoothed distribution of colours (section 2.2 of the paper) from bin counts.

    Args:
        counts: (313,), pixels in each bin; at least one must be above 0.
        sigma: Standard deviation of the Gaussian in the ab plane, L*a*b* units.

    Returns:
        (313,) float64, positive, with the sum 1.
    """
    centres = bin_centres().double()
    kernel = torch.exp(-torch.cdist(centres, centres).square() / (2 * sigma**2))
    kernel /= kernel.sum(dim=0, keepdim=True)
    prior = kernel @ counts.double().cpu()
    return prior / prior.sum()


def rebalancing(prior: Tensor, mix: float) -> Tensor:
    """Compute the weight of each bin, higher for rare colours (section 2.2 of the paper).

    Args:
        prior: (313,), relative frequency of each bin, with the sum 1.
        mix: Lambda in [0, 1]: share of the uniform distribution; 1 means no rebalancing.

    Returns:
        (313,), ``1 / ((1 - mix) prior + mix / 313)``, scaled so that its mean over the prior is 1.
    """
    weights = 1 / ((1 - mix) * prior + mix / COUNT)
    return weights / (prior * weights).sum()
