"""The examples in the docstrings of the public names run as doctests."""

import doctest
import inspect

import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo import registry

PUBLIC = [name for name in colorzoo.__all__ if not name.startswith("__")]
# An error's example would be a traceback; DEFAULT_MODEL is a string.
WITHOUT = {name for name in PUBLIC if name.endswith("Error")} | {"DEFAULT_MODEL"}


@pytest.fixture
def folder(tmp_path, monkeypatch, jpeg):
    """A working folder with a photo and a film, and a registry that is put back."""
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    ramp = np.linspace(0, 65535, 64 * 96).astype(np.uint16).reshape(64, 96)
    Image.fromarray(ramp).save(tmp_path / "scan.tif")
    monkeypatch.chdir(tmp_path)
    registry.list_models()
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


@pytest.fixture
def film(folder):
    av = pytest.importorskip("av", reason="films need colorzoo[video]")
    with av.open("clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for level in (80, 100, 120):
            picture = Image.new("RGB", (64, 48), (level, level, level))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


@pytest.mark.parametrize("name", sorted({*PUBLIC} - WITHOUT))
def test_examples_run(name, film):
    item = getattr(colorzoo, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(item, name, globs={"colorzoo": colorzoo})
    assert example.examples, f"{name} has no example"
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        example, out=output.append
    )
    assert result.failed == 0, "".join(output)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_a_docstring(name):
    item = getattr(colorzoo, name)
    assert not callable(item) or inspect.getdoc(item)
