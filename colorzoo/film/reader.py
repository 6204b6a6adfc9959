"""Read frames of a film file, upright and in sRGB. PyAV is imported when a film is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorzoo.errors import FilmError
from colorzoo.film.container import check_pyav

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream


# Flags of FFmpeg's swscale: bilinear, full chroma, rounded. The default makes all slightly darker.
EXACTLY = 0x2 | 0x2000 | 0x40000


# Codes of ITU-T H.273 for BT.709, and for luma from 16 to 235.
BT709, _LIMITED_RANGE = 1, 1


# A film may be this much shorter than its file declares, in seconds, before a note says so.
_SLACK = 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a film.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright.
        time: Time stamp in units of the film's ``time_base``; strictly increasing.
        duration: Duration in the same units; 0 if unknown.
    """

    rgb: np.ndarray
    time: int
    duration: int


class FilmReader:
    """A film that is being read.

    Attributes:
        frames: Number of frames that the file declares; None if unknown.
        time_base: Seconds per unit of time.
        rate: Frames per second, on average.
        pixel_aspect: Width of an upright pixel divided by its height; None if unknown. Like
            ``notes``, final only after frames have been read.
        damaged: Number of frames that could not be decoded.
        kept: The tracks whose packets ``read`` yields unchanged: sound and subtitles.
        metadata: Title, date and so on.
        chapters: The chapters, as returned by PyAV.
    """

    def __init__(self, container: "InputContainer", name: str) -> None:
        """Choose the tracks.

        Raises:
            FilmError: If there is no video track.
        """
        from av.stream import Disposition

        pictures = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic  # cover art
        ]
        if not pictures:
            raise FilmError(f"{name}: has no video track. Give a film.")
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
        """Notes for the user; complete after the whole film has been read."""
        notes = []
        if self._more_pictures:
            notes.append(f"only the first of its {1 + self._more_pictures} video tracks is used")
        if self._is_interlaced:
            notes.append("it is interlaced, so combing may be visible: it is not deinterlaced")
        if self.damaged:
            notes.append(f"damaged frames: {self.damaged}; the frames before are shown longer")
        declared, start = (self._container.duration or 0) / 1e6, self._start()
        if self._end - start < declared - _SLACK:
            notes.append(
                f"it ends after {self._end - start:.1f} s instead of {declared:.1f} s: the file "
                "seems to be cut short"
            )
        return tuple(notes)

    def read(self) -> "Iterator[Frame | Packet[Stream]]":
        """Yield frames, and packets of the tracks in ``kept``, in the order of the file."""
        from av.error import FFmpegError

        packets = self._container.demux(self._video, *self.kept)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # for example a truncated file, which gets a note
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
            return  # marks the end of the track; the decoder is flushed once, after all packets
        try:
            # After an error, the decoder continues with the next packet.
            frames: list[VideoFrame] = self._video.codec_context.decode(packet)  # type: ignore
        except EOFError:
            return
        except FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            yield self._upright(frame)

    def _upright(self, frame: "VideoFrame") -> Frame:
        width, height = self._size or (frame.width, frame.height)  # broadcasts may change it midway
        rgb = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation=EXACTLY)
        turns = round(frame.rotation / 90) % 4
        if self._size is None and self.pixel_aspect and turns % 2:
            self.pixel_aspect = 1 / self.pixel_aspect
        self._size = width, height
        self._is_interlaced |= frame.interlaced_frame
        duration = frame.duration or 0
        usual = duration or max(1, round(1 / self.rate / self.time_base))
        time = self._last + usual if frame.pts is None else frame.pts
        if self._read:
            time = max(time, self._last + 1)  # encoders need increasing time stamps
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
    """Open a film for reading.

    Raises:
        FilmError: If the file is missing, cannot be read, or is not a film.
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
        # In tags with a wrong encoding, replace only the letters that cannot be decoded.
        container = av.open(source, metadata_errors="replace")
    except FFmpegError as error:
        reason = error.strerror or str(error)
        raise FilmError(
            f"{source.name}: cannot be read as a film ({reason}): it is not a film, damaged or cut "
            "short. Copy it again, or convert it first."
        ) from error
    with container:
        yield FilmReader(container, source.name)
