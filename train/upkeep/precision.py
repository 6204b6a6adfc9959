"""Update the table of number formats: how fast, how large and how exact each model is in each."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from skimage import data
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation.metrics import prepare, psnr
from colorzoo.evaluation.report import hardware, read_photos
from colorzoo.exporting.graph import export
from colorzoo.exporting.int8 import MAX_LOSS, export_int8
from colorzoo.imaging.read import read_photo
from colorzoo.loading import load
from colorzoo.registry import model_info
from train.evaluate import measurable_models
from train.upkeep.readme import replace_between

PAGE = Path("docs") / "gpu-and-onnx.md"
START, END = "<!-- precision: python -m train precision -->\n", "<!-- /precision -->"
FORMATS = ("PyTorch, float32", "PyTorch, bfloat16", "ONNX, float32", "ONNX, int8")
# Photos for int8 (half to calibrate it, half to check it), and how many others are measured
_CALIBRATE, PHOTOS = 60, 200
_ROUNDS, _WARM = 25, 3


@dataclass(frozen=True)
class Precision:
    """The measurement of one model in one format.

    Attributes:
        model: The registered name.
        format: One of FORMATS.
        milliseconds: Time of the network and the conversion to colours at the working size; the
            median of 25 runs, in which all formats take turns.
        cpu: CPU time of all threads for the same, milliseconds.
        megabytes: Size of the weights in memory, or of the file of the graph.
        psnr: By the protocol of :mod:`colorzoo.evaluation.metrics`, dB.
        mean: Mean CIE 1976 colour difference from float32 in PyTorch, over pixels and photos.
        largest: The largest one.
        photos: Number of photos.
        reason: Why the model has no such format; the numbers are 0 then.
    """

    model: str
    format: str
    milliseconds: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    psnr: float = 0.0
    mean: float = 0.0
    largest: float = 0.0
    photos: int = 0
    reason: str = ""


def networks() -> list[str]:
    """List the bundled models, without those that are another one at other settings."""
    return [name for name in measurable_models() if model_info(name).weights_of is None]


def read_set(source: Path, limit: int) -> list[np.ndarray]:
    """Read colour photos: those for int8 first, then up to ``limit`` to measure.

    Raises:
        ImageError: If there are none left to measure.
    """
    found = list(islice(read_photos(source, [], coloured=True), _CALIBRATE + limit))
    if len(found) <= _CALIBRATE:
        raise ImageError(
            f"{source}: has {len(found)} colour photos; {_CALIBRATE} are needed for int8, and at "
            "least one more to measure"
        )
    return found


def measure_precision(name: str, photos: Sequence[np.ndarray]) -> list[Precision]:
    """Measure a bundled model in all formats that it has.

    Args:
        name: Its registered name.
        photos: From ``read_set``.
    """
    model = load(name)
    calibration = photos[:_CALIBRATE]
    truths = [prepare(each) for each in photos[_CALIBRATE:]]
    with tempfile.TemporaryDirectory() as folder:
        models: dict[str, tuple[Colorizer, float]] = {}
        reasons: dict[str, str] = {}
        makers: tuple[Callable[[], tuple[Colorizer, float]], ...] = (
            lambda: _with_size(model),
            lambda: _with_size(load(name, dtype=torch.bfloat16)),
            lambda: _exported(Path(folder) / "float.onnx", lambda path: export(model, path)),
            lambda: _exported(
                Path(folder) / "int8.onnx", lambda path: export_int8(model, path, calibration)
            ),
        )
        for label, make in zip(FORMATS, makers, strict=True):
            try:
                models[label] = make()
            except ConfigError as error:
                reasons[label] = str(error)
        times = _times([each for each, _ in models.values()])
        reference: list[Tensor] = []
        rows = []
        for label in FORMATS:
            if label in reasons:
                rows.append(Precision(name, label, reason=reasons[label]))
                continue
            runner, size = models[label]
            coloured = [np.asarray(runner.colorize(each)) for each in truths]
            quality = float(np.mean(list(map(psnr, coloured, truths))))
            seen = [_lab(each) for each in coloured]
            reference = reference or seen
            apart = [(a - b).norm(dim=0) for a, b in zip(seen, reference, strict=True)]
            milliseconds, cpu = times.pop(0)
            rows.append(
                Precision(
                    name,
                    label,
                    milliseconds,
                    cpu,
                    size / 1e6,
                    quality,
                    float(np.mean([float(each.mean()) for each in apart])),
                    max(float(each.max()) for each in apart),
                    len(truths),
                )  # fmt: skip
            )
    return rows


def precision_text(found: Sequence[Precision], source: str, machine: str | None = None) -> str:
    """Render the numbers as Markdown.

    Args:
        found: The measurements.
        source: Name of the set of photos.
        machine: The hardware; this machine if None.
    """
    lines = [
        "| model | format | ms | ms of CPU time | MB | PSNR | mean ΔE | largest ΔE |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    missing: dict[str, None] = {}
    for each in found:
        if each.reason:
            missing[f"`{each.model}` has no row for {each.format}: {each.reason}"] = None
            continue
        lines.append(
            f"| `{each.model}` | {each.format} | {each.milliseconds:.1f} | {each.cpu:.1f} "
            f"| {each.megabytes:.1f} | {each.psnr:.2f} | {each.mean:.2f} | {each.largest:.1f} |"
        )
    counts = sorted({each.photos for each in found if each.photos})
    note = (
        f"{', '.join(map(str, counts))} photos of {source}, 256 x 256 pixels. Times are those of "
        "the network and the conversion to colours, for a photo of 3:2 at the model's working "
        f"size; medians of {_ROUNDS} runs, in which all formats take turns. ΔE is the CIE 1976 "
        "colour difference from PyTorch in float32. MB are those of the weights in memory, or of "
        "the graph; the bundled files hold weights in half precision. Int8 was calibrated on "
        f"{_CALIBRATE // 2} other photos; a model that loses more than {MAX_LOSS} dB is refused. "
        f"{machine or hardware(torch.device('cpu'))}."
    )
    return "\n".join([*lines, "", note, *(f"\n{each}" for each in missing)]) + "\n"


def update_page(text: str, path: Path = PAGE) -> bool:
    """Write the table between the markers; return whether the page changed.

    Raises:
        ValueError: If the markers are missing.
    """
    return replace_between(path, START, END, text)


def _times(models: Sequence[Colorizer]) -> list[tuple[float, float]]:
    """Return milliseconds, and those of CPU time, of each model for one photo."""
    photo = read_photo(data.coffee())
    inputs = [model.shrink(photo) for model in models]
    taken: list[list[tuple[float, float]]] = [[] for _ in models]
    for turn in range(_WARM + _ROUNDS):
        for model, lightness, found in zip(models, inputs, taken, strict=True):
            began, used = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                model.predict_ab(lightness)
            now = time.perf_counter() - began, time.process_time() - used
            if turn >= _WARM:
                found.append(now)
    return [_medians(each) for each in taken]


def _medians(found: Iterable[tuple[float, float]]) -> tuple[float, float]:
    wall, used = zip(*found, strict=True)
    return 1000 * statistics.median(wall), 1000 * statistics.median(used)


def _exported(path: Path, write: Callable[[Path], object]) -> tuple[Colorizer, float]:
    write(path)
    return load(path), path.stat().st_size


def _with_size(model: Colorizer) -> tuple[Colorizer, float]:
    return model, _bytes_of(model)


def _bytes_of(model: Colorizer) -> float:
    return sum(each.nbytes for each in model.state_dict().values())


def _lab(rgb: np.ndarray) -> Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() / 255)
