"""Flow matching on chroma: a generative colorizer that samples one of many plausible results.

A network learns the velocity of straight paths from noise to the colours of photos, and a sampler
follows it in a few steps (Lipman et al. 2023, https://arxiv.org/abs/2210.02747; Liu et al. 2023,
https://arxiv.org/abs/2209.03003). Only a and b are generated, at a quarter of the resolution; the
lightness is that of the photo. The network sees what ``efficientnet-bins`` knows of the photo: its
features, the mean of its colours and how unsure it is. That model is part of this one, and is not
trained further.

The velocity comes from a small U-Net with residual blocks that are scaled and shifted by the time,
as in ADM (Dhariwal & Nichol 2021, https://arxiv.org/abs/2105.05233).
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Self

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError
from colorzoo.models._bins import expectation
from colorzoo.models._sampling import SAMPLERS, flow_times, seeded_noise
from colorzoo.models.timm_unet import SelfAttention, TimmUNet
from colorzoo.options import is_number
from colorzoo.registry import register_model

# Standard deviation of ab in photos, about; the network sees and predicts multiples of it.
SCALE = 20.0
_RHO = 1.5  # of the times at which the velocity is computed, chosen on validation photos
_POSITIONS = 8  # channels that tell where in the photo a cell is
_MOMENTS = 5  # channels of the condition before the features: L, means and deviations of a and b


@register_model("flow", summary="Flow matching on ab, sampled in a few steps", year=2023)
class Flow(Colorizer, paper_url="https://arxiv.org/abs/2210.02747"):
    """A velocity network over (a, b), and the sampler that follows it.

    ``seed`` selects the noise that the sampler starts from, and so one of the plausible results;
    without it, the seed is 0. ``steps`` is how many steps the sampler takes.

    Args:
        encoder: Encoder of the ``efficientnet-bins`` inside, a timm model.
        width: Channels of the velocity network at its finest resolution; 2 and 3 times as many at
            the two coarser ones. A multiple of 8.
        output_stride: Stride of the generated colours, 4 or 2.
        source: What the noise that paths start from is added to: "gray"; or "mean", the colours
            that ``efficientnet-bins`` predicts on average, so that the network learns the rest.
        steps: Default number of steps.
        sampler: "euler", or "heun" or "midpoint", which take twice as long for a step.
        guidance: Weight of classifier-free guidance (Ho & Salimans 2022,
            https://arxiv.org/abs/2207.12598) from 0 to 10: 1 for none; more makes colours more
            typical of what ``efficientnet-bins`` sees, and a step takes twice as long.
        work_size: Short side of the network's input, pixels.
    """

    stride: ClassVar[int] = 32
    network_options: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})
    has_velocity: ClassVar[bool] = True

    def __init__(
        self,
        *,
        encoder: str = "tf_efficientnet_lite0",
        width: int = 40,
        output_stride: int = 4,
        source: Literal["gray", "mean"] = "mean",
        steps: int = 8,
        sampler: Literal["euler", "heun", "midpoint"] = "euler",
        guidance: float = 1.0,
        work_size: int = 128,
    ) -> None:
        """Build the network with random weights."""
        super().__init__(work_size=work_size)
        for keyword, value, allowed in (
            ("output_stride", output_stride, (2, 4)),
            ("source", source, ("gray", "mean")),
            ("sampler", sampler, tuple(SAMPLERS)),
        ):
            if value not in allowed:
                raise ConfigError(
                    f"{keyword} must be {' or '.join(map(repr, allowed))}, got {value!r}"
                )
        if type(width) is not int or width < 8 or width % 8:
            raise ConfigError(f"width must be a multiple of 8, got {width!r}")
        self.check(steps=steps)
        if not is_number(guidance) or not 0 <= guidance <= 10:
            raise ConfigError(f"guidance must be a number from 0 to 10, got {guidance!r}")
        self.output_stride, self.source = output_stride, source
        self.steps, self.sampler, self.guidance = steps, sampler, float(guidance)
        self.base = TimmUNet(encoder=encoder).eval().requires_grad_(False)
        self.network = VelocityNet(_MOMENTS + self.base.head.in_channels, width)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; the part that is not trained keeps its statistics."""
        super().train(mode)
        self.base.eval()
        return self

    def compile(self, *arguments: Any, **keywords: Any) -> None:
        """Compile the two networks inside, because sampling is a loop over one of them."""
        self.base.encoder.compile(*arguments, **keywords)
        self.network.compile(*arguments, **keywords)

    def forward(self, lightness: Tensor) -> Tensor:
        """Estimate the mean of the plausible colours: one step from the middle of the noise.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of 32.

        Returns:
            (N, 2, h, w), ab at the output stride, in L*a*b* units.
        """
        condition = self.condition(lightness)
        start = self.start(condition, torch.zeros_like(condition[:, :2]))
        time = start.new_zeros(len(start))
        return start + self.velocity(condition, start, time, torch.ones_like(time))

    def infer(
        self,
        lightness: Tensor,
        *,
        seed: int | Sequence[int] = 0,
        steps: int | None = None,
        **_: Any,
    ) -> Tensor:
        """Sample colours.

        Args:
            lightness: See ``forward``.
            seed: Selects the noise. With several seeds, every photo gets a result for each one.
            steps: Number of steps; the model's default if None.

        Returns:
            (N, 2, h, w), ab in L*a*b* units; or (N * S, 2, h, w) for S seeds, photo by photo.
        """
        condition = self.condition(lightness)
        if not isinstance(seed, int):
            seed = [*seed] * len(condition)
            condition = condition.repeat_interleave(len(seed) // len(lightness), dim=0)
        x = self.start(condition, seeded_noise(seed, condition[:, :2]))

        def velocity(x: Tensor, t: float) -> Tensor:
            return self._with_guidance(condition, x, x.new_full((len(x),), t))

        return SAMPLERS[self.sampler](velocity, x, flow_times(steps or self.steps, rho=_RHO))

    def condition(self, lightness: Tensor) -> Tensor:
        """Compute what the velocity depends on besides the state: once for a photo.

        Args:
            lightness: See ``forward``.

        Returns:
            (N, C, h, w): lightness, the means and the standard deviations of a and b that the model
            inside predicts, and its features.
        """
        with torch.no_grad():
            features = self.base.features(lightness)
            logits = self.base.head(features)
            plausible = self.base.plausible(logits)
            shares, colours = plausible.shares, plausible.colours / SCALE
            mean, square = expectation(shares, torch.cat((colours, colours.square()), dim=1)).chunk(
                2, dim=1
            )
            deviation = (square - mean.square()).clamp(min=0).sqrt()
            seen = torch.cat((mean.to(features), deviation.to(features), features), dim=1)
            if self.output_stride == 2:
                seen = F.interpolate(seen, scale_factor=2, mode="bilinear", align_corners=False)
            small = F.avg_pool2d(lightness / 50 - 1, self.output_stride)
            return torch.cat((small.to(seen), seen), dim=1)

    def start(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Return where paths start.

        Args:
            condition: What ``condition`` returns.
            noise: (N, 2, h, w), white Gaussian noise with a deviation of 1.

        Returns:
            (N, 2, h, w) float32, ab in L*a*b* units.
        """
        middle = SCALE * condition[:, 1:3].float() if self.source == "mean" else 0.0
        return middle + SCALE * noise.float()

    def velocity(self, condition: Tensor, ab: Tensor, time: Tensor, kept: Tensor) -> Tensor:
        """Predict the velocity.

        Args:
            condition: What ``condition`` returns.
            ab: (N, 2, h, w), the state, in L*a*b* units.
            time: (N,), from 0 to 1.
            kept: (N,), 1, or 0 where the network must do without the model inside, for
                classifier-free guidance.

        Returns:
            (N, 2, h, w): d ab / d time, in L*a*b* units.
        """
        share = kept.to(condition)[:, None, None, None]
        seen = torch.cat((condition[:, :1], share * condition[:, 1:]), dim=1)
        return SCALE * self.network((ab / SCALE).to(condition), time, seen)

    def _with_guidance(self, condition: Tensor, ab: Tensor, time: Tensor) -> Tensor:
        """Predict the velocity with classifier-free guidance, if there is any."""
        if self.guidance == 1:
            return self.velocity(condition, ab, time, torch.ones_like(time))
        kept = torch.cat((torch.ones_like(time), torch.zeros_like(time)))
        condition, ab, time = (torch.cat((each, each)) for each in (condition, ab, time))
        seen, blind = self.velocity(condition, ab, time, kept).float().chunk(2)
        return blind + self.guidance * (seen - blind)


class VelocityNet(nn.Module):
    """A U-Net of three resolutions over a state, a time and a condition.

    Args:
        condition: Channels of the condition.
        width: Channels at the finest resolution.
    """

    def __init__(self, condition: int, width: int) -> None:
        """Build the network with random weights."""
        super().__init__()
        widths, time = (width, 2 * width, 3 * width), 4 * width
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.enter = nn.Conv2d(2 + condition, width, kernel_size=3, padding=1)
        self.down = nn.ModuleList(ResBlock(each, each, time) for each in widths)
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, kernel_size=3, stride=2, padding=1)
            for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.place = nn.Conv2d(_POSITIONS, widths[-1], kernel_size=1)
        self.attention = SelfAttention(widths[-1])
        self.up = nn.ModuleList(
            ResBlock(coarse + fine, fine, time)
            for coarse, fine in ((widths[2], widths[2]), (widths[2], widths[1]), (widths[1], width))
        )
        self.leave = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 2, kernel_size=3, padding=1)
        )

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Map (N, 2, h, w), (N,) in [0, 1] and (N, C, h, w) to (N, 2, h, w); sides divide by 4."""
        when = self.time(time_embedding(time, self.width).to(x))
        x, skips = self.enter(torch.cat((x, condition), dim=1)), []
        for i, block in enumerate(self.down):
            x = block(x, when)
            skips.append(x)
            if i < len(self.shrink):
                x = self.shrink[i](x)
        x = x + self.place(positions(x.shape[-2], x.shape[-1]).to(x))
        x = self.attention(x)
        for i, (block, skip) in enumerate(zip(self.up, reversed(skips), strict=True)):
            if i:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat((x, skip), dim=1), when)
        return self.leave(x)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with group norm, scaled and shifted by the time, around a skip.

    Args:
        inputs: Input channels.
        outputs: Output channels, a multiple of 8.
        time: Channels of the time embedding.
    """

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        """Build the block."""
        super().__init__()
        self.enter = nn.Sequential(
            nn.GroupNorm(8, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.when = nn.Linear(time, 2 * outputs)
        self.norm = nn.GroupNorm(8, outputs)
        self.leave = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, when: Tensor) -> Tensor:
        """Map (N, inputs, h, w) and (N, time) to (N, outputs, h, w)."""
        scale, shift = self.when(F.silu(when))[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.enter(x)) * (1 + scale) + shift
        return self.skip(x) + self.leave(F.silu(inner))


def time_embedding(time: Tensor, channels: int) -> Tensor:
    """Embed times in [0, 1] as sines and cosines: (N,) to (N, channels) float32, channels even."""
    rates = torch.exp(-math.log(1000) * torch.arange(channels // 2) / (channels // 2)) * 1000
    angles = time.float()[:, None] * rates.to(time.device)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def positions(height: int, width: int) -> Tensor:
    """Return (1, 8, height, width): where each cell is, as sines and cosines of two rates."""
    y, x = ((torch.arange(side) + 0.5) / side * math.pi for side in (height, width))
    rows, columns = y[:, None].expand(height, width), x[None].expand(height, width)
    waves = [each(rate * axis) for axis in (rows, columns) for rate in (1, 2)
             for each in (torch.sin, torch.cos)]  # fmt: skip
    return torch.stack(waves)[None]
