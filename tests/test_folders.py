"""Many photos at once: nothing is lost, whatever happens, and what happened can be told."""

import errno
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

import colorzoo
from colorzoo import cli, folders, images
from colorzoo.atomic import remove_leftovers, whole_file
from colorzoo.jobs.pipeline import colour_jobs
from colorzoo.jobs.plan import How, Outcome, plan
from colorzoo.jobs.signals import Interrupts


class Tint(colorzoo.Colorizer):
    """Paints everything in one colour, and remembers the threads that it ran in."""

    def __init__(self, *, work_size: int = 16) -> None:
        super().__init__(work_size=work_size)
        self.ab = torch.nn.Parameter(torch.tensor([30.0, 20.0]))
        self.threads: set[int] = set()

    def forward(self, lightness: Tensor) -> Tensor:
        self.threads.add(threading.get_ident())
        return self.ab.view(1, 2, 1, 1).expand(len(lightness), 2, *lightness.shape[-2:])


@dataclass
class Result:
    code: int
    out: str
    err: list[str]


def colorize(*arguments: object) -> Result:
    result = CliRunner().invoke(cli.app, ["colorize", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Result(result.exit_code, result.stdout, result.stderr.splitlines())


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.job.source.name: outcome.status for outcome in outcomes}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def lines_of(report: Path) -> list[dict]:
    return [json.loads(line) for line in report.read_text().splitlines()]


@pytest.fixture(autouse=True)
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def album(tmp_path, rng) -> Path:
    """Twelve small photos."""
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 48), np.uint8)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    """A small model, which loads and runs in no time."""
    folder = tmp_path / "model"
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(folder)
    return folder


# The pipeline


def test_every_photo_is_coloured_and_one_thread_runs_the_network(album, tmp_path):
    tint, out = Tint(), tmp_path / "out"
    threads = torch.get_num_threads()
    outcomes = list(colour_jobs(tint, plan([album], out), How()))
    assert statuses(outcomes) == dict.fromkeys(names(album), "done")
    assert names(out) == names(album)
    assert tint.threads == {threading.get_ident()}
    assert torch.get_num_threads() == threads
    for outcome in outcomes:
        assert outcome.seconds > 0 and outcome.size == (48, 40) and outcome.reason is None
        expected = np.asarray(tint.colorize(outcome.job.source))
        assert (np.asarray(Image.open(outcome.job.target)) == expected).all()


def test_reading_the_network_and_writing_overlap(album, tmp_path, monkeypatch):
    meeting = threading.Barrier(3)  # fails the test unless all three are under way at once
    saved = []

    def read(path, **options):
        if path.name == "04.png":
            meeting.wait(timeout=30)
        return images.read_photo(path, **options)

    def save(image, path):
        saved.append(path)
        if len(saved) == 1:
            meeting.wait(timeout=30)
        images.save_image(image, path)

    class Waiting(Tint):
        def forward(self, lightness: Tensor) -> Tensor:
            calls.append(lightness)
            if len(calls) == 2:
                meeting.wait(timeout=30)
            return super().forward(lightness)

    calls: list[Tensor] = []
    monkeypatch.setattr(folders, "read_photo", read)
    monkeypatch.setattr(folders, "save_image", save)
    outcomes = list(colour_jobs(Waiting(), plan([album], tmp_path / "out"), How()))
    assert {outcome.status for outcome in outcomes} == {"done"} and len(calls) == 12


def test_pixels_in_flight_are_bounded(album, tmp_path, monkeypatch):
    Image.new("L", (400, 400)).save(album / "05-large.png")
    monkeypatch.setattr(folders, "_PIXELS_IN_FLIGHT", 3 * 40 * 48)
    lock, held, most, beside_large = threading.Lock(), [], 0, []

    def read(path, **options):
        nonlocal most
        with lock:
            held.append(path.name)
            most = max(most, len(held))
        return images.read_photo(path, **options)

    def save(image, path):
        with lock:
            if path.name == "05-large.png":
                beside_large.extend(held)
        images.save_image(image, path)
        with lock:
            held.remove(path.name)

    monkeypatch.setattr(folders, "read_photo", read)
    monkeypatch.setattr(folders, "save_image", save)
    torch.set_num_threads(4)
    outcomes = list(colour_jobs(Tint(), plan([album], tmp_path / "out"), How()))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert 1 < most <= 3
    assert beside_large == ["05-large.png"]


def test_a_photo_that_vanishes_or_fails_costs_itself_only(album, tmp_path):
    jobs = plan([album], tmp_path / "out")
    (album / "03.png").unlink()
    (album / "04.png").write_bytes((album / "04.png").read_bytes()[:500])
    outcomes = list(colour_jobs(Tint(), jobs, How()))
    failed = {o.job.source.name: o.reason for o in outcomes if o.status == "failed"}
    assert failed.keys() == {"03.png", "04.png"}
    assert failed["03.png"] == "03.png: there is no such file; check the path"
    assert len(names(tmp_path / "out")) == 10


def test_an_output_that_appears_meanwhile_is_kept(album, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def read(path, **options):
        (out / path.name).write_bytes(b"by another run")
        return images.read_photo(path, **options)

    out.mkdir()
    monkeypatch.setattr(folders, "read_photo", read)
    outcomes = list(colour_jobs(Tint(), plan([album / "00.png"], out), How()))
    assert statuses(outcomes) == {"00.png": "failed"} and "exists" in str(outcomes[0].reason)
    assert (out / "00.png").read_bytes() == b"by another run"


def test_stopping_leaves_whole_files_and_no_threads(album, tmp_path):
    out, before = tmp_path / "out", threading.active_count()
    with closing(colour_jobs(Tint(), plan([album], out), How())) as outcomes:
        next(outcomes)
    assert threading.active_count() == before
    assert 1 <= len(names(out)) < 12
    for name in names(out):
        images.read_photo(out / name)


# Which result goes where


def test_two_photos_of_one_output_name(album, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "00.png", other / "00.png")
    Image.open(album / "01.png").save(other / "01.gif")  # GIF becomes PNG
    inputs = [album / "00.png", album / "01.png", other / "00.png", other / "01.gif"]
    result = colorize(*inputs, "-o", tmp_path / "out")
    assert result.code == 1 and "2 coloured, 2 failed" in result.out
    assert sorted(result.err) == [
        f"failed: {second.name}: {tmp_path}/out/{name} is the result of another one, {first}. "
        "Choose another output for it, in a run of its own."
        for first, second, name in zip(inputs[:2], inputs[2:], ["00.png", "01.png"], strict=True)
    ]
    assert names(tmp_path / "out") == ["00.png", "01.png"]


@pytest.mark.parametrize("tells_apart", [True, False])
def test_names_that_differ_in_letters_only(album, tmp_path, monkeypatch, tells_apart):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(album / "00.png", other / "00.PNG")
    monkeypatch.setattr(folders, "_tells_letters_apart", lambda target: tells_apart)
    first, second = plan([album / "00.png", other / "00.PNG"], tmp_path / "out")
    assert first.clash is None
    assert (second.clash is None) == tells_apart
    # A result that has such a name in common with an input.
    third = plan([other / "00.PNG", album], album)[0]
    assert third.target == album / "00.PNG" and (third.clash is None) == tells_apart


def test_whether_the_disk_tells_letters_apart_is_tried_out(tmp_path):
    (tmp_path / "a").touch()
    expected = not (tmp_path / "A").exists()
    assert folders._tells_letters_apart(tmp_path / "new" / "x.png") == expected
    assert names(tmp_path) == ["a"]


# Disks and folders that take no more


def test_a_full_disk_stops_the_run_with_a_line(album, model, tmp_path, monkeypatch):
    real, numbers, tried = images._encode, itertools.count(1), []

    def encode(image, stream, *options):
        number = next(numbers)
        tried.append(number)
        real(image, stream, *options)
        if number > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    monkeypatch.setattr(images, "_encode", encode)
    result = colorize(album, "-o", out, "--model", model, "--report", report)
    assert result.code == 1 and "3 coloured, 0 failed, 9 left" in result.out
    (line,) = result.err
    assert line.startswith("left: there is no room left") and "--resume" in line
    assert len(names(out)) == 3  # nothing half-written is among them
    assert len(tried) < 10  # the rest was not tried
    *photos, summary = lines_of(report)
    left = [line for line in photos if line["status"] == "left"]
    assert {Path(line["source"]).name for line in left} == set(names(album)) - set(names(out))
    assert summary["summary"] == {"done": 3, "skipped": 0, "failed": 0, "left": 9}

    monkeypatch.setattr(images, "_encode", real)
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
        assert result.code == 1 and len(result.err) == 1 and "no room left" in result.err[0]
        assert 0 < len(names(disk)) < 12
        for name in names(disk):
            images.read_photo(disk / name)
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
        assert result.err == ["failed: the report ends here (No space left on device)"]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_folder_that_may_not_be_written_costs_a_line(album, model, tmp_path):
    shutil.copytree(album, album / "sub")
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").write_text("a file in the way of a folder")
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "12 coloured, 0 failed, 12 left" in result.out
    (line,) = result.err
    assert line.startswith(f"left: {out}/sub may not be written to (")
    assert (out / "sub").read_text() == "a file in the way of a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not hold back the superuser")
def test_a_folder_without_permission_costs_a_line(album, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    result = colorize(album, "-o", out, "--model", model)
    assert result.code == 1 and "0 coloured, 0 failed, 12 left" in result.out
    assert len(result.err) == 1 and "may not be written to (Permission denied)" in result.err[0]


# Going on


def test_resume_skips_what_is_done_and_whole(album, tmp_path):
    out, tint = tmp_path / "out", Tint()
    jobs = plan([album], out)
    list(colour_jobs(tint, jobs, How()))
    now = time.time()
    (out / "00.png").unlink()
    (out / "01.png").write_bytes((out / "01.png").read_bytes()[:-200])  # say, half copied
    (out / "02.png").write_bytes(b"")  # say, after a power failure
    os.utime(album / "03.png", (now + 60, now + 60))
    Image.new("RGB", (7, 7)).save(out / "04.png")
    kept = {name: (out / name).read_bytes() for name in names(out)}

    outcomes = list(colour_jobs(tint, jobs, How(resume=True)))
    found = statuses(outcomes)
    assert sorted(name for name in found if found[name] == "done") == ["00.png", "01.png", "02.png"]
    reasons = {o.job.source.name: str(o.reason) for o in outcomes if o.status == "failed"}
    assert "is older than the photo. Pass --overwrite" in reasons.pop("03.png")
    assert "has 7 x 7 pixels, not those of the photo" in reasons.pop("04.png")
    assert not reasons
    for name in ["03.png", "04.png", "05.png", "11.png"]:
        assert (out / name).read_bytes() == kept[name]
    assert images.read_photo(out / "01.png").rgb.shape == (40, 48, 3)

    found = statuses(list(colour_jobs(tint, jobs, How(resume=True, overwrite=True))))
    assert sorted(name for name in found if found[name] == "done") == ["03.png", "04.png"]
    assert set(found.values()) == {"done", "skipped"}


def test_resume_knows_a_turned_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.new("L", (40, 20), 90).save(tmp_path / "in" / "x.jpg", exif=exif)
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    assert statuses(list(colour_jobs(Tint(), jobs, How()))) == {"x.jpg": "done"}
    assert statuses(list(colour_jobs(Tint(), jobs, How(resume=True)))) == {"x.jpg": "skipped"}


def test_resume_never_takes_an_input_for_a_result(album):
    result = colorize(album / "00.png", "-o", album, "--resume", "--overwrite")
    assert result.code == 1 and "is an input" in result.err[0]


def test_leftovers_of_killed_runs_go_and_those_in_use_stay(album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".colorzoo-0123456789abcdef.tmp").write_bytes(b"half a photo")
    with whole_file(out / "x.png") as stream:
        list(colour_jobs(Tint(), plan([album], out), How()))
        assert [name for name in names(out) if name.startswith(".")] == [Path(stream.name).name]
        stream.write(b"whole")
    assert (out / "x.png").read_bytes() == b"whole"
    assert names(out) == [*names(album), "x.png"]


def test_tidying_up_before_the_lock_is_there_loses_nothing(tmp_path, monkeypatch):
    lock = sys.modules["colorzoo._partial"]._lock
    calls = []

    def late(stream):
        calls.append(stream)
        if len(calls) == 1:
            remove_leftovers(tmp_path)
        lock(stream)

    monkeypatch.setattr("colorzoo._partial._lock", late)
    with whole_file(tmp_path / "x") as stream:
        stream.write(b"whole")
    assert len(calls) > 2 and names(tmp_path) == ["x"]


# The report


def test_the_report_tells_of_every_photo(album, model, tmp_path):
    (album / "05.png").write_bytes(b"no photo")
    report, out = tmp_path / "new" / "run.jsonl", tmp_path / "out"
    command = (album, "-o", out, "--model", model, "--report", report)
    assert colorize(*command).code == 1
    *photos, summary = lines_of(report)
    assert summary.pop("summary") == {"done": 11, "skipped": 0, "failed": 1, "left": 0}
    assert summary.pop("seconds") > 0
    assert summary["model"] == str(model) and summary["work_size"] == 32
    assert {line["source"] for line in photos} == {str(path) for path in album.iterdir()}
    for line in photos:
        assert {key: line[key] for key in summary} == summary
        assert line["target"] == str(out / Path(line["source"]).name)
        is_good = not line["source"].endswith("05.png")
        assert line["status"] == ("done" if is_good else "failed")
        assert line["seconds"] > 0 or not is_good
        assert (line["width"], line["height"]) == ((48, 40) if is_good else (None, None))
        assert line["reason"] is None if is_good else "is no picture" in line["reason"]

    again = colorize(*command)
    assert again.code == 1 and "--resume to go on with it" in again.err[0]
    assert len(lines_of(report)) == 13
    # A kill has torn the last line.
    report.write_bytes(report.read_bytes()[:-30])
    assert "0 coloured, 11 skipped, 1 failed" in colorize(*command, "--resume").out
    found = lines_of(report)
    assert len(found) == 12 + 13 and found[-1]["summary"]["skipped"] == 11
    assert colorize(*command, "--overwrite").code == 1
    assert len(lines_of(report)) == 13


def test_the_report_tells_what_an_output_was_made_with(album, model, tmp_path):
    report, out = tmp_path / "run.jsonl", tmp_path / "out"
    command = (album / "00.png", "-o", out, "--model", model, "--report", report, "--resume")
    assert colorize(*command).code == 0
    other = colorize(*command, "--saturation", "2")
    assert other.code == 1 and "was made with saturation 1.0, not 2.0" in other.err[0]
    colorzoo.create_model("unet", width=2, work_size=32).save_pretrained(model)
    other = colorize(*command)
    assert other.code == 1 and "was made with weights" in other.err[0]
    assert "1 coloured" in colorize(*command, "--overwrite").out
    assert "1 skipped" in colorize(*command).out
    # Same name, same size, not older: only the report knows.
    namesake = tmp_path / "00.png"
    shutil.copy2(album / "01.png", namesake)
    other = colorize(namesake, *command[1:])
    assert other.code == 1 and f"the result of another photo, {album}/00.png" in other.err[0]


@pytest.mark.parametrize("text", ["Dear aunt,", '{"a": 1}', '{"a": 1}\n', "{}\n{", "[1]\n"])
def test_nothing_but_a_report_is_appended_to(album, model, tmp_path, text):
    file = tmp_path / "notes.jsonl"
    file.write_text(text)
    result = colorize(
        *(album, "-o", tmp_path / "out", "--model", model, "--report", file, "--resume")
    )
    assert result.code == 1 and "is no report of a run" in result.err[0]
    assert file.read_text() == text and not (tmp_path / "out").exists()


def test_the_report_takes_no_photos_place(album, model, tmp_path):
    for report in (album / "00.png", tmp_path / "out" / "00.png", album):
        result = colorize(
            *(album, "-o", tmp_path / "out", "--model", model),
            *("--report", report, "--overwrite"),
        )
        assert result.code == 1 and result.err[0].startswith("error: the report ")
    assert not (tmp_path / "out").exists() and len(names(album)) == 12


# Ends of all kinds


@pytest.fixture
def many(tmp_path, rng) -> Path:
    """Thirty photos, noisy ones, so that much of the time goes into writing them."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(30):
        noise = rng.integers(0, 256, (300, 400), np.uint8)
        Image.fromarray(noise).save(folder / f"{i:02}.png", compress_level=0)
    return folder


@pytest.fixture
def start(monkeypatch):
    """Starts the command in a process of its own.

    A server that has imported everything forks it: starting one afresh takes seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "colorzoo.cli"])

    def start(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["colorzoo", *map(str, arguments)])
        process = context.Process(target=cli.main)
        process.start()
        return process

    return start


def test_two_runs_share_a_folder(many, model, tmp_path, start):
    out, reports = tmp_path / "out", [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    command = ("colorize", many, "-o", out, "--model", model, "--resume", "--report")
    runs = [start(*command, report) for report in reports]
    for run in runs:
        run.join()
        assert run.exitcode == 0
    assert names(out) == names(many)
    found = [line.get("status") for report in reports for line in lines_of(report)]
    assert found.count("done") + found.count("skipped") == 60 and found.count("done") >= 30


def test_kill_at_any_moment_leaves_whole_files_only(many, model, tmp_path, rng, start):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    command = ("colorize", many, "-o", out, "--model", model, "--report", report, "--resume")

    def partial() -> list[Path]:
        return list(out.glob(".colorzoo-*.tmp"))

    kills = torn = 0
    while kills < 24:
        there = len(names(out)) if out.is_dir() else 0
        process, begun = start(*command), time.monotonic()
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
            assert images.read_photo(path).rgb.shape == (300, 400, 3)
        if report.exists():
            assert all(json.loads(line) for line in report.read_bytes().split(b"\n")[:-1])
        if process.exitcode == 0:
            shutil.rmtree(out)
    assert torn > 0  # some came while a photo was being written
    process = start(*command)
    process.join()
    assert process.exitcode == 0
    assert names(out) == names(many)  # and no leftovers
    for name in names(out):
        images.read_photo(out / name)
    assert sum(line.get("summary", {}).get("left", 0) for line in lines_of(report)) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_ends_with_a_line(many, model, tmp_path, number, code):
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", "from colorzoo.cli import main; main()", "colorize", many]
        + ["-o", out, "--model", model, "--report", report],
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
    assert line.startswith("stopped: ") and "left, in " in line and "--resume" in line
    assert not list(out.glob(".*"))
    for name in names(out):
        images.read_photo(out / name)
    *photos, summary = lines_of(report)
    assert len(photos) == 30 and summary["summary"]["left"] > 0
    done = {Path(line["target"]).name for line in photos if line["status"] == "done"}
    assert done == set(names(out))


def test_a_second_interrupt_does_not_wait(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    with Interrupts() as interrupts:
        is_stopped = interrupts.defer()
        assert not is_stopped()
        signal.raise_signal(signal.SIGTERM)
        assert is_stopped() and not ends
        signal.raise_signal(signal.SIGINT)
    assert ends == [130]


def test_an_interrupt_before_the_run_ends_the_command_at_once(album, tmp_path, monkeypatch):
    monkeypatch.setattr(colorzoo, "load", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    result = colorize(album, "-o", tmp_path / "out")
    assert result.code == 143 and result.err == ["stopped: by a signal"]


@pytest.mark.timing
def test_eight_photos_of_1024_pixels_a_second(tmp_path, coffee, rng):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the figure is for two cores")
    (tmp_path / "in").mkdir()
    photo = np.asarray(Image.fromarray(coffee).convert("L").resize((1024, 768))).astype(float)
    for i in range(40):
        grain = rng.normal(0, 4, photo.shape)
        scan = Image.fromarray((photo + grain).clip(0, 255).astype(np.uint8))
        scan.save(tmp_path / "in" / f"{i}.jpg", quality=90)
    model, jobs = colorzoo.load(), plan([tmp_path / "in"], tmp_path / "out")
    list(colour_jobs(model, jobs[:4], How()))  # tables, caches
    start, cpu = time.perf_counter(), time.process_time()
    outcomes = list(colour_jobs(model, jobs[4:], How()))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert {outcome.status for outcome in outcomes} == {"done"}
    rate = len(outcomes) / seconds
    told = f"{rate:.1f} photos a second, {cpu / len(outcomes):.3f} s of a core each"
    assert cpu / len(outcomes) < 2 / 8, told  # even where other work has the cores
    assert rate >= 8, f"{told}; this run had {cpu / seconds:.1f} cores"
