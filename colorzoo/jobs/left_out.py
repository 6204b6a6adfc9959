"""What a run over folders leaves out, so that it can say so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colorzoo.film.container import CONTAINERS, is_film_name
from colorzoo.imaging.formats import UNREADABLE, files_below
from colorzoo.jobs.plan import real


@dataclass(frozen=True)
class LeftOut:
    """What is in the folders of a run and will not be coloured.

    Attributes:
        films: Films; they are coloured only if they are inputs themselves.
        pictures: Pictures of kinds that colorzoo cannot read.
        links: Links to folders, which are not followed.
        closed: Folders that cannot be listed.
    """

    films: tuple[Path, ...] = ()
    pictures: tuple[Path, ...] = ()
    links: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()

    @property
    def kinds(self) -> dict[str, int]:
        """How many films and pictures there are of each kind, such as {"PDF": 3}; most first."""
        return _count((*self.pictures, *self.films))

    def in_words(self) -> str:
        """Return the kinds in words, such as "; left out: 3 PDF, 1 PGM"; "" if there are none."""
        return f"; left out: {_list(self.kinds)}" if self.kinds else ""

    def notes(self) -> list[str]:
        """Return what the user should know, one sentence per kind of thing."""
        notes = []
        if self.films:
            notes.append(
                f"films inside folders are skipped ({_some(self.films)}): name them to colour them"
            )
        if self.pictures:
            notes.append(
                f"left out: {_list(_count(self.pictures))}, which colorzoo cannot read "
                f"({_some(self.pictures)}): convert them to JPEG, PNG or TIFF to colour them"
            )
        if self.links:
            notes.append(
                f"links to folders are not followed ({_some(self.links)}): name them to colour "
                "what is in them"
            )
        if self.closed:
            notes.append(
                f"folders that cannot be opened are skipped ({_some(self.closed)}): change their "
                "permissions to colour what is in them"
            )
        return notes


def find_left_out(inputs: Sequence[Path], output: Path) -> LeftOut:
    """Look through the folders of a run for what ``plan`` leaves out.

    Args:
        inputs: Photos, films, and folders of photos.
        output: The output folder, which is skipped.
    """
    named = {real(path) for path in inputs}
    links: dict[Path, None] = {}  # by path: folders may lie in one another
    closed: dict[Path, None] = {}
    files: dict[Path, None] = {}
    for folder in filter(Path.is_dir, inputs):
        found = files_below(
            folder,
            UNREADABLE.union(CONTAINERS),
            skip=output,
            tell_link=lambda link: links.setdefault(link),
            tell_closed=lambda path: closed.setdefault(path),
        )
        files.update(dict.fromkeys(path for path in found if real(path) not in named))
    return LeftOut(
        films=tuple(filter(is_film_name, files)),
        pictures=tuple(path for path in files if not is_film_name(path)),
        links=tuple(link for link in links if real(link) not in named),
        closed=tuple(closed),
    )


def _count(paths: Sequence[Path]) -> dict[str, int]:
    kinds = Counter(path.suffix[1:].upper() for path in paths)
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def _list(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _some(paths: Sequence[Path]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])
