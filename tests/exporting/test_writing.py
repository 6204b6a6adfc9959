"""Exports are written atomically, and errors are explained."""

import errno
import os

import pytest

import colorzoo
from colorzoo.exporting import graph


@pytest.mark.parametrize("place", ["disk", "file"])
def test_a_graph_that_cannot_be_written_is_told_and_the_old_one_stays(tmp_path, monkeypatch, place):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    monkeypatch.setattr(graph, "checked_graph", lambda _: (b"new", 0.0))
    if place == "file":  # where a folder should be
        target, old = target / "b.onnx", target
    else:
        old = target

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("colorzoo.atomic.os.fsync", full)
    with pytest.raises(colorzoo.WeightsError, match=r"The graph cannot be saved in .*\.onnx \("):
        graph.export(colorzoo.create_model("unet", width=1), target)
    assert old.read_bytes() == b"old" and list(tmp_path.iterdir()) == [old]
