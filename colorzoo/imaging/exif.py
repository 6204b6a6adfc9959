"""Read a picture's metadata: orientation, descriptive EXIF tags and resolution."""

from PIL import Image

_EXIF_LIMIT = 65_533  # bytes; what fits in a JPEG segment


_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825


# The tags that describe the picture. All others describe the layout of the original file.
_EXIF_KEPT = {0x010D, 0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B}


_EXIF_KEPT |= {0x013C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0)}


def read_exif(image: Image.Image, notes: list[str]) -> tuple[int, bytes | None]:
    """Read the orientation, 1 to 8, and the EXIF to keep. Damaged EXIF only adds a note."""
    orientation = 1
    try:
        source = image.getexif()
        stored = source.get(_ORIENTATION, 1)
        orientation = stored if stored in range(1, 9) else 1
        kept = _kept_exif(source, *image.size, is_turned=orientation >= 5)
        if kept is None or len(kept) <= _EXIF_LIMIT:
            return orientation, kept
        notes.append(f"its EXIF of {len(kept):,} bytes is too long, and was left out")
    except Exception:
        notes.append("its EXIF is damaged, and was left out")
    return orientation, None


def _kept_exif(source: Image.Exif, width: int, height: int, *, is_turned: bool) -> bytes | None:
    """Copy the descriptive tags, and update those about colour and size for the new picture."""
    kept = Image.Exif()
    for tag in _EXIF_KEPT.intersection(source):
        kept[tag] = source[tag]
    if is_turned:
        width, height = height, width
        if 0x011A in kept and 0x011B in kept:  # the horizontal and vertical resolution
            kept[0x011A], kept[0x011B] = kept[0x011B], kept[0x011A]
    details, place = dict(source.get_ifd(_EXIF_IFD)), dict(source.get_ifd(_GPS_IFD))
    # Some files have the orientation here too. The interoperability IFD may declare Adobe RGB.
    for tag in (_ORIENTATION, 0xA005):
        details.pop(tag, None)
    for tag, value in ((0xA001, 1), (0xA002, width), (0xA003, height)):
        if tag in details:
            details[tag] = value
    for tag, directory in ((_EXIF_IFD, details), (_GPS_IFD, place)):
        if directory:
            kept[tag] = directory
    return kept.tobytes() if len(kept) else None


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the horizontal and vertical dots per inch; None if missing or implausible."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    # Pillow reports 1 for a TIFF without a resolution.
    return (across, down) if 1 < across < 65536 and 1 < down < 65536 else None
