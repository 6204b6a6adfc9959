"""Graphs whose convolutions count in 8-bit integers."""

import numpy as np
import pytest

import colorzoo
from colorzoo.exporting.graph import export
from colorzoo.exporting.int8 import export_int8


@pytest.mark.slow
def test_int8_holds_the_quality(tmp_path, monkeypatch, coffee):
    photos = [np.ascontiguousarray(np.roll(coffee, 97 * i, axis=(0, 1))) for i in range(6)]
    model = colorzoo.load("resnet34")
    export(model, tmp_path / "float.onnx")
    found = export_int8(model, tmp_path / "int8.onnx", photos)
    assert found.photos == 3 and found.after == pytest.approx(found.before, abs=0.1)
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "float.onnx")]
    assert sizes[0] < 0.35 * sizes[1]
    rounded, whole = (colorzoo.load(tmp_path / name) for name in ("int8.onnx", "float.onnx"))
    assert rounded.config == whole.config == model.config
    results = [np.asarray(each.colorize(coffee)).astype(int) for each in (rounded, whole)]
    assert 0 < np.abs(results[0] - results[1]).mean() < 3

    monkeypatch.setattr("colorzoo.exporting.int8.MAX_LOSS", -9)
    with pytest.raises(colorzoo.ConfigError, match="does not bear int8: PSNR falls from"):
        export_int8(model, tmp_path / "worse.onnx", photos)
    with pytest.raises(colorzoo.ImageError, match="at least 2"):
        export_int8(model, tmp_path / "worse.onnx", photos[:1])
    assert not (tmp_path / "worse.onnx").exists()
