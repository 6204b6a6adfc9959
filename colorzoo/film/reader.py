"""Read frames of a film file, upright and in sRGB. PyAV is imported when a film is opened."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorzoo.defaults import MAX_FRAME_PIXELS
from colorzoo.errors import FilmError
from colorzoo.film.container import check_pyav, open_container
from colorzoo.film.pixels import PixelReader, upright
from colorzoo.film.timeline import Timeline
from colorzoo.threads import threads_in_use

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream


# A film may be this much shorter than its file declares, in seconds, before a note says so.
_SLACK = 0.5
# Pixels of a frame from which decoders work on one frame at a time.
_LARGE = 4_000_000
# What may follow the last packet in a file whose clock may jump, bytes, before a note says so
_TAIL = 1 << 20


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a film.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright; gray if the film is in HDR or has wide-gamut colours.
        time: Time stamp in units of the film's ``time_base``; strictly increasing.
        duration: Duration in the same units; 0 if unknown.
    """

    rgb: np.ndarray
    time: int
    duration: int


class FilmReader:
    """A film that is being read.

    Attributes:
        path: The file.
        time_base: Seconds per unit of time.
        rate: Frames per second, on average.
        pixel_aspect: Width of an upright pixel divided by its height; None if unknown. Like
            ``notes``, final only after frames have been read.
        damaged: Number of frames that could not be decoded.
        max_pixels: Largest width * height of a frame; decoders refuse larger ones.
        kept: The tracks whose packets ``read`` yields: sound and subtitles.
        metadata: Title, date and so on.
        chapters: The chapters, as returned by PyAV.
    """

    def __init__(self, container: "InputContainer", path: Path, max_pixels: int) -> None:
        """Choose the tracks.

        Raises:
            FilmError: If there is no video track, its codec is unknown, or its pictures are too
                large.
        """
        from av.format import Flags
        from av.stream import Disposition

        self.path, self.name = path, path.name

        pictures = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic  # cover art
        ]
        if not pictures:
            raise FilmError(f"{self.name}: has no video track. Give a film.")
        self._container = container
        self._video: VideoStream = pictures[0]
        if self._video.codec_context is None:
            raise FilmError(
                f"{self.name}: its video codec is unknown to FFmpeg. Convert the film first."
            )
        self.max_pixels = max_pixels
        self._check_size(self._video.width, self._video.height)
        self._video.codec_context.options = {"max_pixels": str(max_pixels)}
        is_large = self._video.width * self._video.height > _LARGE
        self._video.thread_type = "SLICE" if is_large else "AUTO"
        self._video.codec_context.thread_count = threads_in_use()
        self.kept: list[Stream] = [*container.streams.audio, *container.streams.subtitles]
        self.metadata, self.chapters = dict(container.metadata), container.chapters()
        self.time_base = self._video.time_base or Fraction(1, 90_000)
        self.rate = self._video.average_rate or self._video.guessed_rate or Fraction(25)
        self._frames = self._video.frames or None
        self.pixel_aspect = self._video.sample_aspect_ratio or None
        self.damaged = 0
        self._more_pictures = len(pictures) - 1
        self._clock_may_jump = bool(container.format.flags & Flags.ts_discont.value)
        self._timeline = Timeline(self._video, may_jump=self._clock_may_jump)
        self._pixels = PixelReader(self._video.codec_context)
        tags = {key.lower(): text for key, text in self._video.metadata.items()}
        is_hidden = self._video.codec_context.name in ("vp8", "vp9")  # in other codecs it is seen
        if is_hidden and tags.get("alpha_mode") == "1":
            self._pixels.note_alpha()
        self._is_interlaced = self._is_finished = False
        self._end, self._last, self._read, self._place = 0.0, -1, 0, 0
        self._size: tuple[int, int] | None = None

    @property
    def frames(self) -> int | None:
        """Number of frames that the file declares; None if unknown."""
        if self._frames or self._timeline.joins:  # then the declared duration is of one part only
            return self._frames
        return self._count_by_time()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user; complete after the whole film has been read."""
        notes = []
        if self._more_pictures:
            notes.append(f"only the first of its {1 + self._more_pictures} video tracks is used")
        if self._timeline.joins:
            notes.append(
                f"its time stamps begin anew {_times(self._timeline.joins)}, as in joined "
                "recordings; each one follows the one before"
            )
        notes += self._pixels.notes
        if self._is_interlaced:
            notes.append("it is interlaced, so combing may be visible: it is not deinterlaced")
        if self.damaged:
            notes.append(f"damaged frames: {self.damaged}; the frames before are shown longer")
        declared, start = (self._container.duration or 0) / 1e6, self._start()
        if not self._timeline.joins and self._end - start < declared - _SLACK:
            notes.append(
                f"it ends after {self._end - start:.1f} s instead of {declared:.1f} s: the file "
                "seems to be cut short"
            )
        if self._clock_may_jump and self._is_finished and self._unread() > _TAIL:
            notes.append(
                f"the last {self._unread() / 1e6:.0f} MB of the file are of other tracks, which "
                "were not read"
            )
        return tuple(notes)

    def read(self) -> "Iterator[Frame | Packet[Stream]]":
        """Yield frames, and packets of the tracks in ``kept``, in the order of the file."""
        for packet in self._timeline.follow(self._packets()):
            self._note_end(packet)
            if packet.stream is self._video:
                yield from self._decoded(packet)
            elif packet.dts is not None:
                yield packet
        self._is_finished = True
        yield from self._decoded(None)

    def _packets(self) -> "Iterator[Packet[Stream]]":
        from av.error import FFmpegError

        # A truncated file, for example, which gets a note
        with suppress(FFmpegError):
            yield from self._container.demux(self._video, *self.kept)

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
        self._check_size(frame.width, frame.height)
        width, height = self._size or (frame.width, frame.height)  # broadcasts may change it midway
        rgb, is_across = upright(frame, self._pixels.rgb(frame, width, height))
        if self._size is None and self.pixel_aspect and is_across:
            self.pixel_aspect = 1 / self.pixel_aspect
        self._size = width, height
        self._is_interlaced |= frame.interlaced_frame
        duration = frame.duration or 0
        usual = duration or max(1, round(1 / self.rate / self.time_base))
        time = self._last + usual if frame.pts is None else frame.pts
        if self._read:
            time = max(time, self._last + 1)  # encoders need increasing time stamps
        self._last, self._read = time, self._read + 1
        return Frame(rgb, time, duration)

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise FilmError(
                f"{self.name}: its pictures have {width} x {height} pixels, more than the limit of "
                f"{self.max_pixels:,}. Make it smaller or, if you trust it, raise the limit with "
                f"max_pixels={width * height} (on the command line, --max-pixels "
                f"{width * height})."
            )

    def _start(self) -> float:
        return (self._container.start_time or 0) / 1e6

    def _unread(self) -> int:
        """Return the number of bytes after the last packet that was read."""
        return self.path.stat().st_size - self._place

    def _count_by_time(self) -> int | None:
        seconds = (self._container.duration or 0) / 1e6
        return round(seconds * self.rate) or None

    def _note_end(self, packet: "Packet[Stream]") -> None:
        self._place = max(self._place, (packet.pos or 0) + packet.size)
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._end = max(self._end, end)


@contextmanager
def open_film(source: Path, *, max_pixels: int = MAX_FRAME_PIXELS) -> Iterator[FilmReader]:
    """Open a film for reading.

    Args:
        source: The file.
        max_pixels: Largest width * height of its pictures to accept.

    Raises:
        FilmError: If the file is missing, cannot be read, is not a film, or its pictures are too
            large.
        ConfigError: If PyAV is missing.
    """
    check_pyav()
    from av.error import FFmpegError

    if not source.is_file():
        raise FilmError(f"{source}: there is no such file.")
    if source.stat().st_size == 0:
        raise FilmError(f"{source.name}: is empty. Copy the film again.")
    try:
        container = open_container(source, max_pixels=max_pixels)
    except FFmpegError as error:
        reason = error.strerror or str(error)
        raise FilmError(
            f"{source.name}: cannot be read as a film ({reason}): it is not a film, damaged or cut "
            "short. Copy it again, or convert it first."
        ) from error
    with container:
        yield FilmReader(container, source, max_pixels)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
