"""Shared code of the models that classify pixels into the 313 ab bins of Zhang et al. 2016."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from colorzoo.ab_bins import COUNT, bin_centres, rebalancing
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.options import Options, check_vividness, is_number
from colorzoo.prediction import Output, Plausible
from colorzoo.torch_state import on_cpu

# The noise of a sampled result, chosen by eye: its standard deviation in logits, its correlation
# length between colours in L*a*b* units, and its independent cells along a photo's short side.
_STRENGTH, _ALIKE, _CELLS = 1.0, 40.0, 2
# Largest factor on ab, so that what the network takes for nearly gray stays pale.
_LARGEST_FACTOR = 4.0
# The most that a lift adds to a pixel's chroma, as a multiple of what it adds to the photo's: a
# face in front of a gray wall should not turn orange.
_LARGEST_LIFT = 3**0.5


class DialPoint(NamedTuple):
    """How colours are computed from a distribution over bins at one position of the dial.

    Attributes:
        mix: Lambda of the rebalancing (section 2.2 of the paper), above 0 and at most 1: 1 leaves
            the distribution unchanged, small values favour rare colours.
        temperature: T of the annealed mean (section 2.3), above 0.
        gain: Factor on ab, 0 to 4.
        lift: Added to each photo's chroma (its root mean square over the pixels), L*a*b* units, 0
            to 40. A gain makes colourful photos gaudy before it helps pale ones; a lift adds as
            much to each, so it is closer to the truth at the same mean colourfulness. Pixels that
            stand out are lifted less.
    """

    mix: float
    temperature: float
    gain: float
    lift: float = 0.0


class BinsColorizer(Colorizer):
    """A Colorizer whose ``forward`` returns logits of the bins; subclasses add the network.

    The network says how likely each colour is; four numbers decide what is made of that: how much
    rare colours are favoured (Menon et al. 2021, https://arxiv.org/abs/2007.07314), the temperature
    of the annealed mean, a factor on ab, and what is added to the photo's chroma. They lie on one
    dial from careful to vivid, whose points are part of the model's configuration and are chosen on
    validation photos (``python -m train choose --dial``). The option ``vividness`` is a position on
    the dial; between its points, all four are interpolated linearly. ``temperature`` replaces that
    of the dial.

    ``seed`` samples one of the results that the network considers plausible, by perturb-and-MAP
    (Papandreou & Yuille 2011, https://doi.org/10.1109/ICCV.2011.6126242): noise is added to the
    logits before the annealed mean is taken. The noise is Gaussian, and correlated between similar
    colours and nearby pixels, so that a car is red or blue as a whole. Where the network is sure,
    the result hardly changes.

    Attributes:
        dial: The points of the dial, at equal distances from 0 to 1.
        vividness: Default position on the dial.
        centres: (313, 2), ab of the bins, a buffer that is saved with the weights.
        prior: (313,), relative frequency of the bins in the training photos, another such buffer.
            Training fills it; until then it is uniform, and the mix has no effect.
    """

    render_options: ClassVar[frozenset[str]] = frozenset({"seed", "temperature", "vividness"})
    dial: tuple[DialPoint, ...]
    vividness: float
    centres: Tensor
    prior: Tensor

    def set_up_bins(self, dial: Sequence[Sequence[float]], vividness: float) -> None:
        """Check and store the dial, and add the buffers. Constructors call it last.

        Raises:
            ConfigError: If a value is out of range.
        """
        if not isinstance(dial, list | tuple) or not dial:
            raise ConfigError(
                f"dial must be a list of at least one point (mix, temperature, gain, lift), got "
                f"{dial!r}"
            )
        self.dial = tuple(check_point(point) for point in dial)
        self.vividness = check_vividness(vividness)
        self.register_buffer("centres", bin_centres())
        self.register_buffer("prior", torch.full((COUNT,), 1 / COUNT))

    def dial_at(self, vividness: float) -> DialPoint:
        """Return the settings at a position from 0 to 1, interpolated between the dial's points."""
        place = vividness * (len(self.dial) - 1)
        low = min(int(place), len(self.dial) - 2) if len(self.dial) > 1 else 0
        below, above = self.dial[low], self.dial[min(low + 1, len(self.dial) - 1)]
        share = place - low
        return DialPoint(*(a + share * (b - a) for a, b in zip(below, above, strict=True)))

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Rebalance every distribution, compute its annealed mean, and amplify that.

        Args:
            output: (N, 313, h, w), logits.
            options: ``seed``, ``temperature`` and ``vividness``.

        Returns:
            (N, 2, h, w), ab in L*a*b* units.
        """
        assert isinstance(output, Tensor)
        vividness, temperature = options.get("vividness"), options.get("temperature")
        point = self.dial_at(self.vividness if vividness is None else vividness)
        raised = rebalancing(self.prior.float(), point.mix).log()
        logits = output.float() + raised[:, None, None]
        seed = options.get("seed")
        if seed is not None:
            height, width = logits.shape[-2:]
            logits = logits + _perturbation(seed, height, width).to(logits.device)
        t = point.temperature if temperature is None else temperature
        shares = (logits / t).softmax(dim=1)
        ab = expectation(shares, self.centres.float())
        if point.lift == 0:
            return point.gain * ab
        square = ab.square().sum(dim=1, keepdim=True)
        mean = square.mean(dim=(2, 3), keepdim=True)
        chroma = mean.maximum(square / _LARGEST_LIFT**2).sqrt()
        return (point.gain + point.lift / chroma).clamp(max=_LARGEST_FACTOR) * ab

    def plausible(self, output: Output) -> Plausible:
        """Compute the share of every bin, without rebalancing."""
        assert isinstance(output, Tensor)
        return Plausible(self.centres.float(), output.float().softmax(dim=1))

    def uncertainty(self, output: Output) -> Tensor:
        """Compute the standard deviation of ab under the distribution: (N, 1, h, w)."""
        assert isinstance(output, Tensor)
        shares = output.float().softmax(dim=1)
        centres = self.centres.float()
        mean = expectation(shares, centres)
        square = expectation(shares, centres.square().sum(dim=1, keepdim=True))
        variance = square - mean.square().sum(dim=1, keepdim=True)
        return variance.clamp(min=0).sqrt()


def expectation(shares: Tensor, values: Tensor) -> Tensor:
    """Compute the mean of values under distributions: (N, Q, h, w), (Q, C) to (N, C, h, w)."""
    mean = values.T @ shares.flatten(2)  # many times faster than torch.einsum
    return mean.unflatten(2, shares.shape[2:])


def check_point(point: Any) -> DialPoint:
    """Return a point of a dial as floats.

    Raises:
        ConfigError: If it is not three or four numbers in range.
    """
    if isinstance(point, list | tuple) and len(point) in (3, 4) and all(map(is_number, point)):
        mix, temperature, gain, lift = (*map(float, point), 0.0)[:4]
        if 0 < mix <= 1 and temperature > 0 and 0 <= gain <= _LARGEST_FACTOR and 0 <= lift <= 40:
            return DialPoint(mix, temperature, gain, lift)
    raise ConfigError(
        "a point of the dial must be (mix, temperature, gain, lift): mix above 0 and at most 1, "
        "temperature above 0, gain from 0 to 4, and lift, which can be left out, from 0 to 40; "
        f"got {point!r}"
    )


@on_cpu()
def _perturbation(seed: int, height: int, width: int) -> Tensor:
    """Draw (313, height, width) Gaussian noise, smooth over both colours and pixels."""
    generator = torch.Generator().manual_seed(seed)
    cell = min(height, width) / _CELLS
    cells = [max(1, round(side / cell)) for side in (height, width)]
    coarse = torch.randn(COUNT, *cells, generator=generator, dtype=torch.float64)
    coarse = torch.einsum("qr,rhw->qhw", _alike_bins(), coarse)
    down, across = (
        F.interpolate(
            torch.eye(inputs, dtype=torch.float64)[None, None],
            (outputs, inputs),
            mode="bilinear",
            align_corners=True,
        )[0, 0]
        for inputs, outputs in zip(cells, (height, width), strict=True)
    )
    # Interpolation makes noise weaker between the grid points; this undoes that.
    deviation = (down.square().sum(dim=1)[:, None] * across.square().sum(dim=1)).sqrt()
    return (_STRENGTH * (down @ coarse @ across.T) / deviation).float()


@lru_cache(maxsize=1)
def _alike_bins() -> Tensor:
    """Return the (313, 313) matrix that correlates independent noise of bins of similar colour."""
    centres = bin_centres().double()
    covariance = torch.exp(-torch.cdist(centres, centres).square() / (2 * _ALIKE**2))
    return torch.linalg.cholesky(covariance + 1e-6 * torch.eye(COUNT, dtype=torch.float64))
