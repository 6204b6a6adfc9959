"""Folders of strangers: whatever they hold, loading takes little memory and time."""

import importlib
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.limits import SECONDS, used_by
from safetensors.torch import load_file, save_file

import colorzoo
from colorzoo.models.unet import UNet

PICTURE = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)


def loaded(folder: Path) -> str:
    began = time.process_time()
    try:
        colorzoo.load(folder).colorize(PICTURE)
        told = "coloured"
    except colorzoo.ColorzooError as error:
        told = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - began
    return told if seconds < SECONDS else f"{seconds:.1f} s: {told}"


def config(**keywords: object) -> bytes:
    return json.dumps({"architecture": "unet", **keywords}).encode()


CONFIGS = {
    "a large working size": config(width=2, work_size=4096),
    "many keywords": config(**{f"k{i}": 1 for i in range(50_000)}),
    "a long list": config(width=[1] * 300_000),
    "a long dial": json.dumps({"architecture": "unet-bins", "dial": [[1, 1, 9]] * 80_000}).encode(),
    "a long encoder": json.dumps({"architecture": "resnet34", "encoder": "x" * 900_000}).encode(),
    "a pattern": json.dumps({"architecture": "resnet34", "encoder": "*a?[!b]" * 9_000}).encode(),
    "a large network": config(width=10**9),
    "a thousand billion parameters": config(width=11_000),
    "a large decoder": json.dumps({"architecture": "efficientnet-bins", "width": 10**5}).encode(),
    "a long number": b'{"architecture": "unet", "width": ' + b"1" * 900_000 + b"}",
    "lists in lists": b'{"architecture": "unet", "width": ' + b"[" * 900_000 + b"}",
    "objects in objects": b'{"architecture": "unet", "width": ' + b'{"a":' * 150_000 + b"}",
    "fewer lists in lists": b'{"architecture": "unet", "width": ' + b"[" * 900 + b"]" * 900 + b"}",
    "no number": b'{"architecture": "unet", "width": NaN}',
    "a megabyte and more": config(width=2, more="x" * 30_000_000),
}


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
WEIGHTS: dict[str, Callable[[], bytes]] = {
    "many tensors": lambda: header(json.dumps({str(i): EMPTY for i in range(400_000)}).encode()),
    "much metadata": lambda: header(
        json.dumps({"__metadata__": {str(i): "" for i in range(1_500_000)}}).encode()
    ),
    "a tensor many times": lambda: header(
        b"{" + b",".join([b'"a":' + json.dumps(EMPTY).encode()] * 400_000) + b"}"
    ),
    "many dimensions": lambda: header(
        json.dumps({"a": EMPTY | {"shape": [1] * 3_000_000 + [0]}}).encode()
    ),
    "a long name": lambda: header(json.dumps({"a" * 30_000_000: EMPTY}).encode()),
    "lists in lists": lambda: header(b'{"a":' + b"[" * 10_000_000),
    "few spaces": lambda: header(b"{" + b" " * 1_900_000 + b"}"),
    "a header longer than the file": lambda: struct.pack("<Q", 2**63) + b"{}",
    "dimensions that multiply beyond bounds": lambda: header(
        json.dumps({"a": EMPTY | {"shape": [2**62, 2**62, 0]}}).encode()
    ),
    "nothing": lambda: b"",
}


def all_configs(folder: Path) -> list[str]:
    importlib.import_module("timm")  # takes seconds, once
    found = []
    for name, content in CONFIGS.items():
        (folder / "config.json").write_bytes(content)
        told = loaded(folder)
        found.append(f"{'' if told.startswith('ConfigError') else 'UNEXPECTED '}{name}: {told}")
    return found


def all_weights(folder: Path) -> list[str]:
    found = []
    for name, content in WEIGHTS.items():
        (folder / "model.safetensors").write_bytes(content())
        told = loaded(folder)
        found.append(f"{'' if told.startswith('WeightsError') else 'UNEXPECTED '}{name}: {told}")
    return found


@pytest.mark.parametrize("attacks", [all_configs, all_weights])
def test_absurd_models_are_refused_within_bounds(saved, attacks):
    """All in one process: its peak is that of the worst."""
    told = used_by(attacks, saved).check(seconds=5 * SECONDS)
    assert told.startswith("[") and "UNEXPECTED" not in told, told


def test_a_models_own_working_size_has_a_bound(saved, camera):
    text = (saved / "config.json").read_text()
    (saved / "config.json").write_text(text.replace("128", "513"))
    message = r"work_size must be .* from 16 to 512 for a model; callers .* up to 4096, got 513"
    with pytest.raises(colorzoo.ConfigError, match=message):
        colorzoo.load(saved)
    with pytest.raises(colorzoo.ConfigError, match=message):
        colorzoo.create_model("unet", work_size=513)
    (saved / "config.json").write_text(text.replace("128", "512"))
    model = colorzoo.load(saved)
    assert model.work_size == 512
    assert model.colorize(camera[:9, :9], work_size=520).size == (9, 9)


# Numbers that are finite, with results that are not -----------------------------------------------


def overflowing(folder: Path) -> Path:
    """Weights that are all finite, and whose products are not."""
    state = load_file(folder / "model.safetensors")
    for name, value in state.items():
        if name.endswith("weight") and value.is_floating_point():
            value.fill_(1e30)
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_colours_that_are_no_numbers_are_an_error(saved, dtype, camera):
    model = colorzoo.load(overflowing(saved), dtype=dtype)
    message = "unet predicts NaN or infinity instead of colours.* use another model"
    with pytest.raises(colorzoo.WeightsError, match=message) as caught:
        model.colorize(camera[::8, ::8])
    half = "It runs in torch.bfloat16: try torch.float32."
    assert str(caught.value).endswith(half) == (dtype == torch.bfloat16)
    with pytest.raises(colorzoo.WeightsError, match=message):
        model.predict_ab(torch.rand(1, 1, 32, 32, dtype=dtype) * 100)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_one_photo_without_colours_does_not_cost_the_others(saved, monkeypatch, value, camera):
    """In a batch, only the photo itself fails."""

    def forward(_, lightness):
        ab = torch.zeros_like(lightness).repeat(1, 2, 1, 1)
        ab[lightness.mean(dim=(1, 2, 3)) > 90] = value
        return ab

    monkeypatch.setattr(UNet, "forward", forward)
    model = colorzoo.load(saved)
    photos = [colorzoo.read_photo(np.full((40, 40), level, np.uint8)) for level in (90, 255, 99)]
    good, bad, other = model.predict_batch(photos)
    with pytest.raises(colorzoo.WeightsError, match="NaN or infinity"):
        model.render(photos[1], bad)
    for photo, prediction in ((photos[0], good), (photos[2], other)):
        assert model.render(photo, prediction).size == (40, 40)


def test_tiny_numbers_take_no_longer(saved):
    """Numbers close to zero are slow on some CPUs."""
    state = load_file(saved / "model.safetensors")
    for value in state.values():
        if value.is_floating_point():
            value.fill_(1e-39)
    save_file(state, saved / "model.safetensors")
    assert used_by(loaded, saved).check() == "coloured"
