"""Colour many photos from Python, one after another."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from PIL import Image
from typing_extensions import Unpack

from colorzoo.conditions import warn_of_hints, with_reference
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError
from colorzoo.guided.hints import check_places
from colorzoo.imaging.read import ImageSource, Photo
from colorzoo.options import Options, check_saturation, given
from colorzoo.prediction import Prediction
from colorzoo.sources import photos_in

SOURCE = "source"  # the key of the path in the info of a result


class _Model(Protocol):
    """The methods of a Colorizer that are used here."""

    defaults: Mapping[str, Any]

    def check(self, **options: Unpack[Options]) -> None: ...  # noqa: D102

    def predict_batch(  # noqa: D102
        self,
        photos: Sequence[Photo | ImageSource],
        *,
        work_size: int | None = None,
        find_border: bool = True,
        **options: Unpack[Options],
    ) -> list[Prediction]: ...

    def render(  # noqa: D102
        self,
        photo: Photo | ImageSource,
        prediction: Prediction,
        *,
        saturation: float = 1.0,
        **options: Unpack[Options],
    ) -> Image.Image: ...


class ColorizesMany:
    """The method of a model that colours many photos."""

    def colorize_batch(
        self: _Model,
        images: ImageSource | Iterable[ImageSource],
        *,
        batch_size: int = 1,
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        **options: Unpack[Options],
    ) -> Iterator[Image.Image]:
        """Colour many photos, each when its result is asked for.

        So memory is needed only for ``batch_size`` of them, however many there are. The command
        line, which reads, colours and writes at the same time, is faster for folders of files.

        Examples:
            >>> paths = ["photo.jpg", "photo.jpg"]
            >>> for path, image in zip(paths, model.colorize_batch(paths)):
            ...     print(path, image.size)
            photo.jpg (600, 400)
            photo.jpg (600, 400)

        Args:
            images: A list or other iterable, also an endless one, of what ``colorize`` takes; a
                folder, whose photos are taken in the order of their names, with those in its
                subfolders; or a tensor of shape (N, C, H, W), or an array of shape (N, H, W, C).
                An iterable may contain folders and such batches.
            batch_size: Photos that the network gets at a time. A GPU is fastest with several, a CPU
                with one.
            saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
            work_size: Short side of the network's input, pixels; the model's default if None.
            max_pixels: Largest width * height of a photo to accept.
            options: The :class:`colorzoo.Options` that this model supports; hints are for every
                photo.

        Yields:
            One image per photo, in order; see ``colorize``. If the photo is a file, its path is in
            ``image.info["source"]``.

        Raises:
            ImageError: If an image cannot be read.
            ConfigError: If the model does not support an option, batch_size is out of range, or a
                hint does not fit a photo. In a folder, photos that cannot be read and those that
                hints do not fit are skipped with a warning.
            ValueError: If saturation, work_size or an option is out of range.
        """
        if type(batch_size) is not int or batch_size < 1:
            raise ConfigError(f"batch_size must be a whole number from 1, got {batch_size!r}")
        check_saturation(saturation)  # now, not when the first result is asked for
        self.check(**options)
        known: Any = {"work_size": work_size, **with_reference(options)}
        hints = given(options, self.defaults).get("hints") or ()

        def check(photo: Photo) -> None:
            height, width, _ = photo.rgb.shape
            check_places(hints, width, height, name=photo.name)
            warn_of_hints(photo, hints)

        photos = photos_in(images, max_pixels=max_pixels, check=check)
        return _results(self, photos, batch_size, saturation, known)


def _results(
    model: _Model,
    photos: Iterator[tuple[Photo, str | None]],
    batch_size: int,
    saturation: float,
    known: dict[str, Any],
) -> Iterator[Image.Image]:
    options = {name: value for name, value in known.items() if name != "work_size"}
    while batch := list(islice(photos, batch_size)):
        predictions = model.predict_batch([photo for photo, _ in batch], **known)
        for (photo, path), prediction in zip(batch, predictions, strict=True):
            image = model.render(photo, prediction, saturation=saturation, **options)
            if path is not None:
                image.info[SOURCE] = path
            yield image
