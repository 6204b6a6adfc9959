"""Photos reduced to the working size, as Pillow reduces them but without a copy."""

import numpy as np
import pytest
from PIL import Image

from colorzoo.imaging import working_size
from colorzoo.imaging.working_size import shrink


@pytest.mark.parametrize("is_gray", [False, True], ids=["colour", "gray"])
@pytest.mark.parametrize("shape", [(399, 501), (60, 1500), (37, 41), (1, 5)], ids=str)
@pytest.mark.parametrize("most", [0, 10**9], ids=["in strips", "at once"])
def test_photos_are_reduced_as_pillow_does_it(shape, is_gray, most, rng, monkeypatch):
    monkeypatch.setattr(working_size, "_LARGE", most)
    monkeypatch.setattr("colorzoo.imaging.gray.CACHED_PIXELS", 20 * shape[1])
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    if is_gray:
        rgb[...] = rgb[..., :1]
    small = shrink(rgb, 32)
    size = small.shape[1::-1]
    assert min(size) == 32 or max(size) == 4 * 32
    pillow = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    assert np.array_equal(small, np.asarray(pillow))
