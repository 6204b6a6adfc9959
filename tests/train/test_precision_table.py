"""The table of number formats: what is measured, and how it is written."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo import ConfigError, ImageError
from train.upkeep import precision
from train.upkeep.precision import END, FORMATS, PAGE, START, Precision, precision_text

FOUND = [
    Precision("unet", FORMATS[0], 20.04, 17.5, 7.8, 22.94, 0.0, 0.0, 40),
    Precision("unet", FORMATS[2], 15.0, 13.1, 7.8, 22.94, 0.004, 0.8, 40),
    Precision("unet", FORMATS[3], reason="it loses too much"),
]


def test_every_measured_format_has_a_row_and_the_others_a_reason():
    text = precision_text(FOUND, "test.tar", "abacus, 2 threads")
    assert "| `unet` | PyTorch, float32 | 20.0 | 17.5 | 7.8 | 22.94 | 0.00 | 0.0 |" in text
    assert "| `unet` | ONNX, float32 | 15.0 | 13.1 | 7.8 | 22.94 | 0.00 | 0.8 |" in text
    assert "40 photos of test.tar" in text and "abacus, 2 threads" in text
    assert f"| {FORMATS[3]} |" not in text and "it loses too much" in text


def test_the_page_has_the_markers(root):
    text = (root / PAGE).read_text()
    assert text.count(START) == text.count(END) == 1


@pytest.fixture
def photos(monkeypatch, coffee) -> list[np.ndarray]:
    """Four photos for int8 and two to measure; "unet" is a small model with random weights."""
    model = colorzoo.create_model("unet", width=4, work_size=32).eval()
    half = copy.deepcopy(model).to(torch.bfloat16)

    def loaded(name, *, dtype=None):
        if name != "unet":
            return colorzoo.load(name)
        return model if dtype is None else half

    monkeypatch.setattr(precision, "load", loaded)
    monkeypatch.setattr(precision, "_CALIBRATE", 4)
    return [np.ascontiguousarray(np.roll(coffee, 90 * i, axis=1)) for i in range(6)]


def test_formats_are_compared_with_float32(monkeypatch, photos):
    def fails(*_):
        raise ConfigError("it cannot be exported")

    monkeypatch.setattr(precision, "export", fails)
    monkeypatch.setattr(precision, "export_int8", fails)
    found = precision.measure_precision("unet", photos)
    assert [each.format for each in found] == list(FORMATS)
    first, rounded, *others = found
    assert first.mean == first.largest == 0 and first.photos == 2
    assert rounded.megabytes == pytest.approx(first.megabytes / 2, rel=0.1)
    assert 0 < rounded.mean < 2 and rounded.mean < rounded.largest
    assert all(each.milliseconds > 0 and each.cpu > 0 for each in (first, rounded))
    assert [each.reason for each in others] == ["it cannot be exported"] * 2


@pytest.mark.slow
def test_graphs_are_measured_too(photos):
    pytest.importorskip("onnxruntime")
    first, _, graph, small = precision.measure_precision("unet", photos)
    assert graph.mean < 0.1 and graph.psnr == pytest.approx(first.psnr, abs=0.05)
    assert small.megabytes < 0.7 * graph.megabytes
    assert small.psnr == pytest.approx(first.psnr, abs=0.2) and graph.mean < small.mean < 3


def test_photos_for_int8_are_not_measured(monkeypatch, coffee, tmp_path):
    for i in range(5):
        Image.fromarray(np.roll(coffee, i, axis=1)).save(tmp_path / f"{i}.png")
    monkeypatch.setattr(precision, "_CALIBRATE", 3)
    assert len(precision.read_set(tmp_path, 1)) == 4 and len(precision.read_set(tmp_path, 9)) == 5
    monkeypatch.setattr(precision, "_CALIBRATE", 5)
    with pytest.raises(ImageError, match="5 colour photos; 5 are needed"):
        precision.read_set(tmp_path, 9)
