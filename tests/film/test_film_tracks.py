"""Sound of every kind: copied, re-encoded, or left out with a note, and the film is coloured."""

import shutil
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from av.codec.codec import UnknownCodecError  # noqa: E402
from helpers.films import colorize, moving, sound_of, times_of, write_film  # noqa: E402


def film_with(path: Path, *sound: str, **options) -> Path:
    try:
        return write_film(path, sound=sound, **options)
    except UnknownCodecError:
        pytest.skip(f"this FFmpeg cannot encode one of {', '.join(sound)}")


def codecs_of(path: Path) -> list[str]:
    with av.open(path) as film:
        return [track.codec_context.name for track in film.streams.audio]


def heard(path: Path, track: int = 0) -> tuple[float, float, float]:
    """The pitch of a track in Hz, and when it begins and ends, in seconds."""
    with av.open(path) as film:
        frames = list(film.decode(audio=track))
    rate = frames[0].sample_rate
    start = float(frames[0].time)
    parts = []
    for frame in frames:
        samples = frame.to_ndarray()
        kind = samples.dtype
        samples = (
            samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
        )
        parts.append(samples[0] / (1 if kind.kind == "f" else np.iinfo(kind).max))
    wave = np.concatenate(parts)
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    spectrum = np.abs(np.fft.rfft(wave[loud[0] : loud[-1]]))
    pitch = float(np.argmax(spectrum) * rate / (loud[-1] - loud[0]))
    return pitch, start + loud[0] / rate, start + loud[-1] / rate


SOUND = [
    ("a.mkv", "pcm_s16le", 44100, ".mp4"),
    ("a.mkv", "pcm_s24le", 44100, ".m4v"),
    ("a.avi", "wmav2", 44100, ".mkv"),
    ("a.avi", "adpcm_ms", 44100, ".mp4"),
    ("a.mkv", "libopus", 48000, ".mov"),
    ("a.mkv", "libvorbis", 44100, ".mov"),
    ("a.mkv", "flac", 44100, ".mov"),
    ("a.flv", "nellymoser", 44100, ".mp4"),
    ("a.3gp", "libopencore_amrnb", 8000, ".mov"),
    ("a.3gp", "libopencore_amrnb", 8000, ".mkv"),
    ("a.mkv", "mp2", 48000, ".mov"),
    ("a.mkv", "truehd", 48000, ".mp4"),
]


@pytest.mark.parametrize(("name", "codec", "rate", "target"), SOUND)
def test_sound_is_copied_or_reencoded(model, tmp_path, name, codec, rate, target):
    video = {"a.flv": "flv", "a.3gp": "mpeg4"}.get(name, "libx264")
    source = film_with(tmp_path / name, codec, codec=video, rate=rate)
    notes = colorize(model, source, f"out{target}").notes
    (before,), (after,) = codecs_of(source), codecs_of(tmp_path / f"out{target}")
    if before == after:
        assert sound_of(source) == sound_of(tmp_path / f"out{target}") and notes == ()
    else:
        assert after == "aac" and codec in ("truehd", *MUST_CHANGE)
        (note,) = notes
        assert before in note and "converted to AAC" in note
        assert ("a .mkv file might" in note) == (target != ".mkv")
    (pitch, start, end), was = heard(tmp_path / f"out{target}"), heard(source)
    assert pitch == pytest.approx(440, abs=3)
    assert (start, end) == (pytest.approx(was[1], abs=0.04), pytest.approx(was[2], abs=0.04))


# What cannot be copied to the containers above; MP4 and MOV differ in what FFmpeg lets them hold.
MUST_CHANGE = (
    *("pcm_s16le", "pcm_s24le", "adpcm_ms", "wmav2", "nellymoser"),
    *("libopencore_amrnb", "libopus", "libvorbis", "flac"),
)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le"])
def test_what_must_not_be_copied_is_not(model, tmp_path, codec):
    source = film_with(tmp_path / "a.mkv", codec)
    colorize(model, source, "out.mp4")
    assert codecs_of(tmp_path / "out.mp4") == ["aac"]
    colorize(model, source, "out.mov")
    assert codecs_of(tmp_path / "out.mov") == [codec]


def test_every_track_is_judged_on_its_own(model, tmp_path):
    source = film_with(tmp_path / "a.mkv", "aac", "pcm_s16le", "libmp3lame")
    (note,) = colorize(model, source, "out.mp4").notes
    assert "sound (pcm_s16le)" in note and "converted to AAC" in note
    assert codecs_of(tmp_path / "out.mp4") in (["aac", "aac", "mp3"], ["aac", "aac", "mp3float"])
    before, after = sound_of(source), sound_of(tmp_path / "out.mp4")
    assert before[0] == after[0] and before[2] == after[2]
    pitches = [heard(tmp_path / "out.mp4", i)[0] for i in range(3)]
    assert pitches == pytest.approx([440, 880, 1320], abs=4)


def renamed(source: Path, *, tracks: int) -> Path:
    """Give the last tracks of sound a codec that FFmpeg does not know, as new phones do."""
    data, end = source.read_bytes(), None
    for _ in range(tracks):
        end = data.rindex(b"stsd", 0, end)
        size = int.from_bytes(data[end - 4 : end], "big")
        table = data[end : end + size].replace(b"mp4a", b"apac").replace(b"esds", b"dapa")
        data = data[:end] + table + data[end + size :]
    source.write_bytes(data)
    return source


@pytest.mark.parametrize("target", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("tracks", [1, 2])
def test_sound_that_cannot_be_decoded_is_left_out(model, tmp_path, target, tracks):
    source = renamed(write_film(tmp_path / "a.mov", sound=("aac", "aac")), tracks=tracks)
    film = colorize(model, source, f"out{target}")
    (note,) = film.notes
    assert film.frames == 24 and "left out" in note and "sound" in note
    assert len(codecs_of(tmp_path / f"out{target}")) == 2 - tracks
    if target != ".mkv":  # which cannot begin before zero, as AAC does
        assert sound_of(source)[: 2 - tracks] == sound_of(tmp_path / f"out{target}")


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "7.1"])
def test_channels_are_kept_up_to_six(model, tmp_path, layout):
    source = film_with(tmp_path / "a.mkv", "pcm_s16le", layout=layout)
    colorize(model, source, "out.mp4")
    with av.open(tmp_path / "out.mp4") as out:
        channels = out.streams.audio[0].layout.nb_channels
    assert channels == {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 2}[layout]
    assert heard(tmp_path / "out.mp4")[0] == pytest.approx(440, abs=3)


@pytest.mark.parametrize("rate", [8000, 22050, 37800, 96000])
def test_sampling_rates(model, tmp_path, rate):
    source = film_with(tmp_path / "a.mkv", "pcm_s16le", rate=rate)
    colorize(model, source, "out.mp4")
    pitch, start, end = heard(tmp_path / "out.mp4")
    assert pitch == pytest.approx(440, abs=3)
    assert start == pytest.approx(0, abs=0.03) and end == pytest.approx(0.96, abs=0.03)


def test_gaps_in_reencoded_sound_are_silent(model, tmp_path):
    source = film_with(tmp_path / "a.mkv", "flac")
    with av.open(source) as film, av.open(tmp_path / "b.mkv", "w") as out:
        copies = [out.add_stream_from_template(each, opaque=True) for each in film.streams]
        for packet in film.demux():
            in_gap = packet.stream.type == "audio" and packet.size and 0.3 < packet.pts / 1000 < 0.6
            if packet.size and not in_gap:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    colorize(model, tmp_path / "b.mkv", "out.mov")
    _, start, end = heard(tmp_path / "out.mov")
    assert (start, end) == (pytest.approx(0, abs=0.03), pytest.approx(0.96, abs=0.03))
    with av.open(tmp_path / "out.mov") as out:
        for frame in out.decode(audio=0):
            if 0.4 < frame.time < 0.5:
                assert np.abs(frame.to_ndarray()).max() < 0.01


def test_an_error_that_is_not_the_disks_does_not_blame_it(model, clip, tmp_path, monkeypatch):
    from colorzoo import FilmError
    from colorzoo.film.writer import FilmWriter

    def fails(self, frame, planes):
        raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(FilmWriter, "add", fails)
    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(FilmError, match="Operation not permitted") as caught:
        colorize(model, source, "out.mov")
    assert "disk" not in str(caught.value) and "folder" not in str(caught.value)
    assert "ends in .mkv" in str(caught.value)


def test_subtitles_that_fail_only_when_written_are_left_out(model, tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")
    source = write_film(tmp_path / "a.mkv", moving(5), subtitles=tmp_path / "a.srt")
    for target in ("out.mp4", "out.mov"):
        (note,) = colorize(model, source, target).notes
        assert "subtitles" in note and len(times_of(tmp_path / target)) == 6
