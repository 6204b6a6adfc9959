"""Graphs whose convolutions count in 8-bit integers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.model_tester import create_small

import colorzoo
from colorzoo.exporting.graph import export
from colorzoo.exporting.int8 import Quantized, export_int8


@pytest.fixture
def photos(coffee) -> list[np.ndarray]:
    return [np.ascontiguousarray(np.roll(coffee, 97 * i, axis=(0, 1))) for i in range(6)]


def exported_both_ways(
    model: colorzoo.Colorizer, folder: Path, photos: list[np.ndarray], picture: np.ndarray
) -> Quantized:
    """Export a model as int8 and as it is; both must colour nearly alike."""
    export(model, folder / "float.onnx")
    found = export_int8(model, folder / "int8.onnx", photos)
    assert found.photos == 3 and found.after == pytest.approx(found.before, abs=0.1)
    rounded, whole = (colorzoo.load(folder / name) for name in ("int8.onnx", "float.onnx"))
    assert rounded.config == whole.config == model.config
    results = [np.asarray(each.colorize(picture)).astype(int) for each in (rounded, whole)]
    assert 0 < np.abs(results[0] - results[1]).mean() < 3
    return found


def test_a_small_model_in_int8(tmp_path, photos, coffee):
    model = colorzoo.create_model("unet", width=4, work_size=32)
    exported_both_ways(model, tmp_path, photos, coffee)
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "float.onnx")]
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.parametrize("name", ["ddcolor-tiny", "eccv16", "siggraph17"])
def test_networks_of_others_in_int8(name, tmp_path, photos, coffee):
    torch.manual_seed(0)
    model = create_small(name)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if key.startswith(("refine.", "decoder.6.", "head.")):
                value *= 20  # of some colour
    exported_both_ways(model, tmp_path, photos, coffee)


@pytest.mark.slow
def test_a_trained_model_in_int8(tmp_path, photos, coffee):
    exported_both_ways(colorzoo.load("resnet34"), tmp_path, photos, coffee)
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "float.onnx")]
    assert sizes[0] < 0.35 * sizes[1]


def test_what_int8_costs_too_much_is_refused(tmp_path, monkeypatch, photos):
    monkeypatch.setattr("colorzoo.exporting.int8.MAX_LOSS", -9)
    model = colorzoo.create_model("unet", width=2, work_size=32)
    with pytest.raises(colorzoo.ConfigError, match="loses too much in int8: PSNR falls from"):
        export_int8(model, tmp_path / "worse.onnx", photos)
    with pytest.raises(colorzoo.ImageError, match="at least 2"):
        export_int8(model, tmp_path / "worse.onnx", photos[:1])
    assert not (tmp_path / "worse.onnx").exists()
