"""One toy family of each kind of colorizer that the contract is for, and one with foreign weights.

They colour in ways that a test can predict, and use nothing but the public contract.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo import Colorizer, Options, register_model

NAMES = ("toy-bins", "toy-flow", "toy-hints", "toy-exemplar", "toy-foreign")


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

    def infer(self, lightness: Tensor, *, seed: int = 0, steps: int | None = None) -> Any:
        # One stream a picture, so that a picture's result does not depend on its batch.
        noise = torch.randn(2, *lightness.shape[-2:], generator=torch.Generator().manual_seed(seed))
        state = noise.to(lightness).expand(len(lightness), -1, -1, -1)
        for _ in range(steps or self.steps):
            state = state + self(lightness, state)["velocity"] / (steps or self.steps)
        return {"state": state, "velocity": torch.zeros_like(state)}

    def to_ab(self, output: Any, **options: Unpack[Options]) -> Tensor:
        return 20 * output.get("state", output["velocity"])


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
    families = (ToyBins, ToyFlow, ToyHints, ToyExemplar, ToyForeign)
    for name, family in zip(NAMES, families, strict=True):
        register_model(name, summary=f"Toy: {name}", year=2026)(family)
