"""Hints on the command line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colorzoo.guided.hint_file import HintFile
    from colorzoo.guided.hints import Area, Color, Hint

AUTO = "auto"

_HINT = re.compile(
    r"(?P<x>[^,@=]+),(?P<y>[^,@=]+)(,(?P<radius>[^,@=]+))?(@(?P<frame>\s*\d{1,9}\s*))?=(?P<color>.+)",
    re.DOTALL,
)
# As older versions had it.
_OLD = re.compile(r"(?P<x>[^,@=]+),(?P<y>[^,@=]+),(?P<color>[^,@=]+)(,(?P<radius>[^,@=]+))?")


@dataclass(frozen=True)
class Asked:
    """The hints that a command was given.

    Attributes:
        hints: Points and areas, for every photo.
        file: The content of the file, for every photo; None if there is none.
        own: Named colours for the files beside the photos; None if those are not asked for.
        masks: The files of all masks.
    """

    hints: "tuple[Hint | Area, ...]"
    file: "HintFile | None"
    own: "Mapping[str, Color] | None"
    masks: tuple[Path, ...]

    def of(self, photo: Path, width: int, height: int) -> "list[Hint | Area]":
        """Return all hints for one photo of this size, pixels."""
        from colorzoo.jobs.hints import options_for, own_hints
        from colorzoo.jobs.plan import How, Job

        how = How(options={"hints": self.hints}, hints=self.file, own_hints=self.own)
        own = own_hints(Job(photo, photo), how)
        return list(options_for(photo.name, how, own, width, height).get("hints") or ())


def gather_hints(
    points: Sequence[str] | None,
    file: str | None,
    palette: Path | None,
    keep_gray: Sequence[Path] | None,
    color_only: Path | None,
) -> Asked:
    """Collect hints from the command line.

    Raises:
        ConfigError: If a hint cannot be parsed, or a file of hints is not valid.
        ImageError: If a mask cannot be read.
    """
    from colorzoo.guided.hint_file import read_hint_file
    from colorzoo.guided.palette import read_colors

    colors = read_colors(palette)
    gray, only = list(keep_gray or ()), [color_only] if color_only is not None else []
    areas = [_gray_area(mask) for mask in gray]
    areas += [_gray_area(mask, inverted=True) for mask in only]
    return Asked(
        hints=(*(_read_hint(text, colors) for text in points or ()), *areas),
        file=None if file is None or file == AUTO else read_hint_file(file, colors=colors),
        own=colors if file == AUTO else None,
        masks=(*gray, *only),
    )


def _gray_area(mask: Path, *, inverted: bool = False) -> "Area":
    from colorzoo.errors import ConfigError
    from colorzoo.guided.hints import Area

    try:
        return Area(mask, None, inverted=inverted)
    except ConfigError as error:
        raise ConfigError(f"{mask}: {error}") from None


def _read_hint(text: str, colors: "Mapping[str, Color]") -> "Hint":
    from colorzoo.errors import ConfigError
    from colorzoo.guided.hints import Hint
    from colorzoo.guided.palette import named

    found = _HINT.fullmatch(text) or _OLD.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        part = found.groupdict()
        x, y, radius = (float(part[name] or 1) for name in ("x", "y", "radius"))
        frame = int(part.get("frame") or 0)
    except ValueError:
        raise ConfigError(
            "--hint must be X,Y=COLOR, X,Y,RADIUS=COLOR or, in films, X,Y@FRAME=COLOR, such as "
            f"120,80=#b03020; got {text!r:.100}"
        ) from None
    color = part["color"].strip()
    is_gray = color == "gray" and color not in colors
    return Hint(x, y, None if is_gray else named(color, colors), radius, frame)
