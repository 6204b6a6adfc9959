"""Write frames and sound to a film file."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from colorzoo.errors import ConfigError, FilmError
from colorzoo.film.container import container_of
from colorzoo.film.reader import _LIMITED_RANGE, BT709, FilmReader, Frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.stream import Stream


# x264 settings: almost no visible loss, even of grain, and twice as fast as the default preset.
_ENCODER = {"crf": "18", "preset": "veryfast"}


class FilmWriter:
    """A film that is being written: H.264 video, and copies of the other tracks.

    Use it as a context manager: the file is complete when the block ends without an error.

    Args:
        stream: Stream to write to; must be seekable.
        target: Name of the file; its suffix decides the container.
        film: The source of the tracks and time stamps.

    Raises:
        FilmError: If films are not written to that container, or it cannot contain the sound.
        ConfigError: If PyAV has no H.264 encoder.

    Attributes:
        size: Width and height, in pixels; set when the first frame is added.
        notes: Notes for the user.
    """

    def __init__(self, stream: BinaryIO, target: Path, film: FilmReader) -> None:
        """Create the tracks; the header is written with the first frame."""
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
        # Copy the title, date and so on, but not the tags about the file and its encoder.
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
            codec = track.codec_context.name if track.codec_context else "unknown codec"
            try:
                if codec.startswith("pcm_") and self._out.format.name == "mp4":
                    raise ValueError("FFmpeg only fails at the end, and players cannot play it")
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
                f"a {target.suffix} file cannot contain its subtitles ({', '.join(lost)}), so they "
                "were left out; a .mkv file might"
            )

    def __enter__(self) -> "FilmWriter":
        """Return the writer itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Finish the file, or only close it after an error."""
        if kind is not None:
            with suppress(Exception):  # the first error is the one to report
                self._out.close()
            return
        self._mux(None)
        self._out.close()

    def add(self, frame: Frame) -> None:
        """Write a frame."""
        import av

        rgb = frame.rgb
        height, width = rgb.shape[:2]
        if not self._is_started:
            self._start(width, height)
        if width % 2 or height % 2:  # chroma is stored at half the resolution
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        picture.pts, picture.time_base = frame.time, self._film.time_base
        self._durations[frame.time] = frame.duration
        self._mux(picture)

    def copy(self, packet: "Packet[Stream]") -> None:
        """Copy a packet of another track unchanged."""
        if not self._is_started:  # the header needs the size of the frames
            self._pending.append(packet)
            return
        copy = self._copies.get(packet.stream.index)
        if copy is None or packet.dts is None:
            return
        if packet.dts < self._last_dts.get(copy.index, packet.dts):
            return  # out of order, as in damaged files; containers reject such packets
        self._last_dts[copy.index] = packet.dts
        packet.stream = copy
        self._out.mux(packet)

    def _cannot_hold(self, what: str, codecs: str) -> FilmError:
        advice = (
            "Choose an output that ends in .mkv." if self._suffix != ".mkv" else "Convert it first."
        )
        return FilmError(
            f"{self._film.name}: a {self._suffix} file cannot contain {what} ({codecs}). {advice}"
        )

    def _start(self, width: int, height: int) -> None:
        from av.error import FFmpegError

        self._is_started = True
        context = self._video.codec_context
        self.size = context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        if self._film.pixel_aspect:
            context.sample_aspect_ratio = self._film.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = _LIMITED_RANGE
        if width % 2 or height % 2:
            self.notes.append(
                f"{width} x {height} pixels became {self.size[0]} x {self.size[1]} by repeating "
                "edges, because H.264 needs even numbers"
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
