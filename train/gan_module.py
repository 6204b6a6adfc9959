"""Train a model as the generator of a conditional GAN: Pix2Pix, as published or stabilised.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks"
(https://arxiv.org/abs/1611.07004). Exported weights contain only the generator.
"""

from typing import Literal, cast

import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from colorzoo.prediction import each_part
from train.lightning_module import ColorizerModule, full_precision
from train.recipe import Adversarial, Recipe

# ab is divided by this for the discriminator and the L1 term, to a range of about [-1, 1].
_AB_SCALE = 110.0


class PatchDiscriminator(nn.Sequential):
    """PatchGAN: classifies every 70x70 patch of a coloured picture as real or fake.

    Layers C64-C128-C256-C512-C1 of 4x4 convolutions and leaky ReLU, the first three of stride 2.

    Args:
        width: Channels of the first layer.
        spectral: Spectral norm (Miyato et al. 2018, https://arxiv.org/abs/1802.05957) instead of
            batch norm.
    """

    def __init__(self, *, width: int = 64, spectral: bool = False) -> None:
        """Build the network with random weights, N(0, 0.02) as published."""
        channels = (3, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False)):
            normed = not spectral and i > 0
            layers.append(_conv(inputs, outputs, 2 if i < 3 else 1, spectral, bias=not normed))
            if normed:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(0.2))
        super().__init__(*layers, _conv(channels[-1], 1, 1, spectral, bias=True))

    def judge(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Classify the patches of pictures.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], sides of at least 24 pixels.
            ab: (N, 2, H, W), L*a*b* units.

        Returns:
            (N, 1, h, w) logits, positive for real; one for each patch, 8 pixels apart.
        """
        return self(torch.cat((lightness / 50 - 1, ab / _AB_SCALE), dim=1))


def _conv(inputs: int, outputs: int, stride: int, spectral: bool, *, bias: bool) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, kernel_size=4, stride=stride, padding=1, bias=bias)
    nn.init.normal_(conv.weight, 0.0, 0.02)
    return spectral_norm(conv) if spectral else conv


def discriminator_loss(real: Tensor, fake: Tensor, *, objective: Literal["bce", "hinge"]) -> Tensor:
    """Compute the discriminator's loss from its logits for real and generated patches.

    BCE is halved, as published, to slow down the discriminator.
    """
    if objective == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def generator_loss(fake: Tensor, *, objective: Literal["bce", "hinge"]) -> Tensor:
    """Compute the generator's loss from the discriminator's logits (BCE: non-saturating)."""
    return -fake.mean() if objective == "hinge" else F.softplus(-fake).mean()


def gradient_penalty(verdict: Tensor, ab: Tensor) -> Tensor:
    """Compute R1 of Mescheder et al. 2018: the discriminator's gradient on real photos.

    Args:
        verdict: (N, 1, h, w) logits.
        ab: (N, 2, H, W), L*a*b* units, from which they were computed.

    Returns:
        The squared norm of the gradient of each picture's mean logit with respect to scaled ab
        (divided by 110), mean over the pictures.
    """
    (gradient,) = torch.autograd.grad(verdict.mean(dim=(1, 2, 3)).sum(), ab, create_graph=True)
    return (gradient * _AB_SCALE).square().sum(dim=(1, 2, 3)).mean()


class AdversarialModule(ColorizerModule):
    """Trains a Colorizer against a discriminator, with alternating steps.

    Args:
        recipe: Its objective must be an ``Adversarial``.
        timer: Measures training time, if the run is limited by it.
    """

    def __init__(self, recipe: Recipe, *, timer: Timer | None = None) -> None:
        """Build both networks."""
        super().__init__(recipe, timer=timer)
        if not isinstance(recipe.objective, Adversarial):
            raise ValueError(f"the objective of {recipe.model} is not adversarial")
        self.objective = recipe.objective
        self.discriminator = PatchDiscriminator(
            width=self.objective.width, spectral=self.objective.variant == "hinge"
        ).to(memory_format=torch.channels_last)
        self.automatic_optimization = False

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Create an AdamW for each network; both rates follow the cosine schedule."""
        recipe = self.recipe
        return [
            torch.optim.AdamW(
                parameters, rate, betas=recipe.betas, weight_decay=recipe.weight_decay
            )
            for parameters, rate in (
                (self.parameter_groups(), recipe.learning_rate),
                (self.discriminator.parameters(), self.objective.learning_rate),
            )
        ]

    def training_step(self, lab: Tensor, batch_idx: int) -> None:
        """Train the discriminator, then the generator, on a (N, 3, H, W) L*a*b* batch."""
        generator_steps, discriminator_steps = cast(list[LightningOptimizer], self.optimizers())
        joint = self._joint_rate()
        for steps, rate in (
            (generator_steps, self.recipe.learning_rate * joint),
            (discriminator_steps, self.objective.learning_rate * self.rate()),
        ):
            for group in steps.param_groups:
                group["lr"] = rate
        lightness, truth = lab[:, :1], lab[:, 1:]
        with torch.set_grad_enabled(joint > 0):
            fake = self.model.to_ab(each_part(Tensor.float, self.model(self.seen(lightness))))
        variant = self.objective.variant

        self.toggle_optimizer(discriminator_steps)
        judged = self.discriminator.judge
        penalised = self.objective.r1_weight > 0
        real = truth.detach().requires_grad_(penalised)
        on_real = judged(lightness, real).float()
        verdict = discriminator_loss(
            on_real, judged(lightness, fake.detach()).float(), objective=variant
        )
        if penalised:
            verdict = verdict + self.objective.r1_weight / 2 * gradient_penalty(on_real, real)
        discriminator_steps.zero_grad()
        self.manual_backward(verdict)
        discriminator_steps.step()
        self.untoggle_optimizer(discriminator_steps)
        self._log(lab, train_loss=self.loss(fake.detach(), truth), discriminator_loss=verdict)
        if joint == 0:
            return

        self.toggle_optimizer(generator_steps)
        deceit = generator_loss(judged(lightness, fake).float(), objective=variant)
        distance = F.l1_loss(fake, truth) / _AB_SCALE
        with full_precision(lab):
            extra = self.extra(lab, fake)
        generator_steps.zero_grad()
        self.manual_backward(deceit + self.objective.l1_weight * distance + extra)
        generator_steps.step()
        self.untoggle_optimizer(generator_steps)
        self._log(lab, generator_loss=deceit)

    def _joint_rate(self) -> float:
        """Return the generator's learning rate, as a factor on its peak; 0 before it learns."""
        alone = self.objective.discriminator_alone
        return self.recipe.rate_at((self.progress - alone) / (1 - alone))

    def _log(self, lab: Tensor, **losses: Tensor) -> None:
        values = {name: loss.detach() for name, loss in losses.items()}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(lab))
