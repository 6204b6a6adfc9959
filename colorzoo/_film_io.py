"""Films through PyAV: frames out of a file, upright and in sRGB, and frames and sound into one.

PyAV is optional (``colorzoo[video]``) and imported when a film is opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from colorzoo.errors import ConfigError, FilmError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# Suffix -> container to write; None where films are read but not written: those containers do not
# hold H.264, or not with any sound.
_CONTAINERS: dict[str, str | None] = {
    **{".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"},
    **dict.fromkeys((".webm", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts")),
    **dict.fromkeys((".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".dv")),
}
_WRITABLE = [suffix for suffix, kind in _CONTAINERS.items() if kind]
# Of x264: hardly told from the original by eye, grain included, and twice as fast as its default.
_ENCODER = {"crf": "18", "preset": "veryfast"}
# Flags of FFmpeg's swscale: bilinear, full chroma, rounded. Its short way makes all a bit darker.
_EXACTLY = 0x2 | 0x2000 | 0x40000
# ITU-T H.273's numbers for BT.709, and for luma from 16 to 235.
_BT709, _LIMITED_RANGE = 1, 1
# Of a file that says how long it is, this much may be missing before that is noted, in seconds.
_SLACK = 0.5


def is_film_name(path: PurePath) -> bool:
    """Tell whether a file is named like a film."""
    return path.suffix.lower() in _CONTAINERS


def writable_film(path: Path) -> Path:
    """Keep the name; what is read but not written becomes Matroska, which holds any sound."""
    return path if _CONTAINERS.get(path.suffix.lower()) else path.with_suffix(".mkv")


def container_of(target: Path) -> str:
    """Name the container that a film of that name is written in.

    Raises:
        FilmError: If there is none.
    """
    kind = _CONTAINERS.get(target.suffix.lower())
    if kind is None:
        raise FilmError(f"{target.name}: films are written as {_choices()}; choose one of those.")
    return kind


def check_pyav() -> None:
    """Make sure that PyAV is there.

    Raises:
        ConfigError: If it is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "Films need PyAV, which is not installed: pip install 'colorzoo[video]'"
        ) from error


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a film.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright.
        time: When it is shown, in units of the film's ``time_base``; it grows from frame to frame.
        duration: For how long, in the same units; 0 where the file does not tell.
    """

    rgb: np.ndarray
    time: int
    duration: int


class FilmReader:
    """A film that is being read.

    Attributes:
        frames: How many there are, as far as the file tells; None if it does not.
        time_base: Seconds that one unit of time lasts.
        rate: Frames a second, on average.
        pixel_aspect: Width of an upright pixel by its height; None where the file does not tell.
            Known, as is what is noted, once frames have been read.
        damaged: Frames that could not be decoded.
        kept: The tracks whose packets ``read`` gives as they are: sound and subtitles.
        metadata: Title, date and the like.
        chapters: As PyAV gives them.
    """

    def __init__(self, container: "InputContainer", name: str) -> None:
        """Choose the tracks.

        Raises:
            FilmError: If there are no moving pictures.
        """
        from av.stream import Disposition

        pictures = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic  # a cover
        ]
        if not pictures:
            raise FilmError(f"{name}: there are no moving pictures in it. Give a film.")
        self.name = name
        self._container = container
        self._video: VideoStream = pictures[0]
        self._video.thread_type = "AUTO"
        self.kept: list[Stream] = [*container.streams.audio, *container.streams.subtitles]
        self.metadata, self.chapters = dict(container.metadata), container.chapters()
        self.time_base = self._video.time_base or Fraction(1, 90_000)
        self.rate = self._video.average_rate or self._video.guessed_rate or Fraction(25)
        self.frames = self._video.frames or self._count_by_time()
        self.pixel_aspect = self._video.sample_aspect_ratio or None
        self.damaged = 0
        self._more_pictures = len(pictures) - 1
        self._is_interlaced = False
        self._end, self._last, self._read = 0.0, -1, 0
        self._size: tuple[int, int] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know, once all has been read."""
        notes = []
        if self._more_pictures:
            notes.append(f"only the first of its {1 + self._more_pictures} picture tracks is used")
        if self._is_interlaced:
            notes.append("it is interlaced: its lines stay as they are, and fine combs may show")
        if self.damaged:
            notes.append(f"damaged frames: {self.damaged}; those before them stay longer")
        declared, start = (self._container.duration or 0) / 1e6, self._start()
        if self._end - start < declared - _SLACK:
            notes.append(
                f"it ends after {self._end - start:.1f} s of the {declared:.1f} s that it should "
                "last: the file seems to be cut short"
            )
        return tuple(notes)

    def read(self) -> "Iterator[Frame | Packet[Stream]]":
        """Yield frames, and packets of the tracks that are kept, in the order of the file."""
        from av.error import FFmpegError

        packets = self._container.demux(self._video, *self.kept)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # say, where the file ends too soon; the notes tell of that
                packet = None
            if packet is None:
                break
            self._note_end(packet)
            if packet.stream is self._video:
                yield from self._decoded(packet)
            elif packet.dts is not None:
                yield packet
        yield from self._decoded(None)

    def _decoded(self, packet: "Packet[Stream] | None") -> Iterator[Frame]:
        from av.error import EOFError, FFmpegError

        if packet is not None and packet.size == 0:
            return  # the end, which is asked for once, after the last packet
        try:
            # Of one that came to nothing, the decoder has gone on to the next.
            frames: list[VideoFrame] = self._video.codec_context.decode(packet)  # type: ignore
        except EOFError:
            return
        except FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            yield self._upright(frame)

    def _upright(self, frame: "VideoFrame") -> Frame:
        width, height = self._size or (frame.width, frame.height)  # it may change in broadcasts
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation=_EXACTLY)
        turns = round(frame.rotation / 90) % 4
        if self._size is None and self.pixel_aspect and turns % 2:
            self.pixel_aspect = 1 / self.pixel_aspect
        self._size = width, height
        self._is_interlaced |= frame.interlaced_frame
        duration = frame.duration or 0
        usual = duration or max(1, round(1 / self.rate / self.time_base))
        time = self._last + usual if frame.pts is None else frame.pts
        if self._read:
            time = max(time, self._last + 1)  # encoders take no other order
        self._last, self._read = time, self._read + 1
        return Frame(np.ascontiguousarray(np.rot90(rgb, turns)), time, duration)

    def _start(self) -> float:
        return (self._container.start_time or 0) / 1e6

    def _count_by_time(self) -> int | None:
        seconds = (self._container.duration or 0) / 1e6
        return round(seconds * self.rate) or None

    def _note_end(self, packet: "Packet[Stream]") -> None:
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._end = max(self._end, end)


@contextmanager
def open_film(source: Path) -> Iterator[FilmReader]:
    """Open a film to read.

    Raises:
        FilmError: If there is no such file, it cannot be read, or it is no film.
        ConfigError: If PyAV is missing.
    """
    check_pyav()
    import av
    from av.error import FFmpegError

    if not source.is_file():
        raise FilmError(f"{source}: there is no such file.")
    if source.stat().st_size == 0:
        raise FilmError(f"{source.name}: is empty. Copy the film again.")
    try:
        # Tags in other encodings than they should be cost those letters only.
        container = av.open(source, metadata_errors="replace")
    except FFmpegError as error:
        reason = error.strerror or str(error)
        raise FilmError(
            f"{source.name}: cannot be read as a film ({reason}): it is something else, or damaged "
            "or cut short. Copy it again, or convert it first."
        ) from error
    with container:
        yield FilmReader(container, source.name)


class FilmWriter:
    """A film that is being written: H.264 pictures, and the tracks that are kept as they were.

    Use it as a context manager: the file is whole when the block has ended without an error.

    Args:
        stream: Where to; it must be seekable.
        target: The name to be; its suffix decides on the container.
        film: What the tracks and times are those of.

    Raises:
        FilmError: If the container is not written, or cannot hold the sound.
        ConfigError: If PyAV has no H.264 encoder.

    Attributes:
        size: Width and height, in pixels; known once a frame has been added.
        notes: What the reader should know.
    """

    def __init__(self, stream: BinaryIO, target: Path, film: FilmReader) -> None:
        """Lay out the tracks; their headers are written with the first frame."""
        import av
        from av.codec.codec import UnknownCodecError

        self.size = (0, 0)
        self.notes: list[str] = []
        self._film, self._suffix = film, target.suffix
        self._pending: list[Packet[Stream]] = []
        self._durations: dict[int, int] = {}
        self._last_dts: dict[int, int] = {}
        self._is_started = False
        self._out = av.open(stream, "w", format=container_of(target), buffer_size=1 << 20)
        # What the file was made by is no longer so; its title, date and the like still are.
        stale = {"major_brand", "minor_version", "compatible_brands", "encoder"}
        kept = {key: text for key, text in film.metadata.items() if key.lower() not in stale}
        self._out.metadata.update(kept)
        if film.chapters:
            self._out.set_chapters(film.chapters)
        try:
            self._video = self._out.add_stream(
                "libx264", rate=film.rate, options=_ENCODER, time_base=film.time_base
            )
        except UnknownCodecError as error:
            raise ConfigError(
                "This PyAV was built without libx264: pip install --force-reinstall av"
            ) from error
        self._copies: dict[int, Stream] = {}
        lost = []
        for track in film.kept:
            codec = track.codec_context.name if track.codec_context else "of no known kind"
            try:
                if codec.startswith("pcm_") and self._out.format.name == "mp4":
                    raise ValueError("FFmpeg finds out in the end only, and players cannot")
                copy = self._out.add_stream_from_template(track)
            except ValueError as error:
                if track.type == "audio":
                    raise self._cannot_hold("its sound", codec) from error
                lost.append(codec)
                continue
            for key in track.metadata.keys() & {"language", "title"}:
                copy.metadata[key] = track.metadata[key]
            copy.disposition = track.disposition.value  # type: ignore  # PyAV 16 takes numbers
            self._copies[track.index] = copy
        if lost:
            self.notes.append(
                f"a {target.suffix} file cannot hold its subtitles ({', '.join(lost)}): left out; "
                ".mkv might"
            )

    def __enter__(self) -> "FilmWriter":
        """Return itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Finish the file, or let go of it after an error."""
        if kind is not None:
            with suppress(Exception):  # the error that there was says more
                self._out.close()
            return
        self._mux(None)
        self._out.close()

    def add(self, frame: Frame) -> None:
        """Write a picture."""
        import av

        rgb = frame.rgb
        height, width = rgb.shape[:2]
        if not self._is_started:
            self._start(width, height)
        if width % 2 or height % 2:  # colour is stored at half the size
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        picture.pts, picture.time_base = frame.time, self._film.time_base
        self._durations[frame.time] = frame.duration
        self._mux(picture)

    def copy(self, packet: "Packet[Stream]") -> None:
        """Write a packet of a track that is kept, as it is."""
        if not self._is_started:  # the header tells the size of the pictures
            self._pending.append(packet)
            return
        copy = self._copies.get(packet.stream.index)
        if copy is None or packet.dts is None:
            return
        if packet.dts < self._last_dts.get(copy.index, packet.dts):
            return  # out of order, as in damaged files: containers take no such packets
        self._last_dts[copy.index] = packet.dts
        packet.stream = copy
        self._out.mux(packet)

    def _cannot_hold(self, what: str, codecs: str) -> FilmError:
        advice = (
            "Choose an output that ends in .mkv." if self._suffix != ".mkv" else "Convert it first."
        )
        return FilmError(
            f"{self._film.name}: a {self._suffix} file cannot hold {what} ({codecs}). {advice}"
        )

    def _start(self, width: int, height: int) -> None:
        from av.error import FFmpegError

        self._is_started = True
        context = self._video.codec_context
        self.size = context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        if self._film.pixel_aspect:
            context.sample_aspect_ratio = self._film.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        if width % 2 or height % 2:
            self.notes.append(
                f"{width} x {height} pixels became {self.size[0]} x {self.size[1]}: H.264 needs "
                "even numbers, so edges are repeated"
            )
        try:
            self._out.start_encoding()
        except FFmpegError as error:
            codecs = {each.codec_context.name for each in self._film.kept if each.codec_context}
            raise self._cannot_hold("these tracks", ", ".join(sorted(codecs))) from error
        for packet in self._pending:
            self.copy(packet)
        self._pending.clear()

    def _mux(self, picture: "VideoFrame | None") -> None:
        for packet in self._video.encode(picture):
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
            self._out.mux(packet)


def _choices() -> str:
    return f"{', '.join(_WRITABLE[:-1])} or {_WRITABLE[-1]}"
