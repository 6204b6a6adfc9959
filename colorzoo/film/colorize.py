"""Colour films frame by frame, with stable colours over time. Sound is kept."""

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from typing_extensions import Unpack

from colorzoo.atomic import check_target, whole_file
from colorzoo.colorizer import Colorizer
from colorzoo.conditions import with_reference
from colorzoo.defaults import MAX_FRAME_PIXELS
from colorzoo.errors import NO_SPACE, ConfigError, FilmError
from colorzoo.files import open_folder, regular_only
from colorzoo.film.container import check_pyav, container_of
from colorzoo.film.follow import Follower
from colorzoo.film.planes import merge_planes
from colorzoo.film.reader import FilmReader, Frame, open_film
from colorzoo.film.stabilize import Stabilizer
from colorzoo.film.writer import FilmWriter
from colorzoo.guided.hints import Area, Hint, check_places
from colorzoo.guided.notes import notes_on
from colorzoo.imaging.read import Photo
from colorzoo.options import Options, check_saturation, given
from colorzoo.torch_state import in_eval_mode

if TYPE_CHECKING:
    from av import Packet
    from av.error import FFmpegError
    from av.stream import Stream

# Called after each frame with the number of finished frames and the total, None if unknown.
Watch = Callable[[int, int | None], None]


# Frames and packets of sound queued for the threads: enough to keep them busy. Of large frames,
# fewer: as many as have this many pixels.
_IN_FLIGHT, _PIXELS_IN_FLIGHT = 8, 16_000_000

# Errors of a disk that is full, or that cannot hold a file of that size
_NO_SPACE = {*NO_SPACE, errno.EFBIG}


@dataclass(frozen=True)
class Film:
    """A coloured film.

    Attributes:
        frames: Number of frames.
        size: Width and height of the result, in pixels.
        cuts: How often colours were chosen anew, because the scene changed.
        notes: Notes for the user, such as what was damaged or left out.
    """

    frames: int
    size: tuple[int, int]
    cuts: int
    notes: tuple[str, ...]


def colorize_film(
    colorizer: Colorizer,
    source: str | Path,
    target: str | Path,
    *,
    saturation: float = 1.0,
    work_size: int | None = None,
    stabilize: bool = True,
    max_pixels: int = MAX_FRAME_PIXELS,
    overwrite: bool = False,
    watch: Watch | None = None,
    within: str | Path | None = None,
    **options: Unpack[Options],
) -> Film:
    """Colour a film.

    Every frame keeps its lightness and its time stamp; HDR becomes as bright as a normal film.
    Frames are turned upright. Sound and subtitles are copied; sound that the new container cannot
    hold is converted to AAC. The result is H.264 (x264, CRF 18) in BT.709, 8 bits. Memory use does
    not depend on the length of the film. The file appears only when it is complete. The notes of
    the result tell what could not be kept.

    Examples:
        >>> film = colorzoo.colorize_film(colorzoo.load("unet"), "clip.mp4", "out.mp4")
        >>> film.frames, film.size
        (3, (64, 48))

    Args:
        colorizer: The model.
        source: The film, in any codec that FFmpeg decodes; the containers are those of
            files that have everything in them, not playlists.
        target: The file to write, .mp4, .m4v, .mov or .mkv; folders are created.
        saturation: Factor on ab: 0 is gray, 1 is what the network predicts.
        work_size: Short side of the network's input, pixels; the model's default if None.
        stabilize: Whether to keep colours stable over time; see :mod:`colorzoo.film.stabilize`.
        max_pixels: Largest width * height of a frame to accept.
        overwrite: Replace a target that exists.
        watch: Called after each frame with the number of finished frames and the total, or None if
            the file does not declare it. If it raises, no file is written.
        within: A folder above the target, below which no link is followed; the folder of the target
            if None.
        options: The :class:`colorzoo.Options` that the model supports. The colour of a hint holds
            for what is at its point on its frame, from that frame on, as long as it can be followed
            and until the scene ends. Areas are for single photos.

    Raises:
        FilmError: If the film cannot be read, or cannot be written to this target.
        ImageError: If the source is a named pipe or device, the target is the source, a link or
            behind one, or it exists and ``overwrite`` is false.
        ConfigError: If PyAV is missing, work_size is out of range, or the model does not support
            an option.
        ValueError: If saturation is out of range.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    check_saturation(saturation)
    colorizer.check(**options)
    hints = given(options, colorizer.defaults).get("hints") or ()
    if any(isinstance(each, Area) for each in hints):
        raise ConfigError(
            f"{source.name}: areas and masks are for single photos, because things move in films. "
            "Give points instead."
        )
    check_pyav()
    from av.error import FFmpegError

    container_of(target)
    root = target.parent if within is None else Path(within)
    check_target(source, target, overwrite=overwrite, within=root)
    with suppress(OSError), open(source, "rb", opener=regular_only):
        pass
    with open_film(source, max_pixels=max_pixels) as film:
        options = {**options, "hints": hints}
        work = _Frames(source.name, colorizer, saturation, work_size, options, stabilize)
        try:
            open_folder(target.parent, within=root, create=True).close()
            with (
                whole_file(target, within=root) as stream,
                FilmWriter(stream, target, film) as writer,
            ):
                work.run(film, writer, watch)
        except (FFmpegError, OSError) as error:
            raise FilmError(
                f"{source.name}: {target} cannot be written ({error.strerror or error})."
                f"{_advice(error, target)}"
            ) from error
        notes = (*film.notes, *writer.notes, *work.notes)
        return Film(work.frames, writer.size, work.cuts, notes)


def _advice(error: "OSError | FFmpegError", target: Path) -> str:
    """Return what a user can do about an error in writing, as a sentence after a space."""
    from av.error import FFmpegError

    if error.errno in _NO_SPACE:
        return " Check that the disk has space, and that it can hold files of that size."
    if isinstance(error, FFmpegError):
        return " Convert the film first" + (
            "." if target.suffix.lower() == ".mkv" else ", or choose an output that ends in .mkv."
        )
    return " Check that you may write to the folder."


class _Frames:
    """Processes the frames: the caller's thread decodes, another one colours, a third encodes."""

    def __init__(
        self,
        name: str,
        colorizer: Colorizer,
        saturation: float,
        work_size: int | None,
        options: Options,
        is_stable: bool,
    ) -> None:
        self.frames = 0
        self._name = name
        self._colorizer, self._saturation, self._work_size = colorizer, saturation, work_size
        hints = [hint for hint in options.get("hints") or () if isinstance(hint, Hint)]
        self._hints, self._hint_notes = hints, list[str]()
        self._options: Options = {**with_reference(options), "hints": ()}
        self._is_stable = is_stable
        self._motion = Stabilizer()  # hints need its motion even if its colours are not wanted
        self._stabilizer = self._motion if is_stable else None
        self._follower = Follower(hints) if hints else None
        self._number = 0  # of the next frame to colour
        self._for_network = bool(hints) and "hints" in colorizer.network_options

    @property
    def cuts(self) -> int:
        """How often colours were chosen anew."""
        return self._motion.cuts

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the hints."""
        late = [
            f"hint {number} is on frame {hint.frame:,}, but the film has only the frames 0 to "
            f"{self.frames - 1:,}"
            for number, hint in enumerate(self._hints, start=1)
            if hint.frame >= self.frames
        ]
        return (*self._hint_notes, *late)

    def run(self, film: FilmReader, writer: FilmWriter, watch: Watch | None) -> None:
        waiting: deque[Future[bool]] = deque()
        most = _IN_FLIGHT

        def finish() -> None:
            is_frame = waiting.popleft().result()
            self.frames += is_frame
            if watch is not None and is_frame:
                watch(self.frames, film.frames)

        # One thread each, because both need the items in their order.
        writing, colouring = (
            ThreadPoolExecutor(1, thread_name_prefix=f"colorzoo-{what}")
            for what in ("write", "colour")
        )
        try:
            for item in film.read():
                if isinstance(item, Frame):
                    coloured = colouring.submit(self._colour, item)
                    waiting.append(writing.submit(_write, writer, item, coloured))
                    pixels = item.rgb.shape[0] * item.rgb.shape[1]
                    most = min(_IN_FLIGHT, _PIXELS_IN_FLIGHT // pixels)
                else:
                    waiting.append(writing.submit(_copy, writer, item))
                while len(waiting) > most:
                    finish()
            while waiting:
                finish()
        finally:
            for pool in (writing, colouring):
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in (writing, colouring):
                pool.shutdown()
        if not self.frames:
            raise FilmError(
                f"{film.name}: none of its frames can be decoded: it is damaged, cut short or has "
                f"more pixels than the limit of {film.max_pixels:,}. Copy it again, convert it, or "
                "raise the limit with max_pixels (on the command line, --max-pixels)."
            )

    @torch.inference_mode()
    def _colour(self, frame: Frame) -> tuple[Tensor, Tensor]:
        """Return a frame's lightness at the working size and its ab, both on the CPU."""
        number, self._number = self._number, self._number + 1
        photo = Photo(frame.rgb, None, "frame", None, None, ())
        if self._follower is not None:
            return self._colour_with_hints(number, photo, self._follower)
        small = self._colorizer.shrink(photo, work_size=self._work_size)
        # Stabilising takes many small operations, which are slower on a GPU.
        level, ab = small.float().cpu(), None
        if self._stabilizer is None or self._stabilizer.needs(level):
            ab = in_eval_mode(self._colorizer).predict_ab(small, **self._options).float().cpu()
        if self._stabilizer is not None:
            ab = self._stabilizer(level, ab)
        assert ab is not None
        return level, ab * self._saturation

    def _colour_with_hints(
        self, number: int, photo: Photo, follower: Follower
    ) -> tuple[Tensor, Tensor]:
        level, now = None, list[Hint]()
        if self._for_network:  # it must be known where they are before it runs
            level = self._colorizer.shrink(photo, work_size=self._work_size).float().cpu()
            now = self._follow(number, photo, level, follower)
        asked: Options = {**self._options, "hints": now}
        prediction = self._colorizer.predict(
            photo, work_size=self._work_size, find_border=False, **asked
        )
        ab = self._colorizer.ab_of(prediction, **self._options)
        if level is None:
            level = prediction.lightness.float().cpu()
            now = self._follow(number, photo, level, follower)
        stable = self._motion(level, ab.cpu())
        ab = stable.to(ab.device) if self._is_stable else ab
        ab = ab * self._saturation
        # After stabilising: a hint on a later frame shows at once, and exactly.
        ab = self._colorizer.guide(prediction, ab, hints=now) if now else ab
        return level, ab.float().cpu()

    def _follow(self, number: int, photo: Photo, level: Tensor, follower: Follower) -> list[Hint]:
        """Return the hints that hold in a frame, where they are now."""
        height, width = photo.rgb.shape[:2]
        if number == 0:
            check_places(self._hints, width, height, what="film", name=self._name)
        self._hint_notes += notes_on(self._hints, photo.rgb, frame=number)
        return follower(number, level, self._motion.look(level), (width, height))


def _write(writer: FilmWriter, frame: Frame, coloured: "Future[tuple[Tensor, Tensor]]") -> bool:
    writer.add(frame, merge_planes(frame.rgb, *coloured.result()))
    return True


def _copy(writer: FilmWriter, packet: "Packet[Stream]") -> bool:
    writer.copy(packet)
    return False
