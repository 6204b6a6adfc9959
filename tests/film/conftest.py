"""What several tests of films use."""

from pathlib import Path

import pytest

import colorzoo


@pytest.fixture(scope="session")
def model() -> colorzoo.Colorizer:
    return colorzoo.load("unet")


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """24 frames, 64 x 48, with a tone."""
    pytest.importorskip("av", reason="films need colorzoo[video]")
    from helpers.films import write_film

    return write_film(tmp_path_factory.mktemp("clips") / "clip.mp4")
