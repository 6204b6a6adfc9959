"""Hints and named colours as a small JSON file next to the photo, such as ``photo.hints.json``.

The file is one object; only "version" is required:

- "version": 1
- "size": [width, height] of the upright photo that the hints were made for, pixels. Hints are
  scaled to a larger or smaller copy of it.
- "colors": names of colours, such as {"uniform": "#5b6b4e"}. They are case-sensitive, and go before
  CSS names.
- "hints": objects with "x", "y", "color" and perhaps "radius" and "frame"; see
  :class:`colorzoo.Hint`.
- "areas": objects with "mask", "color" and perhaps "inverted"; see
  :class:`colorzoo.Area`. A mask is a picture in the file's folder or below it, without links.

A color is one of the names, "#rrggbb", a CSS name, [red, green, blue] in whole numbers, [a, b] in
L*a*b* units, null for gray or, in areas, "unchanged".
"""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from numbers import Integral
from os import PathLike
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from PIL import Image

from colorzoo.atomic import write_whole
from colorzoo.defaults import MAX_PIXELS
from colorzoo.errors import ColorzooError, ConfigError
from colorzoo.files import open_folder
from colorzoo.guided.hints import (
    UNCHANGED,
    Area,
    Color,
    Hint,
    as_color,
    check_hints,
    check_shape,
)
from colorzoo.guided.palette import (
    VERSION,
    Colors,
    check_length,
    checked_object,
    colors_in,
    named,
    read_colors,
    read_object,
)
from colorzoo.imaging.formats import MASK_INFIX

SUFFIX = ".hints.json"
# Of all masks of a file together, one byte each.
_MOST_MASK_PIXELS = 4 * MAX_PIXELS

_HINT, _AREA = {"x", "y", "color", "radius", "frame"}, {"mask", "color", "inverted"}


@dataclass(frozen=True)
class HintFile:
    """What a file says.

    Attributes:
        hints: Points and areas, as they stand in the file.
        size: Width and height of the photo that they were made for, pixels; None if unknown.
        masks: The files of the masks.
    """

    hints: tuple[Hint | Area, ...]
    size: tuple[int, int] | None = None
    masks: tuple[Path, ...] = ()

    def fitted(self, width: int, height: int) -> tuple[Hint | Area, ...]:
        """Return the hints for a photo of this size, pixels.

        Raises:
            ConfigError: If the photo that they were made for has another aspect ratio.
        """
        if self.size is None or self.size == (width, height):
            return self.hints
        check_shape("the photo that the hints were made for", self.size, (width, height))
        across, down = width / self.size[0], height / self.size[1]
        return tuple(
            replace(each, x=each.x * across, y=each.y * down, radius=each.radius * across)
            if isinstance(each, Hint)
            else each
            for each in self.hints
        )


def hint_file_of(photo: Path) -> Path:
    """Return where a photo's own hints are: ``photo.hints.json`` for ``photo.jpg``."""
    return photo.with_name(photo.stem + SUFFIX)


def masks_named_in(path: Path) -> list[Path]:
    """Return the files of the masks that a file of hints names; none if it is not valid."""
    with suppress(ConfigError):
        areas = _list(path, read_object(path, required=("version",)), "areas")
        names = [area.get("mask") for area in areas if isinstance(area, dict)]
        return [path.parent / name for name in names if isinstance(name, str) and "\0" not in name]
    return []


def load_hints(
    path: str | PathLike[str], *, size: tuple[int, int] | None = None, colors: Colors = None
) -> list[Hint | Area]:
    """Load the hints of a JSON file; see :func:`colorzoo.save_hints`.

    Examples:
        >>> hints = [colorzoo.Hint(120, 80, "#b03020")]
        >>> colorzoo.save_hints(hints, "photo.hints.json")
        >>> colorzoo.load_hints("photo.hints.json") == hints
        True

    Args:
        path: The file, at most 1 MB.
        size: Width and height of the photo to colour, pixels. Hints that were made for a larger or
            smaller copy of it, by the size in the file, are scaled. None leaves them as they are.
        colors: Named colours, as a dict or as a JSON file with "colors". They replace those of the
            same names in the file.

    Returns:
        Points, then areas, in the order of the file.

    Raises:
        ConfigError: If a file cannot be read or is not valid, a colour name is unknown, or the
            photo has another aspect ratio.
        ImageError: If a mask cannot be read.
    """
    file = read_hint_file(path, colors=colors)
    return list(file.hints if size is None else file.fitted(*_checked_size(size)))


def save_hints(
    hints: Sequence[Hint | Area],
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    colors: Colors = None,
) -> None:
    """Save hints as JSON; an existing file is replaced. The documentation describes the format.

    The mask of an area becomes a PNG file next to it, whose name tells its content.

    Examples:
        >>> hints = [colorzoo.Hint(120, 80, "#5b6b4e", radius=4)]
        >>> colorzoo.save_hints(hints, "photo.hints.json", colors={"uniform": "#5b6b4e"})

    Args:
        hints: Points and areas, at most 1,000.
        path: The file; for a photo ``photo.jpg``, the command line expects ``photo.hints.json``.
        size: Width and height of the upright photo, pixels, so that the hints also fit larger and
            smaller copies.
        colors: Named colours to store, as a dict or a JSON file. Hints that have one of these
            colours refer to its name, so that changing it in the file changes them all.

    Raises:
        ConfigError: If something is not valid, or the file cannot be written.
    """
    check_hints(hints)
    path = Path(path).expanduser()
    names = read_colors(colors)
    by_color = {color: name for name, color in reversed(names.items())}

    def plain(color: Color) -> Any:
        if color in by_color:
            return by_color[color]
        if isinstance(color, str) and color in names:  # a CSS name that means another colour here
            red, green, blue = Hint(0, 0, color).rgb or (0, 0, 0)
            return [red, green, blue]
        return [_plain(each) for each in color] if isinstance(color, tuple) else color

    found: dict[str, Any] = {"version": VERSION}
    if size is not None:
        found["size"] = list(_checked_size(size))
    if names:
        found["colors"] = {
            name: [_plain(each) for each in color] if isinstance(color, tuple) else color
            for name, color in names.items()
        }
    found["hints"] = [
        {
            "x": _plain(hint.x),
            "y": _plain(hint.y),
            "color": plain(hint.color),
            "radius": _plain(hint.radius),
        }
        | ({"frame": hint.frame} if hint.frame else {})
        for hint in hints
        if isinstance(hint, Hint)
    ]
    areas, masks = [], {}
    stem = path.name.removesuffix(".json").removesuffix(".hints")
    for area in hints:
        if isinstance(area, Area):
            name = f"{stem}{MASK_INFIX}{area.digest[:12]}.png"
            masks[name] = area.mask
            color = area.color if area.color == UNCHANGED else plain(area.color)
            areas.append({"mask": name, "color": color})
    if areas:
        found["areas"] = areas
    _check_masks(path, sum(mask.size for mask in masks.values()))
    lines = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    check_length(path, len(lines))
    try:
        for name, mask in masks.items():  # before the file that names them
            stream = io.BytesIO()
            Image.fromarray(mask).save(stream, "PNG")
            write_whole(path.with_name(name), stream.getvalue())
        write_whole(path, lines)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror or error}); choose another path"
        ) from error


def read_hint_file(path: str | PathLike[str], *, colors: Colors = None) -> HintFile:
    """Read a file of hints; see :func:`colorzoo.load_hints`."""
    path = Path(path).expanduser()
    found = read_object(path, required=("version",))
    names = colors_in(path, found.get("colors", {})) | read_colors(colors)
    size = found.get("size")
    try:
        size = None if size is None else _checked_size(size)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    rows = [(_HINT, row, "hint") for row in _list(path, found, "hints")]
    rows += [(_AREA, row, "area") for row in _list(path, found, "areas")]
    hints: list[Hint | Area] = []
    masks: list[Path] = []
    count = {"hint": 0, "area": 0}
    for keys, row, kind in rows:
        count[kind] += 1
        place = f"{path}: {kind} {count[kind]}"
        needed = ("x", "y", "color") if kind == "hint" else ("mask", "color")
        values = checked_object(place, row, keys, needed)
        try:
            values["color"] = _color(values["color"], names)
            if kind == "hint":
                hints.append(Hint(**values))
                continue
            inverted = values.get("inverted", False)
            if type(inverted) is not bool:
                raise ConfigError(f'"inverted" must be true or false, got {inverted!r:.100}')
            mask = _read_mask(path.parent, values["mask"])
            area = Area(mask, values["color"], inverted=inverted)
        except ColorzooError as error:
            raise type(error)(f"{place}: {error}") from None
        hints.append(area)
        masks.append(path.parent / values["mask"])
        _check_masks(path, sum(each.mask.size for each in hints if isinstance(each, Area)))
    return HintFile(tuple(hints), size, tuple(masks))


def _color(color: Any, names: Mapping[str, Color]) -> Any:
    if not isinstance(color, str):
        return as_color(color)
    return color if color == UNCHANGED else named(color, names)


def _list(path: Path, found: dict[str, Any], name: str) -> list[Any]:
    rows = found.get(name, [])
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: {name!r} must be a list, got {rows!r:.100}")
    try:
        check_hints([], count=len(rows))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return rows


def _read_mask(folder: Path, name: Any) -> Any:
    """Open the file of a mask, which must be in the folder or below it."""
    if not isinstance(name, str) or not name or "\0" in name or len(name) > 1000:
        raise ConfigError(f'"mask" must be the relative path of a picture, got {name!r:.100}')
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    is_absolute = PureWindowsPath(name).anchor or PurePosixPath(name).is_absolute()
    if is_absolute or ".." in parts or not PurePosixPath(name).name:
        raise ConfigError(
            f"the mask {name[:100]!r} must be in the folder of the file, or below it; move it there"
        )
    path = folder / name
    try:
        with (
            open_folder(path.parent, within=folder) as inside,
            inside.open(path.name, "rb") as stream,
        ):
            content = io.BytesIO(stream.read())
    except OSError as error:
        raise ConfigError(
            f"the mask {path} cannot be read ({error.strerror or error}); check it"
        ) from None
    content.name = path.name  # for messages
    return content


def _checked_size(size: Any) -> tuple[int, int]:
    values = tuple(size) if isinstance(size, Sequence) else ()
    if len(values) == 2 and all(_is_side(side) for side in values):
        return int(values[0]), int(values[1])
    raise ConfigError(f"size must be the photo's width and height in pixels, got {size!r:.100}")


def _is_side(side: Any) -> bool:
    return isinstance(side, Integral) and side is not True and 0 < int(side) < 2**31


def _check_masks(path: Path, pixels: int) -> None:
    if pixels > _MOST_MASK_PIXELS:
        raise ConfigError(
            f"{path}: its masks have more than {_MOST_MASK_PIXELS:,} pixels in all; make them "
            "smaller"
        )


def _plain(value: Any) -> int | float:
    """Return a number as JSON has it; it may be of NumPy."""
    return int(value) if isinstance(value, Integral) else float(value)
