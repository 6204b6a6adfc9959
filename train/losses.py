"""Training objectives: modules that compare what a model says with the truth, to a scalar.

A loss compares the model's output with the true ab; terms, which can be added to any loss, compare
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
from colorzoo.models._timm import build_encoder
from train.recipe import LossName, TermName
from train.start import load_imagenet

# A colour's 5 nearest bins are among the 24 nearest to the centre of its square; all 313 distances
# of every pixel would take a third of the training time.
_CANDIDATES = 24


class SSIMLoss(nn.Module):
    """1 - SSIM of the ab channels (Wang et al. 2004): 11x11 Gaussian, sigma 1.5, range 256.

    It compares local means, contrasts and structure instead of single pixels, so a region that has
    the right pattern at the wrong strength costs little. Alone, it is content with a channel that
    stays flat; a squared error beside it is not.

    Args:
        mse_weight: Factor on the mean squared error, in squared L*a*b* units, that is added.
    """

    def __init__(self, *, mse_weight: float = 0.0) -> None:
        """Keep the weight."""
        super().__init__()
        self.mse_weight = mse_weight

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 2, H, W) ab, L*a*b* units, sides of at least 11 pixels."""
        similarity = structural_similarity_index_measure(predicted, truth, data_range=256.0)
        assert isinstance(similarity, Tensor)  # it returns more only when asked to
        return 1 - similarity + self.mse_weight * F.mse_loss(predicted, truth)


class BinsLoss(nn.Module):
    """Cross-entropy over the 313 ab bins with class rebalancing (Zhang et al. 2016).

    Paper: https://arxiv.org/abs/1603.08511, sections 2.1 and 2.2. Each pixel is weighted by its
    true bin, see ``colorzoo.ab_bins.rebalancing``. Until ``measure_prior`` has run, the prior is
    uniform and all weights are 1.

    Args:
        mix: Lambda in [0, 1]: share of the uniform distribution; 1 is no rebalancing at all.
        neighbours: Nearest bins that share a pixel's target; 1 is hard, one-hot encoding.
        sigma: Standard deviation of the Gaussian they are weighted by, L*a*b* units.
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
        """Set prior and weights from how often the bins occur in chunks of (N, 2, H, W) ab."""
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
            (P, K) int64, the K nearest bins; (P, K) float32, their shares, which add up to 1.
        """
        candidates = self.candidates[square(ab)]
        distance = (self.centres[candidates] - ab[:, None]).norm(dim=2)
        distance, chosen = distance.topk(self.neighbours, largest=False)
        nearest = candidates.gather(1, chosen)
        # As a softmax, the weights exp(-d^2 / 2 sigma^2) do not vanish together far from all bins.
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
    """Distance of each picture's colourfulness from its truth's (Hasler and Suesstrunk 2003).

    Regression answers doubt with gray; this term asks every picture for as much colour as the
    photo had, wherever in it. ``colorzoo.metrics.colorfulness`` of pictures that are not rounded.
    """

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 3, H, W) L*a*b*: the mean of the absolute differences, 0 to about 1.8."""
        return (_colorfulness(predicted) - _colorfulness(truth)).abs().mean() / 100


def _colorfulness(lab: Tensor) -> Tensor:
    red, green, blue = (255 * lab_to_rgb(lab, gamut="desaturate")).flatten(2).unbind(dim=1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue))
    # A gray picture has a standard deviation of 0, where the root's slope is infinite.
    spread = (opponents.var(dim=2, correction=0).sum(dim=0) + 1e-4).sqrt()
    mean = (opponents.mean(dim=2).square().sum(dim=0) + 1e-4).sqrt()
    return spread + 0.3 * mean


class PerceptualLoss(nn.Module):
    """Distance of pictures as an ImageNet encoder sees them, from stride 2 to 16.

    Johnson et al. 2016, https://arxiv.org/abs/1603.08155; features are brought to unit length at
    every position before they are compared, as in LPIPS (Zhang et al. 2018,
    https://arxiv.org/abs/1801.03924). As the lightness of both pictures is the same, all that
    differs is what colour does to the features.

    Args:
        weights: A safetensors file of the encoder; timm's own ImageNet weights if None.

    Raises:
        WeightsError: If they are missing or do not fit.
    """

    def __init__(self, weights: str | None = None) -> None:
        """Build the encoder; it is not trained."""
        super().__init__()
        self.encoder, _ = build_encoder("mobilenetv2_100", (2, 4, 8, 16), same_padding=True)
        load_imagenet(self.encoder, "mobilenetv2_100", weights or "imagenet")
        self.encoder.requires_grad_(requires_grad=False)

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Compare (N, 3, H, W) L*a*b*: the mean over strides of squared distances, 0 to 4."""
        self.encoder.eval()  # batch norm as on ImageNet, whatever mode the run is in
        seen = [
            self.encoder(2 * lab_to_rgb(lab, gamut="desaturate") - 1)
            for lab in (predicted, truth.detach())
        ]
        distances = [
            (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(dim=1).mean()
            for one, other in zip(*seen, strict=True)
        ]
        return torch.stack(distances).mean()


def build_term(name: TermName, weights: str | None) -> nn.Module:
    """Build what can be added to any loss: it compares (N, 3, H, W) L*a*b* pictures.

    Args:
        name: Which one.
        weights: Of the encoder of a perceptual one, see ``PerceptualLoss``.
    """
    return ColorfulnessLoss() if name == "colorfulness" else PerceptualLoss(weights)


LOSSES: dict[LossName, Callable[[], nn.Module]] = {
    "l1": nn.L1Loss,
    "mse": nn.MSELoss,
    # Squared up to 20 L*a*b* units, so that small errors pull towards the mean colour, which is
    # vivid where the median is gray; linear beyond, so that the odd bold colour does not rule.
    "huber": partial(nn.HuberLoss, delta=20.0),
    "ssim": SSIMLoss,
    "ssim-mse": partial(SSIMLoss, mse_weight=1 / 400),  # at the start, both terms are about 0.7
    "bins": BinsLoss,
    "bins-hard": partial(BinsLoss, neighbours=1),
    "bins-plain": partial(BinsLoss, mix=1.0),  # for a model that rebalances when it colours
}
