"""Films from strangers: nothing else is opened, and what one takes in memory is bounded."""

import io
import os
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from helpers.films import frames_of, moving, write_film
from helpers.limits import used_by
from PIL import Image

import colorzoo
from colorzoo.errors import FilmError
from colorzoo.film.colorize import colorize_film
from colorzoo.film.reader import open_film
from colorzoo.jobs.films import colorize_film_job
from colorzoo.jobs.plan import How, Job


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[int, list[str]]]:
    """The port of a server on this machine, and what it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, paths
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "good.mp4", moving(3), sound=())


@pytest.fixture(scope="module")
def toy() -> colorzoo.Colorizer:
    return colorzoo.create_model("unet", width=1, work_size=16)


NAMES = (
    "http:/127.0.0.1:PORT/a.mp4", "tcp:/127.0.0.1:PORT/a.mp4", "concat:good.mp4|good.mp4",
    "subfile,,start,0,end,100,,:good.mp4", "cache:good.mp4", "crypto:good.mp4", "data:a.mp4",
    "pipe:0.mp4", "fd:0.mp4", "file:good.mp4", "async:good.mp4", "tee:good.mp4", "hls+http:a.mp4",
    "frame%03d.mp4", "-i.mp4", "a\nb.mp4", "ä b.mp4",
)  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(name, film, asked, toy, tmp_path, monkeypatch):
    port, paths = asked
    monkeypatch.chdir(tmp_path)
    name = name.replace("PORT", str(port))
    for folder in ("", "out"):
        Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(FilmError, match="there is no such file"), open_film(Path(name)):
        pass
    Path(name).write_bytes(film.read_bytes())
    result = colorize_film(toy, name, f"out/{name}", work_size=32)
    assert result.frames == 3 and len(frames_of(Path("out", name).resolve())) == 3
    assert paths == []


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile good.mp4\n",
    "ffconcat-url": "ffconcat version 1.0\nfile URL\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nURL\n#EXT-X-ENDLIST\n",
    "hls-file": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ngood.mp4\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
    ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>URL</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP "
    "96\na=rtpmap:96 H264/90000\n",
    "metadata": ";FFMETADATA1\ntitle=a\n",
    "playlist": "[playlist]\nFile1=URL\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="URL"/></entry></asx>',
    "smil": '<smil><body><video src="URL"/></body></smil>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".m3u8"])
def test_a_playlist_is_no_film(kind, suffix, film, asked, toy, tmp_path):
    port, paths = asked
    (tmp_path / "good.mp4").write_bytes(film.read_bytes())
    source = tmp_path / f"list{suffix}"
    source.write_text(PLAYLISTS[kind].replace("URL", f"http://127.0.0.1:{port}/a.mp4"))
    with pytest.raises(FilmError, match="cannot be read as a film"):
        colorize_film(toy, source, tmp_path / "out.mp4", work_size=32)
    assert paths == [] and not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("most", [64 * 48 - 1, 100])
def test_the_pixel_limit_holds_for_films(film, toy, tmp_path, most):
    with pytest.raises(FilmError, match=f"more (than|pixels).*limit of {most:,}.*max_pixels"):
        colorize_film(toy, film, tmp_path / "out.mp4", work_size=32, max_pixels=most)
    job = Job(film, tmp_path / "out.mp4")
    outcome = colorize_film_job(toy, job, How(1.0, 32, most))
    assert outcome.status == "failed" and f"limit of {most:,}" in (outcome.reason or "")
    assert not (tmp_path / "out.mp4").exists()
    assert colorize_film(toy, film, tmp_path / "out.mp4", work_size=32, max_pixels=64 * 48).frames


def jpeg(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, "JPEG")
    return stream.getvalue()


def avi(width: int, height: int, *frames: bytes) -> bytes:
    """An AVI of JPEG pictures."""

    def part(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    form = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    head = b"vidsMJPG" + struct.pack("<IHHIIIIIIII4H", 0, 0, 0, 0, 1, 25, 0, len(frames), 1 << 20,
                                     0, 0, 0, 0, 0, 0)  # fmt: skip
    track = part(b"LIST", b"strl" + part(b"strh", head) + part(b"strf", form))
    main = struct.pack("<14I", 40_000, 0, 0, 0, len(frames), 0, 1, 1 << 20, width, height, *[0] * 4)
    pictures = part(b"LIST", b"movi" + b"".join(part(b"00dc", each) for each in frames))
    return part(b"RIFF", b"AVI " + part(b"LIST", b"hdrl" + part(b"avih", main) + track) + pictures)


def fragment(samples: int, count: int) -> bytes:
    """An MP4 with a fragment of so many samples, without any data, several times."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)

    def full(kind: bytes, *parts: bytes) -> bytes:
        return box(kind, bytes(4), *parts)

    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    entry = struct.pack(">HHIIIH32xHh", 64, 48, 72 << 16, 72 << 16, 0, 1, 24, -1)
    form = full(
        b"stsd", struct.pack(">I", 1),
        box(b"mp4v", bytes(6), struct.pack(">H", 1), bytes(16), entry),
    )  # fmt: skip
    table = box(
        b"stbl", form, full(b"stsz", bytes(8)),
        *(full(kind, bytes(4)) for kind in (b"stco", b"stsc", b"stts")),
    )  # fmt: skip
    place = box(b"dinf", full(b"dref", struct.pack(">I", 1), box(b"url ", struct.pack(">I", 1))))
    media = box(
        b"mdia", full(b"mdhd", struct.pack(">IIIII", 0, 0, 1000, 0, 0)),
        full(b"hdlr", bytes(4), b"vide", bytes(13)),
        box(b"minf", full(b"vmhd", bytes(8)), place, table),
    )  # fmt: skip
    head = full(b"tkhd", struct.pack(">5I8x", 0, 0, 1, 0, 0), bytes(8), matrix, bytes(8))
    movie = full(b"mvhd", struct.pack(">4I", 0, 0, 1000, 0), bytes(16), matrix, bytes(28))
    more = box(b"mvex", full(b"trex", struct.pack(">5I", 1, 1, 1, 1, 0)))
    run = full(b"trun", struct.pack(">I", samples))
    part = box(b"traf", full(b"tfhd", struct.pack(">I", 1)), run * count)
    moof = box(b"moof", full(b"mfhd", struct.pack(">I", 1)), part)
    start = box(b"ftyp", b"isom", bytes(4), b"isom")
    return start + box(b"moov", movie, box(b"trak", head, media), more) + moof + box(b"mdat", b"..")


def colour(path: str, most: int | None) -> tuple[object, ...]:
    model = colorzoo.create_model("unet", width=1, work_size=16)
    limit = {} if most is None else {"max_pixels": most}
    film = colorize_film(model, path, f"{path}.mkv", **limit)
    return film.frames, film.notes


CLAIMS = {
    "large": (lambda: avi(15_000, 15_000, *[jpeg(15_000, 15_000)] * 3), "none of its frames"),
    "larger-inside": (lambda: avi(64, 48, *[jpeg(15_000, 15_000)] * 3), "none of its frames"),
    "growing": (lambda: avi(64, 48, *[jpeg(64, 48)] * 3, jpeg(15_000, 15_000)), "(3, ('damaged"),
    "samples": (lambda: fragment(10_000_000, 20), "claims to have 200,000,000 frames"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_film_that_claims_a_lot_takes_little(name, tmp_path):
    make, expected = CLAIMS[name]
    path = tmp_path / ("a.mp4" if name == "samples" else "a.avi")
    path.write_bytes(make())
    assert expected in used_by(colour, str(path), None).check()


@pytest.mark.slow
def test_4k_is_coloured_in_a_gigabyte(tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(avi(4096, 2160, *[jpeg(4096, 2160)] * 12))
    assert used_by(colour, str(path), None).check(seconds=30).startswith("(12, ")
