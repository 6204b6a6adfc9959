"""Training objectives on ab. Each maps (prediction, truth), both (N, 2, H, W), to a scalar."""

from torch import Tensor
from torch.nn import functional as F


def l1(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error, in L*a*b* units."""
    return F.l1_loss(predicted, truth)


def mse(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error, in squared L*a*b* units."""
    return F.mse_loss(predicted, truth)
