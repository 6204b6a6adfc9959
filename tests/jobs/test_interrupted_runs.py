"""Runs that are killed, stopped, or share a folder: only whole files remain."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers.commands import entry_point, start_colorzoo
from helpers.jobs import lines_of, names

from colorzoo.imaging.read import read_photo
from colorzoo.jobs.record import RECORD

pytestmark = pytest.mark.usefixtures("two_threads")


def test_two_runs_share_a_folder(many, model, tmp_path):
    out, reports = tmp_path / "out", [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    command = ("colorize", many, "-o", out, "--model", model, "--resume", "--report")
    runs = [start_colorzoo(*command, report) for report in reports]
    for run in runs:
        run.join()
        assert run.exitcode == 0
    assert names(out) == names(many)
    found = [line.get("status") for report in reports for line in lines_of(report)]
    assert found.count("done") + found.count("skipped") == 60 and found.count("done") >= 30


@pytest.mark.parametrize("least", [3, pytest.param(24, marks=pytest.mark.slow)])
def test_kill_at_any_moment_leaves_whole_files_only(many, model, tmp_path, rng, least):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    command = ("colorize", many, "-o", out, "--model", model, "--report", report, "--resume")

    def partial() -> list[Path]:
        return list(out.glob(".colorzoo-*.tmp"))

    kills = torn = 0
    while kills < least or not torn:  # some come while a photo is being written
        there = len(names(out)) if out.is_dir() else 0
        process, begun = start_colorzoo(*command), time.monotonic()
        # At any time from the start on, soon after a photo was done, while one is written.
        at, left = float(rng.uniform(0, 0.5)), partial()
        while process.is_alive() and not (
            (kills % 3 == 0 and time.monotonic() - begun > at)
            or (kills % 3 == 1 and len(names(out)) > there + len(left))
            or (kills % 3 == 2 and set(partial()) - set(left))
        ):
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.01)))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
        torn += bool(set(partial()) - set(left))
        for path in out.glob("*.png"):
            assert read_photo(path).rgb.shape == (300, 400, 3)
        if report.exists():
            assert all(json.loads(line) for line in report.read_bytes().split(b"\n")[:-1])
        if process.exitcode == 0:
            shutil.rmtree(out)
    process = start_colorzoo(*command)
    process.join()
    assert process.exitcode == 0
    assert names(out) == names(many)  # and no leftovers
    for name in names(out):
        read_photo(out / name)
    assert sum(line.get("summary", {}).get("left", 0) for line in lines_of(report)) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_ends_with_a_line(many, model, tmp_path, number, code):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    process = subprocess.Popen(
        entry_point("colorize", many, "-o", out, "--model", model, "--report", report),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(out.glob("*.png")):
        time.sleep(0.005)
    process.send_signal(number)
    start = time.monotonic()
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 20
    assert process.returncode == code and output == ""
    (line,) = errors.splitlines()
    assert line.startswith("stopped: ") and "not attempted, in " in line and "--resume" in line
    assert [path.name for path in out.glob(".*")] == [RECORD]
    for name in names(out):
        read_photo(out / name)
    *photos, summary = lines_of(report)
    assert len(photos) == 30 and summary["summary"]["left"] > 0
    done = {Path(line["target"]).name for line in photos if line["status"] == "done"}
    assert done == set(names(out))
