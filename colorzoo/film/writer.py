"""Write frames and sound to a film file."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from colorzoo.errors import ConfigError
from colorzoo.film.container import container_of
from colorzoo.film.pixels import BT709, LIMITED_RANGE
from colorzoo.film.reader import FilmReader, Frame
from colorzoo.film.tags import kept_tags, lost_tags, options_for
from colorzoo.film.tracks import Tracks
from colorzoo.threads import threads_in_use

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.stream import Stream


# x264 settings: almost no visible loss, even of grain, and twice as fast as the default preset.
_ENCODER = {"crf": "18", "preset": "veryfast"}
# It looks some 20 frames ahead, which would be half a gigabyte of 4K. Of frames with more pixels
# than these, it keeps a few.
_LARGE = 4_000_000
_FEW = {"x264-params": "bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0"}


class FilmWriter:
    """A film that is being written: H.264 video, and the other tracks.

    Use it as a context manager: the file is complete when the block ends without an error.

    Args:
        stream: Stream to write to and read from; must be seekable.
        target: Name of the file; its suffix decides the container.
        film: The source of the tracks and time stamps.

    Raises:
        FilmError: If films are not written to that container.
        ConfigError: If PyAV has no H.264 encoder.

    Attributes:
        size: Width and height, in pixels; set when the first frame is added.
    """

    def __init__(self, stream: BinaryIO, target: Path, film: FilmReader) -> None:
        """Create the tracks; the header is written with the first frame."""
        import av
        from av.codec.codec import UnknownCodecError

        self.size = (0, 0)
        self._notes: list[str] = []
        self._film, self._suffix = film, target.suffix
        self._pending: list[Packet[Stream]] = []
        self._durations: dict[int, int] = {}
        self._is_started = False
        self._file, self._stream = stream, _Checked(stream)
        self._tags = kept_tags(film.metadata)
        kind = container_of(target)
        self._out = av.open(
            self._stream,
            "w",
            format=kind,
            container_options=options_for(self._tags, kind),
            buffer_size=1 << 20,
        )
        self._out.metadata.update(self._tags)
        if film.chapters:
            self._out.set_chapters(film.chapters)
        try:
            self._video = self._out.add_stream(
                "libx264", rate=film.rate, options=_ENCODER, time_base=film.time_base
            )
            # Else as many as the machine has cores, also where a container may use two of them.
            self._video.codec_context.thread_count = threads_in_use()
        except UnknownCodecError as error:
            raise ConfigError(
                "This PyAV was built without libx264: pip install --force-reinstall av"
            ) from error
        self._tracks = Tracks(self._out, film.path, film.kept, target.suffix)

    def __enter__(self) -> "FilmWriter":
        """Return the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, or only close it after an error.

        Raises:
            OSError: If writing failed.
            FFmpegError: If the file cannot be completed.
        """
        try:
            if kind is None:
                self._mux(None)
                self._out.mux(list(self._tracks.last_packets()))
                self._out.close()
        finally:  # PyAV may crash if a file is left open
            with suppress(Exception):  # the first error is the one to report
                self._out.close()
            if kind is None or issubclass(kind, Exception):
                self._stream.check()  # which may be why FFmpeg failed
        if kind is not None:
            return
        lost = lost_tags(self._tags, self._file)
        if lost:
            self._notes.append(
                f"a {self._suffix} file cannot contain these tags, so they were left out: "
                f"{', '.join(lost)}"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user; complete when the file is."""
        return (*self._notes, *self._tracks.notes)

    def add(self, frame: Frame, planes: np.ndarray) -> None:
        """Write a frame.

        Args:
            frame: The frame that was read.
            planes: Its new pixels; see :mod:`colorzoo.film.planes`.
        """
        import av

        if not self._is_started:
            height, width = frame.rgb.shape[:2]
            self._start(width, height)
        picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
        picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
        picture.pts, picture.time_base = frame.time, self._film.time_base
        self._durations[frame.time] = frame.duration
        self._mux(picture)

    def copy(self, packet: "Packet[Stream]") -> None:
        """Write a packet of another track: unchanged, if possible."""
        if not self._is_started:  # the header needs the size of the frames
            self._pending.append(packet)
            return
        self._out.mux(list(self._tracks.packets(packet)))
        self._stream.check()

    def _start(self, width: int, height: int) -> None:
        self._is_started = True
        context = self._video.codec_context
        self.size = context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        if width * height > _LARGE:
            context.options = {**_ENCODER, **_FEW}
        if self._film.pixel_aspect:
            context.sample_aspect_ratio = self._film.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        if width % 2 or height % 2:
            self._notes.append(
                f"{width} x {height} pixels became {self.size[0]} x {self.size[1]} by repeating "
                "edges, because H.264 needs even numbers"
            )
        self._out.start_encoding()
        for packet in self._pending:
            self.copy(packet)
        self._pending.clear()

    def _mux(self, picture: "VideoFrame | None") -> None:
        for packet in self._video.encode(picture):
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
            self._out.mux(packet)
        self._stream.check()


class _Checked:
    """A stream that keeps its first error for ``check``, and ignores what follows.

    FFmpeg does not report every failure to write, and PyAV prints those that follow another.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self._error is None:
            try:
                return self._stream.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._error is None:
            try:
                return self._stream.seek(offset, whence)  # writes what is in the buffer
            except OSError as error:
                self._error = error
        return offset

    def tell(self) -> int:
        return 0 if self._error else self._stream.tell()

    def check(self) -> None:
        """Raise the error, if there was one."""
        if self._error is not None:
            raise self._error
