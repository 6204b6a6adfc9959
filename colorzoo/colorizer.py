"""Colorizer: the base class of every model, with all the steps from a photo to its result."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from typing_extensions import Unpack

from colorzoo.batches import ColorizesMany
from colorzoo.conditions import (
    draw_hints,
    draw_reference,
    read_reference,
    region_of,
    see_reference,
    warn_of_hints,
)
from colorzoo.defaults import MAX_PIXELS
from colorzoo.guided.apply import Reference, Region, guide, keep_gray
from colorzoo.hub.mixin import HubMixin
from colorzoo.imaging.border import WHOLE, content_box, pixels_of
from colorzoo.imaging.read import ImageSource, Photo
from colorzoo.imaging.recombine import lightness_of, merge_in_box
from colorzoo.imaging.working_size import check_work_size, pad, shrink, unpad
from colorzoo.imaging.write import to_pil
from colorzoo.network import Network
from colorzoo.options import Options, check_saturation, given
from colorzoo.prediction import Output, Prediction, check_colours, each_part
from colorzoo.samples import ColorizesOften
from colorzoo.sources import as_photo
from colorzoo.torch_state import in_eval_mode, on_cpu


class Colorizer(Network, HubMixin, ColorizesMany, ColorizesOften):
    """A network that predicts colour from lightness, and everything that all models share.

    A model is a subclass that sets ``stride`` and implements ``forward``. The keywords of its
    constructor are the model's configuration: they are written to config.json unchanged, so they
    must be JSON values, or else a ConfigError is raised. ``network_options`` and ``render_options``
    declare which further options, such as a seed, callers can pass.

    Examples:
        >>> model = colorzoo.load("unet-bins")
        >>> sorted(model.options)
        ['hints', 'seed', 'temperature', 'vividness']
        >>> model.colorize("photo.jpg", seed=3, vividness=0.8).size
        (600, 400)

    Attributes:
        stride: H and W are padded to multiples of it, on both sides, before ``forward`` is called.
        network_options: Options that change the network's output, such as "hints". They are passed
            to ``infer``. Caches of predictions must include them in their keys.
        render_options: Options that change the colours without running the network again, such as
            "vividness". They are passed to ``to_ab``.
        architecture: The name under which the model is registered.
        work_size: Short side of the network's input, pixels.
        defaults: Options that calls use if they are given none, as set by :func:`colorzoo.load`.
    """

    defaults: Mapping[str, Any] = {}

    @on_cpu()
    def predict_ab(self, lightness: Tensor, **options: Unpack[Options]) -> Tensor:
        """Predict colour from lightness of any size.

        Args:
            lightness: (N, 1, H, W), L in [0, 100].
            options: See ``colorize``; the coordinates of hints are pixels of ``lightness``.

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        self.check(**options)
        height, width = lightness.shape[-2:]
        region = Region(width, height, 0, 0, width, height)
        asked = given(options, self.defaults)
        output = self._infer(lightness, region, asked)
        ab = unpad(self._render(output, asked), lightness, self.stride)
        return self._guided(ab, output, lightness, region, asked)

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

        The network gets the photo at ``work_size``. Its colours are enlarged along the edges of the
        full-size photo and combined with the photo's own lightness. Of a colour photo, only the
        lightness is used. Notes about the file, for example that only the first frame of an
        animation is used, and about hints whose colour cannot be shown are issued as warnings.

        Args:
            image: A path, bytes, a binary file object, a PIL image, a NumPy array or a tensor.
            saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
            work_size: Short side of the network's input, pixels; the model's default if None.
            max_pixels: Largest width * height to accept.
            options: The :class:`colorzoo.Options` that this model supports: ``seed``,
                ``vividness``, ``temperature``, ``steps``, ``hints``, ``reference``.

        Returns:
            An image of the input's size, mode RGB, or RGBA if the input has alpha. Its ``info``
            contains the photo's metadata, DPI, the sRGB profile and the name of the model, which
            :func:`colorzoo.save_image` writes.

        Raises:
            ImageError: If the image cannot be read.
            ConfigError: If the model does not support an option.
            WeightsError: If the network's output contains NaN or infinity.
            ValueError: If saturation, work_size or an option is out of range.
        """
        photo = as_photo(image, max_pixels=max_pixels)
        result = self.colorize_photo(photo, saturation=saturation, work_size=work_size, **options)
        warn_of_hints(photo, given(options, self.defaults).get("hints"))
        return result

    def colorize_photo(
        self,
        photo: Photo,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        **options: Unpack[Options],
    ) -> Image.Image:
        """Colour a photo that :func:`colorzoo.read_photo` returned; see ``colorize``."""
        check_saturation(saturation)  # before the network runs
        prediction = self.predict(photo, work_size=work_size, **options)
        return self.render(photo, prediction, saturation=saturation, **options)

    def predict(
        self,
        photo: Photo | ImageSource,
        *,
        work_size: int | None = None,
        find_border: bool = True,
        **options: Unpack[Options],
    ) -> Prediction:
        """Run the network on a photo. ``render`` makes any number of images from the output.

        Args:
            photo: The photo: from :func:`colorzoo.read_photo`, or anything that it reads.
            work_size: Short side of the network's input, pixels; the model's default if None.
            find_border: Leave a flat border around the photo, such as a mount, gray.
            options: See ``colorize``. Those that only ``render`` needs are ignored here, so you can
                pass the same options to both.

        Returns:
            The return value of ``infer``, on the model's device.

        Raises:
            ConfigError: If the model does not support an option.
            ValueError: If work_size or an option is out of range.
        """
        (prediction,) = self.predict_batch(
            [photo], work_size=work_size, find_border=find_border, **options
        )
        return prediction

    @on_cpu()
    def predict_batch(
        self,
        photos: Sequence[Photo | ImageSource],
        *,
        work_size: int | None = None,
        find_border: bool = True,
        **options: Unpack[Options],
    ) -> list[Prediction]:
        """Run the network on photos of any sizes; those with equal working sizes form a batch.

        A GPU is fastest with several photos at a time, a CPU with one. The other photos affect a
        photo's result only by rounding: less than 0.01 in ab in float32.

        Args:
            photos: The photos, as many as fit into the memory of the device.
            work_size: Short side of the network's input, pixels; the model's default if None.
            find_border: Leave a flat border around the photo, such as a mount, gray.
            options: Options for every photo; see ``predict``.

        Returns:
            One prediction per photo, in the order of ``photos``.

        Raises:
            ConfigError: If the model does not support an option.
            ValueError: If work_size or an option is out of range.
        """
        self.check(**options)
        asked = given(options, self.defaults)
        return [each for (each,) in self._predict(photos, work_size, find_border, asked, 1)]

    def _predict(
        self,
        photos: Sequence[Photo | ImageSource],
        work_size: int | None,
        find_border: bool,
        asked: dict[str, Any],
        samples: int,
    ) -> list[list[Prediction]]:
        """Run the network; return several predictions per photo if asked for as many seeds."""
        read = [as_photo(each) for each in photos]
        boxes = [content_box(photo.rgb) if find_border else WHOLE for photo in read]
        sizes = [(photo.rgb.shape[1], photo.rgb.shape[0]) for photo in read]
        regions = [region_of(*size, box) for size, box in zip(sizes, boxes, strict=True)]
        small = [
            self._shrink(photo.rgb[pixels_of(box, photo.rgb.shape)], work_size)
            for photo, box in zip(read, boxes, strict=True)
        ]
        alike: dict[tuple[Any, ...], list[int]] = {}
        for i, (region, lightness) in enumerate(zip(regions, small, strict=True)):
            # Hints are in pixels of the photo, so they differ for photos of other sizes.
            place = region if "hints" in asked.keys() & self.network_options else None
            alike.setdefault((lightness.shape, place), []).append(i)
        outputs: dict[int, list[Output]] = {}
        model = in_eval_mode(self)
        with torch.inference_mode():
            for group in alike.values():
                together = torch.cat([small[i] for i in group])
                output = model._infer(together, regions[group[0]], asked)
                for place, i in enumerate(group):
                    rows = range(samples * place, samples * (place + 1))
                    outputs[i] = [
                        each_part(lambda part, n=n: part[n : n + 1], output) for n in rows
                    ]
        return [
            [Prediction(small[i], output, box, sizes[i]) for output in outputs[i]]
            for i, box in enumerate(boxes)
        ]

    @on_cpu()
    def shrink(self, photo: Photo, *, work_size: int | None = None) -> Tensor:
        """Return the lightness of a whole photo as the network gets it, before it is padded.

        Args:
            photo: The photo.
            work_size: Short side of the network's input, pixels; the model's default if None.

        Returns:
            (1, 1, h, w), L in [0, 100]; that of a prediction with ``find_border=False``.

        Raises:
            ConfigError: If work_size is out of range.
        """
        return self._shrink(photo.rgb, work_size)

    @on_cpu()
    def render(
        self,
        photo: Photo | ImageSource,
        prediction: Prediction,
        *,
        saturation: float = 1.0,
        **options: Unpack[Options],
    ) -> Image.Image:
        """Colour a photo, or a larger or smaller copy of it, with the output of ``predict``.

        Args:
            photo: The photo.
            prediction: The prediction of this model for the photo.
            saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
            options: See ``colorize``. Those that only ``predict`` needs are ignored here.

        Returns:
            An image of the photo's size; see ``colorize``.

        Raises:
            ConfigError: If the model does not support an option.
            ValueError: If saturation or an option is out of range.
        """
        check_saturation(saturation)
        photo = as_photo(photo)
        ab = self.ab_of(prediction, saturation=saturation, **options)
        rgb = self._merge(photo.rgb, prediction, ab)
        rgb = keep_gray(rgb, photo.rgb, given(options, self.defaults).get("hints") or ())
        return to_pil(rgb, photo, model=self.architecture or type(self).__name__)

    @on_cpu()
    def ab_of(
        self, prediction: Prediction, *, saturation: float = 1.0, **options: Unpack[Options]
    ) -> Tensor:
        """Convert the output of ``predict`` to (1, 2, h, w) float32 ab at the working size.

        Args:
            prediction: The prediction of this model for a photo.
            saturation: Factor on ab; hints get the colours that they ask for all the same.
            options: See ``render``.
        """
        self.check(**options)
        asked, lightness = given(options, self.defaults), prediction.lightness
        with torch.inference_mode():
            ab = in_eval_mode(self)._render(prediction.output, asked)
            ab = unpad(ab, lightness, self.stride).float() * saturation
        return self.guide(prediction, ab, **asked)

    @on_cpu()
    def guide(self, prediction: Prediction, ab: Tensor, **options: Unpack[Options]) -> Tensor:
        """Make colours follow hints and a reference; ``render`` and ``ab_of`` do it by themselves.

        Args:
            prediction: The prediction of this model for a photo.
            ab: (1, 2, h, w), colours at the working size, such as those that ``ab_of`` returns.
            options: ``hints`` and ``reference``; others are ignored.

        Returns:
            (1, 2, h, w) float32, ab.

        Raises:
            ConfigError: If a hint lies outside the photo, or a mask has another aspect ratio.
        """
        lightness = prediction.lightness
        size = prediction.size or (lightness.shape[-1], lightness.shape[-2])
        region = region_of(*size, prediction.box)
        with torch.inference_mode():
            return self._guided(ab, prediction.output, lightness, region, given(options))

    def _infer(self, lightness: Tensor, region: Region, asked: dict[str, Any]) -> Output:
        """Run the network on (N, 1, h, w) lightness of one region of the photos."""
        conditions = {name: asked[name] for name in self.network_options & asked.keys()}
        if "hints" in conditions:
            hints = draw_hints(conditions["hints"], region, lightness)
            conditions["hints"] = pad(hints, self.stride).expand(len(lightness), -1, -1, -1)
        if "reference" in conditions:
            photo = read_reference(conditions["reference"])
            lab = pad(draw_reference(photo, self.work_size).to(lightness), self.stride)
            conditions["reference"] = lab.expand(len(lightness), -1, -1, -1)
        return self.infer(pad(lightness, self.stride), **conditions)

    def _render(self, output: Output, asked: dict[str, Any]) -> Tensor:
        wanted = (self.render_options & asked.keys()) - {"reference"}  # _guided follows it
        options: Any = {name: asked[name] for name in wanted}
        return check_colours(
            self.to_ab(output, **options), self.architecture or type(self).__name__
        )

    def _guided(
        self,
        ab: Tensor,
        output: Output,
        lightness: Tensor,
        region: Region,
        asked: Mapping[str, Any],
    ) -> Tensor:
        """Make (N, 2, h, w) colours of one region follow the hints and the reference."""
        hints, reference = asked.get("hints") or (), None
        if "reference" in self.render_options:
            reference = asked.get("reference")
        seen = None if reference is None else self._see(reference, lightness)
        if not hints and seen is None:
            return ab
        spread = self.uncertainty(output)
        if spread is not None:
            spread = unpad(spread, lightness, self.stride)
        return guide(ab, lightness, hints, region, spread=spread, reference=seen)

    def _see(self, source: Any, lightness: Tensor) -> Reference:
        """Compute the features of a reference, and of (N, 1, h, w) lightness."""

        def see(photo: Photo) -> tuple[Tensor, Tensor]:
            lab = draw_reference(photo, self.work_size).to(lightness)
            return lab, self.describe(lab[:, :1])

        lab, features = see_reference(source, self, see)
        return Reference(lab, features, self.describe(lightness), self.half_alike)

    def _merge(self, rgb: np.ndarray, prediction: Prediction, ab: Tensor) -> np.ndarray:
        """Give an (H, W, 3) uint8 photo the (1, 2, h, w) ab of a prediction."""
        return merge_in_box(rgb, prediction.lightness, ab, prediction.box)

    def _shrink(self, rgb: np.ndarray, work_size: int | None) -> Tensor:
        """Resize a photo to the working size: (H, W, 3) uint8 to (1, 1, h, w) lightness."""
        size = self.work_size if work_size is None else work_size
        small = shrink(rgb, check_work_size(size, self.stride))
        return lightness_of(small, self.device).to(self.dtype)
