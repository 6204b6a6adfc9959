"""``colorzoo batch``, as far as it goes without a cluster."""

import errno
import os
import sys

from helpers.commands import run_colorzoo

from colorzoo.jobs import ray
from colorzoo.jobs.plan import Outcome
from colorzoo.jobs.report import RunReport


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
        ((album, "out", "--model", "unet", "--seed", "1"), "unet does not support --seed"),
        ((album / "a.jpg", "out"), "there is no photo in"),
    ]:
        result = run_colorzoo("batch", *arguments, cwd=tmp_path)
        assert result.returncode == 1 and said in result.stderr
        assert result.stderr.startswith("error: ")


def test_a_report_that_cannot_be_continued_costs_a_line_and_no_photo(album, tmp_path, monkeypatch):
    def on_ray(jobs, *_):
        yield from (Outcome(job, "done", None) for job in jobs)

    def add(self, outcome):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ray, "colorize_on_ray", on_ray)
    monkeypatch.setattr(RunReport, "add", add)
    command = ("batch", album, tmp_path / "out", "--model", "unet", "--report", tmp_path / "r")
    result = run_colorzoo(*command)
    assert result.returncode == 1 and "5 coloured, 0 skipped, 0 failed, in " in result.stdout
    assert result.stderr == "failed: the report cannot be continued (No space left on device)\n"
