"""Colorizer: the contract that every model keeps, and the way from a photo to a coloured photo."""

import json
import math
import operator
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import (
    LUMINANCE,
    lab_to_rgb,
    lightness_to_rgb,
    luminance_to_lightness,
    rgb_to_linear,
)
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.images import MAX_PIXELS, ImageSource, Photo, read_photo, to_pil
from colorzoo.upsample import GuidedUpsampler

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"

# A strip of a panorama beyond this aspect ratio is squeezed for the network, so that its cost
# stays bounded; the colours are stretched back afterwards.
_MAX_ASPECT = 4
# Pixels merged at a time: about 100 MB of float32 work, whatever the size of the photo.
_STRIP_PIXELS = 1_000_000


class Colorizer(
    nn.Module,
    ModelHubMixin,
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
        height, width = lightness.shape[-2:]
        more_h, more_w = -height % self.stride, -width % self.stride
        top, left = more_h // 2, more_w // 2
        padded = F.pad(lightness, (left, more_w - left, top, more_h - top), mode="replicate")
        ab = self.to_ab(self(padded))
        if ab.shape[-2:] != padded.shape[-2:]:
            ab = F.interpolate(ab, padded.shape[-2:], mode="bilinear", align_corners=False)
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
        if not (math.isfinite(saturation) and 0 <= saturation <= 10):
            raise ValueError(f"saturation must be between 0 and 10, got {saturation}")
        small = self._shrink(photo.rgb, work_size)
        was_training = self.training
        self.eval()  # in training, batch norm would mix this photo into the statistics
        try:
            with torch.inference_mode():
                ab = self.predict_ab(small)
        finally:
            self.train(was_training)
        return to_pil(merge_ab(photo.rgb, small, ab.float() * saturation), photo)

    def _shrink(self, rgb: np.ndarray, work_size: int | None) -> Tensor:
        """Bring a photo to the working size: (H, W, 3) uint8 to (1, 1, h, w) lightness."""
        size = self.work_size if work_size is None else work_size
        width, height = _work_shape(rgb.shape[:2], _checked_work_size(size, self.stride))
        small = Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC)
        parameter = next(self.parameters())
        return _lightness(np.asarray(small), parameter.device).to(parameter.dtype)

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

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **model_kwargs: Any,
    ) -> "Colorizer":
        path = Path(model_id) / WEIGHTS_FILE
        if not Path(model_id).is_dir():
            path = Path(
                hf_hub_download(
                    model_id,
                    WEIGHTS_FILE,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            )
        model = cls(**model_kwargs)
        load_weights(model, path)
        config = path.with_name(CONFIG_FILE)
        if config.is_file():  # the class may have several names
            saved = json.loads(config.read_text(encoding="utf-8"))
            model.architecture = saved.get("architecture", model.architecture)
        return model.eval()


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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(state, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    text = json.dumps(model.config, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def load_weights(model: Colorizer, path: Path) -> None:
    """Load a safetensors file into a model, strictly.

    Args:
        model: The model; its tensors keep their type and device.
        path: The file.

    Raises:
        WeightsError: If the file is missing or damaged, or if its tensors are not exactly the
            model's; the first few that differ are named.
    """
    if not path.is_file():
        raise WeightsError(
            f"There is no {path.name} in {path.parent}. colorzoo loads safetensors only; "
            "save the model with save_pretrained()."
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a whole safetensors file ({error}). Fetch or save it again."
        ) from error
    own = model.state_dict()
    problems = [f"{name} is missing" for name in own.keys() - state.keys()]
    problems += [f"{name} is not in the architecture" for name in state.keys() - own.keys()]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own.keys() & state.keys()
        if state[name].shape != own[name].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:3])
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{path} does not fit {type(model).__name__} as its config describes it: "
            f"{shown}{more}. The weights and config.json must come from the same model."
        )
    model.load_state_dict(state, strict=True)


def merge_ab(rgb: np.ndarray, small: Tensor, ab: Tensor) -> np.ndarray:
    """Give a photo new colour and leave its lightness alone.

    It works strip by strip, so that memory does not grow with the photo beyond the two 8-bit
    pictures.

    Args:
        rgb: (H, W, 3) uint8 sRGB, the photo.
        small: (1, 1, h, w), the lightness that the network saw.
        ab: (1, 2, h, w), the colour for it, in L*a*b* units.

    Returns:
        (H, W, 3) uint8 sRGB. Colours outside sRGB are desaturated until they fit.
    """
    height, width = rgb.shape[:2]
    out = np.empty_like(rgb)
    step = max(1, _STRIP_PIXELS // width)
    with torch.inference_mode():
        colourless = not ab.any()  # as with saturation=0: all channels equal, to the last bit
        upsampler = GuidedUpsampler(small.float(), ab, size=(height, width))
        for start in range(0, height, step):
            lightness = _lightness(rgb[start : start + step], ab.device)
            if colourless:
                pixels = lightness_to_rgb(lightness)
            else:
                lab = torch.cat((lightness, upsampler.rows(start, lightness)), dim=1)
                pixels = lab_to_rgb(lab, gamut="desaturate")
            pixels = pixels[0].permute(1, 2, 0)
            out[start : start + step] = (pixels * 255).round().to(torch.uint8).cpu().numpy()
    return out


def _lightness(rgb: np.ndarray, device: torch.device) -> Tensor:
    """Turn (H, W, 3) uint8 into (1, 1, H, W) L in [0, 100]."""
    # 256 levels a channel: looking their luminance up is several times faster than computing it.
    linear = rgb_to_linear(torch.arange(256) / 255)
    red, green, blue = (torch.tensor(LUMINANCE)[:, None] * linear).numpy()
    luminance = red[rgb[..., 0]] + green[rgb[..., 1]] + blue[rgb[..., 2]]
    return luminance_to_lightness(torch.from_numpy(luminance).to(device))[None, None]


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
