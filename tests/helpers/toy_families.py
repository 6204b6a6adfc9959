"""One toy family of each kind of colorizer that the contract is for, and one with foreign weights.

They colour in ways that a test can predict, and use nothing but the public contract.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo import Colorizer, Options, register_model
from colorzoo.models._sampling import (
    flow_times,
    karras_sigmas,
    sample_euler,
    sample_heun,
    seeded_noise,
    to_d,
)

NAMES = ("toy-bins", "toy-flow", "toy-diffusion", "toy-hints", "toy-exemplar", "toy-foreign")


class ToyBins(Colorizer):
    """Bins: what the network says is turned into colour by seed, vividness and temperature."""

    stride: ClassVar[int] = 4
    render_options: ClassVar[frozenset[str]] = frozenset({"seed", "temperature", "vividness"})

    def __init__(self, *, temperature: float = 1.0, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.temperature = temperature
        self.head = nn.Conv2d(1, 3, 4, stride=4)

    def forward(self, lightness: Tensor) -> Tensor:
        return self.head(lightness / 100)

    def to_ab(self, output: Any, **options: Unpack[Options]) -> Tensor:
        logits = output / (options.get("temperature") or self.temperature)
        seed = options.get("seed")
        if seed is not None:
            noise = torch.randn(1, 3, 1, 1, generator=torch.Generator().manual_seed(seed))
            logits = logits + noise.to(logits)
        centres = torch.tensor([[60.0, 0.0], [0.0, 60.0], [-40.0, -40.0]]).to(logits)
        vividness = options.get("vividness")
        gain = 1.0 if vividness is None else 2 * vividness
        return gain * torch.einsum("nqhw,qc->nchw", logits.softmax(dim=1), centres)


class ToyFlow(Colorizer):
    """Flow: infer integrates a velocity from seeded noise; the output is a dict of tensors."""

    stride: ClassVar[int] = 4
    network_options: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})

    def __init__(self, *, steps: int = 2, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.steps = steps
        self.velocity = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, lightness: Tensor, state: Tensor | None = None) -> dict[str, Tensor]:
        state = torch.zeros_like(lightness).expand(-1, 2, -1, -1) if state is None else state
        return {"velocity": self.velocity(torch.cat((lightness / 100, state), dim=1))}

    def infer(self, lightness: Tensor, *, seed: Any = 0, steps: int | None = None, **_: Any) -> Any:
        lightness = _for_each_seed(lightness, seed)
        noise = seeded_noise(seed, lightness.expand(-1, 2, -1, -1))
        state = sample_euler(
            lambda x, t: self(lightness, x.to(lightness))["velocity"],
            noise,
            flow_times(steps or self.steps),
        )
        return {"state": state, "velocity": torch.zeros_like(state)}

    def to_ab(self, output: Any, **options: Unpack[Options]) -> Tensor:
        return 20 * output.get("state", output["velocity"])


class ToyDiffusion(Colorizer):
    """Diffusion: a denoiser, whose probability flow the samplers of flows follow."""

    stride: ClassVar[int] = 4
    network_options: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})

    def __init__(self, *, steps: int = 3, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.steps = steps
        self.mean = nn.Conv2d(1, 2, 3, padding=1)

    def forward(
        self, lightness: Tensor, noisy: Tensor | None = None, sigma: float = 80.0
    ) -> Tensor:
        mean = 20 * self.mean(lightness / 100)
        # What a perfect denoiser returns where colours are Gaussian, with a deviation of 10.
        return mean if noisy is None else mean + 100 / (100 + sigma**2) * (noisy - mean)

    def infer(
        self, lightness: Tensor, *, seed: Any = 0, steps: int | None = None, **_: Any
    ) -> Tensor:
        lightness = _for_each_seed(lightness, seed)
        sigmas = karras_sigmas(steps or self.steps, low=0.05, high=80.0)
        noise = seeded_noise(seed, lightness.expand(-1, 2, -1, -1))

        def velocity(x: Tensor, sigma: float) -> Tensor:
            return to_d(x, sigma, self(lightness, x.to(lightness), sigma))

        return sample_heun(velocity, sigmas[0] * noise, sigmas)


def _for_each_seed(lightness: Tensor, seed: Any) -> Tensor:
    """Repeat every picture for each seed, as the contract says of several seeds."""
    return lightness if isinstance(seed, int) else lightness.repeat_interleave(len(seed), dim=0)


class ToyHints(Colorizer):
    """Hints: colours where there is a hint, gray elsewhere."""

    stride: ClassVar[int] = 8
    network_options: ClassVar[frozenset[str]] = frozenset({"hints"})

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        if hints is None:
            return self.scale * torch.zeros_like(lightness).expand(-1, 2, -1, -1)
        assert hints.shape == (len(lightness), 3, *lightness.shape[-2:])
        return self.scale * hints[:, :2] * hints[:, 2:]


class ToyExemplar(Colorizer):
    """Exemplar: the mean colour of the reference, everywhere."""

    stride: ClassVar[int] = 8
    network_options: ClassVar[frozenset[str]] = frozenset({"reference"})

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, lightness: Tensor, reference: Tensor | None = None) -> Tensor:
        ab = torch.zeros_like(lightness).expand(-1, 2, -1, -1)
        if reference is not None:
            assert reference.shape[1] == 3 and reference.shape[-1] % self.stride == 0
            ab = ab + reference[:, 1:].mean(dim=(2, 3), keepdim=True)
        return self.scale * ab


class ToyForeign(Colorizer):
    """Foreign: its published weights have other names and a wrapping prefix."""

    stride: ClassVar[int] = 2

    def __init__(self, *, work_size: int = 32) -> None:
        super().__init__(work_size=work_size)
        self.layer = nn.Conv2d(3, 2, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        return 30 * self.layer((lightness / 100).expand(-1, 3, -1, -1))

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name.removeprefix("params.net."): value for name, value in state.items()}


def register() -> None:
    """Register them; whoever calls this in a test puts the registry back."""
    families = (ToyBins, ToyFlow, ToyDiffusion, ToyHints, ToyExemplar, ToyForeign)
    for name, family in zip(NAMES, families, strict=True):
        register_model(name, summary=f"Toy: {name}", year=2026)(family)
