"""Colorizer: the contract that every model keeps, and the way from a photo to a coloured photo."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from typing_extensions import Unpack

from colorzoo.conditions import draw_hints, draw_reference
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError
from colorzoo.hub.mixin import HubMixin
from colorzoo.imaging.read import ImageSource, Photo, read_photo
from colorzoo.imaging.recombine import lightness_of, merge_ab
from colorzoo.imaging.working_size import check_work_size, pad, shrink, unpad
from colorzoo.imaging.write import to_pil
from colorzoo.options import Options, given
from colorzoo.prediction import Output, Prediction, each_part


class Colorizer(nn.Module, HubMixin):
    """A network that maps lightness to colour, with everything around it that models share.

    A family subclasses it, sets ``stride`` and writes ``forward``. The constructor's keywords are
    the model's configuration: they must be JSON values, and they go to config.json as they are.
    What else a caller may ask, such as a seed, is declared in ``network_options`` or
    ``render_options``.

    Examples:
        >>> model = colorzoo.load("unet-bins")
        >>> sorted(model.options)
        ['seed', 'temperature']
        >>> model.colorize("photo.jpg", seed=3, temperature=0.4).size
        (600, 400)

    Attributes:
        stride: H and W that ``forward`` sees are padded to a multiple of it, centrally.
        network_options: Options that change what the network says, such as "hints": ``infer`` gets
            them. Whoever caches predictions makes them part of the key.
        render_options: Options that change the colours without running the network again, such as
            "temperature": ``to_ab`` gets them.
        architecture: The name the model is registered under.
        work_size: Short side, in pixels, at which the network looks at a photo.
    """

    stride: ClassVar[int] = 1
    network_options: ClassVar[frozenset[str]] = frozenset()
    render_options: ClassVar[frozenset[str]] = frozenset()
    architecture: str = ""

    def __init__(self, *, work_size: int) -> None:
        """Check and keep the working size."""
        super().__init__()
        self.work_size = check_work_size(work_size, self.stride)

    # What a family writes -------------------------------------------------------------------------

    def forward(self, lightness: Tensor) -> Output:
        """Run the network; this is what training calls.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of ``stride``.

        Returns:
            What the training loss consumes: (N, 2, h, w) ab in L*a*b* units for regression, or
            any tensor or flat dict of tensors that ``to_ab`` understands.
        """
        raise TypeError(f"{type(self).__name__} has no forward(): a family has to write one")

    def infer(self, lightness: Tensor, **conditions: Any) -> Output:
        """Run the network for a photo: ``forward`` by default; a sampler loops here.

        Args:
            lightness: As for ``forward``.
            conditions: The ``network_options`` that the caller gave, ready for the network: seed
                and steps as whole numbers; hints as (N, 3, H, W), a, b and a mask of ones where
                there is a hint, padded like ``lightness``; reference as (N, 3, H', W') L*a*b*, its
                sides multiples of ``stride``.

        Returns:
            What ``to_ab`` understands.
        """
        return self(lightness, **conditions)

    def to_ab(self, output: Output, **options: Unpack[Options]) -> Tensor:
        """Turn the network's output into colour; the identity for regression.

        Args:
            output: What ``forward`` or ``infer`` returned.
            options: The ``render_options`` that the caller gave.

        Returns:
            (N, 2, h, w), ab in L*a*b* units; it is enlarged to the size of the lightness.
        """
        if isinstance(output, dict):
            raise TypeError(f"{type(self).__name__} gives a dict, so it has to write to_ab()")
        return output

    def check(self, **options: Unpack[Options]) -> None:
        """Refuse options that this model does not take, or whose values are out of range.

        Raises:
            ConfigError: If there is one; the message names models that take it.
            TypeError: If there is no such option at all.
        """
        for name in given(options):
            if name not in self.options:
                raise ConfigError(_not_taken(self.architecture or type(self).__name__, name))

    @property
    def options(self) -> frozenset[str]:
        """All options that the model takes."""
        return self.network_options | self.render_options

    def taken(self, **options: Unpack[Options]) -> Options:
        """Leave out the options that this model does not take, for callers with several models."""
        taken: Any = {name: value for name, value in options.items() if name in self.options}
        return taken

    @classmethod
    def convert_state(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Bring a foreign checkpoint's tensors to this family's names; the identity by default.

        It is called with tensors on PyTorch's meta device first, so it must not read values there.

        Args:
            state: The checkpoint's tensors by name.

        Returns:
            The tensors as ``load_state_dict`` expects them.
        """
        return state

    # From a photo to colour -----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self._any_tensor().device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the model's numbers."""
        return self._any_tensor().dtype

    def _any_tensor(self) -> Tensor:
        numbers = (each for each in (*self.parameters(), *self.buffers()))
        return next((each for each in numbers if each.is_floating_point()), torch.empty(0))

    @property
    def parameter_count(self) -> int:
        """How many numbers training could change."""
        return sum(parameter.numel() for parameter in self.parameters())

    def predict_ab(self, lightness: Tensor, **options: Unpack[Options]) -> Tensor:
        """Predict colour for pictures of any size.

        Args:
            lightness: (N, 1, H, W), L in [0, 100].
            options: As for ``colorize``; hints are pixels of the lightness.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        self.check(**options)
        size = (lightness.shape[-1], lightness.shape[-2])
        output = self._infer(lightness, size, given(options))
        return unpad(self._render(output, given(options)), lightness, self.stride)

    def colorize(
        self,
        image: ImageSource,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        **options: Unpack[Options],
    ) -> Image.Image:
        """Colour a photo.

        The network sees the photo at ``work_size``; its colour is brought to full size with the
        photo's own lightness as the guide, and merged with that lightness. Only the lightness of a
        colour photo is used. Notes about the file (for example, that only the first frame of an
        animation is used) are given as warnings.

        Args:
            image: A path, bytes, a binary file object, a PIL image or a NumPy array.
            saturation: Factor on ab: 0 is gray, 1 is what the network says.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.
            max_pixels: Largest width * height to accept.
            options: What this model takes of :class:`colorzoo.Options`: ``seed``, ``temperature``,
                ``steps``, ``hints``, ``reference``.

        Returns:
            An image of the input's size, mode RGB, or RGBA where the input has alpha. Its ``info``
            carries the photo's EXIF and DPI and the sRGB profile; :func:`colorzoo.save_image`
            writes them.

        Raises:
            ImageError: If the image cannot be read.
            ConfigError: If the model does not take an option.
            ValueError: If saturation, work_size or an option is out of range.
        """
        photo = read_and_warn(image, max_pixels=max_pixels)
        return self.colorize_photo(photo, saturation=saturation, work_size=work_size, **options)

    def colorize_photo(
        self,
        photo: Photo,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        **options: Unpack[Options],
    ) -> Image.Image:
        """Colour a photo that :func:`colorzoo.read_photo` has read; see ``colorize``."""
        check_saturation(saturation)  # before the network runs for nothing
        prediction = self.predict(photo, work_size=work_size, **options)
        return self.render(photo, prediction, saturation=saturation, **options)

    def predict(
        self, photo: Photo, *, work_size: int | None = None, **options: Unpack[Options]
    ) -> Prediction:
        """Run the network on a photo; ``render`` colours with what it says, as often as wanted.

        Args:
            photo: The photo, as :func:`colorzoo.read_photo` gives it.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.
            options: As for ``colorize``. Those that only ``render`` needs make no difference here,
                so the same ones can be given to both.

        Returns:
            What ``infer`` returned, on the model's device.

        Raises:
            ConfigError: If the model does not take an option.
            ValueError: If work_size or an option is out of range.
        """
        return self.predict_batch([photo], work_size=work_size, **options)[0]

    def predict_batch(
        self, photos: Sequence[Photo], *, work_size: int | None = None, **options: Unpack[Options]
    ) -> list[Prediction]:
        """Run the network on photos of any sizes, those of one working size together.

        A GPU works best on several photos at a time, a CPU on one. A photo's result does not
        depend on the others, apart from rounding: less than 0.01 in ab as float32.

        Args:
            photos: The photos; as many as fit into the device's memory.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.
            options: As for ``predict``, for every photo.

        Returns:
            What ``predict`` gives for each, in their order.

        Raises:
            ConfigError: If the model does not take an option.
            ValueError: If work_size or an option is out of range.
        """
        self.check(**options)
        asked = given(options)
        small = [self._shrink(photo.rgb, work_size) for photo in photos]
        alike: dict[tuple[Any, ...], list[int]] = {}
        for i, (photo, lightness) in enumerate(zip(photos, small, strict=True)):
            # Hints are pixels of the photo, so photos of other sizes have other ones.
            size = photo.rgb.shape[1::-1]
            alike.setdefault((lightness.shape, size if "hints" in asked else None), []).append(i)
        outputs: dict[int, Output] = {}
        was_training = self.training
        self.eval()  # in training, batch norm would mix the photos into the statistics
        try:
            with torch.inference_mode():
                for group in alike.values():
                    size = photos[group[0]].rgb.shape[1::-1]
                    output = self._infer(torch.cat([small[i] for i in group]), size, asked)
                    for place, i in enumerate(group):
                        outputs[i] = each_part(lambda part, n=place: part[n : n + 1], output)
        finally:
            self.train(was_training)
        return [Prediction(lightness, outputs[i]) for i, lightness in enumerate(small)]

    def render(
        self,
        photo: Photo,
        prediction: Prediction,
        *,
        saturation: float = 1.0,
        **options: Unpack[Options],
    ) -> Image.Image:
        """Colour a photo, or a larger or smaller copy of it, with what ``predict`` gave.

        Args:
            photo: The photo.
            prediction: What this model predicted for it.
            saturation: Factor on ab: 0 is gray, 1 is what the network says.
            options: As for ``colorize``. Those that only ``predict`` needs make no difference here.

        Returns:
            An image of the photo's size; see ``colorize``.

        Raises:
            ConfigError: If the model does not take an option.
            ValueError: If saturation or an option is out of range.
        """
        check_saturation(saturation)
        ab = self.ab_of(prediction, **options) * saturation
        return to_pil(merge_ab(photo.rgb, prediction.lightness, ab), photo)

    def ab_of(self, prediction: Prediction, **options: Unpack[Options]) -> Tensor:
        """Turn what ``predict`` gave into (1, 2, h, w) float32 ab, at the working size."""
        self.check(**options)
        with torch.inference_mode():
            ab = self._render(prediction.output, given(options))
            return unpad(ab, prediction.lightness, self.stride).float()

    def _infer(self, lightness: Tensor, size: tuple[int, int], asked: dict[str, Any]) -> Output:
        """Run the network on (N, 1, h, w) lightness of photos of a size, (width, height)."""
        conditions = {name: asked[name] for name in self.network_options & asked.keys()}
        if "hints" in conditions:
            hints = draw_hints(conditions["hints"], size, lightness)
            conditions["hints"] = pad(hints, self.stride).expand(len(lightness), -1, -1, -1)
        if "reference" in conditions:
            photo = _read_reference(conditions["reference"])
            lab = pad(draw_reference(photo, self.work_size).to(lightness), self.stride)
            conditions["reference"] = lab.expand(len(lightness), -1, -1, -1)
        return self.infer(pad(lightness, self.stride), **conditions)

    def _render(self, output: Output, asked: dict[str, Any]) -> Tensor:
        options: Any = {name: asked[name] for name in self.render_options & asked.keys()}
        return self.to_ab(output, **options)

    def _shrink(self, rgb: np.ndarray, work_size: int | None) -> Tensor:
        """Bring a photo to the working size: (H, W, 3) uint8 to (1, 1, h, w) lightness."""
        size = self.work_size if work_size is None else work_size
        small = shrink(rgb, check_work_size(size, self.stride))
        return lightness_of(small, self.device).to(self.dtype)


def read_and_warn(image: ImageSource, *, max_pixels: int) -> Photo:
    """Read a photo and give its notes as warnings to the caller of colorzoo."""
    photo = read_photo(image, max_pixels=max_pixels)
    for note in photo.notes:
        warnings.warn(f"{photo.name}: {note}", stacklevel=3)
    return photo


def _read_reference(source: Any) -> Photo:
    """Read a reference; a stream is put back where it was, for the next photo or model."""
    if not (hasattr(source, "seekable") and source.seekable()):
        return read_and_warn(source, max_pixels=MAX_PIXELS)
    place = source.tell()
    try:
        return read_and_warn(source, max_pixels=MAX_PIXELS)
    finally:
        source.seek(place)


def check_saturation(saturation: float) -> None:
    """Refuse a factor on ab that is out of range.

    Raises:
        ValueError: If it is.
    """
    if not (math.isfinite(saturation) and 0 <= saturation <= 10):
        raise ValueError(f"saturation must be between 0 and 10, got {saturation}")


def _not_taken(name: str, option: str) -> str:
    """Say that a model does not take an option, and which models do."""
    waiting, able = [Colorizer], set()
    while waiting:
        family = waiting.pop()
        waiting += family.__subclasses__()
        if family.architecture and option in family.network_options | family.render_options:
            able.add(family.architecture)
    others = f"{', '.join(sorted(able)[:6])} do" if able else "no registered model does"
    if len(able) == 1:
        others = f"{next(iter(able))} does"
    return f"{name} does not take {option}; {others}. Choose another model or leave {option} out."
