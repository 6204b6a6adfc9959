"""What several tests of runs over many photos use."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def album(tmp_path, rng) -> Path:
    """Twelve small photos."""
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 48), np.uint8)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    """A small model, which loads and runs in no time."""
    folder = tmp_path / "model"
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(folder)
    return folder


@pytest.fixture
def gray(rng) -> np.ndarray:
    return rng.integers(0, 256, (40, 48), np.uint8)


@pytest.fixture
def nested(tmp_path, gray) -> Path:
    """Three photos, two of them in a folder below."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(gray).save(folder / "a.jpg")
    Image.fromarray(gray).save(folder / "sub" / "b.png")
    Image.fromarray(gray).save(folder / "sub" / "c.gif")
    return folder


@pytest.fixture
def many(tmp_path, rng) -> Path:
    """Thirty photos, noisy ones, so that much of the time goes into writing them."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(30):
        noise = rng.integers(0, 256, (300, 400), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:02}.png", compress_level=0)
    return folder
