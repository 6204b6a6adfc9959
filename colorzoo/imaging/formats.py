"""The file formats that colorzoo reads and writes, by suffix, and the search for photos."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePath

# Suffix -> format to write; None if colorzoo only reads the format.
FORMATS: dict[str, str | None] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **{".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"},
    **dict.fromkeys((".gif", ".mpo", ".apng")),
    **dict.fromkeys((".heic", ".heif", ".hif", ".avif")),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc", ".jxl")),
}


# Formats of results that can have 16 bits a channel.
DEEP: frozenset[str] = frozenset({"PNG", "TIFF"})


SUFFIXES: frozenset[str] = frozenset(FORMATS)


WRITABLE: frozenset[str] = frozenset(suffix for suffix, kind in FORMATS.items() if kind)


# Pictures that colorzoo cannot read: camera raw, Netpbm, documents and drawings, and others.
UNREADABLE: frozenset[str] = frozenset(
    f".{name}"
    for names in (
        "3fr ari arw bay cr2 cr3 crw dcr dcs dng drf eip erf fff gpr iiq k25 kdc mdc mef mos mrw",
        "nef nrw orf pef ptx pxn raf raw rw2 rwl rwz sr2 srf srw x3f",
        "pgm ppm pbm pnm pam pfm",
        "ai cdr djv djvu emf eps indd pdf ps svg svgz wmf",
        "afphoto kra ora pdn psb psd xcf",
        "avifs bpg cur dcm dds exr fits flif fpx hdp hdr heics heifs icns ico jls jng jxr mng pcd",
        "pct pcx pic pict qoi ras sgi tga wbmp wdp xbm xpm",
    )
    for name in names.split()
)


# Folders of thumbnails, deleted files and the like that systems and storage devices make. Those
# with a dot are hidden anyway.
_OF_SYSTEMS = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot", "~snapshot"),  # Synology, NetApp
        *("@recycle", "@recently-snapshot"),  # QNAP
        *("$recycle.bin", "recycler", "recycled", "system volume information", "thumbs"),  # Windows
        *("found.000", "lost+found"),  # repaired disks
        *("__macosx", "network trash folder", "temporary items"),  # macOS
    )
)


# Names of the masks that ``save_hints`` writes end in this, a hash and ".png".
MASK_INFIX = ".hints."
_MASK = re.compile(re.escape(MASK_INFIX) + r"[0-9a-f]{12}\.png\Z")


def is_mask_name(name: str) -> bool:
    """Tell whether a file is a mask that ``save_hints`` wrote, which is no photo."""
    return _MASK.search(name) is not None


def is_passed_over(name: str) -> bool:
    """Tell whether a folder of that name is hidden, or made by a system and not by its user."""
    return name.startswith(".") or name.casefold() in _OF_SYSTEMS


def is_photo_name(path: PurePath) -> bool:
    """Tell whether a path has the suffix of a photo, and none of its folders is passed over."""
    return (
        path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and not is_mask_name(path.name)
        and not any(map(is_passed_over, path.parts[:-1]))
    )


def photos_below(folder: Path, *, skip: Path | None = None) -> Iterator[Path]:
    """Yield the photos, judged by their names, in a folder and its subfolders; see ``files_below``.

    Args:
        folder: The folder.
        skip: A subfolder to skip, such as the output folder.
    """
    yield from files_below(folder, SUFFIXES, skip=skip)


def files_below(
    folder: Path,
    suffixes: Collection[str],
    *,
    skip: Path | None = None,
    tell_link: Callable[[Path], None] = lambda link: None,
    tell_closed: Callable[[Path], None] = lambda closed: None,
) -> Iterator[Path]:
    """Yield the files with certain suffixes in a folder and its subfolders, sorted.

    Hidden files and folders, those that systems make, such as recycle bins, and the masks of saved
    hints are skipped. Links to files are followed, links to folders are not: they could lead round
    in circles.

    Args:
        folder: The folder.
        suffixes: In lower case, with the dot.
        skip: A subfolder to skip, such as the output folder.
        tell_link: Called with each link to a folder.
        tell_closed: Called with each folder that cannot be listed.
    """
    left_out = skip.resolve() if skip else None
    is_inside = left_out is not None and folder.resolve() in left_out.parents
    found: list[Path] = []

    def tell_error(error: OSError) -> None:
        tell_closed(Path(os.fsdecode(error.filename or folder)))

    for name, folders, files in os.walk(folder, onerror=tell_error):
        here, kept = Path(name), []
        for below in folders:
            path = here / below
            is_link = path.is_symlink()
            is_output = (is_inside or is_link) and path.resolve() == left_out
            if is_passed_over(below) or is_output:
                continue
            if is_link:
                tell_link(path)
            else:
                kept.append(below)
        folders[:] = kept  # os.walk goes on with these
        found += (
            here / file
            for file in files
            if PurePath(file).suffix.lower() in suffixes
            and not file.startswith(".")
            and not is_mask_name(file)
        )
    for path in sorted(found):
        if not path.is_file():  # a broken link or a pipe
            continue
        if is_inside and path.is_symlink() and left_out in path.resolve().parents:
            continue
        yield path
