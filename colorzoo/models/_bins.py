"""Machinery of the families that classify pixels into the 313 ab bins of Zhang et al. 2016."""

import copy
import sys
from functools import lru_cache
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.ab_bins import COUNT, bin_centres
from colorzoo.colorizer import Colorizer
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError
from colorzoo.imaging.read import ImageSource

# The noise of a drawn colouring, chosen by eye: its standard deviation in logits, how far apart, in
# L*a*b* units, colours may be to share it, and its independent cells along a photo's short side.
_STRENGTH, _ALIKE, _CELLS = 1.0, 40.0, 2

Model = TypeVar("Model", bound="BinsColorizer")


class BinsColorizer(Colorizer):
    """A Colorizer whose ``forward`` gives logits of the bins; a family adds the network.

    Attributes:
        temperature: T of the annealed mean, above 0.
        centres: (313, 2), ab of the bins, a buffer that is saved with the weights.
        seed: Which of the possible colourings is drawn; None for the annealed mean itself.
    """

    temperature: float
    centres: Tensor
    seed: int | None = None

    def to_ab(self, output: Tensor, *, temperature: float | None = None) -> Tensor:
        """Take the annealed mean of every distribution (section 2.3 of the paper).

        Args:
            output: (N, 313, h, w), logits.
            temperature: T, above 0; the model's own if None.

        Returns:
            (N, 2, h, w), ab in L*a*b* units.
        """
        t = self.temperature if temperature is None else checked_temperature(temperature)
        logits = output.float()
        if self.seed is not None:
            height, width = logits.shape[-2:]
            logits = logits + _perturbation(self.seed, height, width).to(logits.device)
        return torch.einsum("nqhw,qc->nchw", (logits / t).softmax(dim=1), self.centres.float())

    def at_temperature(self: Model, temperature: float) -> Model:
        """Give this model with another T: it shares the weights, and this one keeps its T.

        Args:
            temperature: T of the annealed mean, above 0.

        Raises:
            ConfigError: If it is not.
        """
        model = copy.copy(self)
        model.temperature = checked_temperature(temperature)
        return model

    def drawn(self: Model, seed: int) -> Model:
        """Give this model as it draws one of the colourings that it holds possible.

        Perturb-and-MAP (Papandreou & Yuille 2011, https://doi.org/10.1109/ICCV.2011.6126242): noise
        is added to the logits before the answer is taken. The noise is Gaussian and alike for
        colours that are and for pixels that are near each other, so a car is red or blue as a
        whole. What the network is sure of stays; what it holds nearly as likely gets its turn.

        Args:
            seed: Which of the colourings; the same one gives the same colours.

        Raises:
            ConfigError: If the seed is negative or no whole number.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ConfigError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        model = copy.copy(self)
        model.seed = seed
        return model

    def answering(self: Model, temperature: float | None, seed: int | None) -> Model:
        """Give this model at a temperature and as it draws by a seed, where they are given.

        Args:
            temperature: See ``at_temperature``; the model's own if None.
            seed: See ``drawn``; nothing is drawn if None.

        Raises:
            ConfigError: If one is out of range.
        """
        model = self if temperature is None else self.at_temperature(temperature)
        return model if seed is None else model.drawn(seed)

    def colorize(
        self,
        image: ImageSource,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        temperature: float | None = None,
        seed: int | None = None,
    ) -> Image.Image:
        """Colour a photo; as ``Colorizer.colorize``, with a choice of what to make of the bins.

        Args:
            image: A path, bytes, a binary file object, a PIL image or a NumPy array.
            saturation: Factor on ab: 0 is gray, 1 is what the network says.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.
            max_pixels: Largest width * height to accept.
            temperature: T of the annealed mean, above 0; the model's own if None.
            seed: Which of the possible colourings to draw, see ``drawn``; their annealed mean if
                None.

        Returns:
            An image of the input's size.

        Raises:
            ImageError: If the image cannot be read.
            ValueError: If saturation, work_size, temperature or seed is out of range.
        """
        model = self.answering(temperature, seed)
        return super(BinsColorizer, model).colorize(
            image, saturation=saturation, work_size=work_size, max_pixels=max_pixels
        )


def _perturbation(seed: int, height: int, width: int) -> Tensor:
    """Draw (313, height, width) Gaussian noise that changes slowly over colours and the picture."""
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
    # Between its points, interpolated noise would be weaker.
    deviation = (down.square().sum(dim=1)[:, None] * across.square().sum(dim=1)).sqrt()
    return (_STRENGTH * (down @ coarse @ across.T) / deviation).float()


@lru_cache(maxsize=1)
def _alike_bins() -> Tensor:
    """Give the matrix that makes independent noise of bins alike where their colours are."""
    centres = bin_centres().double()
    covariance = torch.exp(-torch.cdist(centres, centres).square() / (2 * _ALIKE**2))
    return torch.linalg.cholesky(covariance + 1e-6 * torch.eye(COUNT, dtype=torch.float64))


def checked_temperature(temperature: float) -> float:
    """Give T back if it is above 0.

    Raises:
        ConfigError: If it is not.
    """
    if not 0 < temperature <= sys.float_info.max:
        raise ConfigError(f"temperature must be above 0, got {temperature!r}")
    return float(temperature)  # of a JSON file it may be an integer that PyTorch does not hold
