"""Colour films frame by frame, with stable colours over time. Sound is kept."""

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from typing_extensions import Unpack

from colorzoo.atomic import check_target, whole_file
from colorzoo.colorizer import Colorizer
from colorzoo.defaults import MAX_FRAME_PIXELS
from colorzoo.errors import NO_SPACE, ConfigError, FilmError
from colorzoo.files import open_folder, regular_only
from colorzoo.film.container import check_pyav, container_of
from colorzoo.film.reader import FilmReader, Frame, open_film
from colorzoo.film.stabilize import Stabilizer
from colorzoo.film.writer import FilmWriter
from colorzoo.imaging.read import Photo
from colorzoo.imaging.recombine import merge_ab
from colorzoo.options import Options, check_saturation

if TYPE_CHECKING:
    from av.error import FFmpegError

# Called after each frame with the number of finished frames and the total, None if unknown.
Watch = Callable[[int, int | None], None]


# Frames and packets of sound queued for writing: enough to keep both threads busy. Of large
# frames, fewer: as many as have this many pixels.
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
        options: The :class:`colorzoo.Options` that the model supports, except hints, which are
            points of one photo.

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
    if options.get("hints"):
        raise ConfigError("hints are for single photos, not for films. Leave hints out.")
    colorizer.check(**options)
    check_pyav()
    from av.error import FFmpegError

    container_of(target)
    root = target.parent if within is None else Path(within)
    check_target(source, target, overwrite=overwrite, within=root)
    with suppress(OSError), open(source, "rb", opener=regular_only):
        pass
    with open_film(source, max_pixels=max_pixels) as film:
        work = _Frames(
            colorizer, saturation, work_size, options, Stabilizer() if stabilize else None
        )
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
        cuts = work.stabilizer.cuts if work.stabilizer else 0
        return Film(work.frames, writer.size, cuts, (*film.notes, *writer.notes))


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
    """Processes the frames: the caller's thread runs the network, another thread encodes."""

    def __init__(
        self,
        colorizer: Colorizer,
        saturation: float,
        work_size: int | None,
        options: Options,
        stabilizer: Stabilizer | None,
    ) -> None:
        self.frames = 0
        self.stabilizer = stabilizer
        self._colorizer, self._saturation, self._work_size = colorizer, saturation, work_size
        self._options = options

    def run(self, film: FilmReader, writer: FilmWriter, watch: Watch | None) -> None:
        waiting: deque[Future[None]] = deque()
        most = _IN_FLIGHT
        pool = ThreadPoolExecutor(1, thread_name_prefix="colorzoo")
        try:
            for item in film.read():
                if isinstance(item, Frame):
                    small, ab = self._predict(item)
                    waiting.append(pool.submit(_write, writer, item, small, ab))
                    self.frames += 1
                else:
                    waiting.append(pool.submit(writer.copy, item))
                if isinstance(item, Frame):
                    pixels = item.rgb.shape[0] * item.rgb.shape[1]
                    most = min(_IN_FLIGHT, _PIXELS_IN_FLIGHT // pixels)
                while len(waiting) > most:
                    waiting.popleft().result()
                if watch is not None and isinstance(item, Frame):
                    watch(self.frames, film.frames)
            for each in waiting:
                each.result()
        finally:
            pool.shutdown(cancel_futures=True)
        if not self.frames:
            raise FilmError(
                f"{film.name}: none of its frames can be decoded: it is damaged, cut short or has "
                f"more pixels than the limit of {film.max_pixels:,}. Copy it again, convert it, or "
                "raise the limit with max_pixels (on the command line, --max-pixels)."
            )

    def _predict(self, frame: Frame) -> tuple[Tensor, Tensor]:
        """Return a frame's lightness at the working size, and its stabilised ab."""
        photo = Photo(frame.rgb, None, "frame", None, None, ())
        prediction = self._colorizer.predict(
            photo, work_size=self._work_size, find_border=False, **self._options
        )
        small = prediction.lightness.float()
        ab = self._colorizer.ab_of(prediction, **self._options)
        if self.stabilizer is not None:
            # Many small operations, which are slower on a GPU.
            ab = self.stabilizer(small.cpu(), ab.cpu()).to(small.device)
        return small, ab * self._saturation


def _write(writer: FilmWriter, frame: Frame, small: Tensor, ab: Tensor) -> None:
    writer.add(replace(frame, rgb=merge_ab(frame.rgb, small, ab)))
