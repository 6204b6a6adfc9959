"""What a film says about itself: place, camera, time and title are kept; nothing untrue is."""

from pathlib import Path

import pytest

av = pytest.importorskip("av", reason="films need colorzoo[video]")
from helpers.films import colorize, moving, write_film  # noqa: E402

PHONE = {
    "com.apple.quicktime.location.ISO6709": "+48.8584+002.2945+035.000/",
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 14",
    "com.apple.quicktime.creationdate": "2023-05-06T07:08:09+0200",
    "creation_time": "2023-05-06T05:08:09.000000Z",
}
ANDROID = {
    "location": "+48.8584+002.2945/",
    "com.android.manufacturer": "Samsung",
    "creation_time": "2023-05-06T05:08:09.000000Z",
}
CAMERA = {"make": "Canon", "model": "XA10", "location": "+48.8584+002.2945/", "title": "A walk"}
TITLED = {"title": "A walk", "artist": "Ann", "date": "1938", "comment": "On the beach"}
UNTRUE = {
    "encoder": "Old Encoder 1.0",
    "rotate": "90",
    "com.apple.quicktime.video-orientation": "1",
    "HasKeyframes": "true",
    "Width": "1920",
    "WMFSDKVersion": "11",
}


def film_with(path: Path, tags: dict[str, str]) -> Path:
    """A film with any tags, some of which ``write_film`` would not write."""
    write_film(path, moving(3), sound=())
    other = path.with_name(f"tagged-{path.name}")
    options = {} if path.suffix == ".mkv" else {"movflags": "use_metadata_tags"}
    with av.open(path) as film, av.open(other, "w", container_options=options) as out:
        out.metadata.update(tags)
        copy = out.add_stream_from_template(film.streams.video[0], opaque=True)
        for packet in film.demux():
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    return other


def tags_of(path: Path) -> dict[str, str]:
    with av.open(path) as film:
        return {key.lower(): text for key, text in film.metadata.items()}


@pytest.mark.parametrize("tags", [PHONE, ANDROID, CAMERA, TITLED])
@pytest.mark.parametrize("source", ["a.mov", "a.mp4", "a.mkv"])
@pytest.mark.parametrize("target", ["out.mov", "out.mp4", "out.mkv"])
def test_place_camera_time_and_title_are_kept(model, tmp_path, source, target, tags):
    made = film_with(tmp_path / source, tags)
    wanted = {key.lower(): text for key, text in tags.items()}
    assert wanted.items() <= tags_of(made).items()
    assert colorize(model, made, target).notes == ()
    assert wanted.items() <= tags_of(tmp_path / target).items()


def test_titles_are_written_so_that_most_programs_read_them(model, tmp_path):
    colorize(model, film_with(tmp_path / "a.mkv", TITLED), "out.mp4")
    assert b"\xa9nam" in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize("target", ["out.mov", "out.mp4", "out.mkv"])
def test_nothing_untrue_is_kept(model, tmp_path, target):
    source = film_with(tmp_path / "a.mkv", {**UNTRUE, **PHONE})
    colorize(model, source, target)
    found = tags_of(tmp_path / target)
    assert found.get("encoder", "").startswith("Lavf")
    assert not {key.lower() for key in UNTRUE if key != "encoder"} & found.keys()
    assert found["com.apple.quicktime.make"] == "Apple"


def test_tags_that_get_lost_are_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr("colorzoo.film.writer.options_for", lambda tags, kind: {})
    source = film_with(tmp_path / "a.mkv", {"title": "A walk", "director": "Ann"})
    (note,) = colorize(model, source, "out.mp4").notes
    assert "director" in note.lower() and "title" not in note.lower()
