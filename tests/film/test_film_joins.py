"""Films of several recordings: their time stamps begin anew, and everything stays in step."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import colorize, frames_of, moving, sound_of, times_of, write_film  # noqa: E402

from colorzoo.film.timeline import Timeline  # noqa: E402

FLASH = 15  # the frame that is white, and at which there is a click
NOTE = "time stamps begin anew"


def recording(
    path: Path, *, start: float = 0, frames: int = 25, sound: str = "mp2", options=None
) -> bytes:
    """A film with a flash and a click at the same time; ``start`` is its first time stamp."""
    with av.open(path, "w", container_options=options) as out:
        video = out.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        track = out.add_stream(sound, rate=48000) if sound else None
        for i in range(frames):
            gray = np.full((48, 64, 3), 255 if i == FLASH else 60, np.uint8)
            frame = av.VideoFrame.from_ndarray(gray, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(start * 25) + i, Fraction(1, 25)
            out.mux(video.encode(frame))
            if track is not None:
                click = np.zeros((2, 1920), np.float32)
                if i == FLASH:
                    click[:, :960] = np.sin(np.arange(960) / 4) * 0.9
                heard = av.AudioFrame.from_ndarray(click, "fltp", layout="stereo")
                heard.sample_rate, heard.pts = 48000, round(start * 48000) + i * 1920
                out.mux(track.encode(heard))
        out.mux(video.encode())
        if track is not None:
            out.mux(track.encode())
    return path.read_bytes()


def flashes(path: Path) -> list[float]:
    lights = [frame.mean() for frame in frames_of(path)]
    return [time for time, light in zip(times_of(path), lights, strict=False) if light > 150]


def clicks(path: Path) -> list[float]:
    found: list[float] = []
    with av.open(path) as film:
        for frame in film.decode(audio=0):
            loud = np.abs(frame.to_ndarray()).max(axis=0)
            loud = loud / 32768 if loud.dtype == np.int16 else loud
            for at in np.flatnonzero(loud > 0.4):
                time = frame.time + at / frame.sample_rate
                if not found or time > found[-1] + 0.2:
                    found.append(float(time))
    return found


@pytest.mark.parametrize("suffix", ["ts", "vob", "mpg", "m2ts"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_joined_recordings_follow_each_other(model, tmp_path, suffix, target):
    name = f"one.{'mpg' if suffix == 'mpg' else suffix}"
    parts = [recording(tmp_path / name, frames=count) for count in (25, 20, 25)]
    source = tmp_path / f"joined.{suffix}"
    source.write_bytes(b"".join(parts))
    film = colorize(model, source, target, stabilize=False, saturation=0)
    assert film.frames == 70
    (note,) = (note for note in film.notes if NOTE in note)
    assert "2 times" in note and not any("cut short" in note for note in film.notes)
    times = np.array(times_of(tmp_path / target))
    assert np.diff(times) == pytest.approx(0.04, abs=1.1e-3)  # Matroska has milliseconds
    seen, heard = flashes(tmp_path / target), clicks(tmp_path / target)
    assert len(seen) == len(heard) == 3
    assert np.array(seen) - seen[0] == pytest.approx([0, 1, 1.8], abs=2e-3)
    # The encoder's own delay is the same in each recording.
    delays = np.array(heard) - seen
    assert np.ptp(delays) < 0.045 and np.abs(delays).max() < 0.06


def test_joined_matroska_files(model, tmp_path):
    source = tmp_path / "joined.mkv"
    source.write_bytes(write_film(tmp_path / "a.mkv", sound=()).read_bytes() * 2)
    assert colorize(model, source, "out.mp4", stabilize=False).frames == 48
    assert np.diff(times_of(tmp_path / "out.mp4")) == pytest.approx(0.04, abs=1e-3)


def test_a_broadcast_whose_second_recording_has_other_numbers_of_tracks(model, tmp_path):
    first = recording(tmp_path / "a.ts")
    second = recording(tmp_path / "b.ts", options={"mpegts_start_pid": "0x200"})
    (tmp_path / "joined.ts").write_bytes(first + second)
    assert colorize(model, tmp_path / "joined.ts", "out.mp4", stabilize=False).frames == 50
    assert len(flashes(tmp_path / "out.mp4")) == len(clicks(tmp_path / "out.mp4")) == 2


def test_a_recording_that_starts_much_later_follows_at_once(model, tmp_path):
    first = recording(tmp_path / "a.ts")
    source = tmp_path / "joined.ts"
    source.write_bytes(first + recording(tmp_path / "a.ts", start=5000))
    film = colorize(model, source, "out.mp4", stabilize=False)
    times = np.array(times_of(tmp_path / "out.mp4"))
    assert np.diff(times) == pytest.approx(0.04, abs=1e-3) and len(times) == 51
    assert any(NOTE in note and "once" in note for note in film.notes)
    assert np.diff(clicks(tmp_path / "out.mp4")) == pytest.approx(1, abs=0.03)


def test_progress_does_not_count_beyond_a_total_of_one_recording(model, tmp_path):
    source = tmp_path / "joined.ts"
    source.write_bytes(recording(tmp_path / "a.ts", sound="") * 2)
    told = []
    colorize(model, source, "out.mkv", watch=lambda done, total: told.append((done, total)))
    assert len(told) == 50 and all(total is None or done <= total for done, total in told)


def test_a_film_of_one_recording_is_not_touched(model, tmp_path):
    recording(tmp_path / "a.ts", start=3)
    source = tmp_path / "a.ts"
    assert colorize(model, source, "out.mkv", stabilize=False).notes == ()
    assert sound_of(tmp_path / "out.mkv") == sound_of(source)
    assert times_of(tmp_path / "out.mkv") == pytest.approx(times_of(source), abs=1e-3)


def test_pauses_and_slide_shows_keep_their_length(model, tmp_path):
    times = [0, 40, 80, 12_000, 30_000, 30_040]
    source = write_film(tmp_path / "a.mkv", moving(6), times=times, sound=())
    assert not any(NOTE in note for note in colorize(model, source, "out.mp4").notes)
    expected = [time / 1000 for time in times]
    assert times_of(tmp_path / "out.mp4")[:-1] == pytest.approx(expected, abs=1e-3)


class Track:
    """A stand-in for a track."""

    def __init__(self, index: int, kind: str) -> None:
        self.index, self.type = index, kind


class Packet:
    """A stand-in for a packet of 40 ms; times are milliseconds."""

    def __init__(self, track: Track, time: int) -> None:
        self.stream, self.time_base, self.duration = track, Fraction(1, 1000), 40
        self.dts = self.pts = time
        self.size = 1


def corrected(packets: list[Packet], *, may_jump: bool = True) -> list[tuple[str, int]]:
    timeline = Timeline(VIDEO, may_jump=may_jump)  # type: ignore
    return [(each.stream.type, each.dts) for each in timeline.follow(iter(packets))]  # type: ignore


VIDEO, SOUND, WORDS = Track(0, "video"), Track(1, "audio"), Track(2, "subtitle")


def steps(track: Track, first: int, last: int) -> list[Packet]:
    return [Packet(track, time) for time in range(first, last, 40)]


def test_pictures_decide_when_the_sound_of_a_recording_comes_first():
    packets = [
        *(p for pair in zip(steps(VIDEO, 0, 400), steps(SOUND, 0, 400), strict=True) for p in pair),
        *steps(SOUND, 0, 80),  # while the pictures of the first recording still come
        *steps(VIDEO, 400, 480),
        *steps(VIDEO, 0, 200),
        *steps(SOUND, 80, 200),
    ]
    found = corrected(packets)
    assert [time for kind, time in found if kind == "video"] == list(range(0, 680, 40))
    sound = [time for kind, time in found if kind == "audio"]
    assert sound == [*range(0, 400, 40), *range(480, 680, 40)]  # a gap, but in step


def test_late_packets_of_the_recording_before_stay_there():
    packets = [
        *steps(VIDEO, 0, 400),
        *steps(SOUND, 0, 320),
        *steps(VIDEO, 0, 80),
        *steps(SOUND, 320, 400),
        *steps(SOUND, 0, 80),
    ]
    sound = [time for kind, time in corrected(packets) if kind == "audio"]
    assert sound == list(range(0, 480, 40))


def test_subtitles_move_with_their_recording():
    packets = [
        *steps(VIDEO, 0, 400),
        Packet(WORDS, 360),
        *steps(VIDEO, 0, 200),
        Packet(WORDS, 160),
        Packet(WORDS, 200),
    ]
    words = [time for kind, time in corrected(packets) if kind == "subtitle"]
    assert words == [360, 560, 600]


def test_one_wild_time_stamp_does_not_move_the_rest():
    packets = [*steps(VIDEO, 0, 400), Packet(VIDEO, 9_000_000), *steps(VIDEO, 440, 800)]
    assert [time for _, time in corrected(packets)] == list(range(0, 800, 40))


def test_a_track_may_pause_while_another_goes_on():
    packets = [*steps(VIDEO, 0, 400), *steps(SOUND, 0, 60_000), *steps(VIDEO, 60_000, 60_400)]
    assert corrected(packets)[-1] == ("video", 60_360)
    alone = [*steps(VIDEO, 0, 400), *steps(VIDEO, 60_000, 60_400)]
    assert corrected(alone, may_jump=False)[-1] == ("video", 60_360)
    assert corrected(alone)[-1] == ("video", 760)
