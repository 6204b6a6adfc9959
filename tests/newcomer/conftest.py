"""What the tests of a newcomer's first tries share."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

import colorzoo


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small untrained model with every habit of the trained ones, and its folder."""
    folder = tmp_path_factory.mktemp("mine")
    torch.manual_seed(0)
    made = colorzoo.create_model("unet-bins", width=2, work_size=32)
    torch.nn.init.normal_(made.get_parameter("head.weight"), std=0.5)
    made.save_pretrained(folder)
    return colorzoo.load(folder), folder


@pytest.fixture
def here(tmp_path, monkeypatch, coffee, model):
    """A working folder with a photo, an album and the model."""
    monkeypatch.chdir(tmp_path)
    small = Image.fromarray(coffee[::8, ::8])
    small.save("photo.jpg")
    Path("album/sub").mkdir(parents=True)
    small.save("album/a.jpg")
    small.rotate(90, expand=True).save("album/sub/b.png")
    os.symlink(model[1], "mine")
    return small
