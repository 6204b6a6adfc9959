"""Checkpoints are written atomically, and damaged ones are explained."""

import errno
import os

import pytest
import torch

import colorzoo
from train.checkpoints import RunCheckpoints, check_targets, state_of
from train.fit import fit
from train.recipe import Objective, Recipe
from train.run_settings import Run


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_costs_not_the_one_before(
    tmp_path, monkeypatch, failing
):
    last, began = tmp_path / "last.ckpt", []
    older = tmp_path / "older.ckpt"
    older.write_bytes(b"of the run before")
    checkpoints = RunCheckpoints([older], lambda: began.append(True))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    last.write_bytes(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(f"train.checkpoints.os.{failing}", full)
        with pytest.raises(
            colorzoo.WeightsError, match=r"A checkpoint cannot be saved in .*last\.ckpt \(No space"
        ):
            checkpoints.save_checkpoint({"state_dict": {}}, last)
    assert last.read_bytes() == b"before" and older.exists() and not began
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "older.ckpt"}
    checkpoints.save_checkpoint({"state_dict": {}}, last)
    assert torch.load(last, weights_only=True) == {"state_dict": {}}
    assert began and not older.exists()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_checkpoint_cannot_be_exported(tmp_path, content):
    if content is not None:
        (tmp_path / "best.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match=r"best\.ckpt is missing or damaged, so .*--resume"):
        state_of(tmp_path / "best.ckpt")


PARTS = ["best.ckpt.part", "step-000010.ckpt.part"]
NAMES = ["last.ckpt", *PARTS, "config.json", "sheet.png", "curves.png", "log"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_does_not_write_through_a_link(tmp_path, name):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    check_targets(run)
    (run / "log" / "version_0").mkdir(parents=True)
    check_targets(run)
    (run / "log" / "version_0").rmdir()
    (run / "log").rmdir()
    (run / name).symlink_to(outside)
    with pytest.raises(colorzoo.ConfigError, match=rf"{name} is a link, and links .* not followed"):
        fit(
            Recipe("unet", Objective("l1")),
            Run("no photos", run, tmp_path / "export", overwrite=True),
        )
    assert not outside.exists()


def test_a_run_does_not_write_to_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "sheet.png")
    with pytest.raises(colorzoo.ConfigError, match=r"sheet\.png is .*, not a regular file"):
        check_targets(tmp_path)
