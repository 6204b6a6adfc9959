"""What several tests of pictures use."""

from pathlib import Path

import pytest
from helpers.pictures import PIXELS
from PIL import Image


@pytest.fixture
def photo_path(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(PIXELS).save(path)
    return path
