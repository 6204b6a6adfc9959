"""Sound and subtitles: copied if the new container can hold them; sound is else re-encoded."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.defaults import MAX_FRAME_PIXELS
from colorzoo.film.container import open_container

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.container import OutputContainer
    from av.filter import Graph
    from av.stream import Stream


# Packets of each track with which copying is tried, and of all tracks that are read for that
_TRIED, _LOOKED_AT = 20, 500
# Sampling rates that AAC has, Hz; other sound gets the last one.
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 96000, 88200, 48000)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
# Bits per second and channel: no loss that can be heard; and the most that AAC allows, per Hz
_BIT_RATE, _BITS_PER_SAMPLE = 96_000, 6
# A gap or an overlap in sound that is longer is filled with silence or cut, seconds.
_GAP = 0.05


class Copier:
    """Copies a track.

    Args:
        out: The film that is written.
        track: The track of the source.
    """

    def __init__(self, out: "OutputContainer", track: "Stream") -> None:
        """Add the track to the film."""
        self._copy = out.add_stream_from_template(track)
        # Only subtitles may begin at the same time.
        self._step = 1 if track.type == "audio" else 0
        self._next: int | None = None
        _describe(self._copy, track)

    def packets(self, packet: "Packet[Stream] | None") -> "Iterator[Packet[Stream]]":
        """Yield what to write for a packet of the source, or at its end, for None."""
        if packet is None or packet.dts is None:
            return
        # Out of order, as in damaged files, or where recordings overlap; containers reject it.
        if self._next is not None and packet.dts < self._next:
            return
        self._next = packet.dts + self._step
        packet.stream = self._copy
        yield packet


class Recoder:
    """Re-encodes a track of sound to AAC.

    Args:
        out: The film that is written.
        track: The track of the source.
        sample: A decoded frame of it.

    Attributes:
        damaged: Number of packets that could not be decoded; they are silent.
    """

    def __init__(self, out: "OutputContainer", track: "Stream", sample: "AudioFrame") -> None:
        """Add the track to the film."""
        self.damaged = 0
        self._rate = sample.sample_rate if sample.sample_rate in _AAC_RATES else _AAC_RATES[-1]
        self._layout = _LAYOUTS.get(sample.layout.nb_channels, "stereo")
        channels = min(_BIT_RATE, self._rate * _BITS_PER_SAMPLE)
        self._decoder = track.codec_context
        self._coded = out.add_stream("aac", rate=self._rate, layout=self._layout)
        self._coded.bit_rate = channels * self._coded.layout.nb_channels
        self._graph: Graph | None = None
        self._kind: tuple[str, str, int] | None = None
        _describe(self._coded, track)

    def packets(self, packet: "Packet[Stream] | None") -> "Iterator[Packet[Stream]]":
        """Yield what to write for a packet of the source, or at its end, for None."""
        for frame in self._decoded(packet):
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != self._kind:  # broadcasts may change it midway
                yield from self._encoded(None)
                self._graph, self._kind = self._converter(frame), kind
            yield from self._encoded(frame)
        if packet is None:
            yield from self._encoded(None)
            yield from self._coded.encode(None)

    def _decoded(self, packet: "Packet[Stream] | None") -> "list[AudioFrame]":
        from av.error import EOFError, FFmpegError

        if packet is not None and packet.size == 0:
            return []
        try:
            return self._decoder.decode(packet)  # type: ignore
        except EOFError:
            return []
        except FFmpegError:
            self.damaged += 1
            return []

    def _converter(self, frame: "AudioFrame") -> "Graph":
        """Build what converts frames like this one to those that are encoded."""
        from av.filter import Graph

        graph = Graph()
        graph.link_nodes(
            graph.add(
                "abuffer",
                sample_rate=str(frame.sample_rate),
                sample_fmt=frame.format.name,
                channel_layout=frame.layout.name,
                time_base=str(frame.time_base),
            ),
            graph.add("aresample", **{"async": "1", "min_hard_comp": str(_GAP)}),
            graph.add(
                "aformat",
                sample_rates=str(self._rate),
                sample_fmts="fltp",
                channel_layouts=self._layout,
            ),
            graph.add("abuffersink"),
        ).configure()
        return graph

    def _encoded(self, frame: "AudioFrame | None") -> "Iterator[Packet[Stream]]":
        from av.error import BlockingIOError, EOFError

        if self._graph is None:
            return
        self._graph.push(frame)
        with suppress(BlockingIOError, EOFError):
            while True:
                yield from self._coded.encode(self._graph.pull())  # type: ignore  # AudioFrame
        if frame is None:
            self._graph = None


class Tracks:
    """The tracks besides the pictures of a film that is written.

    Args:
        out: The film that is written.
        source: The film that is read.
        tracks: The tracks of sound and subtitles of the opened source.
        suffix: The suffix of the film that is written.

    Attributes:
        notes: Notes for the user; complete after all packets.
    """

    def __init__(
        self, out: "OutputContainer", source: Path, tracks: "Sequence[Stream]", suffix: str
    ) -> None:
        """Judge each track on its own and add it to the film, if possible."""
        self._suffix = suffix
        self._written: dict[int, Copier | Recoder] = {}
        self._recoded: list[str] = []
        self._silent: list[str] = []
        self._left: list[str] = []
        with ExitStack() as stack:
            looks = _first_packets(source, [track.index for track in tracks], stack)
            for track in tracks:
                name = track.codec_context.name if track.codec_context else "unknown codec"
                look, packets = looks[track.index]
                sample = _first_frame(look, packets) if track.type == "audio" else None
                if _can_copy(look, packets, out.format.name):
                    self._written[track.index] = Copier(out, track)
                elif sample is not None:
                    self._written[track.index] = Recoder(out, track, sample)
                    self._recoded.append(name)
                else:
                    (self._silent if track.type == "audio" else self._left).append(name)

    def packets(self, packet: "Packet[Stream]") -> "Iterator[Packet[Stream]]":
        """Yield what to write for a packet of the source."""
        track = self._written.get(packet.stream.index)
        if track is not None:
            yield from track.packets(packet)

    def last_packets(self) -> "Iterator[Packet[Stream]]":
        """Yield what is left to write at the end of the film."""
        for track in self._written.values():
            yield from track.packets(None)

    @property
    def notes(self) -> list[str]:
        """Notes for the user."""
        notes, others = [], "" if self._suffix.lower() == ".mkv" else "; a .mkv file might"
        holds = f"a {self._suffix} file cannot contain its"
        if self._recoded:
            notes.append(
                f"{holds} sound ({', '.join(self._recoded)}), so it was converted to AAC{others}"
            )
        if self._silent:
            notes.append(
                f"its sound ({', '.join(self._silent)}) can be neither copied to a {self._suffix} "
                "file nor decoded, so it was left out"
            )
        if self._left:
            notes.append(
                f"{holds} subtitles ({', '.join(self._left)}), so they were left out{others}"
            )
        damaged = sum(each.damaged for each in self._written.values() if isinstance(each, Recoder))
        if damaged:
            notes.append(f"damaged packets of sound: {damaged}; they are silent")
        return notes


def _describe(new: "Stream", track: "Stream") -> None:
    for key in track.metadata.keys() & {"language", "title"}:
        new.metadata[key] = track.metadata[key]
    new.disposition = track.disposition.value  # type: ignore  # PyAV 16 takes numbers


def _first_packets(
    source: Path, indices: Sequence[int], stack: ExitStack
) -> "dict[int, tuple[Stream, list[Packet[Stream]]]]":
    """Open a film once more, and return its tracks by index with their first packets."""
    from av.error import FFmpegError

    if not indices:
        return {}
    container = stack.enter_context(open_container(source, max_pixels=MAX_FRAME_PIXELS))
    found = {i: (container.streams[i], []) for i in indices}
    with suppress(FFmpegError):
        for packet in islice(container.demux(*(track for track, _ in found.values())), _LOOKED_AT):
            packets = found[packet.stream.index][1]
            if packet.size and packet.dts is not None and len(packets) < _TRIED:
                packets.append(packet)
            if all(len(packets) == _TRIED for _, packets in found.values()):
                break
    return found


def _first_frame(track: "Stream", packets: "list[Packet[Stream]]") -> "AudioFrame | None":
    """Decode the first frame of sound; None if it cannot be decoded."""
    from av.error import FFmpegError

    if track.codec_context is None:
        return None
    for packet in [*packets, None]:
        with suppress(FFmpegError):
            for frame in track.codec_context.decode(packet):  # type: ignore
                if frame.samples and frame.sample_rate:
                    return frame
    return None


def _can_copy(track: "Stream", packets: "list[Packet[Stream]]", kind: str) -> bool:
    """Try to copy the beginning of a track: some codecs fail only when packets are written.

    The packets cannot be used any more.
    """
    import av
    from av.error import FFmpegError

    if track.codec_context is None:
        return False
    if track.codec_context.name.startswith("pcm_") and kind == "mp4":
        return False  # FFmpeg writes it, but few players can play it
    try:
        with av.open(BytesIO(), "w", format=kind) as out:
            copier = Copier(out, track)
            for packet in packets:
                out.mux(list(copier.packets(packet)))
            out.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True
