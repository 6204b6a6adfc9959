"""Films that are damaged, cut short, of other codecs, or no films at all."""

from pathlib import Path

import numpy as np
import pytest

from colorzoo import FilmError

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import colorize, frames_of, left_in, moving, sound_of, times_of, write_film  # noqa: E402


def test_ten_bits_and_other_codecs_are_read(model, tmp_path):
    deep = write_film(tmp_path / "deep.mkv", moving(3), pixels="yuv420p10le", sound=())
    old = write_film(tmp_path / "old.avi", moving(3), codec="mpeg4", sound=("libmp3lame",))
    assert colorize(model, deep, "1.mkv").frames == 3
    assert colorize(model, old, "2.mkv").frames == 3
    assert sound_of(tmp_path / "2.mkv") and len(frames_of(tmp_path / "1.mkv")) == 3


def test_a_container_that_is_not_what_its_name_says(model, tmp_path):
    source = write_film(tmp_path / "a.mp4", moving(3), kind="matroska")
    assert colorize(model, source, "out.mp4").frames == 3


def damaged(source: Path, target: Path, *, packet: int) -> Path:
    """A copy in which one packet of pictures is noise."""
    with av.open(source) as film:
        packets = [each for each in film.demux(video=0) if each.size]
    start, size = packets[packet].pos, packets[packet].size
    data = source.read_bytes()
    target.write_bytes(data[:start] + b"\xff" * size + data[start + size :])
    return target


def test_a_damaged_frame_costs_that_frame_only(model, clip, tmp_path):
    film = colorize(model, damaged(clip, tmp_path / "a.mp4", packet=12), "out.mp4")
    assert film.frames == 23 and film.notes[0].startswith("damaged frames: 1")
    assert times_of(tmp_path / "out.mp4")[-1] == pytest.approx(times_of(clip)[-1])
    assert sound_of(tmp_path / "out.mp4") == sound_of(clip)


def test_a_film_that_is_cut_short_is_coloured_so_far(model, tmp_path):
    whole = write_film(tmp_path / "whole.mkv", moving(60)).read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) // 2])
    film = colorize(model, tmp_path / "a.mkv", "out.mp4")
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
        "sound": "has no video track",
        "nothing": "there is no such file",
        "broken": "none of its frames can be decoded",
    }[kind]
    with pytest.raises(FilmError, match=expected) as caught:
        colorize(model, source, "out.mp4")
    assert "a.mp4" in str(caught.value) and "\n" not in str(caught.value)
    assert left_in(tmp_path) <= {"a.mp4"}
