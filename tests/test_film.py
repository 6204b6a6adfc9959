"""Films from file to file: what is kept, what is told, what is left of a run that ends early."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_command

import colorzoo
from colorzoo import FilmError, ImageError
from colorzoo.color import rgb_to_lab
from colorzoo.film.colorize import Film, colorize_film

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import frames_of, lumas_of, moving, sound_of, times_of, write_film  # noqa: E402


@pytest.fixture(scope="module")
def model() -> colorzoo.Colorizer:
    return colorzoo.load("unet")


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """24 frames, 64 x 48, with a tone."""
    return write_film(tmp_path_factory.mktemp("clips") / "clip.mp4")


def colour(model: colorzoo.Colorizer, source: Path, target: str, **options) -> Film:
    options = {"work_size": 48} | options
    return colorize_film(model, source, source.parent / target, **options)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    result = run_command("colorzoo", *arguments)
    assert "Traceback" not in result.stderr + result.stdout
    return result


def _command(*arguments: object) -> list[str]:
    entry = shutil.which("colorzoo", path=str(Path(sys.executable).parent))
    assert entry, "the colorzoo command is not installed"
    return [entry, *map(str, arguments)]


# What is kept -------------------------------------------------------------------------------------


def test_the_command_keeps_rate_length_sound_and_lightness(clip, tmp_path):
    out = tmp_path / "out.mp4"
    result = run("colorize", clip, "-o", out, "--work-size", "64", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "1 coloured, 0 failed" in result.stdout and not result.stderr
    assert times_of(out) == pytest.approx(times_of(clip)) and len(times_of(out)) == 25
    assert sound_of(out) == sound_of(clip) and len(sound_of(out)) == 1
    with av.open(out) as film:
        video = film.streams.video[0]
        assert film.metadata["title"] == "A walk" and video.average_rate == 25
        context = video.codec_context
        tags = (context.color_range, context.colorspace, context.color_trc, context.color_primaries)
        assert tags == (1, 1, 1, 1) and context.pix_fmt == "yuv420p"
    for before, after in zip(frames_of(clip), frames_of(out), strict=True):
        assert np.ptp(after.astype(int), axis=2).mean() > 5  # in colour
        change = lightness(after) - lightness(before)
        assert np.abs(change).mean() < 2 and abs(change.mean()) < 1
    again = run("colorize", clip, "-o", out)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "--overwrite" in again.stderr


def lightness(rgb: np.ndarray) -> np.ndarray:
    import torch

    return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1) / 255)[0].numpy()


@pytest.mark.parametrize("colour_range", [1, 2])  # 16 to 235, and 0 to 255
def test_gray_stays_the_same_gray(model, tmp_path, colour_range):
    source = write_film(tmp_path / "a.mkv", moving(4), sound=(), colour_range=colour_range)
    colour(model, source, "out.mkv", saturation=0)
    for before, after in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 2
        assert abs(before.mean() - after.mean()) < 0.8  # another range would be off by 5 and more
    assert all(luma.min() >= 15 for luma in lumas_of(tmp_path / "out.mkv"))


def test_varying_frame_rate_is_kept(model, tmp_path):
    times = [0, 40, 90, 100, 333, 350, 1000, 1040]
    source = write_film(tmp_path / "a.mkv", moving(8), times=times, sound=())
    for name in ("out.mkv", "out.mp4"):
        colour(model, source, name)
        assert times_of(tmp_path / name)[:-1] == pytest.approx([t / 1000 for t in times], abs=1e-3)


def test_films_that_do_not_begin_at_zero_stay_in_step(model, tmp_path):
    source = write_film(tmp_path / "a.ts")
    colour(model, source, "out.mp4")
    with av.open(source) as before, av.open(tmp_path / "out.mp4") as after:
        starts = [
            [float(each.start_time * each.time_base) for each in film.streams]
            for film in (before, after)
        ]
    assert starts[0][0] > 0
    assert starts[1][0] - starts[1][1] == pytest.approx(starts[0][0] - starts[0][1], abs=2e-3)


def test_every_sound_track_is_kept(model, tmp_path):
    source = write_film(tmp_path / "a.mkv", sound=("aac", "libmp3lame"))
    for name in ("out.mp4", "out.mov", "out.mkv"):
        colour(model, source, name)
        assert sound_of(tmp_path / name) == sound_of(source) and len(sound_of(source)) == 2


def test_a_film_without_sound(model, tmp_path):
    source = write_film(tmp_path / "a.mov", sound=())
    assert colour(model, source, "out.mp4") == Film(24, (64, 48), 0, ())
    assert sound_of(tmp_path / "out.mp4") == []


def test_subtitles_are_copied_where_they_can_be(model, tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")
    source = write_film(tmp_path / "a.mkv", subtitles=tmp_path / "a.srt")
    assert colour(model, source, "out.mkv").notes == ()
    with av.open(tmp_path / "out.mkv") as out:
        (track,) = out.streams.subtitles
        assert b"Hello" in b"".join(bytes(packet) for packet in out.demux(track))
    (note,) = colour(model, source, "out.mp4").notes
    assert "cannot hold its subtitles" in note and "srt" in note


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV cannot make such films"
)
def test_turned_films_are_turned_upright(model, tmp_path):
    source = write_film(tmp_path / "a.mp4", turned=90, pixel_aspect=Fraction(4, 3))
    assert colour(model, source, "out.mp4", saturation=0).size == (48, 64)
    stored, upright = frames_of(source)[0], frames_of(tmp_path / "out.mp4")[0]
    with av.open(source) as film:  # how far a player turns it, counterclockwise
        turns = next(film.decode(video=0)).rotation // 90
    assert turns % 2 and np.abs(np.rot90(stored, turns).astype(int) - upright).mean() < 2
    with av.open(tmp_path / "out.mp4") as out:
        assert out.streams.video[0].sample_aspect_ratio == Fraction(3, 4)
        assert next(out.decode(video=0)).rotation == 0


def test_odd_sizes_get_a_row_and_a_column_more(model, tmp_path):
    source = write_film(tmp_path / "a.mkv", moving(3, (47, 63)), pixels="yuv444p", sound=())
    film = colour(model, source, "out.mp4", saturation=0)
    assert film.size == (64, 48) and "63 x 47 pixels became 64 x 48" in film.notes[0]
    before, after = frames_of(source)[0].astype(int), frames_of(tmp_path / "out.mp4")[0]
    assert np.abs(before - after[:47, :63]).mean() < 2
    assert np.abs(before[-1] - after[-1, :63]).mean() < 4


def test_ten_bits_and_other_codecs_are_read(model, tmp_path):
    deep = write_film(tmp_path / "deep.mkv", moving(3), pixels="yuv420p10le", sound=())
    old = write_film(tmp_path / "old.avi", moving(3), codec="mpeg4", sound=("libmp3lame",))
    assert colour(model, deep, "1.mkv").frames == 3
    assert colour(model, old, "2.mkv").frames == 3
    assert sound_of(tmp_path / "2.mkv") and len(frames_of(tmp_path / "1.mkv")) == 3


def test_a_container_that_is_not_what_its_name_says(model, tmp_path):
    source = write_film(tmp_path / "a.mp4", moving(3), kind="matroska")
    assert colour(model, source, "out.mp4").frames == 3


def test_the_first_frame_of_a_scene_is_coloured_as_a_photo_is(model, tmp_path, coffee, camera):
    shots = [coffee[:240, :320].mean(axis=2), camera[100:340, 100:420]]
    frames = [np.dstack([shot.astype(np.uint8)] * 3) for shot in shots for _ in range(3)]
    source = write_film(tmp_path / "a.mkv", frames, sound=())
    assert colour(model, source, "out.mkv", work_size=None).cuts == 1
    given, found = frames_of(source), frames_of(tmp_path / "out.mkv")
    for i in (0, 3):
        photo = np.asarray(model.colorize(given[i])).astype(float)
        blocks = (photo - found[i]).reshape(30, 8, 40, 8, 3).mean(axis=(1, 3))
        assert np.abs(blocks).mean() < 1.5  # x264 blurs fine colour


# What is told -------------------------------------------------------------------------------------


def damaged(source: Path, target: Path, *, packet: int) -> Path:
    """A copy in which one packet of pictures is noise."""
    with av.open(source) as film:
        packets = [each for each in film.demux(video=0) if each.size]
    start, size = packets[packet].pos, packets[packet].size
    data = source.read_bytes()
    target.write_bytes(data[:start] + b"\xff" * size + data[start + size :])
    return target


def test_a_damaged_frame_costs_that_frame_only(model, clip, tmp_path):
    film = colour(model, damaged(clip, tmp_path / "a.mp4", packet=12), "out.mp4")
    assert film.frames == 23 and film.notes[0].startswith("damaged frames: 1")
    assert times_of(tmp_path / "out.mp4")[-1] == pytest.approx(times_of(clip)[-1])
    assert sound_of(tmp_path / "out.mp4") == sound_of(clip)


def test_a_film_that_is_cut_short_is_coloured_so_far(model, tmp_path):
    whole = write_film(tmp_path / "whole.mkv", moving(60)).read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) // 2])
    film = colour(model, tmp_path / "a.mkv", "out.mp4")
    assert 10 < film.frames < 50 and "seems to be cut short" in film.notes[0]
    assert len(frames_of(tmp_path / "out.mp4")) == film.frames


@pytest.mark.parametrize("kind", ["text", "empty", "half", "sound", "nothing", "broken"])
def test_what_is_no_film_is_told_in_a_line(model, clip, tmp_path, kind):
    source = tmp_path / "a.mp4"
    if kind == "text":
        source.write_text("Dear aunt,")
    elif kind == "empty":
        source.write_bytes(b"")
    elif kind == "half":  # MP4 tells what it holds at its end
        source.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    elif kind == "sound":
        with av.open(source, "w") as out:
            track = out.add_stream("aac", rate=44100)
            silence = av.AudioFrame.from_ndarray(
                np.zeros((2, 9000), np.float32), "fltp", layout="stereo"
            )
            silence.sample_rate = 44100
            out.mux([*track.encode(silence), *track.encode()])
    elif kind == "broken":
        for i in range(24):
            damaged(clip if i == 0 else source, source, packet=i)
    expected = {
        "text": "cannot be read as a film",
        "empty": "is empty",
        "half": "cut short",
        "sound": "no moving pictures",
        "nothing": "there is no such file",
        "broken": "none of its pictures can be decoded",
    }[kind]
    with pytest.raises(FilmError, match=expected) as caught:
        colour(model, source, "out.mp4")
    assert "a.mp4" in str(caught.value) and "\n" not in str(caught.value)
    assert left_in(tmp_path) <= {"a.mp4"}


@pytest.mark.parametrize(
    ("sound", "target", "expected"),
    [
        ("pcm_s16le", "out.mp4", r"cannot hold its sound \(pcm_s16le\)\. .* ends in \.mkv"),
        ("wmav2", "out.mkv", r"cannot hold its sound \(wmav2\)\. Convert"),
        ("aac", "out.webm", "films are written as .mp4, .m4v, .mov or .mkv"),
        ("aac", "out.xyz", "films are written as"),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(model, tmp_path, sound, target, expected):
    name = "a.avi" if sound == "wmav2" else "a.mkv"
    source = write_film(tmp_path / name, codec="mpeg4", sound=(sound,))
    with pytest.raises(FilmError, match=expected):
        colour(model, source, target, watch=lambda done, total: pytest.fail("work was done"))
    assert left_in(tmp_path) == {name}


def test_the_film_itself_is_never_replaced(model, clip, tmp_path):
    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(ImageError, match="is an input"):
        colour(model, source, "clip.mp4", overwrite=True)
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(ImageError, match="--overwrite"):
        colour(model, source, "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert source.read_bytes() == clip.read_bytes()
    assert colour(model, source, "out.mp4", overwrite=True).frames == 24


def test_progress_counts_frames(model, clip, tmp_path):
    told = []
    source = Path(shutil.copy(clip, tmp_path))
    colour(model, source, "out.mp4", watch=lambda done, total: told.append((done, total)))
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
    result = run(*command)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("\n") == 1 and "walk.mp4" in result.stderr
    assert "note: films in folders are left alone" in result.stderr
    found = {str(path.relative_to(out)) for path in out.rglob("*.*")}
    assert found == {"album/photo.jpg", "old.mkv"}
    assert "0 coloured, 2 skipped, 0 failed" in run(*command).stdout
    lines = report.read_text()
    assert lines.count('"done"') >= 2 and '"width": 64' in lines


def test_without_pyav_the_extra_is_named(clip, tmp_path):
    code = (
        "import sys; sys.modules['av'] = None; from colorzoo.cli import app; "
        f"app(['colorize', {str(clip)!r}, '-o', {str(tmp_path / 'out.mp4')!r}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "pip install 'colorzoo[video]'" in result.stderr and not left_in(tmp_path)


# What is left of a run that ends early ------------------------------------------------------------


def test_a_full_disk_leaves_no_file(model, clip, tmp_path):
    source = write_film(tmp_path / "a.mp4", moving(90))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        with pytest.raises(FilmError, match=r"out\.mp4 cannot be written .* room on the disk"):
            colour(model, source, "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_in(tmp_path) == {"a.mp4"}


def test_what_watch_raises_ends_the_film_and_leaves_no_file(model, clip, tmp_path):
    def stop(done: int, total: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(KeyboardInterrupt):
        colour(model, source, "out.mp4", watch=stop)
    assert left_in(tmp_path) == {"clip.mp4"}


@pytest.fixture
def long(tmp_path) -> Path:
    """A film that takes long enough to be interrupted."""
    frames = moving(20, (240, 320)) * 30
    return write_film(tmp_path / "long.mkv", frames, codec="mpeg4", sound=())


def started(long: Path, out: Path) -> subprocess.Popen[str]:
    """The command, in the middle of the film."""
    process = subprocess.Popen(
        _command("colorize", long, "-o", out), stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        partial = [path for path in out.parent.glob(".colorzoo-*.tmp") if path.stat().st_size]
        if partial:
            return process
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.1)
    process.kill()
    raise AssertionError("it wrote nothing in a minute")


def test_an_interrupted_run_leaves_no_file(long, tmp_path):
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()
    process = started(long, out)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT and "Traceback" not in told
    assert told.count("\n") == 1 and told.startswith("stopped: 0 coloured, 0 failed, 1 left")
    assert left_in(out.parent) == set()


def test_a_killed_run_leaves_nothing_of_that_name_and_the_next_one_tidies_up(long, clip, tmp_path):
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()
    process = started(long, out)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not out.exists() and len(left_in(out.parent)) == 1  # hidden, unfinished
    assert run("colorize", clip, "-o", out, "--work-size", "48").returncode == 0
    assert left_in(out.parent) == {"film.mp4"} and len(frames_of(out)) == 24
