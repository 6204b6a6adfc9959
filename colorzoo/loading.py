"""Load trained models by name, from a folder or from the Hub."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from typing_extensions import Unpack

from colorzoo.colorizer import Colorizer
from colorzoo.defaults import DEFAULT_MODEL, MAX_PIXELS
from colorzoo.devices import find_device, find_dtype
from colorzoo.errors import ConfigError, WeightsError
from colorzoo.exporting.graph import with_onnxruntime
from colorzoo.exporting.runtime import SUFFIX, ExportedColorizer
from colorzoo.families import settings_in
from colorzoo.hub.checkpoint import Config, load_model
from colorzoo.hub.convert import has_own_config, is_file_name, load_file
from colorzoo.hub.fetch import Folder, HubRepo
from colorzoo.hub.obtain import obtain
from colorzoo.imaging.read import ImageSource
from colorzoo.imaging.working_size import check_work_size
from colorzoo.options import Options, given
from colorzoo.registry import ModelInfo, build_model, model_info
from colorzoo.torch_state import building


def colorize(
    image: ImageSource,
    *,
    model: str | Path = DEFAULT_MODEL,
    saturation: float = 1.0,
    work_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[Options],
) -> Image.Image:
    """Colour a photo in one call.

    The model stays in memory for the next call. To choose the device, or to colour many photos, use
    :func:`colorzoo.load` and the ``colorize`` method of the model.

    Examples:
        >>> image = colorzoo.colorize("photo.jpg")
        >>> image.mode, image.size
        ('RGB', (600, 400))

    Args:
        image: A path, bytes, a binary file object, a PIL image, a NumPy array or a tensor.
        model: A registered name, a folder or "user/repo"; see :func:`colorzoo.load`.
        saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
        work_size: Short side of the network's input, pixels; the model's default if None.
        max_pixels: Largest width * height to accept.
        options: The :class:`colorzoo.Options` that the model supports, such as ``seed=3``.

    Returns:
        An image of the input's size, see :meth:`colorzoo.Colorizer.colorize`.

    Raises:
        ImageError: If the image cannot be read.
        ConfigError: If the model does not support an option.
        ColorzooError: If the model cannot be loaded, see :func:`colorzoo.load`.
        ValueError: If saturation, work_size or an option is out of range.
    """
    return _load_once(model).colorize(
        image, saturation=saturation, work_size=work_size, max_pixels=max_pixels, **options
    )


def colorize_batch(
    images: ImageSource | Iterable[ImageSource],
    *,
    model: str | Path = DEFAULT_MODEL,
    batch_size: int = 1,
    saturation: float = 1.0,
    work_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[Options],
) -> Iterator[Image.Image]:
    """Colour many photos, each when its result is asked for.

    Examples:
        >>> for image in colorzoo.colorize_batch(["photo.jpg", "photo.jpg"]):
        ...     print(image.info["source"], image.size)
        photo.jpg (600, 400)
        photo.jpg (600, 400)

    Args:
        images: A list or other iterable of what :func:`colorzoo.colorize` takes, a folder, or a
            batch of pixels; see :meth:`colorzoo.Colorizer.colorize_batch`.
        model: A registered name, a folder or "user/repo"; see :func:`colorzoo.load`.
        batch_size: Photos that the network gets at a time.
        saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
        work_size: Short side of the network's input, pixels; the model's default if None.
        max_pixels: Largest width * height of a photo to accept.
        options: The :class:`colorzoo.Options` that the model supports, such as ``seed=3``.

    Yields:
        One image per photo, in order, with the path of a file in ``image.info["source"]``.

    Raises:
        ImageError: If an image cannot be read. Files in a folder are then skipped with a warning.
        ConfigError: If the model does not support an option, or batch_size is out of range.
        ColorzooError: If the model cannot be loaded, see :func:`colorzoo.load`.
        ValueError: If saturation, work_size or an option is out of range.
    """
    return _load_once(model).colorize_batch(
        images,
        batch_size=batch_size,
        saturation=saturation,
        work_size=work_size,
        max_pixels=max_pixels,
        **options,
    )


@lru_cache(maxsize=2)
def _load_once(name: str | Path) -> Colorizer:
    return load(name)


def load(
    name: str | Path = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    source: Literal["auto", "bundled", "hub"] = "auto",
    backend: Literal["torch", "onnx"] = "torch",
    work_size: int | None = None,
    **options: Unpack[Options],
) -> Colorizer:
    """Load a trained model.

    A name that ends in ".onnx" is a file written by ``colorzoo export``, and runs in onnxruntime.
    One that ends in ".safetensors" is a checkpoint, whose network is recognised by its tensors.
    Otherwise, a Path or a name that starts with ".", "/" or "~" is a folder, and a name without a
    slash is a registered model. Any other name is a folder if that exists, or a Hub repository.
    Registered models use the bundled weights if there are any, or else the weights on the Hub at
    the pinned commit, or else those that the method's authors published: these are downloaded once,
    checked by their hash, and kept as safetensors. :attr:`colorzoo.ModelInfo.is_local` tells
    whether loading needs the network.

    Examples:
        >>> model = colorzoo.load("unet")
        >>> model.colorize("photo.jpg").size
        (600, 400)

    Args:
        name: A registered name, a folder with config.json and model.safetensors, a .safetensors
            file, or "user/repo".
        revision: Branch, tag or commit to load from the Hub, even if weights are bundled. A full
            commit hash pins the model; once it is cached, loading makes no request.
        token: Hub token for private repositories; that of the logged-in user if None.
        cache_dir: Folder for downloads.
        local_files_only: Never access the network.
        device: Where the model runs: "cpu", "cuda", "cuda:1" or "mps"; "auto" is the GPU if there
            is one that CUDA can use, else the CPU.
        dtype: "float32", "float16" or "bfloat16", or such a type of PyTorch; the weights are
            converted to it.
        source: "bundled" never uses the Hub, "hub" never uses files on this machine.
        backend: "onnx" runs the network in onnxruntime, on the CPU in float32, and ignores
            ``device`` and ``dtype``. The network is exported on first use, then kept for later.
        work_size: Short side of the network's input, pixels, for calls that do not say another; the
            model's own if None.
        options: Options that the model supports, such as ``temperature=0.4``, for calls that do not
            say others. Like ``work_size``, they are not part of the model's configuration.

    Returns:
        The model in eval mode on that device.

    Raises:
        UnknownModelError: If the name is not registered.
        ConfigError: If config.json is missing, damaged, names an unknown architecture or describes
            an absurdly large network, if there is no such device, if the model does not support an
            option, if arguments contradict each other or are out of range, or if onnxruntime is
            needed and not installed.
        WeightsError: If there are no weights, or they do not fit the architecture.
        HubError: If a download fails, or is needed although ``local_files_only`` is true.
    """
    if backend not in ("torch", "onnx"):
        raise ConfigError(f"backend must be 'torch' or 'onnx', got {backend!r}")
    kind = find_dtype(dtype)
    if source not in ("auto", "bundled", "hub"):
        raise ConfigError(f"source must be 'auto', 'bundled' or 'hub', got {source!r}")
    if source == "bundled" and revision is not None:
        raise ConfigError(f"source='bundled' never uses the Hub: leave out revision={revision!r}.")
    if str(name).endswith(SUFFIX):
        if source != "auto" or revision is not None:
            raise ConfigError(f"{name} is an ONNX file: leave out source and revision.")
        return _with_defaults(ExportedColorizer(name).eval(), work_size, **options)
    model = _load_weights(
        name,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        source=source,
    )
    model = _with_defaults(model, work_size, **options)
    if backend == "onnx":
        return with_onnxruntime(model, cache_dir=cache_dir)
    return _to_device(model, find_device(device), kind)


def _with_defaults(
    model: Colorizer, work_size: int | None, **options: Unpack[Options]
) -> Colorizer:
    """Set what calls of a model use if they do not say otherwise."""
    model.check(**options)
    model.defaults = given(options)
    if work_size is not None:
        model.work_size = check_work_size(work_size, model.stride)
    return model


def _load_weights(
    name: str | Path,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
    source: Literal["auto", "bundled", "hub"],
) -> Colorizer:
    """Load a model by the rules of ``load``, on the CPU in float32."""
    wants_hub = source == "hub" or revision is not None
    builder = _builder
    if is_file_name(name):
        if wants_hub:
            raise ConfigError(f"{name} is a file: leave out revision and source='hub'.")
        file = Path(name).expanduser()
        if not has_own_config(file):
            return load_file(file)
        name = file.parent
    if not _is_path(name) and "/" not in str(name):
        info = model_info(str(name))  # look it up once, so that a former name warns once
        name, builder = info.name, partial(_builder, settings=info if info.weights_of else None)
    folder = None if wants_hub and not _is_path(name) else local_folder(name)
    if folder is not None:
        if wants_hub:
            raise ConfigError(
                f"{name} is a folder: leave out revision and source='hub', which are for the Hub."
            )
        return load_model(Folder(folder), builder)[1]
    repo_id, pinned = str(name), None
    if "/" not in repo_id:
        info = model_info(repo_id)
        if info.repo_id is None and info.published is not None and source != "bundled":
            if revision is not None:
                raise ConfigError(
                    f"{info.name} uses the weights of its authors, which are pinned: leave out "
                    f"revision={revision!r}. `colorzoo convert` takes other checkpoints of it."
                )
            folder = obtain(
                info, cache_dir=cache_dir, local_files_only=local_files_only, token=token
            )
            return load_model(Folder(folder), builder)[1]
        if info.repo_id is None and info.published is None:
            raise WeightsError(_no_weights(info))
        repo_id, pinned = info.repo_id or repo_id, info.revision
    if source == "bundled":
        raise WeightsError(
            f"There are no weights for {name} on this machine. Leave out source='bundled' to load "
            "it from the Hub."
        )
    repo = HubRepo(
        repo_id,
        revision=revision or pinned,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )
    return load_model(repo, builder)[1]


def local_folder(name: str | Path) -> Path | None:
    """Find the folder with a model's weights on this machine, by the rules of ``load``.

    Args:
        name: A registered name, a folder, or "user/repo".

    Returns:
        The folder, or None if there is none and only the Hub may have the weights.

    Raises:
        UnknownModelError: If the name is not registered.
        WeightsError: If the name is a path, and there is no such folder.
    """
    folder = Path(name).expanduser()
    if _is_path(name):
        if not folder.is_dir():
            raise WeightsError(
                f"There is no folder {folder}. Write a registered model as its name alone "
                "(see colorzoo.list_models()), and a Hub repository as 'user/repo'."
            )
        return folder
    if "/" not in str(name):
        return model_info(str(name)).weights
    return folder if folder.is_dir() else None


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.startswith((".", "/", "~"))


def _no_weights(info: ModelInfo) -> str:
    if info.weights is not None:
        return f"{info.name} is not on the Hub; colorzoo.load({info.name!r}) has bundled weights."
    if not info.family.__module__.startswith("colorzoo."):
        return (
            f"{info.name} has no trained weights: its package, {info.family.__module__}, includes "
            f"none in {info.folder}. Build it untrained with create_model({info.name!r})."
        )
    return (
        f"{info.name} has no trained weights yet. Train it with `python -m train fit {info.name} "
        f"--data FOLDER`, or build it untrained with create_model({info.name!r})."
    )


def _to_device(model: Colorizer, device: str | torch.device, dtype: torch.dtype) -> Colorizer:
    try:
        with building():
            # With channels last in memory, convolutions take 20 to 25 % less time.
            return model.to(device, dtype).to(memory_format=torch.channels_last)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"The device {str(device)!r} is not available: {reason} Try 'cpu'."
        ) from error


def _builder(config: Config, *, settings: ModelInfo | None = None) -> Callable[[], Colorizer]:
    """Return a function that builds the network described by a config.json.

    Args:
        config: The config.json.
        settings: A registered model that uses these weights with other keywords.

    Raises:
        ConfigError: If the architecture is not registered.
    """
    info = settings_in(config)

    def build() -> Colorizer:
        try:
            if settings is None:
                return build_model(info, config.keywords)
            return build_model(settings, {**config.keywords, **settings.config})
        except ConfigError as error:
            raise ConfigError(f"{error} ({config.path}; {config.origin}.)") from error

    return build
