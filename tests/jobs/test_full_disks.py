"""Disks and folders that take no more: a line, whole files, and a way to go on."""

import errno
import itertools
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.jobs import colorize, lines_of, names

from colorzoo.imaging import write
from colorzoo.imaging.read import read_photo

pytestmark = pytest.mark.usefixtures("two_threads")


def test_a_full_disk_stops_the_run_with_a_line(album, model, tmp_path, monkeypatch):
    real, numbers, tried = write._encode, itertools.count(1), []

    def encode(image, stream, *options):
        number = next(numbers)
        tried.append(number)
        notes = real(image, stream, *options)
        if number > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return notes

    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    monkeypatch.setattr(write, "_encode", encode)
    result = colorize(album, "-o", out, "--model", model, "--report", report)
    assert result.code == 1 and "3 coloured, 0 failed, 9 not attempted" in result.out
    (line,) = result.err
    assert line.startswith("not attempted: there is no space left") and "--resume" in line
    assert len(names(out)) == 3  # nothing half-written is among them
    assert len(tried) < 10  # the rest was not tried
    *photos, summary = lines_of(report)
    left = [line for line in photos if line["status"] == "left"]
    assert {Path(line["source"]).name for line in left} == set(names(album)) - set(names(out))
    assert summary["summary"] == {"done": 3, "skipped": 0, "failed": 0, "left": 9}

    monkeypatch.setattr(write, "_encode", real)
    again = colorize(album, "-o", out, "--model", model, "--report", report, "--resume")
    assert again.code == 0 and "9 coloured, 3 skipped, 0 failed" in again.out


def test_a_small_disk_that_fills_up(album, model, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", disk],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not mounted:
        pytest.skip("no disk can be mounted here")
    try:
        result = colorize(album, "-o", disk, "--model", model, "--report", tmp_path / "r.jsonl")
        assert result.code == 1 and len(result.err) == 1 and "no space left" in result.err[0]
        assert 0 < len(names(disk)) < 12
        for name in names(disk):
            read_photo(disk / name)
        statuses = [line.get("status") for line in lines_of(tmp_path / "r.jsonl")]
        assert statuses.count("done") == len(names(disk))
        assert statuses.count("left") == 12 - len(names(disk))
        # A report on the full disk ends early; that costs a line too, and no photo.
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(512))
        result = colorize(
            *(album, "-o", tmp_path / "out", "--model", model, "--report", disk / "r.jsonl")
        )
        assert result.code == 1 and len(names(tmp_path / "out")) == 12
        assert result.err == ["failed: the report cannot be continued (No space left on device)"]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_folder_that_may_not_be_written_costs_a_line(album, model, tmp_path):
    shutil.copytree(album, album / "sub")
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").write_text("a file in the way of a folder")
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "12 coloured, 0 failed, 12 not attempted" in result.out
    (line,) = result.err
    assert line.startswith(f"not attempted: {out}/sub cannot be written to (")
    assert (out / "sub").read_text() == "a file in the way of a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not hold back the superuser")
def test_a_folder_without_permission_costs_a_line(album, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "0 coloured, 0 failed, 12 not attempted" in result.out
    assert len(result.err) == 1 and "cannot be written to (Permission denied)" in result.err[0]
