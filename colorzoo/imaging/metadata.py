"""XMP, IPTC, comments and PNG text: read, passed on with results, and written."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from colorzoo._version import __version__
from colorzoo.imaging.exif import (
    IPTC,
    RESOURCES,
    Source,
    has_maker_note,
    raw_profile,
    signed_exif,
    tiff_directories,
)
from colorzoo.imaging.ifd import Entry, add_to_tiff
from colorzoo.imaging.xmp import cleaned_xmp, signed_xmp

MADE_BY = "colorzoo.made_by"  # the key in the info of a result


_SEGMENT = 65_533  # bytes; what fits in a segment of a JPEG
_IPTC_LIMIT = 1 << 22  # bytes
_XMP, _IPTC_RESOURCE = 700, 0x0404
_XMP_KEYWORD = "XML:com.adobe.xmp"  # of a PNG text


# What ImageMagick writes about the original file.
_STALE_TEXT = (
    "thumb::",
    "icc:",
    "exif:orientation",
    "exif:pixel",
    "exif:exifimage",
    "exif:colorsp",
)


@dataclass(frozen=True)
class Metadata:
    """What describes a photo, besides EXIF and DPI.

    Attributes:
        xmp: XMP packet, UTF-8, without what is only true of the original file; None if missing.
        iptc: IPTC-IIM data sets; None if missing.
        comment: Comment of a JPEG or GIF, in an unknown encoding; None if missing.
        text: Keywords and texts of a PNG.
    """

    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()


def made_by(model: str) -> str:
    """Return the name of colorzoo, its version and a model, as it is written to results."""
    # A model from elsewhere may have any name, but XML cannot contain control characters.
    name = "".join(each if each.isprintable() else "?" for each in model)
    return f"colorzoo {__version__} ({name})"


# Reading ------------------------------------------------------------------------------------------


def read_metadata(
    image: Image.Image, source: Source | None, notes: list[str], *, is_turned: bool
) -> Metadata:
    """Read an image's metadata. Damaged parts only add a note.

    Args:
        image: The image, loaded.
        source: What ``read_tiff_tags`` returned, before the image was loaded.
        notes: Notes are added here.
        is_turned: Whether the orientation swaps the sides of the picture.
    """
    text = _text(image)
    xmp = _stored_xmp(image)
    if xmp is not None:
        xmp = cleaned_xmp(xmp, notes, is_turned=is_turned)
    iptc = _stored_iptc(image, source, text)
    return Metadata(
        xmp=xmp,
        iptc=_cleaned_iptc(iptc, notes) if iptc else None,
        comment=_comment(image),
        text=tuple((key, each) for key, each in text.items() if not _is_stale(key)),
    )


def _stored_xmp(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp")
    if not isinstance(packet, bytes):  # it may be a PNG text of that name
        text = image.info.get(_XMP_KEYWORD)
        packet = text.encode() if isinstance(text, str) else None
    return packet or None


def _text(image: Image.Image) -> dict[str, str]:
    text = image.info.get("text")
    if isinstance(image, PngImagePlugin.PngImageFile):
        text = image.text
    items = text.items() if isinstance(text, dict) else ()
    return {key: each for key, each in items if isinstance(key, str) and isinstance(each, str)}


def _is_stale(keyword: str) -> bool:
    is_profile = keyword.startswith("Raw profile type ")  # read as EXIF, XMP and IPTC
    return is_profile or keyword == _XMP_KEYWORD or keyword.lower().startswith(_STALE_TEXT)


def _comment(image: Image.Image) -> bytes | None:
    segments = [data for name, data in getattr(image, "applist", ()) if name == "COM"]
    comment = b"\n".join(segments) or image.info.get("comment")
    if isinstance(image, PngImagePlugin.PngImageFile):  # it may be a text of that name
        return None
    comment = comment.encode() if isinstance(comment, str) else comment
    return comment.rstrip(b"\0") or None if isinstance(comment, bytes) else None


def _stored_iptc(
    image: Image.Image, source: Source | None, text: Mapping[str, str]
) -> bytes | None:
    """Return the IPTC data as stored, from wherever the format has it."""
    if source is not None and IPTC in source.main:
        return _in_order(source.main[IPTC].data)
    if source is not None and RESOURCES in source.main:
        return _iptc_of(source.main[RESOURCES].data)
    head = b"Photoshop 3.0\0"
    segments = [data for name, data in getattr(image, "applist", ()) if name == "APP13"]
    if segments:
        return _iptc_of(b"".join(each.removeprefix(head) for each in segments))
    for kind in ("iptc", "8bim"):
        try:
            data = raw_profile(text[f"Raw profile type {kind}"]).removeprefix(head)
        except (KeyError, ValueError):
            continue
        return _iptc_of(data) if data.startswith(b"8BIM") else data
    resources = image.info.get("photoshop")
    data = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    return data if isinstance(data, bytes) else None


def _in_order(data: bytes) -> bytes:
    """Undo the swapping of bytes by programs that declare IPTC data as 32-bit numbers."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":
        words = len(data) // 4
        return struct.pack(f"<{words}I", *struct.unpack(f">{words}I", data[: words * 4]))
    return data


def _iptc_of(resources: bytes) -> bytes | None:
    """Find the IPTC data among the image resources of Photoshop."""
    at = 0
    while resources[at : at + 4] == b"8BIM" and at + 7 <= len(resources):
        kind, name = struct.unpack_from(">HB", resources, at + 4)
        at += 6 + 1 + name + (1 + name) % 2
        length = int.from_bytes(resources[at : at + 4], "big")
        if kind == _IPTC_RESOURCE:
            return resources[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return None


def _cleaned_iptc(data: bytes, notes: list[str]) -> bytes | None:
    """Return the data sets that are whole, without thumbnails, orientation and kind of pixels."""
    kept, at = bytearray(), 0
    data = data[:_IPTC_LIMIT]
    while data[at : at + 1] == b"\x1c" and at + 5 <= len(data):
        record, number, length = struct.unpack_from(">BBH", data, at + 1)
        start = at + 5
        if length & 0x8000:  # the length of the length
            start += length & 0x7FFF
            length = int.from_bytes(data[at + 5 : start][-8:], "big")
        if start + length > len(data):
            break
        if record not in (3, 7, 8, 9) and (record, number) not in _STALE_IPTC:
            kept += data[at : start + length]
        at = start + length
    if data[at:].strip(b"\0"):
        notes.append("part of its IPTC is damaged, and was left out")
    return bytes(kept) or None


# The kind of the picture, its orientation and a preview. Records 3 and 7 to 9 are about pixels.
_STALE_IPTC = {(2, number) for number in (130, 131, 200, 201, 202)}


# Writing ------------------------------------------------------------------------------------------


def info_of(metadata: Metadata) -> dict[str, Any]:
    """Return metadata as the entries of a PIL image's ``info``, under the names that Pillow has."""
    entries = {
        "xmp": metadata.xmp,
        "photoshop": {_IPTC_RESOURCE: metadata.iptc} if metadata.iptc else None,
        "comment": metadata.comment,
        "text": dict(metadata.text),
    }
    return {key: value for key, value in entries.items() if value}


@dataclass(frozen=True)
class Writer:
    """The metadata of an image, for a file of one format.

    Attributes:
        options: Arguments for Pillow's ``save``.
        notes: Notes for the user about what the format has no place for.
    """

    options: dict[str, Any]
    notes: tuple[str, ...]
    _tiff: tuple[bytes | None, dict[int, Entry]] | None = None

    def finish(self, stream: BinaryIO) -> None:
        """Add what Pillow cannot write, once it has written the file; only to a TIFF."""
        if self._tiff is None:
            return
        exif, tags = self._tiff
        main, children, order = (tiff_directories(exif) if exif else None) or ({}, {}, "<")
        if main or tags or any(children.values()):
            add_to_tiff(stream, {**main, **tags}, children, order)


def writer_for(image: Image.Image, file_format: str) -> Writer:
    """Prepare the metadata in an image's ``info`` for a file.

    If the image is a result of ``Colorizer.render``, the model is named in its EXIF and XMP.

    Args:
        image: The image.
        file_format: JPEG, PNG, WEBP, TIFF or BMP.
    """
    exif, xmp = image.info.get("exif"), _stored_xmp(image)
    if not isinstance(exif, bytes):
        exif = None
    elif exif and not exif.startswith(b"Exif\0\0"):
        exif = b"Exif\0\0" + exif
    iptc, comment, text = _stored_iptc(image, None, {}), _comment(image), _text(image)
    text = {key: each for key, each in text.items() if not _is_stale(key)}
    has = {"EXIF": exif, "XMP": xmp, "IPTC": iptc, "comment": comment, "PNG text": text}
    software = image.info.get(MADE_BY)
    if isinstance(software, str):
        exif, xmp = signed_exif(exif, software), signed_xmp(xmp, software)
    options: dict[str, Any] = {}
    tiff, placed = None, {"EXIF", "XMP"}
    if file_format == "JPEG":
        resources = _resources(iptc) if iptc else b""
        if len(resources) > _SEGMENT:
            resources = b""
        elif iptc:
            placed.add("IPTC")
        if comment is None and "Comment" in text:
            comment = text["Comment"].encode()
        if comment and len(comment) > _SEGMENT:
            comment = b""
        else:
            placed |= {"comment"} | ({"PNG text"} if text.keys() <= {"Comment"} else set())
        if xmp and len(xmp) > _SEGMENT - 29:
            xmp, placed = None, placed - {"XMP"}
        if exif and len(exif) > _SEGMENT:
            exif, placed = None, placed - {"EXIF"}
        segment = b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources
        options = {"exif": exif, "extra": segment if resources else None}
        options |= {"xmp": xmp or b"", "comment": comment or b""}  # else Pillow takes the info's
    elif file_format == "PNG":
        options = {"exif": exif, "pnginfo": _png_info(xmp, iptc, comment, text)}
        placed = set(has)
    elif file_format == "WEBP":
        options = {"exif": exif, "xmp": xmp}
    elif file_format == "TIFF":
        tags = {_XMP: Entry(1, xmp)} if xmp else {}
        tags |= {IPTC: Entry(7, iptc)} if iptc else {}
        tiff = (exif, tags)
        placed.add("IPTC")
        has["EXIF maker note"] = exif is not None and has_maker_note(exif)
    else:
        placed = set[str]()
    options = {key: value for key, value in options.items() if value is not None}
    homeless = ", ".join(name for name, value in has.items() if value and name not in placed)
    note = f"left out, because a {file_format} file has no place for it: {homeless}"
    return Writer(options, (note,) if homeless else (), tiff)


def _resources(iptc: bytes) -> bytes:
    head = b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc))
    return head + iptc + bytes(len(iptc) % 2)


def _png_info(
    xmp: bytes | None, iptc: bytes | None, comment: bytes | None, text: dict[str, str]
) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if xmp:
        info.add_itxt(_XMP_KEYWORD, xmp.decode("utf-8", "replace"))
    if iptc:  # PNG has no place for it; this is how ImageMagick and ExifTool store it
        digits = iptc.hex()
        lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
        profile = "\n".join(["", "iptc", f"{len(iptc):8d}", *lines, ""])
        info.add_text("Raw profile type iptc", profile, zip=True)
    if comment and "Comment" not in text:
        try:
            text = {**text, "Comment": comment.decode()}
        except UnicodeDecodeError:
            text = {**text, "Comment": comment.decode("latin-1")}
    for keyword, value in text.items():
        info.add_text(keyword, value)
    return info
