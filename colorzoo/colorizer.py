"""Colorizer: the contract that every model keeps, and the way from a photo to a coloured photo."""

import math
import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from huggingface_hub import CommitInfo, ModelCard, ModelHubMixin
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ConfigError
from colorzoo.hub.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load_files, read_config, save_files
from colorzoo.hub.fetch import HubRepo
from colorzoo.hub.push import PushOptions, push_files
from colorzoo.imaging.read import ImageSource, Photo, read_photo
from colorzoo.imaging.recombine import lightness_of, merge_ab
from colorzoo.imaging.write import to_pil

# What a model's page shows until someone writes a better one.
_CARD = """\
---
{{ card_data }}
---

# {{ repo_id.split("/")[-1] if repo_id else architecture }}

Colours black-and-white photos: `{{ architecture }}` of colorzoo, {{ parameters }} parameters.

```python
import colorzoo

model = colorzoo.load("{{ repo_id or "." }}"){{ "" if repo_id else "  # this folder" }}
image = model.colorize("photo.jpg")
colorzoo.save_image(image, "coloured.jpg")
```

The colours are a guess from the lightness of the picture, not history.
{%- if paper_url %} The recipe is that of <{{ paper_url }}>.{% endif %}

"""

# A strip of a panorama beyond this aspect ratio is squeezed for the network, so that its cost
# stays bounded; the colours are stretched back afterwards.
_MAX_ASPECT = 4

Model = TypeVar("Model", bound="Colorizer")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network said of a photo: enough to colour it, at any size, without the network.

    Attributes:
        lightness: (1, 1, h, w), L in [0, 100] at the working size.
        output: What ``forward`` returned for it, padded to the model's stride.
    """

    lightness: Tensor
    output: Tensor


class Colorizer(
    nn.Module,
    ModelHubMixin,
    model_card_template=_CARD,
    library_name="colorzoo",
    pipeline_tag="image-to-image",
    tags=["image-colorization"],
):
    """A network that maps lightness to colour, with everything around it that models share.

    A family subclasses it, sets ``stride`` and writes ``forward``. The constructor's keywords are
    the model's configuration: they must be JSON values, and they go to config.json as they are.

    Attributes:
        stride: H and W that ``forward`` sees are padded to a multiple of it, centrally.
        architecture: The name the model is registered under.
        work_size: Short side, in pixels, at which the network looks at a photo.
    """

    stride: ClassVar[int] = 1
    architecture: str = ""

    def __init__(self, *, work_size: int) -> None:
        """Check and keep the working size."""
        super().__init__()
        self.work_size = _checked_work_size(work_size, self.stride)

    def forward(self, lightness: Tensor) -> Tensor:
        """Run the network.

        Args:
            lightness: (N, 1, H, W), L in [0, 100], H and W multiples of ``stride``.

        Returns:
            Whatever the training loss consumes; ab in L*a*b* units for regression.
        """
        raise TypeError(f"{type(self).__name__} has no forward(): a family has to write one")

    def to_ab(self, output: Tensor) -> Tensor:
        """Turn what ``forward`` returned into (N, 2, H, W) ab; the identity for regression."""
        return output

    def predict_ab(self, lightness: Tensor) -> Tensor:
        """Predict colour for pictures of any size.

        Args:
            lightness: (N, 1, H, W), L in [0, 100].

        Returns:
            (N, 2, H, W), ab in L*a*b* units.
        """
        return self._fit(self.to_ab(self(self._pad(lightness))), lightness)

    def _pad(self, lightness: Tensor) -> Tensor:
        left, right, top, bottom = _margins(lightness, self.stride)
        return F.pad(lightness, (left, right, top, bottom), mode="replicate")

    def _fit(self, ab: Tensor, lightness: Tensor) -> Tensor:
        """Bring ab of the padded lightness to the size of the lightness."""
        height, width = lightness.shape[-2:]
        left, right, top, bottom = _margins(lightness, self.stride)
        padded = (top + height + bottom, left + width + right)
        if ab.shape[-2:] != padded:
            ab = F.interpolate(ab, padded, mode="bilinear", align_corners=False)
        return ab[..., top : top + height, left : left + width]

    def colorize(
        self,
        image: ImageSource,
        *,
        saturation: float = 1.0,
        work_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Image.Image:
        """Colour a photo.

        The network sees the photo at ``work_size``; its colour is brought to full size with the
        photo's own lightness as the guide, and merged with that lightness. A colour photo is taken
        by its lightness. Notes about the file (say, that only the first frame of an animation is
        used) are given as warnings.

        Args:
            image: A path, bytes, a binary file object, a PIL image or a NumPy array.
            saturation: Factor on ab: 0 is gray, 1 is what the network says.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.
            max_pixels: Largest width * height to accept.

        Returns:
            An image of the input's size, mode RGB, or RGBA where the input has alpha. Its ``info``
            carries the photo's EXIF and DPI and the sRGB profile;
            :func:`colorzoo.images.save_image` writes them.

        Raises:
            ImageError: If the image cannot be read.
            ValueError: If saturation or work_size is out of range.
        """
        photo = read_and_warn(image, max_pixels=max_pixels)
        return self.colorize_photo(photo, saturation=saturation, work_size=work_size)

    def colorize_photo(
        self, photo: Photo, *, saturation: float = 1.0, work_size: int | None = None
    ) -> Image.Image:
        """Colour a photo that :func:`colorzoo.images.read_photo` has read; see ``colorize``."""
        check_saturation(saturation)  # before the network runs for nothing
        prediction = self.predict(photo, work_size=work_size)
        return self.render(photo, prediction, saturation=saturation)

    def predict(self, photo: Photo, *, work_size: int | None = None) -> Prediction:
        """Run the network on a photo; ``render`` colours with what it says, as often as wanted.

        Args:
            photo: The photo, as :func:`colorzoo.images.read_photo` gives it.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.

        Returns:
            What ``forward`` returned, on the model's device.

        Raises:
            ValueError: If work_size is out of range.
        """
        return self.predict_batch([photo], work_size=work_size)[0]

    def predict_batch(
        self, photos: Sequence[Photo], *, work_size: int | None = None
    ) -> list[Prediction]:
        """Run the network on photos of any sizes, those of one working size together.

        A GPU is busy with several photos at a time; a CPU is with one. What is said of a photo
        differs by rounding only: by less than 0.01 in ab as float32.

        Args:
            photos: The photos; as many as fit into the device's memory.
            work_size: Short side, in pixels, at which the network looks; the model's own if None.

        Returns:
            What ``predict`` gives for each, in their order.

        Raises:
            ValueError: If work_size is out of range.
        """
        small = [self._shrink(photo.rgb, work_size) for photo in photos]
        alike: dict[torch.Size, list[int]] = {}
        for i, lightness in enumerate(small):
            alike.setdefault(lightness.shape, []).append(i)
        outputs: dict[int, Tensor] = {}
        was_training = self.training
        self.eval()  # in training, batch norm would mix the photos into the statistics
        try:
            with torch.inference_mode():
                for group in alike.values():
                    output = self(self._pad(torch.cat([small[i] for i in group])))
                    outputs.update(zip(group, output.split(1), strict=True))
        finally:
            self.train(was_training)
        return [Prediction(lightness, outputs[i]) for i, lightness in enumerate(small)]

    def render(
        self, photo: Photo, prediction: Prediction, *, saturation: float = 1.0
    ) -> Image.Image:
        """Colour a photo, or a larger or smaller copy of it, with what ``predict`` gave.

        Args:
            photo: The photo.
            prediction: What this model said of it.
            saturation: Factor on ab: 0 is gray, 1 is what the network says.

        Returns:
            An image of the photo's size; see ``colorize``.

        Raises:
            ValueError: If saturation is out of range.
        """
        check_saturation(saturation)
        ab = self.ab_of(prediction) * saturation
        return to_pil(merge_ab(photo.rgb, prediction.lightness, ab), photo)

    def ab_of(self, prediction: Prediction) -> Tensor:
        """Turn what ``predict`` gave into (1, 2, h, w) float32 ab, at the working size."""
        with torch.inference_mode():
            return self._fit(self.to_ab(prediction.output), prediction.lightness).float()

    def _shrink(self, rgb: np.ndarray, work_size: int | None) -> Tensor:
        """Bring a photo to the working size: (H, W, 3) uint8 to (1, 1, h, w) lightness."""
        size = self.work_size if work_size is None else work_size
        width, height = _work_shape(rgb.shape[:2], _checked_work_size(size, self.stride))
        small = Image.fromarray(rgb).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=3.0
        )
        parameter = next(self.parameters())
        return lightness_of(np.asarray(small), parameter.device).to(parameter.dtype)

    @property
    def config(self) -> dict[str, Any]:
        """What config.json holds: the architecture's name and the constructor's keywords."""
        keywords = self._hub_mixin_config
        return {
            "architecture": self.architecture,
            **(keywords if isinstance(keywords, dict) else {}),
        }

    @property
    def parameter_count(self) -> int:
        """How many numbers training could change."""
        return sum(parameter.numel() for parameter in self.parameters())

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Write the short card that a model gets unless it has another one.

        Args:
            args: Passed on to ``ModelHubMixin``.
            kwargs: ``repo_id`` for the repository that the card shows how to load; anything else
                is for a template of the subclass's own.
        """
        values = {"architecture": self.architecture, "parameters": f"{self.parameter_count:,}"}
        return super().generate_model_card(*args, **{**values, **kwargs})

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> Model:
        """Load a model of this family; :func:`colorzoo.load` finds the family by itself.

        Args:
            pretrained_model_name_or_path: A folder, or "user/repo" on the Hub.
            force_download: Fetch again what is cached.
            token: Hub token; the one that is logged in if None.
            cache_dir: Where downloads are kept.
            local_files_only: Never touch the network.
            revision: Branch, tag or commit on the Hub.
            model_kwargs: Keywords that replace those of config.json, such as ``work_size``.

        Returns:
            The model in eval mode, on the CPU, as float32.

        Raises:
            ConfigError: If config.json is missing or damaged, or does not fit this family.
            WeightsError: If the weights do not fit.
            HubError: If the Hub does not deliver.
        """
        folder, place = Path(pretrained_model_name_or_path), str(pretrained_model_name_or_path)
        repo = HubRepo(
            place,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        if folder.is_dir():
            config = read_config(folder / CONFIG_FILE)
        else:
            path, repo = repo.fetch(CONFIG_FILE)
            config = read_config(path)

        def build() -> Model:
            try:
                return cls(**{**config.keywords, **model_kwargs})
            except (TypeError, ValueError, RuntimeError, OverflowError) as error:
                raise ConfigError(
                    f"{config.path} does not fit {cls.__name__} ({error}); {config.origin}. "
                    "colorzoo.load() finds the family by itself."
                ) from error

        model = load_files(
            config,
            build,
            lambda: folder / WEIGHTS_FILE if folder.is_dir() else repo.fetch(WEIGHTS_FILE)[0],
        )
        if isinstance(config.architecture, str):  # the class may have several names
            model.architecture = config.architecture
        return model.eval()

    def push_to_hub(
        self,
        repo_id: str,
        *,
        config: Any = None,
        commit_message: str = "Push model using colorzoo",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        allow_patterns: list[str] | str | None = None,
        ignore_patterns: list[str] | str | None = None,
        delete_patterns: list[str] | str | None = None,
        model_card_kwargs: dict[str, Any] | None = None,
        card: str | Path | None = None,
        overwrite_card: bool = False,
    ) -> CommitInfo:
        """Push the model to the Hub in one commit; a missing repository is created.

        A card that is on the Hub already stays as it is, unless ``overwrite_card`` is given.

        Args:
            repo_id: "user/repo", or "repo" for the user who is logged in.
            config: For ``ModelHubMixin``'s sake; the model's own if given, config.json holds that.
            commit_message: Summary of the commit.
            private: Whether a repository that is created is private; the owner's default if None.
            token: Hub token; the one that is logged in if None.
            branch: Branch to push to, created if missing; main if None.
            create_pr: Open a pull request instead.
            allow_patterns: Push only files that match one of these.
            ignore_patterns: Do not push files that match one of these.
            delete_patterns: Delete files on the Hub that match one of these and are not pushed.
            model_card_kwargs: Passed on to ``generate_model_card``.
            card: Markdown file to push as the card (README.md); a short one is written if None.
            overwrite_card: Replace a card that is on the Hub already.

        Returns:
            The commit, a string with its address: ``oid`` is the hash to pin, as in
            ``colorzoo.load(repo_id, revision=commit.oid)``, ``pr_url`` the pull request.

        Raises:
            ConfigError: If arguments exclude each other.
            HubError: If the Hub refuses, or has another card than ``card``.
        """
        if config not in (None, self._hub_mixin_config):
            raise ConfigError("config.json holds the model's own keywords: leave config out.")

        def write(folder: Path, full_id: str) -> None:
            self.save_pretrained(
                folder, model_card_kwargs={"repo_id": full_id, **(model_card_kwargs or {})}
            )

        return push_files(
            repo_id,
            write,
            PushOptions(
                overwrite_card=overwrite_card,
                branch=branch,
                create_pr=bool(create_pr),
                private=private,
                token=token,
            ),
            message=commit_message,
            card=card,
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
            delete_patterns=delete_patterns,
        ).commit


def read_and_warn(image: ImageSource, *, max_pixels: int) -> Photo:
    """Read a photo and give its notes as warnings to whoever called colorzoo."""
    photo = read_photo(image, max_pixels=max_pixels)
    for note in photo.notes:
        warnings.warn(f"{photo.name}: {note}", stacklevel=3)
    return photo


def save_weights(model: Colorizer, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
    """Write config.json and model.safetensors.

    Args:
        model: The model to save.
        folder: Where to; it is created when missing.
        dtype: Floating-point type of the saved tensors; the model's own if None.
    """
    save_files(Path(folder), model.state_dict(), model.config, dtype=dtype)


def _margins(lightness: Tensor, stride: int) -> tuple[int, int, int, int]:
    """Pixels to add at the left, right, top and bottom for multiples of the stride."""
    more_h, more_w = (-side % stride for side in lightness.shape[-2:])
    left, top = more_w // 2, more_h // 2
    return left, more_w - left, top, more_h - top


def check_saturation(saturation: float) -> None:
    """Refuse a factor on ab that is out of range.

    Raises:
        ValueError: If it is.
    """
    if not (math.isfinite(saturation) and 0 <= saturation <= 10):
        raise ValueError(f"saturation must be between 0 and 10, got {saturation}")


def _work_shape(shape: tuple[int, int], work_size: int) -> tuple[int, int]:
    """Width and height for the network: the short side at work_size, the long one bounded."""
    height, width = shape
    longest = _MAX_ASPECT * work_size
    scale = work_size / min(height, width)
    return min(round(width * scale), longest), min(round(height * scale), longest)


def _checked_work_size(work_size: int, stride: int) -> int:
    try:
        pixels = operator.index(work_size)
    except TypeError:
        pixels = -1
    if not stride <= pixels <= 4096:
        raise ConfigError(
            f"work_size must be a whole number of pixels from {stride} to 4096, got {work_size!r}"
        )
    return pixels
