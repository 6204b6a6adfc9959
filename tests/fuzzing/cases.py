"""What is mutated and who has to cope with it: case N of a target is the same file every time."""

import ctypes
import os
import tempfile
import time
import unicodedata
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random

import numpy as np

import colorzoo
from colorzoo.errors import ColorzooError, ImageError
from colorzoo.imaging.read import MAX_SIDE, Photo, read_photo, stored_size
from colorzoo.imaging.write import to_pil
from fuzzing import CORPUS
from fuzzing.mutate import mutated_picture
from fuzzing.mutate_model import mutated_config, mutated_weights

_MAX_MESSAGE = 2_000  # characters: more is no message to a person


class Target(ABC):
    """A kind of bad input.

    Attributes:
        suffix: How a file of a case is called.
    """

    suffix: str = ""

    @abstractmethod
    def case(self, rng: Random, number: int) -> tuple[bytes, str]:
        """Make a file, and say what was done to which."""

    @abstractmethod
    def run(self, data: bytes) -> None:
        """Give it to the package; what is wrong with what comes back is an AssertionError."""


class Pictures(Target):
    """Image files, read as ``colorize`` reads them; those with few pixels are coloured."""

    def __init__(self) -> None:
        """Read the corpus."""
        files = [path for path in CORPUS.iterdir() if path.is_file()]
        self.corpus = {path.name: path.read_bytes() for path in files}
        self.model = colorzoo.load(CORPUS / "model")
        self.path = Path(tempfile.mkdtemp()) / "picture"
        self.turn = 0

    def case(self, rng: Random, number: int) -> tuple[bytes, str]:
        """A picture."""
        return mutated_picture(rng, self.corpus)

    def run(self, data: bytes) -> None:
        """From bytes or from a file, in turn by their length."""
        if len(data) % 2:
            photo = read_photo(data, deep=True)
        else:
            self.path.write_bytes(data)
            size = stored_size(self.path)
            photo = read_photo(self.path)
            assert size is not None and sorted(size) == sorted(photo.rgb.shape[:2])
        check_photo(photo)
        if photo.rgb.size < 10_000 and len(data) % 8 == 0:
            image = self.model.colorize_photo(photo)
            colorzoo.save_image(image, self.path.with_suffix(".jpg"))


def check_photo(photo: Photo) -> None:
    """What ``Photo`` promises."""
    height, width, channels = photo.rgb.shape
    assert channels == 3 and photo.rgb.dtype == np.uint8
    assert 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE
    assert photo.alpha is None or photo.alpha.shape == (height, width)
    assert photo.exif is None or len(photo.exif) <= 65_533
    assert photo.dpi is None or all(1 < each < 65_536 for each in photo.dpi)
    for note in photo.notes:
        check_message(note)


class _Folder(Target):
    """A model's folder, of which one file is bad."""

    def __init__(self) -> None:
        """Make a folder to write the cases to."""
        self.folder = Path(tempfile.mkdtemp())
        for path in (CORPUS / "model").iterdir():
            (self.folder / path.name).write_bytes(path.read_bytes())
        self.original = (self.folder / self.suffix).read_bytes()
        self.family = colorzoo.model_info("unet-bins").family

    def run(self, data: bytes) -> None:
        """Load it, and colour with it if it loads."""
        (self.folder / self.suffix).write_bytes(data)
        if len(data) % 8 == 0:
            model = self.family.from_pretrained(self.folder)
        else:
            model = colorzoo.load(self.folder)
        pixels = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)
        image = model.colorize(pixels, work_size=16)
        assert image.size == (16, 12)


class Weights(_Folder):
    """model.safetensors."""

    suffix = "model.safetensors"

    def case(self, rng: Random, number: int) -> tuple[bytes, str]:
        """A safetensors file."""
        return mutated_weights(rng, self.original)


class Configs(_Folder):
    """config.json."""

    suffix = "config.json"

    def case(self, rng: Random, number: int) -> tuple[bytes, str]:
        """A config.json."""
        return mutated_config(rng, self.original)


class Planted(Target):
    """Everything that the watchdog is there for, among cases that are fine."""

    KINDS = ("fine", "crash", "swallowed", "foreign", "unprintable", "noise", "memory", "exit")
    KINDS += ("refused", "loop", "hang")

    def case(self, rng: Random, number: int) -> tuple[bytes, str]:
        """What to do: each in its turn."""
        return self.KINDS[number % len(self.KINDS)].encode(), "planted"

    def run(self, data: bytes) -> None:
        """Do it."""
        match data.decode():
            case "crash":
                ctypes.string_at(0)
            case "hang":
                time.sleep(600)
            case "loop":
                while True:
                    pass
            case "memory":
                np.ones(1_150_000_000, np.uint8)
            case "swallowed":
                try:
                    np.ones(1 << 45, np.uint8)
                except MemoryError as error:
                    raise ImageError("too big to be true") from error
            case "foreign":
                raise KeyError("not colorzoo's own")
            case "unprintable":
                error = ImageError("")
                error.args = ("\ud800",)
                raise error
            case "noise":
                warnings.warn_explicit("leaked", RuntimeWarning, colorzoo.__file__, 1)
            case "exit":
                os._exit(0)
            case "refused":
                raise ImageError("as it should be")
            case _:
                to_pil(np.zeros((1, 1, 3), np.uint8), read_photo(np.zeros((1, 1), np.uint8)))


def check_message(text: str) -> None:
    """A message is something to read, on any terminal."""
    assert text.strip() and len(text) <= _MAX_MESSAGE, f"a message of {len(text):,} characters"
    unprintable = [each for each in text if unicodedata.category(each) in ("Cc", "Cs")]
    assert set(unprintable) <= {"\n"}, f"a message that cannot be printed: {text!r:.300}"


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a failed allocation is what an error is about, however it was reworded."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


TARGETS: dict[str, type[Target]] = {
    "pictures": Pictures,
    "weights": Weights,
    "configs": Configs,
    "planted": Planted,
}

__all__ = ["TARGETS", "ColorzooError", "Target", "check_message", "is_out_of_memory"]
