"""Join the time stamps of films that consist of several recordings, one after the other."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet
    from av.stream import Stream


# Time stamps of one track may go back this far, or leave a gap this long, in seconds, before they
# count as those of another recording; the values are FFmpeg's, for formats whose clock may jump.
_BACK, _GAP = Fraction(1, 10), Fraction(10)
# In other formats, some of which do not store when pictures are decoded, so FFmpeg guesses it
_BACK_ELSEWHERE = Fraction(1, 2)
# A gap must also be this many times as long as any step before: slide shows have long steps.
_UNUSUAL = 20
# Packets to wait for pictures of a recording whose sound has begun already.
_WAIT = 500


@dataclass
class _Track:
    """Where a track is; times are corrected seconds.

    Attributes:
        part: The part of the film.
        last: When the last packet is decoded.
        end: When the next packet should be decoded.
        shown: When the last of the pictures so far ends.
        longest: The longest step between packets so far.
    """

    part: int
    last: Fraction
    end: Fraction
    shown: Fraction
    longest: Fraction


class Timeline:
    """Moves the time stamps of recordings that follow each other in one file.

    The files of a DVD, and what camcorders and TV recorders write, are often joined by appending
    one file to the other, so that time stamps begin anew in the middle. Each recording is moved to
    the end of the one before. All tracks are moved by the same time, so sound stays in step.
    """

    def __init__(self, video: "Stream", *, may_jump: bool) -> None:
        """Start at the first recording.

        Args:
            video: The track of pictures, which decides where recordings begin.
            may_jump: Whether the clock of the format may jump, as in MPEG-TS. Then a long gap in
                all tracks also begins a new recording.
        """
        self._video = video
        self._may_jump = may_jump
        self._back = _BACK if may_jump else _BACK_ELSEWHERE
        self._offsets = [Fraction(0)]  # of each part, seconds
        self._tracks: dict[int, _Track] = {}
        self._waiting: list[Packet[Stream]] = []
        self._undated: defaultdict[int, list[Packet[Stream]]] = defaultdict(list)
        self._now = Fraction(0)

    @property
    def joins(self) -> int:
        """How often time stamps began anew."""
        return len(self._offsets) - 1

    def follow(self, packets: "Iterator[Packet[Stream]]") -> "Iterator[Packet[Stream]]":
        """Yield packets with corrected time stamps; those of each track stay in their order."""
        for packet in packets:
            if self._is_undated(packet):
                continue
            if self._must_wait(packet):
                self._waiting.append(packet)
                if len(self._waiting) > _WAIT:
                    yield from self._release()
                continue
            joins = self.joins
            yield from self._corrected(packet)
            if self.joins > joins:
                yield from self._release()
        yield from self._release()
        for undated in self._undated.values():
            yield from undated

    def _release(self) -> "Iterator[Packet[Stream]]":
        for packet in self._waiting:
            yield from self._corrected(packet)
        self._waiting.clear()

    def _is_undated(self, packet: "Packet[Stream]") -> bool:
        """Keep a packet that does not tell when it is decoded for the next one that does.

        In Matroska, the first packets of a recording are such packets.
        """
        track = self._tracks.get(packet.stream.index)
        if track is None or packet.dts is not None or not packet.size:
            return False
        undated = self._undated[packet.stream.index]
        if len(undated) > _WAIT:
            return False
        length = (packet.duration or 0) * packet.time_base
        track.end, track.shown = track.end + length, track.shown + length
        undated.append(packet)
        return True

    def _must_wait(self, packet: "Packet[Stream]") -> bool:
        """Tell whether sound of a new recording came before the first of its pictures."""
        if packet.stream is self._video or self._video.index not in self._tracks:
            return False
        if any(packet.stream is each.stream for each in self._waiting):
            return True
        time, track = _time_of(packet), self._tracks.get(packet.stream.index)
        if time is None or track is None or packet.stream.type != "audio":
            return False
        return self._part_of(packet, time, track) is None

    def _corrected(self, packet: "Packet[Stream]") -> "Iterator[Packet[Stream]]":
        time = _time_of(packet)
        track = self._tracks.get(packet.stream.index)
        if time is None:
            part = track.part if track else 0
        elif packet.stream.type not in ("audio", "video"):  # too sparse to tell by themselves
            parts = range(len(self._offsets))
            part = min(parts, key=lambda i: abs(time + self._offsets[i] - self._now))
        else:
            part = self._placed(packet, time, track)
        shift = round(self._offsets[part] / packet.time_base)
        for each in (*self._undated.pop(packet.stream.index, ()), packet):
            if shift:
                each.pts = None if each.pts is None else each.pts + shift
                each.dts = None if each.dts is None else each.dts + shift
            yield each

    def _placed(self, packet: "Packet[Stream]", time: Fraction, track: _Track | None) -> int:
        """Note a packet of pictures or sound, and return its part of the film."""
        if track is None:
            part, longest = self.joins, Fraction(0)
        else:
            found = self._part_of(packet, time, track)
            if found is None:
                shown = time if packet.pts is None else packet.pts * packet.time_base
                self._offsets.append(max(track.end - time, track.shown - shown))
                found = self.joins
            part, longest = found, track.longest
        now = time + self._offsets[part]
        if track is not None and part == track.part:
            longest = max(longest, now - track.last)
        length = (packet.duration or 0) * packet.time_base
        delay = 0 if packet.pts is None else packet.pts * packet.time_base - time
        shown = now + delay + length
        if track is not None:
            shown = max(shown, track.shown)
        self._tracks[packet.stream.index] = _Track(part, now, now + length, shown, longest)
        self._now = now
        return part

    def _part_of(self, packet: "Packet[Stream]", time: Fraction, track: _Track) -> int | None:
        """Return the part that a packet continues; None if it begins a new one."""
        step = time + self._offsets[track.part] - track.last
        if -self._back <= step and not self._is_gap(packet, step, track):
            return track.part
        # Tracks of a recording never end at exactly the same time.
        for part in range(track.part + 1, len(self._offsets)):
            if abs(time + self._offsets[part] - track.end) <= _GAP:
                return part
        return None

    def _is_gap(self, packet: "Packet[Stream]", step: Fraction, track: _Track) -> bool:
        if not self._may_jump or not track.longest:
            return False
        if step <= max(_GAP, _UNUSUAL * track.longest):
            return False
        # A track may pause while others continue.
        return all(
            track.last + step - other.last > _GAP
            for index, other in self._tracks.items()
            if index != packet.stream.index
        )


def _time_of(packet: "Packet[Stream]") -> Fraction | None:
    """Return when a packet is decoded, in seconds; None if unknown."""
    # When it is shown says nothing: pictures are stored in another order.
    return None if packet.dts is None else packet.dts * Fraction(packet.time_base)
