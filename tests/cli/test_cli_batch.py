"""``colorzoo batch``, as far as it goes without a cluster."""

import sys

from helpers.commands import run_colorzoo


def test_without_ray_it_is_said_how_to_install_it(album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run_colorzoo("batch", album, tmp_path / "out", "--model", "unet")
    errors = result.stderr
    assert result.returncode == 1 and "\n" not in errors.strip()
    assert errors.startswith("error: This needs ray, which is not installed: pip install")
    assert "'colorzoo[distributed]'" in errors


def test_what_is_wrong_is_said_before_a_cluster_is_started(album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for arguments, said in [
        ((tmp_path / "model", "out"), "there is no photo in"),
        ((album, "out", "--model", "unett"), "unett"),
        ((album, "out", "--model", "unet", "--seed", "1"), "unet does not support seed"),
        ((album / "a.jpg", "out"), "there is no photo in"),
    ]:
        result = run_colorzoo("batch", *arguments, cwd=tmp_path)
        assert result.returncode == 1 and said in result.stderr
        assert result.stderr.startswith("error: ")
