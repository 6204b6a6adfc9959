"""Films that tests make, and what is in the files that come out."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

import colorzoo
from colorzoo.film.colorize import Film, colorize_film
from colorzoo.jobs.record import RECORD

RATE = 25


def colorize(model: colorzoo.Colorizer, source: Path, target: str, **options) -> Film:
    """Colour a film at a small working size, into its own folder."""
    options = {"work_size": 48} | options
    return colorize_film(model, source, source.parent / target, **options)


def left_in(folder: Path) -> set[str]:
    """The files in a folder, other than the record of how outputs were made."""
    return {path.name for path in folder.iterdir()} - {RECORD}


def moving(count: int = 24, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Gray frames of blocks that move to the left."""
    row = np.repeat(np.random.default_rng(3).integers(30, 220, 40), 8)
    picture = np.add.outer(np.linspace(-30, 30, size[0]), row).clip(0, 255).astype(np.uint8)
    return [np.dstack([picture[:, i : i + size[1]]] * 3) for i in range(count)]


def write_film(
    path: Path,
    frames: list[np.ndarray] | None = None,
    *,
    kind: str | None = None,
    codec: str = "libx264",
    sound: tuple[str, ...] = ("aac",),
    rate: int = 44100,
    layout: str = "",
    times: list[int] | None = None,
    turned: float = 0,
    pixel_aspect: Fraction | None = None,
    colour_range: int = 0,
    pixels: str = "yuv420p",
    subtitles: Path | None = None,
) -> Path:
    """Write a film with a tone of its own for each sound track; ``times`` are milliseconds."""
    frames = moving() if frames is None else frames
    height, width = frames[0].shape[:2]
    with av.open(path, "w", format=kind) as out:
        base = Fraction(1, 1000) if times else Fraction(1, RATE)
        video = out.add_stream(codec, rate=RATE, time_base=base)
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.sample_aspect_ratio = pixel_aspect or Fraction(0)
        video.codec_context.color_range = colour_range
        if turned:
            video.set_display_rotation(turned)
        tracks = [_add_sound(out, each, rate, layout) for each in sound]
        out.metadata["title"] = "A walk"
        said = av.open(subtitles) if subtitles else None
        words = out.add_stream_from_template(said.streams[0]) if said else None
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
                format=pixels, dst_color_range=colour_range
            )
            frame.pts, frame.time_base = times[i] if times else i, base
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for packet in said.demux() if said else ():
            if packet.dts is not None and words is not None:
                packet.stream = words
                out.mux(packet)
        for i, track in enumerate(tracks):
            _write_tone(out, track, 440 * (i + 1), len(frames) / RATE)
    return path


def _add_sound(out: OutputContainer, codec: str, rate: int, layout: str):
    layout = layout or ("mono" if codec in ("libopencore_amrnb", "nellymoser") else "stereo")
    kept = {} if codec.startswith(("pcm_", "libopencore")) else {"bit_rate": 96_000}
    options = {"strict": "experimental"}
    return out.add_stream(codec, rate=rate, options=options, layout=layout, **kept)


def _write_tone(out: OutputContainer, track, pitch: float, seconds: float) -> None:
    rate, layout = track.rate, track.layout
    wave = np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * pitch / rate) * 0.3
    packed = wave.repeat(layout.nb_channels)[None].astype(np.float32)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout.name)
    frame.sample_rate, frame.pts = rate, 0
    out.mux(track.encode(frame))
    out.mux(track.encode())


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(path) as film:
        return [
            # Bilinear, full chroma, rounded: the default is half a level too dark.
            frame.to_ndarray(format="rgb24", interpolation=0x2 | 0x2000 | 0x40000)
            for frame in film.decode(video=0)
        ]


def lumas_of(path: Path) -> list[np.ndarray]:
    """The planes that hold lightness, as they are stored."""
    with av.open(path) as film:
        return [
            frame.to_ndarray(format="yuv420p")[: frame.height] for frame in film.decode(video=0)
        ]


def times_of(path: Path) -> list[float]:
    """When frames begin, in seconds, and when the last one ends."""
    with av.open(path) as film:
        frames = list(film.decode(video=0))
    last = frames[-1]
    assert last.time_base is not None
    return [*(frame.time for frame in frames), last.time + float(last.duration * last.time_base)]


def sound_of(path: Path) -> list[str]:
    """A digest of each sound track's packets and of when they are heard."""
    with av.open(path) as film:
        if not film.streams.audio:
            return []
        digests = [hashlib.md5() for _ in film.streams.audio]
        for packet in film.demux(film.streams.audio):
            if packet.pts is not None:
                digest = digests[film.streams.audio.index(packet.stream)]
                digest.update(bytes(packet))
                digest.update(f"{float(packet.pts * packet.time_base):.2f}".encode())
        return [digest.hexdigest() for digest in digests]
