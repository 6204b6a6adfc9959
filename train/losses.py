"""Training losses: modules that compare a model's prediction with the truth and return a scalar.

A loss compares the model's output with the true ab. Terms, which can be added to any loss, compare
whole L*a*b* pictures.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from colorzoo.ab_bins import (
    COUNT,
    bin_centres,
    near_squares,
    nearest_bin,
    rebalancing,
    smoothed_prior,
    square,
)
from colorzoo.color import lab_to_rgb
from colorzoo.models._timm import Normalization, build_encoder
from train.initial_weights import load_imagenet
from train.recipe import LossName, TermName

# The 5 bins nearest to a colour are always among the 24 nearest to the centre of its square.
# Computing all 313 distances for every pixel would take a third of the training time.
_CANDIDATES = 24


class SSIMLoss(nn.Module):
    """1 - SSIM of the ab channels (Wang et al. 2004): 11x11 Gaussian, sigma 1.5, range 256.

    It compares local means, contrasts and structure instead of single pixels, so a region with the
    right pattern and the wrong strength has a small loss. SSIM alone hardly penalises a channel
    that stays flat; adding the squared error does.

    Args:
        mse_weight: Factor on the mean squared error that is added, in squared L*a*b* units.
    """

    def __init__(self, *, mse_weight: float = 0.0) -> None:
        """Store the weight."""
        super().__init__()
        self.mse_weight = mse_weight

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 2, H, W) ab, L*a*b* units, sides of at least 11 pixels."""
        similarity = structural_similarity_index_measure(predicted, truth, data_range=256.0)
        assert isinstance(similarity, Tensor)  # it returns a tuple only on request
        return 1 - similarity + self.mse_weight * F.mse_loss(predicted, truth)


class BinsLoss(nn.Module):
    """Cross-entropy over the 313 ab bins with class rebalancing (Zhang et al. 2016).

    Paper: https://arxiv.org/abs/1603.08511, sections 2.1 and 2.2. Each pixel is weighted by its
    true bin, see ``colorzoo.ab_bins.rebalancing``. Until ``measure_prior`` has run, the prior is
    uniform and all weights are 1.

    Args:
        mix: Lambda in [0, 1]: share of the uniform distribution; 1 means no rebalancing.
        neighbours: Number of nearest bins in a pixel's soft target; 1 is one-hot encoding.
        sigma: Standard deviation of the Gaussian weights of these bins, L*a*b* units.
    """

    centres: Tensor
    prior: Tensor
    weights: Tensor
    candidates: Tensor

    def __init__(self, *, mix: float = 0.5, neighbours: int = 5, sigma: float = 5.0) -> None:
        """Start without rebalancing."""
        super().__init__()
        self.mix, self.neighbours, self.sigma = mix, neighbours, sigma
        self.register_buffer("centres", bin_centres())
        self.register_buffer("prior", torch.full((COUNT,), 1 / COUNT))
        self.register_buffer("weights", torch.ones(COUNT))
        self.register_buffer("candidates", near_squares(_CANDIDATES), persistent=False)

    def measure_prior(self, chunks: Iterable[Tensor]) -> None:
        """Set prior and weights from the frequencies of the bins in chunks of (N, 2, H, W) ab."""
        counts = torch.zeros(COUNT, dtype=torch.int64, device=self.weights.device)
        for ab in chunks:
            counts += torch.bincount(nearest_bin(ab).flatten(), minlength=COUNT).to(counts.device)
        prior = smoothed_prior(counts)
        self.prior.copy_(prior)
        self.weights.copy_(rebalancing(prior, self.mix))

    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Soft-encode colours over their nearest bins.

        Args:
            ab: (P, 2), L*a*b* units.

        Returns:
            (P, K) int64, the K nearest bins, and (P, K) float32, their weights, with the sum 1.
        """
        candidates = self.candidates[square(ab)]
        distance = (self.centres[candidates] - ab[:, None]).norm(dim=2)
        distance, chosen = distance.topk(self.neighbours, largest=False)
        nearest = candidates.gather(1, chosen)
        # As a softmax, the weights exp(-d^2 / 2 sigma^2) do not all underflow far from the bins.
        return nearest, (-distance.square() / (2 * self.sigma**2)).softmax(dim=1)

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 313, h, w) logits with (N, 2, H, W) true ab, averaged down to h x w."""
        truth = F.interpolate(truth, logits.shape[-2:], mode="area")
        flat = truth.permute(0, 2, 3, 1).reshape(-1, 2)
        nearest, shares = self.encode(flat)
        log_p = logits.permute(0, 2, 3, 1).reshape(-1, COUNT).log_softmax(dim=1)
        entropy = -(log_p.gather(1, nearest) * shares).sum(dim=1)
        return (entropy * self.weights[nearest[:, 0]]).mean()


class ColorfulnessLoss(nn.Module):
    """Difference in colourfulness between prediction and truth (Hasler and Suesstrunk 2003).

    Regression predicts gray where it is uncertain. This term rewards every picture for having as
    much colour as its original, wherever that is. It is the same measure as
    ``colorzoo.evaluation.metrics.colorfulness``, without rounding.
    """

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 3, H, W) L*a*b*; return the mean absolute difference, 0 to about 1.8."""
        return (colorfulness(predicted) - colorfulness(truth)).abs().mean() / 100


def colorfulness(lab: Tensor) -> Tensor:
    """Compute the colourfulness of (N, 3, H, W) L*a*b* pictures, differentiably: (N,)."""
    red, green, blue = (255 * lab_to_rgb(lab, gamut="desaturate")).flatten(2).unbind(dim=1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue))
    # For a gray picture, the variance is 0, where the gradient of the root is infinite.
    spread = (opponents.var(dim=2, correction=0).sum(dim=0) + 1e-4).sqrt()
    mean = (opponents.mean(dim=2).square().sum(dim=0) + 1e-4).sqrt()
    return spread + 0.3 * mean


class PerceptualLoss(nn.Module):
    """Distance between the features of an ImageNet encoder, at strides 2 to 16.

    Johnson et al. 2016, https://arxiv.org/abs/1603.08155; features are normalised to unit length at
    every position before they are compared, as in LPIPS (Zhang et al. 2018,
    https://arxiv.org/abs/1801.03924). Both pictures have the same lightness, so features differ
    only because of colour.

    Args:
        weights: A safetensors file of the encoder; timm's own ImageNet weights if None.

    Raises:
        WeightsError: If the weights are missing or do not fit.
    """

    def __init__(self, weights: str | None = None) -> None:
        """Build the encoder, which is frozen."""
        super().__init__()
        self.normalize = Normalization("mobilenetv2_100")
        self.encoder, _ = build_encoder("mobilenetv2_100", (2, 4, 8, 16), same_padding=True)
        load_imagenet(self.encoder, "mobilenetv2_100", weights or "imagenet")
        self.encoder.requires_grad_(requires_grad=False)

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 3, H, W) L*a*b*; return the mean squared distance over strides, 0 to 4."""
        self.encoder.eval()  # always use the batch norm statistics of ImageNet
        mean, std = self.normalize.mean, self.normalize.std
        seen = [
            self.encoder((lab_to_rgb(lab, gamut="desaturate") - mean) / std)
            for lab in (predicted, truth.detach())
        ]
        distances = [
            (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(dim=1).mean()
            for one, other in zip(*seen, strict=True)
        ]
        return torch.stack(distances).mean()


class GradientLoss(nn.Module):
    """Difference between the gradients of ab (Mathieu et al. 2016, with exponent 1).

    Paper: https://arxiv.org/abs/1511.05440, section 3.2. It penalises colour that bleeds over an
    edge, and blotches in an even surface, whatever the colour itself.
    """

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 3, H, W) L*a*b*; return the mean absolute difference in units of 10 ab."""
        error = (predicted - truth)[:, 1:] / 10
        return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def build_term(name: TermName, weights: str | None) -> nn.Module:
    """Build a term, which compares (N, 3, H, W) L*a*b* pictures and can be added to any loss.

    Args:
        name: Name of the term.
        weights: Weights for a perceptual term, see ``PerceptualLoss``.
    """
    match name:
        case "colorfulness":
            return ColorfulnessLoss()
        case "gradient":
            return GradientLoss()
        case "perceptual":
            return PerceptualLoss(weights)


LOSSES: dict[LossName, Callable[[], nn.Module]] = {
    "l1": nn.L1Loss,
    "mse": nn.MSELoss,
    # Squared up to 20 L*a*b* units, because the mean that it leads to is often more vivid than the
    # median; linear beyond, so that rare bold colours do not dominate.
    "huber": partial(nn.HuberLoss, delta=20.0),
    "ssim": SSIMLoss,
    "ssim-mse": partial(SSIMLoss, mse_weight=1 / 400),  # at the start, both terms are about 0.7
    "bins": BinsLoss,
    "bins-hard": partial(BinsLoss, neighbours=1),
    "bins-plain": partial(BinsLoss, mix=1.0),  # for models that rebalance in to_ab()
}
