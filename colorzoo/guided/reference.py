"""Take colours from a reference photo.

Where the features of an encoder correspond in both photos, the reference gives hints with a doubt:
the best matches in both directions, as for keypoints (Lowe 2004, section 7, and the mutual check
that is common since), as in "Deep Exemplar-based Colorization" (He et al. 2018,
https://arxiv.org/abs/1807.06587). Where nothing corresponds, its palette is a weak prior: ab of
the photo is moved towards the reference's mean and spread at the same lightness, as in "Color
Transfer between Images" (Reinhard et al. 2001).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_STEEPNESS = 0.03  # of the belief, by the cosine similarity of a match
_LEAST = 0.3  # confidence below which a match is dropped
_COMMON = 0.1  # mean confidence from which both photos are taken to show the same things
_OTHER_LIGHT = 20.0  # difference in L at which a match is doubtful
_PALETTE = 0.05  # share of the palette where nothing corresponds
_BANDS = 5  # of lightness, for the palette
_MOST_SPREAD = 2.0  # factor by which the palette may change the spread of colours


class Matches(NamedTuple):
    """Cells of a photo that have a counterpart in the reference.

    Attributes:
        cells: (n, 2) row and column, as fractions of the height and width.
        ab: (n, 2) colour of the counterpart, L*a*b* units.
        confidence: (n,) from 0 to 1.
    """

    cells: Tensor
    ab: Tensor
    confidence: Tensor


def match(
    ours: Tensor, theirs: Tensor, lightness: Tensor, reference: Tensor, *, half: float
) -> Matches:
    """Find corresponding cells.

    Args:
        ours: (1, C, h, w), features of the photo.
        theirs: (1, C, H, W), features of the reference.
        lightness: (1, 1, ...), L of the photo, at any size.
        reference: (1, 3, ...), L*a*b* of the reference, at any size.
        half: Cosine similarity of features at which a match is half believed.

    Returns:
        The matches, without those that are too unsure.
    """
    (height, width), (their_height, their_width) = ours.shape[-2:], theirs.shape[-2:]
    a, b = (_unit(each) for each in (ours, theirs))
    similar = a @ b.T
    best, index = similar.max(dim=1)
    mutual = similar.argmax(dim=0)[index] == torch.arange(len(a), device=a.device)
    light = F.adaptive_avg_pool2d(lightness.float(), (height, width)).flatten()
    colours = F.adaptive_avg_pool2d(reference.float(), (their_height, their_width))
    colours = colours.flatten(2)[0].T[index]
    confidence = torch.sigmoid((best - half) / _STEEPNESS)
    confidence = confidence * torch.exp(-(((light - colours[:, 0]) / _OTHER_LIGHT) ** 2) / 2)
    confidence = confidence * mutual
    # A few matches among many cells are chance: in other scenes, about 2 % of the cells have one.
    confidence = confidence * (confidence.mean() / _COMMON).clamp(max=1) ** 2
    (kept,) = torch.nonzero(confidence > _LEAST, as_tuple=True)
    rows, columns = kept // width, kept % width
    cells = torch.stack(((rows + 0.5) / height, (columns + 0.5) / width), dim=1)
    return Matches(cells, colours[kept, 1:], confidence[kept])


def towards_palette(lightness: Tensor, ab: Tensor, reference: Tensor) -> Tensor:
    """Return what to add to colours so that they come closer to a reference's palette.

    Args:
        lightness: (1, 1, h, w), L of the photo.
        ab: (1, 2, h, w), its colours.
        reference: (1, 3, H, W), L*a*b* of the reference.

    Returns:
        (1, 2, h, w), already weak.
    """
    centres = torch.linspace(0, 100, _BANDS, device=ab.device)
    ours, theirs = _bands(lightness, centres), _bands(reference[:, :1], centres)
    mean, deviation, _ = _moments(ab, ours)
    their_mean, their_deviation, amount = _moments(reference[:, 1:], theirs)
    # Bands that the reference has little of take its mean over all.
    whole = reference[:, 1:].mean(dim=(2, 3))
    known = (amount / amount.mean()).clamp(max=1)[:, None]
    their_mean = known * their_mean + (1 - known) * whole
    gain = (their_deviation / deviation.clamp(min=1)).clamp(1 / _MOST_SPREAD, _MOST_SPREAD)
    change = torch.zeros_like(ab)
    for band in range(_BANDS):
        moved = (ab - mean[band, :, None, None]) * gain[band, :, None, None]
        moved = moved + their_mean[band, :, None, None]
        change += ours[:, band : band + 1] * (moved - ab)
    return _PALETTE * change


def _unit(features: Tensor) -> Tensor:
    """Centre features and normalise each cell: (1, C, h, w) to (h * w, C)."""
    features = features.float()
    features = features - features.mean(dim=(2, 3), keepdim=True)
    return F.normalize(features.flatten(2)[0].T, dim=1)


def _bands(lightness: Tensor, centres: Tensor) -> Tensor:
    """Return how much each pixel belongs to each band: (1, bands, h, w), with sum 1."""
    width = centres[1] - centres[0]
    return (1 - (lightness.float() - centres[:, None, None]).abs() / width).clamp(min=0)


def _moments(ab: Tensor, bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (bands, 2) mean and standard deviation of (1, 2, h, w) ab, and (bands,) amounts."""
    share = bands.flatten(2)[0]
    pixels = ab.float().flatten(2)[0].T
    amount = share.sum(dim=1)
    norm = amount.clamp(min=1e-6)[:, None]
    mean = share @ pixels / norm
    square = share @ pixels.square() / norm
    return mean, (square - mean.square()).clamp(min=0).sqrt(), amount
