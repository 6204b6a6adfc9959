"""``colorzoo export``: a graph that colours."""

import numpy as np
import pytest
from helpers import toy_families
from helpers.commands import run_colorzoo
from PIL import Image

import colorzoo


def test_export_writes_a_graph_that_colours(album, tmp_path):
    colorzoo.create_model("unet", width=2).save_pretrained(tmp_path / "mine")
    graph = tmp_path / "new" / "mine.onnx"
    result = run_colorzoo("export", tmp_path / "mine", graph)
    assert result.returncode == 0, result.stderr
    assert (
        result.stdout.startswith(f"wrote {graph}: ab differs from PyTorch's by ")
        and not result.stderr
    )
    again = run_colorzoo("export", tmp_path / "mine", graph)
    assert again.returncode == 1 and "--overwrite" in again.stderr

    out = tmp_path / "out.png"
    assert (
        run_colorzoo("colorize", album / "coffee.jpg", "-o", out, "--model", graph).returncode == 0
    )
    expected = colorzoo.load(tmp_path / "mine").colorize(album / "coffee.jpg")
    with Image.open(out) as photo:
        assert np.abs(np.asarray(photo).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unte", "a.onnx"), "Did you mean unet"),
        (("unet", "a.pt"), "must end in .onnx"),
        (("unet", "a.onnx", "--int8", "nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_exported_is_explained_in_a_line(tmp_path, arguments, message):
    result = run_colorzoo("export", *arguments, cwd=tmp_path)
    assert result.returncode == 1 and message in result.stderr
    assert result.stderr.count("error: ") == 1 and not list(tmp_path.iterdir())


def test_a_graph_without_what_the_model_takes_besides_says_so(tmp_path, scratch_registry):
    toy_families.register()
    colorzoo.create_model("toy-hints").save_pretrained(tmp_path / "mine")
    result = run_colorzoo("export", tmp_path / "mine", tmp_path / "mine.onnx")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("; its network runs without hints\n")
