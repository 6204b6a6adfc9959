"""Machinery of the families that classify pixels into the 313 ab bins of Zhang et al. 2016."""

import copy
import math
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.images import MAX_PIXELS, ImageSource

Model = TypeVar("Model", bound="BinsColorizer")


class BinsColorizer(Colorizer):
    """A Colorizer whose ``forward`` gives logits of the bins; a family adds the network.

    Attributes:
        temperature: T of the annealed mean, above 0.
        centres: (313, 2), ab of the bins, a buffer that is saved with the weights.
        noise: (313,), what a drawn colouring adds to the logits of every pixel; None for the
            annealed mean itself.
    """

    temperature: float
    centres: Tensor
    noise: Tensor | None = None

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
        if self.noise is not None:
            logits = logits + self.noise.to(logits.device)[:, None, None]
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

        Gumbel noise on the logits turns their largest into a sample of the distribution (the
        Gumbel-max trick, Maddison et al. 2014, https://arxiv.org/abs/1411.0030). All pixels share
        the noise of a bin, so those that are alike are drawn alike: a car is red or blue, not
        both. The annealed mean is taken of what is drawn; the nearer T is to 0, the nearer it is to
        the sample itself.

        Args:
            seed: Which of the colourings; the same one gives the same colours.

        Raises:
            ConfigError: If the seed is negative or no whole number.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ConfigError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(len(self.centres), generator=generator, dtype=torch.float64)
        model = copy.copy(self)
        model.noise = -(-uniform.clamp(min=1e-12).log()).log().float()
        return model

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
        model = self if temperature is None else self.at_temperature(temperature)
        model = model if seed is None else model.drawn(seed)
        return super(BinsColorizer, model).colorize(
            image, saturation=saturation, work_size=work_size, max_pixels=max_pixels
        )


def checked_temperature(temperature: float) -> float:
    """Give T back if it is above 0.

    Raises:
        ConfigError: If it is not.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"temperature must be above 0, got {temperature!r}")
    return temperature
