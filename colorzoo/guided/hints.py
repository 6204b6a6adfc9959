"""Hints: what a person says about the colours of a photo.

A :class:`Hint` is a point with a colour, an :class:`Area` is a mask with one. Both are plain values
that can be compared, hashed and copied to other processes.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from os import PathLike
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageColor

from colorzoo.errors import ConfigError
from colorzoo.imaging.read import ImageSource, read_photo

MAX_HINTS = 1000  # more would make a request slow, and nobody places so many
_MOST_AB = 128.0
_DIFFERENT_SHAPE = 0.02  # tolerated difference of the aspect ratios of a mask and its photo

Color = str | tuple[int, int, int] | tuple[float, float] | None
UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Hint:
    """A point of a photo and the colour it should get.

    The photo keeps its lightness: of the colour, only a and b of L*a*b* are used.

    Examples:
        >>> colorzoo.Hint(120, 80, "#b03020").rgb
        (176, 48, 32)
        >>> colorzoo.Hint(120, 80, "tomato", radius=4).rgb
        (255, 99, 71)
        >>> colorzoo.Hint(120, 80, (20.0, -31.5)).ab
        (20.0, -31.5)
        >>> colorzoo.Hint(10, 10, None).ab  # this point stays gray
        (0.0, 0.0)

    Attributes:
        x: Column, in pixels from the left of the upright photo (EXIF orientation applied).
        y: Row, in pixels from the top.
        color: "#rrggbb", a CSS name, (red, green, blue) from 0 to 255, (a, b) in L*a*b* units, or
            None for gray.
        radius: Half the side of the square around the point that gets the colour, in pixels of the
            photo. At the network's working size it covers at least one pixel.
        frame: In a film, the number of the frame that the point lies in, from 0. The colour follows
            what is there until the scene ends. Not used for photos.

    Raises:
        ConfigError: If the colour is invalid or a number is out of range.
    """

    x: float
    y: float
    color: Color
    radius: float = 1.0
    frame: int = 0

    def __post_init__(self) -> None:
        """Check the values, and make them plain: they can be hashed, compared and saved."""
        object.__setattr__(self, "color", as_color(self.color))
        for name, value in (("x", self.x), ("y", self.y), ("radius", self.radius)):
            if not is_number(value) or value < 0:
                raise ConfigError(
                    f"a hint's {name} must be a number of pixels from 0, got {value!r:.100}"
                )
            object.__setattr__(self, name, _plain(value))
        if not isinstance(self.frame, Integral) or self.frame is True or self.frame < 0:
            raise ConfigError(
                f"a hint's frame must be a whole number from 0, got {self.frame!r:.100}"
            )
        object.__setattr__(self, "frame", int(self.frame))
        _ = self.ab

    @property
    def rgb(self) -> tuple[int, int, int] | None:
        """The colour as (red, green, blue) from 0 to 255; None for gray and for (a, b)."""
        return rgb_of(self.color)

    @property
    def ab(self) -> tuple[float, float]:
        """The colour's a and b, in L*a*b* units."""
        return ab_of(self.color)


class Area:
    """A part of a photo and the colour it should get.

    Examples:
        >>> import numpy as np
        >>> mask = np.zeros((400, 600), bool)  # or the name of a black and white picture
        >>> mask[100:300, 200:350] = True
        >>> coat = colorzoo.Area(mask, "#b03020")
        >>> wall = colorzoo.Area(mask, None)  # stays gray, to the pixel
        >>> only = colorzoo.Area(mask, None, inverted=True)  # colour only what is in the mask
        >>> face = colorzoo.Area(mask, "unchanged")  # other hints do not reach it

    Args:
        mask: A file, bytes, a binary file object, a PIL image or a NumPy array (H, W) of bool,
            uint8, or floating point from 0 to 1, with the aspect ratio of the upright photo. The
            area is where it is white (True); transparent pixels are outside.
        color: See :class:`Hint`; "unchanged" keeps what the model predicts.
        inverted: Whether the area is where the mask is black.

    Attributes:
        mask: (H, W) uint8, read-only: 255 inside the area, also if it was inverted.
        color: The colour.

    Raises:
        ConfigError: If the colour is invalid, or the mask has no area or is not black and white.
        ImageError: If the mask cannot be read.
    """

    def __init__(
        self, mask: ImageSource, color: Color | Literal["unchanged"], *, inverted: bool = False
    ) -> None:
        """Read the mask."""
        levels = _read_mask(mask)
        if 0 < (brightest := int(levels.max(initial=0))) < 128:  # often labels: 0 and 1
            raise ConfigError(
                f"the mask of an area must be white, 255, inside the area, but its brightest level "
                f"is {brightest}; make it black and white, or give an array of bool"
            )
        self.mask = 255 - levels if inverted else levels
        self.mask.flags.writeable = False
        self.color = color if color == UNCHANGED else as_color(color)
        if self.color != UNCHANGED:
            ab_of(self.color)
        if not (self.mask > 127).any():
            raise ConfigError(
                "the mask of an area must have white pixels; this one has none"
                f"{' once it is inverted' if inverted else ''}"
            )
        self._digest = hashlib.sha256(self.mask.tobytes()).digest()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, whose mask is read-only too."""
        self.__dict__.update(state)
        self.mask.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        """Compare pixels and colour."""
        return isinstance(other, Area) and self._identity == other._identity

    def __hash__(self) -> int:
        """Hash pixels and colour."""
        return hash(self._identity)

    def __repr__(self) -> str:
        """Describe the area."""
        height, width = self.mask.shape
        return f"Area(<mask of {width} x {height}, {self._digest.hex()[:8]}>, {self.color!r})"

    @property
    def digest(self) -> str:
        """SHA-256 of the mask's pixels, in hex."""
        return self._digest.hex()

    @property
    def _identity(self) -> tuple[Any, ...]:
        return self.mask.shape, self._digest, self.color

    @property
    def stays_gray(self) -> bool:
        """Whether the area gets no colour at all."""
        return self.color is None

    @property
    def ab(self) -> tuple[float, float] | None:
        """The colour's a and b, in L*a*b* units; None if the model's colours are kept."""
        return None if self.color == UNCHANGED else ab_of(self.color)

    def sized(
        self,
        width: int,
        height: int,
        *,
        photo: tuple[int, int] | None = None,
        box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    ) -> np.ndarray:
        """Return a part of the mask in another size: (height, width) uint8.

        Args:
            width: Of the result, pixels.
            height: Of the result, pixels.
            photo: Width and height of the photo, to compare its aspect ratio; those of the result
                if None.
            box: Left, top, right and bottom of the part, as fractions of width and height.

        Raises:
            ConfigError: If the mask and the photo have other aspect ratios.
        """
        rows, columns = self.mask.shape
        check_shape("the mask of an area", (columns, rows), photo or (width, height))
        part = (box[0] * columns, box[1] * rows, box[2] * columns, box[3] * rows)
        grows = width > columns
        resample = Image.Resampling.BILINEAR if grows else Image.Resampling.BOX
        return np.asarray(Image.fromarray(self.mask).resize((width, height), resample, box=part))


def rgb_of(color: Any) -> tuple[int, int, int] | None:
    """Return a colour as (red, green, blue) from 0 to 255; None for gray and for (a, b).

    Raises:
        ConfigError: If it is no colour.
    """
    if color is None:
        return None
    if isinstance(color, str):
        try:
            red, green, blue = ImageColor.getrgb(color)[:3]
            if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:  # "rgb(300, 0, 0)"
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"{color[:100]!r} is not a colour; give '#rrggbb', a CSS name such as 'tomato', "
                "(red, green, blue), (a, b), or None for gray"
            ) from None
        return red, green, blue
    values: list[Any] = list(color) if isinstance(color, list | tuple) else []
    if len(values) == 2 and all(is_number(x) and abs(x) <= _MOST_AB for x in values):
        return None
    if len(values) != 3 or any(type(x) is not int or not 0 <= x <= 255 for x in values):
        raise ConfigError(
            "a hint's colour must be three whole numbers from 0 to 255, or a and b from -128 to "
            f"128, got {color!r:.100}"
        )
    return values[0], values[1], values[2]


def ab_of(color: Any) -> tuple[float, float]:
    """Return the a and b of a colour, in L*a*b* units; zeros for gray.

    Raises:
        ConfigError: If it is no colour.
    """
    rgb = rgb_of(color)
    if rgb is None:
        return (0.0, 0.0) if color is None else (float(color[0]), float(color[1]))
    return _ab_of_rgb(rgb)


def as_color(color: Any) -> Any:
    """Return a colour with plain numbers in a tuple, so that it can be hashed and saved."""
    if isinstance(color, np.ndarray) and color.shape in ((2,), (3,)):
        return tuple(color.tolist())
    plain: list[Any] = list(color) if isinstance(color, list | tuple) else []
    if not 0 < len(plain) < 5:
        return color
    return tuple(each.item() if isinstance(each, np.generic) else each for each in plain)


def check_shape(what: str, size: tuple[int, int], photo: tuple[int, int]) -> None:
    """Check that a mask, or a copy of the photo, has the photo's aspect ratio.

    Args:
        what: In words, for the message.
        size: Its width and height, pixels.
        photo: Width and height of the upright photo, pixels.

    Raises:
        ConfigError: If the aspect ratios differ.
    """
    if abs(size[0] * photo[1] / (size[1] * photo[0]) - 1) > _DIFFERENT_SHAPE:
        raise ConfigError(
            f"{what} has {size[0]} x {size[1]} pixels, the photo has {photo[0]} x {photo[1]}: they "
            "must have the same aspect ratio, upright"
        )


def check_places(
    hints: Sequence["Hint | Area"], width: int, height: int, *, what: str = "photo", name: str = ""
) -> None:
    """Check that all hints are inside a photo, and that masks have its shape.

    Args:
        hints: Points and areas.
        width: Of the upright photo, pixels.
        height: Of the upright photo, pixels.
        what: "photo" or "film", for the message.
        name: Of its file, if the message is to begin with it.

    Raises:
        ConfigError: If one is not.
    """
    number, place = 0, f"{name}: " if name else ""
    for each in hints:
        if isinstance(each, Area):
            check_shape(f"{place}the mask of an area", each.mask.shape[::-1], (width, height))
            continue
        number += 1
        if each.x >= width or each.y >= height:
            raise ConfigError(
                f"{place}hint {number} is at ({each.x:g}, {each.y:g}), outside the {what} of "
                f"{width} x {height} pixels; move it inside, or remove it"
            )


def check_hints(hints: Any, *, count: int | None = None) -> None:
    """Check the type and number of hints.

    Args:
        hints: The hints.
        count: How many there are, if not all are given.

    Raises:
        ConfigError: If they are not a sequence of at most 1,000 hints and areas.
    """
    is_list = isinstance(hints, Sequence) and not isinstance(hints, str | bytes)
    if not is_list or not all(isinstance(each, Hint | Area) for each in hints):
        from_file = "; load_hints() reads a file" if isinstance(hints, str | PathLike) else ""
        raise ConfigError(
            f"hints must be a list of colorzoo.Hint(x, y, color) and colorzoo.Area(mask, color), "
            f"got {hints!r:.100}{from_file}"
        )
    count = len(hints) if count is None else count
    if count > MAX_HINTS:
        raise ConfigError(f"there can be at most {MAX_HINTS:,} hints, got {count:,}")


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number that fits a float; True and "1" are not."""
    try:
        return not isinstance(value, bool | str | bytes) and math.isfinite(value)
    except (TypeError, OverflowError):  # a whole number can be too large for a float
        return False


def _plain(value: Any) -> int | float:
    """Return a number of Python; it may be of NumPy or PyTorch."""
    return int(value) if isinstance(value, Integral) else float(value)


def _ab_of_rgb(rgb: tuple[int, int, int]) -> tuple[float, float]:
    import torch

    from colorzoo.color import rgb_to_lab

    levels = torch.tensor(rgb, dtype=torch.float32, device="cpu").reshape(3, 1, 1)
    _, a, b = rgb_to_lab(levels / 255).flatten().tolist()
    return a, b


def _read_mask(mask: Any) -> np.ndarray:
    """Return (H, W) uint8, 255 where the mask is white and opaque."""
    if isinstance(mask, np.ndarray) and mask.ndim == 2:
        if mask.dtype == bool:
            return np.where(mask, 255, 0).astype(np.uint8)
        is_float = np.issubdtype(mask.dtype, np.floating)
        if is_float and (abs(mask - 0.5) < 0.51).all():  # resizing may leave [0, 1] a little
            return (mask.clip(0, 1) * 255).round().astype(np.uint8)
    photo = read_photo(mask)
    levels = photo.rgb.max(axis=2)
    if photo.alpha is not None:
        levels = (levels.astype(np.uint16) * photo.alpha // 255).astype(np.uint8)
    return levels
