"""Films from file to file: rate, length, sound, gray and lightness are kept."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_colorzoo

from colorzoo import FilmError, ImageError
from colorzoo.color import rgb_to_lab
from colorzoo.film.colorize import Film

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import (  # noqa: E402
    colorize,
    frames_of,
    left_in,
    lumas_of,
    moving,
    sound_of,
    times_of,
    write_film,
)


def test_the_command_keeps_rate_length_sound_and_lightness(clip, tmp_path):
    out = tmp_path / "out.mp4"
    result = run_colorzoo("colorize", clip, "-o", out, "--work-size", "64", "--device", "cpu")
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
    again = run_colorzoo("colorize", clip, "-o", out)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "--overwrite" in again.stderr


def lightness(rgb: np.ndarray) -> np.ndarray:
    import torch

    return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1) / 255)[0].numpy()


@pytest.mark.parametrize("colour_range", [1, 2])  # 16 to 235, and 0 to 255
def test_gray_stays_the_same_gray(model, tmp_path, colour_range):
    source = write_film(tmp_path / "a.mkv", moving(4), sound=(), colour_range=colour_range)
    colorize(model, source, "out.mkv", saturation=0)
    for before, after in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 2
        assert abs(before.mean() - after.mean()) < 0.8  # another range would be off by 5 and more
    assert all(luma.min() >= 15 for luma in lumas_of(tmp_path / "out.mkv"))


def test_varying_frame_rate_is_kept(model, tmp_path):
    times = [0, 40, 90, 100, 333, 350, 1000, 1040]
    source = write_film(tmp_path / "a.mkv", moving(8), times=times, sound=())
    for name in ("out.mkv", "out.mp4"):
        colorize(model, source, name)
        assert times_of(tmp_path / name)[:-1] == pytest.approx([t / 1000 for t in times], abs=1e-3)


def test_films_that_do_not_begin_at_zero_stay_in_step(model, tmp_path):
    source = write_film(tmp_path / "a.ts")
    colorize(model, source, "out.mp4")
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
        colorize(model, source, name)
        assert sound_of(tmp_path / name) == sound_of(source) and len(sound_of(source)) == 2


def test_a_film_without_sound(model, tmp_path):
    source = write_film(tmp_path / "a.mov", sound=())
    assert colorize(model, source, "out.mp4") == Film(24, (64, 48), 0, ())
    assert sound_of(tmp_path / "out.mp4") == []


def test_subtitles_are_copied_where_they_can_be(model, tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")
    source = write_film(tmp_path / "a.mkv", subtitles=tmp_path / "a.srt")
    assert colorize(model, source, "out.mkv").notes == ()
    with av.open(tmp_path / "out.mkv") as out:
        (track,) = out.streams.subtitles
        assert b"Hello" in b"".join(bytes(packet) for packet in out.demux(track))
    (note,) = colorize(model, source, "out.mp4").notes
    assert "cannot contain its subtitles" in note and "srt" in note


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV cannot make such films"
)
def test_turned_films_are_turned_upright(model, tmp_path):
    source = write_film(tmp_path / "a.mp4", turned=90, pixel_aspect=Fraction(4, 3))
    assert colorize(model, source, "out.mp4", saturation=0).size == (48, 64)
    stored, upright = frames_of(source)[0], frames_of(tmp_path / "out.mp4")[0]
    with av.open(source) as film:  # how far a player turns it, counterclockwise
        turns = next(film.decode(video=0)).rotation // 90
    assert turns % 2 and np.abs(np.rot90(stored, turns).astype(int) - upright).mean() < 2
    with av.open(tmp_path / "out.mp4") as out:
        assert out.streams.video[0].sample_aspect_ratio == Fraction(3, 4)
        assert next(out.decode(video=0)).rotation == 0


def test_odd_sizes_get_a_row_and_a_column_more(model, tmp_path):
    source = write_film(tmp_path / "a.mkv", moving(3, (47, 63)), pixels="yuv444p", sound=())
    film = colorize(model, source, "out.mp4", saturation=0)
    assert film.size == (64, 48) and "63 x 47 pixels became 64 x 48" in film.notes[0]
    before, after = frames_of(source)[0].astype(int), frames_of(tmp_path / "out.mp4")[0]
    assert np.abs(before - after[:47, :63]).mean() < 2
    assert np.abs(before[-1] - after[-1, :63]).mean() < 4


def test_the_first_frame_of_a_scene_is_coloured_as_a_photo_is(model, tmp_path, coffee, camera):
    shots = [coffee[:240, :320].mean(axis=2), camera[100:340, 100:420]]
    frames = [np.dstack([shot.astype(np.uint8)] * 3) for shot in shots for _ in range(3)]
    source = write_film(tmp_path / "a.mkv", frames, sound=())
    assert colorize(model, source, "out.mkv", work_size=None).cuts == 1
    given, found = frames_of(source), frames_of(tmp_path / "out.mkv")
    for i in (0, 3):
        photo = np.asarray(model.colorize(given[i])).astype(float)
        blocks = (photo - found[i]).reshape(30, 8, 40, 8, 3).mean(axis=(1, 3))
        assert np.abs(blocks).mean() < 1.5  # x264 blurs fine colour


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("out.webm", "films can only be written as .mp4, .m4v, .mov or .mkv"),
        ("out.xyz", "films can only be written as"),
    ],
)
def test_what_cannot_be_written_is_told_before_any_work(model, tmp_path, target, expected):
    source = write_film(tmp_path / "a.mkv", codec="mpeg4")
    with pytest.raises(FilmError, match=expected):
        colorize(model, source, target, watch=lambda done, total: pytest.fail("work was done"))
    assert left_in(tmp_path) == {"a.mkv"}


def test_the_film_itself_is_never_replaced(model, clip, tmp_path):
    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(ImageError, match="is an input"):
        colorize(model, source, "clip.mp4", overwrite=True)
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(ImageError, match="--overwrite"):
        colorize(model, source, "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert source.read_bytes() == clip.read_bytes()
    assert colorize(model, source, "out.mp4", overwrite=True).frames == 24
