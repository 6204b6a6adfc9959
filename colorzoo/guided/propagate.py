"""Spread the colours that a person asked for at some points over what belongs to them.

What is spread is the residual: the asked colour minus the model's. It has two parts. A model that
is a little off, such as green that should be greener, is off in the same way wherever the picture
looks alike. So small residuals are spread by Gaussian process regression (Rasmussen & Williams
2006, chapter 2) over position, lightness and the predicted colour. A large residual, such as a coat
that is red and not blue, says nothing about the rest of the picture. There it is left out (by a
redescending weight, Holland & Welsch 1977), and it fills its own region up to the next edge of the
lightness, which takes one sparse linear system (Levin et al. 2004, "Colorization using
Optimization", with a screening term). All numbers were chosen on validation photos.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray

# Of the two kernels that sum up to the covariance of residuals: weight, then length scales in
# position (short sides), lightness, lightness of the surroundings, and predicted ab (all / 100).
_KERNELS = (
    (0.18, 0.13, 0.30, 0.30, 0.11),
    (0.82, 1.20, 0.20, 0.30, 0.20),
)
_NOISE = 0.2  # standard deviation of an asked colour, of the prior's standard deviation
_POWER = 0.7  # how strongly the prior follows the model's own uncertainty
_LEAST_SPREAD = 1.0  # of the model's uncertainty, L*a*b* units
_SURROUNDINGS = 0.02  # standard deviation of the blur, short sides
# Residuals beyond this, L*a*b* units, say little about the rest of the picture; with more hints,
# others contradict where that would be wrong.
_LARGE, _LARGE_PER_DECADE = 20.0, 20.0
_EDGE = 2.5  # difference in L that is an edge
_LEAK = 1e-5  # of the flow between neighbours across an edge
_SCREEN = 2e-4  # pull towards no change, so that a residual fades with distance
_FAR = 20.0  # distance from which an asked colour replaces the model's, L*a*b* units
_FIRM = 1e3  # pull of a hint towards its colour
_HALF, _STEEPNESS = 0.3, 3.0  # influence at which a hint half holds, and how sharp that limit is


class Anchors(NamedTuple):
    """Pixels whose colour is known, by which small residuals are spread.

    Attributes:
        rows: (n,) int.
        columns: (n,) int.
        residuals: (n, 2) asked minus predicted ab, L*a*b* units.
        doubt: (n,) standard deviation of what is asked, 1 for a hint of a person.
    """

    rows: Array
    columns: Array
    residuals: Array
    doubt: Array


def spread_widely(lightness: Array, ab: Array, spread: Array | None, anchors: Anchors) -> Array:
    """Spread small residuals over all that looks alike.

    Args:
        lightness: (h, w) L in [0, 100].
        ab: (2, h, w) the model's colours.
        spread: (h, w) standard deviation of the model's colours, L*a*b* units; None if it is the
            same everywhere.
        anchors: What is known.

    Returns:
        (2, h, w) what to add to ``ab``.
    """
    height, width = lightness.shape
    features = _features(lightness, ab)
    prior = np.ones((height, width)) if spread is None else spread.clip(min=_LEAST_SPREAD) / 100
    prior = prior.reshape(-1) ** _POWER
    at = anchors.rows * width + anchors.columns
    limit = _LARGE + _LARGE_PER_DECADE * np.log10(max(1, len(at)))
    squared = (anchors.residuals**2).sum(axis=1, keepdims=True)
    residuals = anchors.residuals * np.exp(-squared / (2 * limit**2))
    between = sum(_kernel(features[at], features[at], kernel) for kernel in _KERNELS)
    between = between * np.outer(prior[at], prior[at])
    noise = _NOISE**2 * np.mean(prior[at] ** 2) * anchors.doubt**2
    weights = np.linalg.solve(between + np.diag(noise), residuals)
    everywhere = _kernel(features, features[at], _KERNELS[1]) * prior[at]
    return ((everywhere @ weights) * prior[:, None]).T.reshape(2, height, width)


def fill_regions(lightness: Array, ab: Array, asked: Array, firm: Array) -> Array:
    """Fill regions with asked colours, up to the edges of the lightness.

    Where the asked colour is close to the model's, their difference is added in the whole region,
    so that the model's shades remain. Where it is far, the region gets the asked colour itself,
    because the difference could turn other shades into colours that nobody asked for.

    Args:
        lightness: (h, w) L in [0, 100].
        ab: (2, h, w) the colours so far.
        asked: (2, h, w) the colours that are asked for where ``firm`` is above 0.
        firm: (h, w) from 0, unknown, to 1, certain.

    Returns:
        (2, h, w) the colours.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    lightness = lightness.astype(np.float64)
    height, width = lightness.shape
    index = np.arange(height * width).reshape(height, width)
    ends, flows = [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -across), width - max(0, across)))
        there = (slice(down, height), slice(max(0, across), width + min(0, across)))
        change = (lightness[here] - lightness[there]) / _EDGE
        flow = np.exp(-(change**2) / 2) / (down * down + across * across) + _LEAK
        ends.append((index[here].ravel(), index[there].ravel()))
        flows.append(flow.ravel())
    first, second = np.concatenate(ends, axis=1)
    flow = np.concatenate(flows)
    both = (np.concatenate((first, second)), np.concatenate((second, first)))
    adjacency = sparse.coo_matrix((np.tile(flow, 2), both), shape=(index.size, index.size)).tocsc()
    pull = _FIRM * firm.ravel().astype(np.float64)
    diagonal = np.asarray(adjacency.sum(axis=1)).ravel() + _SCREEN + pull
    system = (sparse.diags(diagonal) - adjacency).tocsc()
    change = np.where(firm > 0, asked - ab, 0.0)
    replace = (np.hypot(*change) / _FAR).clip(max=1)
    layers = (*((1 - replace) * change), *(replace * asked), replace, np.ones_like(firm))
    known = pull[:, None] * np.stack([layer.ravel() for layer in layers], axis=1)
    solver = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    *spread, share = solver.solve(known).T.reshape(len(layers), height, width)
    blend = np.stack(spread) / share.clip(min=1e-12)
    return ab + _trust(share) * (blend[:2] + blend[2:4] - blend[4] * ab)


def _features(lightness: Array, ab: Array) -> Array:
    """Return (h * w, 6): position, lightness, that of the surroundings, and predicted ab."""
    from scipy.ndimage import gaussian_filter

    height, width = lightness.shape
    short = min(height, width)
    rows, columns = np.mgrid[:height, :width] / short
    around = gaussian_filter(lightness, _SURROUNDINGS * short, mode="nearest")
    layers = (rows, columns, lightness / 100, around / 100, *(ab / 100))
    return np.stack([layer.ravel() for layer in layers], axis=1).astype(np.float32)


def _kernel(ones: Array, others: Array, kernel: tuple[float, ...]) -> Array:
    """Return the (n, m) covariances of two sets of features, before the prior's scale."""
    weight, *lengths = kernel
    scale = np.repeat(np.array(lengths, np.float32), (2, 1, 1, 2))
    ones, others = ones / scale, others / scale
    squared = (ones**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * ones @ others.T
    return weight * np.exp(-squared.clip(min=0) / 2)


def _trust(share: Array) -> Array:
    """Return how far a hint holds: 1 in its region, near 0 beyond an edge.

    In the solution of the system, a hint's influence fades with the logarithm of the distance. This
    makes it even within the region.

    Args:
        share: (h, w) the influence of all hints, from 0 to 1.
    """
    odds = (share.clip(0, 1) / _HALF) ** _STEEPNESS
    return odds / (1 + odds) * (1 + _HALF**_STEEPNESS)
