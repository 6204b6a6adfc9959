"""Shared code of the models that classify pixels into the 313 ab bins of Zhang et al. 2016."""

from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from colorzoo.ab_bins import COUNT, bin_centres
from colorzoo.colorizer import Colorizer
from colorzoo.options import Options
from colorzoo.prediction import Output

# The noise of a sampled result, chosen by eye: its standard deviation in logits, its correlation
# length between colours in L*a*b* units, and its independent cells along a photo's short side.
_STRENGTH, _ALIKE, _CELLS = 1.0, 40.0, 2


class BinsColorizer(Colorizer):
    """A Colorizer whose ``forward`` returns logits of the bins; subclasses add the network.

    It supports two options. ``temperature`` is T of the annealed mean. ``seed`` samples one of the
    results that the network considers plausible, by perturb-and-MAP (Papandreou & Yuille 2011,
    https://doi.org/10.1109/ICCV.2011.6126242): noise is added to the logits before the annealed
    mean is taken. The noise is Gaussian, and correlated between similar colours and nearby pixels,
    so that a car is red or blue as a whole. Where the network is sure, the result hardly changes.

    Attributes:
        temperature: Default T of the annealed mean, above 0.
        centres: (313, 2), ab of the bins, a buffer that is saved with the weights.
    """

    render_options: ClassVar[frozenset[str]] = frozenset({"seed", "temperature"})
    temperature: float
    centres: Tensor

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Compute the annealed mean of every distribution (section 2.3 of the paper).

        Args:
            output: (N, 313, h, w), logits.
            options: ``seed`` and ``temperature``.

        Returns:
            (N, 2, h, w), ab in L*a*b* units.
        """
        assert isinstance(output, Tensor)
        logits = output.float()
        seed, temperature = options.get("seed"), options.get("temperature")
        if seed is not None:
            height, width = logits.shape[-2:]
            logits = logits + _perturbation(seed, height, width).to(logits.device)
        t = self.temperature if temperature is None else temperature
        return torch.einsum("nqhw,qc->nchw", (logits / t).softmax(dim=1), self.centres.float())


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
