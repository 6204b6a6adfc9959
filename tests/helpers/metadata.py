"""EXIF blocks, XMP packets and IPTC data made by hand, and files that contain them."""

import io
import struct

from PIL import Image

from helpers.pictures import chunk, encode

EXIF_IFD, GPS_IFD, XMP_TAG, IPTC_TAG = 0x8769, 0x8825, 700, 33723
DESCRIPTION, SOFTWARE, ARTIST, COPYRIGHT, XP_TITLE = 0x010E, 0x0131, 0x013B, 0x8298, 0x9C9B
USER_COMMENT, MAKER_NOTE, LENS = 0x9286, 0x927C, 0xA434
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}

Tags = dict[int, tuple[int, bytes]]

SUFFIXES = (".jpg", ".png", ".webp", ".tif")


def numbers(order: str, kind: str, *values: int) -> bytes:
    return struct.pack(f"{order}{len(values)}{kind}", *values)


def tiff_file(order: str, main: Tags, pixels: bytes = b"", **children: Tags) -> bytes:
    """A TIFF header with a directory and those that it points to, and pixels at the end."""
    pointers = {"exif": EXIF_IFD, "gps": GPS_IFD}
    main = dict(main)
    for name in children:
        main[pointers[name]] = (LONG, bytes(4))
    if pixels:
        main[273] = (LONG, bytes(4))  # where they are
    directories = [main, *children.values()]
    starts, end = [], 8
    for each in directories:
        starts.append(end)
        end += 2 + 12 * len(each) + 4
    for name, start in zip(children, starts[1:], strict=True):
        main[pointers[name]] = (LONG, numbers(order, "I", start))
    values, tables = b"", b""
    for pass_ in range(2):
        values, tables = b"", b""
        for each in directories:
            tables += struct.pack(f"{order}H", len(each))
            for tag, (kind, data) in sorted(each.items()):
                at = data.ljust(4, b"\0")
                if len(data) > 4:
                    at = numbers(order, "I", end + len(values))
                    values += data + bytes(len(data) % 2)
                tables += struct.pack(f"{order}HHI4s", tag, kind, len(data) // UNITS[kind], at)
            tables += bytes(4)
        if pixels and pass_ == 0:
            main[273] = (LONG, numbers(order, "I", end + len(values)))
    mark = b"II" if order == "<" else b"MM"
    return mark + numbers(order, "HI"[:1], 42) + numbers(order, "I", 8) + tables + values + pixels


def gray_tiff(order: str, main: Tags, **children: Tags) -> bytes:
    """A black TIFF of 4 x 4 pixels."""
    layout = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 277: 1, 278: 4, 279: 16}
    tags = {tag: (SHORT, numbers(order, "H", value)) for tag, value in layout.items()}
    return tiff_file(order, {**tags, **main}, bytes(16), **children)


def read_tags(block: bytes, *, page: bool = False) -> dict[str, Tags]:
    """The tags of a block or file, which is well-formed, with their bytes as stored."""
    block = block.removeprefix(b"Exif\0\0")
    order = "<" if block[:2] == b"II" else ">"

    def directory(start: int) -> Tags:
        found = {}
        for i in range(struct.unpack_from(f"{order}H", block, start)[0]):
            tag, kind, count, at = struct.unpack_from(f"{order}HHI4s", block, start + 2 + 12 * i)
            size = count * UNITS[kind]
            if size > 4:
                (start_of_data,) = struct.unpack(f"{order}I", at)
                assert start_of_data + size <= len(block)
                found[tag] = (kind, block[start_of_data : start_of_data + size])
            else:
                found[tag] = (kind, at[:size])
        assert list(found) == sorted(found)
        return found

    main = directory(struct.unpack_from(f"{order}I", block, 4)[0])
    result = {"main": main}
    for name, pointer in (("exif", EXIF_IFD), ("gps", GPS_IFD)):
        if pointer in main:
            result[name] = directory(struct.unpack(f"{order}I", main.pop(pointer)[1])[0])
    return result


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(*segments: bytes) -> bytes:
    data = encode(Image.new("L", (4, 4)), "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def resource(kind: int, data: bytes, name: bytes = b"") -> bytes:
    head = b"8BIM" + struct.pack(">HB", kind, len(name)) + name + bytes((len(name) + 1) % 2)
    return head + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def data_set(record: int, number: int, data: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data


IPTC = (
    data_set(1, 90, b"\x1b%G")  # UTF-8
    + data_set(2, 120, "Großmutter in Köln".encode())
    + data_set(2, 25, b"family")
)


def xmp(properties: str = "", attributes: str = "", before: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f"{before}<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about="" {attributes}\n'
        '     xmlns:dc="http://purl.org/dc/elements/1.1/">\n'
        "   <dc:description>Großmutter &amp; Иван > 写真館</dc:description>\n"
        f"{properties}  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '                  \n<?xpacket end="w"?>'
    ).encode()


def with_metadata(suffix: str, exif: bytes = b"", packet: bytes = b"", iptc: bytes = b"") -> bytes:
    """A file of a format with EXIF, XMP and, if it is a JPEG, IPTC; use ``gray_tiff`` for TIFF."""
    image = Image.new("L", (4, 4))
    if suffix == ".jpg":
        parts = [segment(0xE1, b"Exif\0\0" + exif)] if exif else []
        if packet:
            parts.append(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))
        if iptc:
            parts.append(segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc)))
        return jpeg(*parts)
    if suffix == ".png":
        data = encode(image, "PNG")
        parts = chunk(b"eXIf", exif) if exif else b""
        if packet:
            parts += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        return data[:33] + parts + data[33:]
    return encode(image, "WEBP", lossless=True, exif=exif, xmp=packet)


def pixels_of(data: bytes) -> list[int]:
    with Image.open(io.BytesIO(data)) as image:
        return list(image.convert("RGB").tobytes())
