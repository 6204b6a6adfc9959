"""Network: what a family of models implements and declares."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo.errors import ConfigError
from colorzoo.imaging.working_size import own_work_size
from colorzoo.options import Options, given, not_supported
from colorzoo.prediction import Output, Plausible

# Options of every model. Networks that were trained with hints get them too.
_OF_ALL = frozenset({"hints"})


class Network(nn.Module):
    """A network with its options; :class:`colorzoo.Colorizer` adds the way from photo to colour."""

    # Colorizer, which people read about, describes these.
    stride: ClassVar[int] = 1
    network_options: ClassVar[frozenset[str]] = frozenset()
    render_options: ClassVar[frozenset[str]] = frozenset()
    # Cosine similarity of the features of ``describe`` at which two parts are half believed to be
    # alike. It is chosen on validation photos, so that other scenes do no harm.
    half_alike: ClassVar[float] = 0.60
    architecture: str = ""
    # Whether infer is a loop over ``velocity(condition(lightness), ab, time, kept)``, so that these
    # two can run elsewhere, as in onnxruntime.
    has_velocity: ClassVar[bool] = False

    def __init__(self, *, work_size: int) -> None:
        """Check and store the working size."""
        super().__init__()
        self.work_size = own_work_size(work_size, self.stride)

    def forward(self, lightness: Tensor) -> Output:
        """Run the network. Training calls this method.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of ``stride``.

        Returns:
            The input of the training loss: (N, 2, h, w) ab in L*a*b* units for regression, or any
            tensor or flat dict of tensors that ``to_ab`` accepts.
        """
        raise TypeError(f"{type(self).__name__} must implement forward()")

    def infer(self, lightness: Tensor, **conditions: Any) -> Output:
        """Run the network on a photo. Calls ``forward``; samplers override it with their loop.

        Args:
            lightness: See ``forward``.
            conditions: The ``network_options`` that the caller passed, converted for the network:
                steps as a whole number; seed as one, or a list of S of them for (N * S, ...)
                results, those of each photo together; hints as (N, 3, H, W): a, b and a mask that
                is 1 where there is a hint, padded like ``lightness``; reference as (N, 3, H', W')
                L*a*b*, with sides that are multiples of ``stride``.

        Returns:
            The input of ``to_ab``.
        """
        return self(lightness, **conditions)

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Convert the network's output to colour. By default, as for regression, unchanged.

        Args:
            output: The return value of ``forward`` or ``infer``.
            options: The ``render_options`` that the caller passed.

        Returns:
            (N, 2, h, w), ab in L*a*b* units. The caller enlarges it to the size of the lightness.
        """
        if isinstance(output, dict):
            raise TypeError(f"{type(self).__name__} returns a dict, so it must implement to_ab()")
        return output

    def uncertainty(self, output: Output) -> Tensor | None:
        """Compute how unsure the network is of its colours, which hints then change more.

        Args:
            output: The return value of ``forward`` or ``infer``.

        Returns:
            (N, 1, h, w), standard deviation of ab in L*a*b* units; None if the network cannot say.
        """
        return None

    def plausible(self, output: Output) -> Plausible | None:
        """Compute how likely each of several colours is, from which people choose hints.

        Args:
            output: The return value of ``forward`` or ``infer``.

        Returns:
            The colours and their shares; None if the network only gives one.
        """
        return None

    def describe(self, lightness: Tensor) -> Tensor:
        """Compute features by which parts of two photos are compared, as an encoder has them.

        Families that declare "reference" in ``render_options`` implement it. ``half_alike`` says
        how similar features have to be.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], of any size.

        Returns:
            (N, C, h, w), at any stride.
        """
        raise TypeError(f"{type(self).__name__} must implement describe()")

    def check(self, **options: Unpack[Options]) -> None:
        """Check that this model supports all options, and that their values are in range.

        Raises:
            ConfigError: If an option is not supported (the message names models that support it),
                or its value is out of range.
            TypeError: If no such option exists.
        """
        for name in given(options):
            if name not in self.options:
                raise ConfigError(
                    not_supported(Network, self.architecture or type(self).__name__, name)
                )

    def declare_network_options(self, *names: str) -> None:
        """Add options to ``network_options`` that only some configurations of a family support.

        Constructors call it.

        Args:
            names: Names of options, such as "hints".
        """
        self.__dict__["network_options"] = self.network_options | {*names}

    @property
    def options(self) -> frozenset[str]:
        """All options that the model supports; every model supports hints."""
        return self.network_options | self.render_options | _OF_ALL

    def taken(self, **options: Unpack[Options]) -> Options:
        """Return only the options that this model supports, for callers with several models."""
        taken: Any = {name: value for name, value in options.items() if name in self.options}
        return taken

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a checkpoint from other code. By default, return them unchanged.

        When a model is loaded, the first call gets tensors on PyTorch's meta device, which have no
        values to read. Tensors that are named as the model's already are returned unchanged.

        Args:
            state: The tensors of the checkpoint by name.

        Returns:
            The tensors as ``load_state_dict`` expects them.
        """
        return state

    @classmethod
    def recognize(cls, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
        """Return the constructor keywords for a checkpoint from other code of this network.

        Args:
            shapes: The shapes of its tensors by name.

        Returns:
            The keywords, or None if the checkpoint is of another network.
        """
        return None

    @property
    def device(self) -> torch.device:
        """The device on which the model runs."""
        return self._any_tensor().device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the model's parameters."""
        return self._any_tensor().dtype

    def _any_tensor(self) -> Tensor:
        # Not all of them: listing them takes longer than some networks.
        numbers = chain(self.parameters(), self.buffers())
        none = torch.empty(0, dtype=torch.float32, device="cpu")
        return next((each for each in numbers if each.is_floating_point()), none)

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
