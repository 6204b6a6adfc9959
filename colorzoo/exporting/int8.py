"""ONNX graphs with convolutions in 8-bit integers: a quarter of the size, and faster.

The ranges of activations are calibrated on photos. The first two and the last three convolutions
stay in floating point: they read or write the picture itself, so rounding would be visible there.
With those quantised too, some of the zoo's models lose over 1 dB of PSNR.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colorzoo.colorizer import Colorizer
from colorzoo.errors import ConfigError, ImageError
from colorzoo.evaluation.metrics import prepare, psnr
from colorzoo.exporting.graph import check_path, checked_graph, write_graph
from colorzoo.exporting.runtime import ExportedColorizer
from colorzoo.extras import import_extra
from colorzoo.imaging.read import read_photo

MAX_LOSS = 0.1  # dB of PSNR

_FIRST, _LAST = 2, 3
_CONVOLUTIONS = ("Conv", "ConvTranspose")


@dataclass(frozen=True)
class Quantized:
    """The loss from quantisation.

    Attributes:
        photos: Number of photos in the measurement; about as many others were used to calibrate.
        before: PSNR with PyTorch, dB, by the protocol of :mod:`colorzoo.evaluation.metrics`.
        after: PSNR with the graph, dB.
    """

    photos: int
    before: float
    after: float


def export_int8(model: Colorizer, path: str | Path, photos: Sequence[np.ndarray]) -> Quantized:
    """Write a model like ``export``, with convolutions in 8-bit integers.

    Args:
        model: The model, on the CPU.
        path: The file, ending in .onnx.
        photos: (H, W, 3) uint8 colour photos of the kind that the model is used for; 60 are enough.
            Every second one is used to calibrate, the rest to measure the loss.

    Returns:
        The loss from quantisation.

    Raises:
        ConfigError: If the required packages are missing, the model cannot be exported, or the loss
            is more than MAX_LOSS. No file is written then.
        WeightsError: If the file cannot be written. An existing file is then kept.
        ImageError: If there are fewer than two photos.
    """
    file = check_path(path)
    if len(photos) < 2:
        raise ImageError(f"int8 needs at least 2 colour photos, ideally 60; got {len(photos)}")
    graph, _ = checked_graph(model)
    shown, kept_back = photos[::2], photos[1::2]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        small.write_bytes(_quantize(graph, Path(folder), _lightness(model, shown)))
        before, after = (
            _mean_psnr(each, kept_back) for each in (model, ExportedColorizer(small).eval())
        )
        if not before - after <= MAX_LOSS:
            raise ConfigError(
                f"{model.architecture} loses too much in int8: PSNR falls from {before:.2f} to "
                f"{after:.2f} dB on these photos, by more than {MAX_LOSS}. Export it without int8."
            )
        write_graph(file, small.read_bytes())
    return Quantized(len(kept_back), before, after)


def _quantize(graph: bytes, folder: Path, inputs: list[dict[str, np.ndarray]]) -> bytes:
    onnx, quantization = import_extra("onnx"), import_extra("onnxruntime.quantization")
    given, whole, rounded = (folder / f"{name}.onnx" for name in ("given", "whole", "rounded"))
    given.write_bytes(graph)
    quantization.quant_pre_process(given, whole, skip_symbolic_shape=True)
    nodes = onnx.load(whole).graph.node
    found = [node.name for node in nodes if node.op_type in _CONVOLUTIONS]
    quantization.quantize_static(
        whole,
        rounded,
        _reader(quantization, inputs),
        op_types_to_quantize=list(_CONVOLUTIONS),
        nodes_to_exclude=found[:_FIRST] + found[-_LAST:],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    result, about = onnx.load(rounded), onnx.load(given).metadata_props
    onnx.helper.set_model_props(result, {each.key: each.value for each in about})
    return result.SerializeToString()


def _reader(quantization: Any, inputs: list[dict[str, np.ndarray]]) -> Any:
    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    return Reader()


def _lightness(model: Colorizer, photos: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Return the lightness of the photos at the working size, as inputs of the graph."""
    seen = (model.predict(read_photo(prepare(photo))).lightness for photo in photos)
    return [{"lightness": each.float().cpu().numpy()} for each in seen]


def _mean_psnr(model: Colorizer, photos: Sequence[np.ndarray]) -> float:
    truths = [prepare(photo) for photo in photos]
    return float(np.mean([psnr(np.asarray(model.colorize(each)), each) for each in truths]))
