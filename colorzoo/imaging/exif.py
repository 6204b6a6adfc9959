"""Read and write EXIF: orientation, the tags that are still true of a result, and resolution."""

import io
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

from colorzoo.imaging.claims import is_safe_for_pillow
from colorzoo.imaging.ifd import Directory, Entry, TiffReader, number, to_block

EXIF_LIMIT = 65_533  # bytes; what fits in a JPEG segment
_ENTRY_BYTES = 12  # in a directory, besides the value


IPTC, RESOURCES = 0x83BB, 0x8649  # tags of a TIFF


_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_X_RESOLUTION, _Y_RESOLUTION, _SOFTWARE = 0x011A, 0x011B, 0x0131
_PROCESSING_SOFTWARE, _MAKER_NOTE = 0x000B, 0x927C


# The tags that describe the picture. All others describe the layout of the original file.
_KEPT = {_PROCESSING_SOFTWARE, 0x010D, 0x010E, 0x010F, 0x0110, _X_RESOLUTION, _Y_RESOLUTION, 0x011D}


_KEPT |= {0x0128, _SOFTWARE, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0)}


# Some files have the orientation here too. The interoperability directory may declare Adobe RGB.
# The others are the gamma, the compression and a filler.
_STALE_DETAILS = (_ORIENTATION, 0xA005, 0xA500, 0x9102, 0xEA1C)


_COLOUR_SPACE, _WIDTH, _HEIGHT = 0xA001, 0xA002, 0xA003


_PROFILE = "Raw profile type exif"
_MAKER, _HEAD = b"colorzoo ", b"Exif\0\0"


_FILE_LIMIT = 1 << 22  # bytes; most that is read from a TIFF


@dataclass(frozen=True)
class Source:
    """The EXIF of a file, as stored.

    Attributes:
        order: The byte order, "<" or ">".
        main: The tags of the first directory.
        details: The EXIF directory.
        place: The GPS directory.
        is_damaged: Whether some values could not be read.
    """

    order: str
    main: Directory
    details: Directory
    place: Directory
    is_damaged: bool = False


def read_tiff_tags(image: Image.Image) -> Source | None:
    """Read the tags of a TIFF as stored; None if it is no TIFF or they cannot be read.

    Pillow closes the file when it loads the pixels, so this comes first.
    """
    stream = getattr(image, "fp", None)
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or stream is None or stream.closed:
        return None
    return read_tags_of(stream, image.tell())


def read_tags_of(stream: BinaryIO, page: int) -> Source | None:
    """Read the tags of a page of an open TIFF file, counted from 0; None if they cannot be read."""
    position = stream.tell()
    try:
        return _source(TiffReader(stream, _FILE_LIMIT), page)
    except (OSError, ValueError):
        return None
    finally:
        stream.seek(position)


def _source(reader: TiffReader, page: int = 0) -> Source:
    wanted = {*_KEPT, _ORIENTATION, _EXIF_IFD, _GPS_IFD, IPTC, RESOURCES}
    main = reader.directory(reader.page(page), wanted)
    details, place = reader.child(main, _EXIF_IFD), reader.child(main, _GPS_IFD)
    return Source(reader.order, main, details, place, reader.is_damaged)


def parse_exif(block: bytes) -> Source | None:
    """Read an EXIF block, with or without "Exif" before it; None if it is empty.

    The values together take no more memory than the block.

    Raises:
        ValueError: If it has no directory.
    """
    start = 0
    while block.startswith(_HEAD, start):
        start += len(_HEAD)
    block = block[start:]
    return _source(TiffReader(io.BytesIO(block), len(block))) if block else None


def read_exif(
    image: Image.Image, source: Source | None, notes: list[str]
) -> tuple[int, bytes | None]:
    """Read the orientation, 1 to 8, and the EXIF to keep. Damaged EXIF only adds a note.

    Args:
        image: The image.
        source: What ``read_tiff_tags`` returned, before the image was loaded.
        notes: Notes are added here.
    """
    try:
        source = source or _source_of(image)
        orientation = _orientation(image, source)
    except Exception:
        notes.append("its EXIF is damaged, and was left out")
        return 1, None
    if source is None:
        return orientation, None
    width, height = image.size
    if orientation >= 5:
        source, width, height = _turned(source), height, width
    return orientation, _written(_true(source, width, height), notes)


def _source_of(image: Image.Image) -> Source | None:
    block = image.info.get("exif")
    if isinstance(block, bytes):
        return parse_exif(block)
    profile = image.info.get(_PROFILE)
    if isinstance(profile, str):
        return parse_exif(raw_profile(profile))
    # A TIFF that Pillow has closed, or EXIF that was set in memory.
    with suppress(TypeError):  # Pillow takes a PNG text with the keyword "xmp" for XMP
        return _from_pillow(image.getexif())
    return None


def raw_profile(text: str) -> bytes:
    """Decode a PNG text of ImageMagick that has metadata as hexadecimal digits.

    Raises:
        ValueError: If it is something else.
    """
    lines = text.split("\n", 3)
    return bytes.fromhex(lines[3] if len(lines) == 4 else "")  # which skips spaces


def _from_pillow(exif: Image.Exif) -> Source | None:
    """Undo Pillow's decoding of text."""
    copy, texts = Image.Exif(), set[int]()

    def encoded(tag: int, value: Any) -> Any:
        if not isinstance(value, str) or value.isascii():
            return value
        texts.add(tag)
        # Pillow decodes all text as Latin-1; other letters can only come from the caller.
        return value.encode("latin-1" if max(value) <= "\xff" else "utf-8")

    for tag in _KEPT.intersection(exif):
        copy[tag] = encoded(tag, exif[tag])
    for pointer in (_EXIF_IFD, _GPS_IFD):
        directory = {tag: encoded(tag, value) for tag, value in exif.get_ifd(pointer).items()}
        if directory:
            copy[pointer] = directory
    if not len(copy):
        return None
    source = parse_exif(copy.tobytes())
    for directory in (source.main, source.details, source.place) if source else ():
        for tag in texts.intersection(directory):
            directory[tag] = directory[tag]._replace(kind=2)
    return source


def _orientation(image: Image.Image, source: Source | None) -> int:
    """Return the orientation that is still to be applied."""
    stored: object = 1
    if source is not None and _ORIENTATION in source.main:
        with suppress(ValueError):
            stored = number(source.main[_ORIENTATION], source.order)
    # Pillow also unpacks EXIF that is stored as text.
    is_text = "exif" not in image.info and _PROFILE in image.info
    if not is_text and is_safe_for_pillow(image.info.get("exif")):
        # Pillow knows whether it has applied the orientation itself, and also looks in the XMP.
        with suppress(Exception):
            stored = image.getexif().get(_ORIENTATION, 1)
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else 1


def _turned(source: Source) -> Source:
    """Swap the horizontal and the vertical resolution."""
    main = dict(source.main)
    if _X_RESOLUTION in main and _Y_RESOLUTION in main:
        main[_X_RESOLUTION], main[_Y_RESOLUTION] = main[_Y_RESOLUTION], main[_X_RESOLUTION]
    return replace(source, main=main)


def _true(source: Source, width: int, height: int) -> Source:
    """Keep only what is true of the new picture: of sRGB pixels, upright and without thumbnail."""
    main = {tag: source.main[tag] for tag in _KEPT.intersection(source.main)}
    details = {tag: each for tag, each in source.details.items() if tag not in _STALE_DETAILS}
    endian = "little" if source.order == "<" else "big"
    for tag, kind, value in ((_COLOUR_SPACE, 3, 1), (_WIDTH, 4, width), (_HEIGHT, 4, height)):
        if tag in details:
            details[tag] = Entry(kind, value.to_bytes(2 if kind == 3 else 4, endian))
    return replace(source, main=main, details=details)


def _free(directory: Directory, fixed: int | None = None) -> Directory:
    """Let all values move but one."""
    return {
        tag: entry if tag == fixed else entry._replace(at=None)
        for tag, entry in directory.items()
        if entry.kind not in (16, 17, 18)  # only BigTIFF has them
    }


def _written(source: Source, notes: list[str]) -> bytes | None:
    """Write the EXIF block; what is damaged or does not fit is left out with a note.

    A maker note often contains offsets from the start of the block, so it stays where it was.
    """
    main, details = _free(source.main), _free(source.details, _MAKER_NOTE)
    place = _free(source.place)
    note = details.get(_MAKER_NOTE)
    if note is not None and len(note.data) <= 4:
        details[_MAKER_NOTE] = note._replace(at=None)
    elif note is not None and not 8 <= (note.at or 0) <= EXIF_LIMIT - len(note.data):
        del details[_MAKER_NOTE]
        notes.append("its EXIF maker note is too long or too far back, and was left out")
    if source.is_damaged:
        notes.append("part of its EXIF is damaged, and was left out")
    dropped, block = 0, None
    lengths = [(len(each[tag].data), tag, each) for each in (main, details, place) for tag in each]
    lengths.sort(key=lambda item: item[:2])
    least = sum(_ENTRY_BYTES + (length if length > 4 else 0) for length, *_ in lengths)
    while lengths:
        if least <= EXIF_LIMIT:
            block = to_block(main, {_EXIF_IFD: details, _GPS_IFD: place}, source.order)
            if len(block) <= EXIF_LIMIT:
                break
        length, tag, directory = lengths.pop()
        del directory[tag]
        dropped, block = dropped + length, None
        least -= _ENTRY_BYTES + (length if length > 4 else 0)
    if dropped:
        notes.append(f"{dropped:,} bytes of its EXIF are too long, and were left out")
    return block


def signed_exif(block: bytes | None, software: str) -> bytes | None:
    """Add the software that made a result to its EXIF.

    It becomes the Software tag, or, if another program such as a scanner's is named there,
    ProcessingSoftware.

    Args:
        block: The EXIF of the result, as returned by ``read_exif``.
        software: The name, ASCII, with "colorzoo" first.

    Returns:
        The new block; the old one if it cannot be read or the name does not fit.
    """
    try:
        source = parse_exif(block or b"") or Source("<", {}, {}, {})
    except ValueError:
        return block
    maker = source.main.get(_SOFTWARE)
    is_free = maker is None or maker.data.startswith(_MAKER) or not maker.data.strip(b"\0 ")
    tag = _SOFTWARE if is_free else _PROCESSING_SOFTWARE
    main = {**_described(source), tag: Entry(2, software.encode("ascii", "replace") + b"\0")}
    notes: list[str] = []
    signed = _written(replace(source, main=main), notes)
    return block if notes else signed


def tiff_directories(block: bytes) -> tuple[Directory, dict[int, Directory], str] | None:
    """Return the directories of an EXIF block to add to a TIFF, and their byte order.

    The maker note is not among them: its offsets would be wrong.
    """
    try:
        source = parse_exif(block)
    except ValueError:
        return None
    if source is None:
        return None
    main = _free(_described(source))
    details = {tag: source.details[tag] for tag in source.details.keys() - {0xA005, _MAKER_NOTE}}
    children = {_EXIF_IFD: _free(details), _GPS_IFD: _free(source.place)}
    return main, children, source.order


def _described(source: Source) -> Directory:
    """Return the tags of the first directory without those of its layout."""
    return {tag: each for tag, each in source.main.items() if tag in {*_KEPT, _ORIENTATION}}


def has_maker_note(block: bytes) -> bool:
    """Tell whether an EXIF block has a maker note."""
    try:
        source = parse_exif(block)
    except ValueError:
        return False
    return source is not None and _MAKER_NOTE in source.details


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the horizontal and vertical dots per inch; None if missing or implausible."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    # Pillow reports 1 for a TIFF without a resolution.
    return (across, down) if 1 < across < 65536 and 1 < down < 65536 else None
