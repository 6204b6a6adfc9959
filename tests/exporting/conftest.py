"""What several tests of graphs use."""

import pytest

import colorzoo


@pytest.fixture(scope="session")
def bins(tmp_path_factory):
    """unet-bins, run by onnxruntime, and its graph."""
    cache = tmp_path_factory.mktemp("cache")
    model = colorzoo.load("unet-bins", backend="onnx", cache_dir=cache)
    (file,) = cache.rglob("*.onnx")
    return model, file
