"""Sample several plausible results for one photo."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from PIL import Image
from typing_extensions import Unpack

from colorzoo.conditions import warn_of_hints, with_reference
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError
from colorzoo.imaging.read import ImageSource, Photo
from colorzoo.options import MAX_SEED, Options, check_saturation, given
from colorzoo.prediction import Prediction
from colorzoo.sources import as_photo
from colorzoo.torch_state import on_cpu

MAX_SAMPLES = 64


class _Model(Protocol):
    """The methods of a Colorizer that are used here."""

    defaults: Mapping[str, Any]
    network_options: ClassVar[frozenset[str]]

    def check(self, **options: Unpack[Options]) -> None: ...  # noqa: D102

    def predict(  # noqa: D102
        self,
        photo: Photo | ImageSource,
        *,
        work_size: int | None = None,
        find_border: bool = True,
        **options: Unpack[Options],
    ) -> Prediction: ...

    def render(  # noqa: D102
        self,
        photo: Photo | ImageSource,
        prediction: Prediction,
        *,
        saturation: float = 1.0,
        **options: Unpack[Options],
    ) -> Image.Image: ...

    def _predict(
        self,
        photos: Sequence[Photo | ImageSource],
        work_size: int | None,
        find_border: bool,
        asked: dict[str, Any],
        samples: int,
    ) -> list[list[Prediction]]: ...


class ColorizesOften:
    """The method of a model that samples several results for one photo."""

    @on_cpu()
    def colorize_samples(
        self: _Model,
        image: ImageSource | Photo,
        samples: int = 4,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        **options: Unpack[Options],
    ) -> list[Image.Image]:
        """Sample several plausible results for one photo, in one batch of the network.

        Examples:
            >>> model = colorzoo.load("unet-bins")
            >>> [image.size for image in model.colorize_samples("photo.jpg", 2, seed=5)]
            [(600, 400), (600, 400)]

        Args:
            image: A path, bytes, a binary file object, a PIL image, a NumPy array or a tensor; or
                a photo from :func:`colorzoo.read_photo`.
            samples: Number of results, 1 to 64.
            saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
            work_size: Short side of the network's input, pixels; the model's default if None.
            max_pixels: Largest width * height to accept.
            options: See ``colorize``. ``seed`` is that of the first result, 0 by default; the
                others have the seeds that follow it. So ``colorize(image, seed=2)`` is the third.

        Returns:
            The images, as ``colorize`` returns them.

        Raises:
            ImageError: If the image cannot be read.
            ConfigError: If the model does not support seeds or an option, or ``samples`` is out of
                range.
            WeightsError: If the network's output contains NaN or infinity.
            ValueError: If saturation, work_size or an option is out of range.
        """
        if type(samples) is not int or not 1 <= samples <= MAX_SAMPLES:
            raise ConfigError(
                f"samples must be a whole number from 1 to {MAX_SAMPLES}, got {samples!r}"
            )
        check_saturation(saturation)
        seed = given(options, self.defaults).get("seed", 0)
        known: Any = {**with_reference(options), "seed": seed}
        self.check(**known)
        if seed + samples - 1 > MAX_SEED:
            raise ConfigError(f"seed must leave room for {samples} seeds below 2**63, got {seed!r}")
        photo = as_photo(image, max_pixels=max_pixels)
        seeds = list(range(seed, seed + samples))
        if "seed" in self.network_options:
            asked = {**given(known, self.defaults), "seed": seeds}
            (predictions,) = self._predict([photo], work_size, True, asked, samples)
        else:  # the network runs once
            predictions = samples * [self.predict(photo, work_size=work_size, **known)]
        results = []
        for each, prediction in zip(seeds, predictions, strict=True):
            known["seed"] = each
            results.append(self.render(photo, prediction, saturation=saturation, **known))
        warn_of_hints(photo, given(known, self.defaults).get("hints"))
        return results
