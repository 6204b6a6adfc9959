"""Runs over films: progress, mixed inputs, and what is left of a run that ends early."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.commands import entry_point, run_colorzoo
from helpers.jobs import names
from torch import Tensor

from colorzoo import FilmError
from colorzoo.atomic import whole_file
from colorzoo.film.stabilize import Stabilizer

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import colorize, frames_of, left_in, moving, write_film  # noqa: E402


def test_progress_counts_frames(model, clip, tmp_path):
    told = []
    source = Path(shutil.copy(clip, tmp_path))
    colorize(model, source, "out.mp4", watch=lambda done, total: told.append((done, total)))
    assert told == [(i + 1, 24) for i in range(24)]


def test_films_and_photos_in_one_run(clip, tmp_path, jpeg):
    album = tmp_path / "album"
    album.mkdir()
    (album / "photo.jpg").write_bytes(jpeg)
    shutil.copy(clip, album / "walk.mp4")
    out, options = tmp_path / "out", ("--model", "unet", "--work-size", "48", "--resume")
    other = write_film(tmp_path / "old.avi", moving(3), codec="mpeg4", sound=())
    report = tmp_path / "run.jsonl"
    command = ("colorize", album, other, "-o", out, *options, "--report", report)
    result = run_colorzoo(*command)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("\n") == 1 and "walk.mp4" in result.stderr
    assert "note: films inside folders are skipped" in result.stderr
    assert names(out) == ["old.mkv", "photo.jpg"]
    assert "0 coloured, 2 skipped, 0 failed" in run_colorzoo(*command).stdout
    result = run_colorzoo("colorize", other, "-o", out, *options, "--saturation", "2")
    assert result.returncode == 1 and "old.mkv was made with saturation 1.0, not" in result.stderr
    lines = report.read_text()
    assert lines.count('"done"') >= 2 and '"width": 64' in lines


def test_without_pyav_the_extra_is_named(clip, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    result = run_colorzoo("colorize", clip, "-o", tmp_path / "out.mp4", "--model", "unet")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "pip install 'colorzoo[video]'" in result.stderr and not left_in(tmp_path)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk on which no file can be longer."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_no_file(model, clip, tmp_path):
    source = write_film(tmp_path / "a.mp4", moving(90))
    with room_for(8000), pytest.raises(FilmError, match=r"cannot be written .* the disk has space"):
        colorize(model, source, "out.mp4")
    assert left_in(tmp_path) == {"a.mp4"}


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("sound", [("aac",), ("flac",)])
def test_a_nearly_full_disk_leaves_the_whole_film_or_none(model, tmp_path, target, sound):
    source = write_film(tmp_path / "a.mkv", moving(4), sound=sound)
    colorize(model, source, target)
    whole = (tmp_path / target).read_bytes()
    missing = [1, 2, 7, 30, 100, 300, 700, 1000, 1500, 2000, 3000, 4500]
    for size in [1, 50, *(len(whole) - count for count in missing)]:
        (tmp_path / target).unlink(missing_ok=True)
        with room_for(size), pytest.raises(FilmError, match="the disk has space"):
            colorize(model, source, target)
        assert left_in(tmp_path) == {"a.mkv"}
    with room_for(len(whole)):
        colorize(model, source, target)
    assert (tmp_path / target).stat().st_size == len(whole)
    assert len(frames_of(tmp_path / target)) == 4


def test_a_failure_that_passes_still_fails_the_film(model, tmp_path, monkeypatch):
    """Space that is free again in the end must not hide a hole in the middle."""
    source = write_film(tmp_path / "a.mkv", moving(4))
    writes, failing = [], [0]

    class Failing:
        def __init__(self, stream):
            self.stream = stream
            self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell

        def write(self, data):
            writes.append(len(data))
            if len(writes) == failing[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.stream.write(data)

    @contextmanager
    def failing_file(target, **options):
        with whole_file(target, **options) as stream:
            yield Failing(stream)

    monkeypatch.setattr("colorzoo.film.colorize.whole_file", failing_file)
    colorize(model, source, "out.mp4")
    (tmp_path / "out.mp4").unlink()
    for number in range(1, len(writes) + 1):
        writes.clear()
        failing[0] = number
        with pytest.raises(FilmError, match="the disk has space"):
            colorize(model, source, "out.mp4")
        assert left_in(tmp_path) == {"a.mkv"}


def test_what_watch_raises_ends_the_film_and_leaves_no_file(model, clip, tmp_path):
    def stop(done: int, total: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(KeyboardInterrupt):
        colorize(model, source, "out.mp4", watch=stop)
    assert left_in(tmp_path) == {"clip.mp4"}


def test_a_signal_in_the_middle_of_a_film_leaves_no_file(clip, tmp_path, monkeypatch):
    frames = []

    def signalled(self: Stabilizer, lightness: Tensor, ab: Tensor) -> Tensor:
        frames.append(ab)
        if len(frames) == 3:
            assert len(left_in(tmp_path / "out")) == 2  # the hidden file and its lock
            signal.raise_signal(signal.SIGINT)
        return ab

    monkeypatch.setattr(Stabilizer, "__call__", signalled)
    out = tmp_path / "out" / "film.mp4"
    result = run_colorzoo("colorize", clip, "-o", out, "--model", "unet", "--work-size", "48")
    # Another thread may go on with the few frames that have been read by then.
    assert result.returncode == 128 + signal.SIGINT and len(frames) <= 3 + 9
    assert result.stderr.startswith("stopped: 0 coloured, 0 failed, 1 not attempted")
    assert result.stderr.count("\n") == 1 and left_in(out.parent) == set()


def test_what_a_killed_run_left_is_removed(clip, tmp_path):
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()
    for name in (".colorzoo-0123456789abcdef.tmp", ".colorzoo-0123456789abcdef.tmp.lock"):
        (out.parent / name).write_bytes(b"half a film")
    command = ("colorize", clip, "-o", out, "--model", "unet", "--work-size", "48")
    assert run_colorzoo(*command).returncode == 0
    assert left_in(out.parent) == {"film.mp4"} and len(frames_of(out)) == 24


@pytest.fixture
def long(tmp_path) -> Path:
    """A film that takes long enough to be interrupted."""
    frames = moving(20, (240, 320)) * 30
    return write_film(tmp_path / "long.mkv", frames, codec="mpeg4", sound=())


def started(long: Path, out: Path) -> subprocess.Popen[str]:
    """The command, in the middle of the film."""
    process = subprocess.Popen(
        entry_point("colorize", long, "-o", out), stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        partial = [path for path in out.parent.glob(".colorzoo-*.tmp") if path.stat().st_size]
        if partial:
            return process
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.1)
    process.kill()
    raise AssertionError("it wrote nothing in a minute")


@pytest.mark.slow
def test_an_interrupted_run_leaves_no_file(long, tmp_path):
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()
    process = started(long, out)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT and "Traceback" not in told
    assert told.count("\n") == 1 and told.startswith(
        "stopped: 0 coloured, 0 failed, 1 not attempted"
    )
    assert left_in(out.parent) == set()


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_of_that_name_and_the_next_one_tidies_up(long, clip, tmp_path):
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()
    process = started(long, out)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    left = sorted(left_in(out.parent))  # hidden and unfinished, and what locked it
    assert not out.exists() and left[0].startswith(".colorzoo-")
    assert left == [left[0], f"{left[0]}.lock"]
    assert run_colorzoo("colorize", clip, "-o", out, "--work-size", "48").returncode == 0
    assert left_in(out.parent) == {"film.mp4"} and len(frames_of(out)) == 24
