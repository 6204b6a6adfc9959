"""Edit XMP: remove what is not true of a result, and add what made it. All else stays as it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

_LIMIT = 1 << 21  # bytes
# Letters of a namespace: the parser repeats it for every name that is in it.
_LONGEST_SPACE = 1024


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_XMP_MM, _EVENT = (
    "http://ns.adobe.com/xap/1.0/mm/",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
)
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# A trained model adds colours that are not in the photo. The other candidate,
# "algorithmicallyEnhanced", is for sharpening, noise reduction and the like.
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


_STALE: dict[str, frozenset[str]] = {
    _TIFF: frozenset({"Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression"})
    | {"PhotometricInterpretation", "SamplesPerPixel", "PlanarConfiguration", "YCbCrSubSampling"}
    | {"YCbCrPositioning", "YCbCrCoefficients", "TransferFunction", "WhitePoint", "NativeDigest"}
    | {"PrimaryChromaticities", "ReferenceBlackWhite"},
    _EXIF: frozenset({"PixelXDimension", "PixelYDimension", "ColorSpace", "NativeDigest"})
    | {"CompressedBitsPerPixel", "ComponentsConfiguration"},
    "http://cipa.jp/exif/1.0/": frozenset({"Gamma"}),
    "http://ns.adobe.com/xap/1.0/": frozenset({"Thumbnails"}),
    "http://ns.adobe.com/xmp/note/": frozenset({"HasExtendedXMP"}),
    _PHOTOSHOP: frozenset({"ICCProfile", "ColorMode"}),
    "http://purl.org/dc/terms/": frozenset({"provenance"}),  # signed statements about other pixels
}


# Everything in these namespaces is about other pixels: settings of raw converters, which an editor
# would apply to the result, and second pictures in the file, such as depth and gain maps.
_STALE_SPACES = (
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/camera-raw-defaults/1.0/",
    "http://ns.adobe.com/camera-raw-saved-settings/1.0/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/dd/1.0/",
)


_ROOT, _HISTORY = (_RDF, "RDF"), (_XMP_MM, "History")
_RESOLUTION = frozenset({"XResolution", "YResolution"})
_REGIONS = (
    ("http://www.metadataworkinggroup.com/schemas/regions/", "Regions"),
    ("http://ns.microsoft.com/photo/1.2/", "RegionInfo"),
)


_SEPARATOR = "\f"  # between a namespace and a name; it may not occur in XML
_ATTRIBUTE = rb"""\s+([^\s=/>"']+)\s*=\s*(?:"[^"]*"|'[^']*')"""
_TAG = re.compile(rb"<[^\s/>]+(?:" + _ATTRIBUTE + rb")*\s*(/?)>")


@dataclass
class _Scan:
    """Places in a packet, as offsets of bytes.

    Attributes:
        packet: The packet.
        is_stale: Tells by namespace and name whether a property is to be removed.
        removed: The stale properties, from and to.
        found: All properties' namespaces and names.
        about: The resource that the packet is about, as written; usually empty.
        end: Where the description ends.
        history_end: Where the list of its history ends, if there is one.
    """

    packet: bytes
    is_stale: Callable[[str, str], bool]
    removed: list[tuple[int, int]] = field(default_factory=list)
    found: set[tuple[str, str]] = field(default_factory=set)
    about: str = ""
    end: int | None = None
    history_end: int | None = None
    _path: list[tuple[tuple[str, str], int, int, bool]] = field(default_factory=list)

    def run(self) -> "_Scan":
        """Parse the packet.

        Raises:
            ValueError: If it is not XML in UTF-8, has a document type, which could define entities,
                or has no description.
        """
        if len(self.packet) > _LIMIT:
            raise ValueError("too long")
        parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.namespace_prefixes = True
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartNamespaceDeclHandler = self._check_space
        parser.StartElementHandler = lambda name, attributes: self._start(
            name, list(attributes), parser.CurrentByteIndex
        )
        parser.EndElementHandler = lambda _: self._stop(parser.CurrentByteIndex)
        try:
            parser.Parse(self.packet, True)
        except expat.ExpatError as error:
            raise ValueError("damaged XML") from error
        if self.end is None:
            raise ValueError("no description")
        return self

    def _refuse(self, *_: object) -> None:
        raise ValueError("XMP has no document type")

    def _check_space(self, _: str | None, space: str | None) -> None:
        if space and len(space) > _LONGEST_SPACE:
            raise ValueError("a namespace is too long")

    def _start(self, name: str, attributes: list[str], start: int) -> None:
        tag = _TAG.match(self.packet, start)
        if tag is None:
            raise ValueError("unexpected XML")
        space, local, _ = _parts(name)
        # Below the description are nodes, and below them properties, which may also be written as
        # attributes of nodes.
        if self._path and self._path[-1][0] == _ROOT:
            self._node(attributes, start, tag.end())
        if self._is_property():
            self.found.add((space, local))
        self._path.append(((space, local), start, tag.end(), tag[2] == b"/"))

    def _node(self, attributes: list[str], start: int, end: int) -> None:
        places = {each[1]: each.span() for each in re.finditer(_ATTRIBUTE, self.packet[start:end])}
        for attribute, value in zip(attributes[::2], attributes[1::2], strict=True):
            space, local, prefix = _parts(attribute)
            self.found.add((space, local))
            if local == "about" and space in ("", _RDF):
                self.about = value
            elif self.is_stale(space, local):
                first, last = places[f"{prefix}:{local}".encode()]
                self.removed.append((start + first, start + last))

    def _is_property(self) -> bool:
        return len(self._path) >= 2 and self._path[-2][0] == _ROOT

    def _stop(self, index: int) -> None:
        name, start, end, is_empty = self._path.pop()
        if not is_empty:
            end = self.packet.index(b">", index) + 1
        if self._is_property() and self.is_stale(*name):
            self.removed.append((start, end))
        if is_empty:
            return
        parents = [name for name, *_ in self._path[-3:]]
        if name == _ROOT:
            self.end = index
        elif name == (_RDF, "Seq") and parents[::2] == [_ROOT, _HISTORY]:
            self.history_end = index

    def edited(self, inserted: list[tuple[int, bytes]]) -> bytes:
        """Return the packet without the stale properties and with insertions at some places."""
        edits = [(start, end, b"") for start, end in self.removed]
        edits += [(at, at, data) for at, data in inserted]
        pieces, done = list[bytes](), 0
        for start, end, data in sorted(edits):
            pieces += (self.packet[done:start], data)
            done = end
        return b"".join((*pieces, self.packet[done:]))


def _parts(name: str) -> tuple[str, str, str]:
    """Split a name of the parser's into namespace, name and prefix."""
    parts = name.split(_SEPARATOR)
    if len(parts) == 1:
        return "", name, ""
    return parts[0], parts[1], parts[2] if len(parts) > 2 else ""


def cleaned_xmp(packet: bytes, notes: list[str], *, is_turned: bool) -> bytes | None:
    """Remove what is not true of a result from XMP; all other bytes stay as they are.

    Removed are sizes, orientation, thumbnails, the colour profile's name, settings of raw
    converters, and references to other pictures in the file.

    Args:
        packet: The XMP packet, UTF-8.
        notes: Notes are added here.
        is_turned: Whether the sides of the picture were swapped.

    Returns:
        The packet; None if it cannot be read.
    """
    regions = set(_REGIONS) if is_turned else set[tuple[str, str]]()

    def is_stale(space: str, local: str) -> bool:
        return (
            local in _STALE.get(space, ())
            or space.startswith(_STALE_SPACES)
            or (is_turned and space == _TIFF and local in _RESOLUTION)
            or (space, local) in regions
        )

    try:
        scan = _Scan(packet.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0"), is_stale).run()
        result = scan.edited([])
        _Scan(result, is_stale).run()
    except ValueError:
        notes.append("its XMP cannot be read, and was left out")
        return None
    if ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP") in scan.found:
        notes.append("the second part of its XMP was left out")
    if regions & scan.found:
        notes.append("the regions of faces in its XMP were left out, because the photo was turned")
    return result


_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


def signed_xmp(packet: bytes | None, software: str) -> bytes:
    """Add to XMP that a result was colorized: to its history, and as its digital source type.

    Args:
        packet: The XMP of the result, as returned by ``cleaned_xmp``; None if there is none.
        software: The name of the software and model.

    Returns:
        The new packet; without a date, so that the same picture always gives the same file.
    """
    try:
        scan = _scan_for_signature(packet or _EMPTY)
    except ValueError:
        scan = _scan_for_signature(_EMPTY)
    event = (
        f'<rdf:li xmlns:rdf="{_RDF}" xmlns:stEvt="{_EVENT}" rdf:parseType="Resource">'
        f"<stEvt:action>edited</stEvt:action>"
        f"<stEvt:softwareAgent>{escape(software)}</stEvt:softwareAgent>"
        f"<stEvt:parameters>colorized</stEvt:parameters></rdf:li>"
    )
    properties = (
        f'<Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt="{_IPTC_EXT}">{_SOURCE_TYPE}'
        "</Iptc4xmpExt:DigitalSourceType>"
    )
    inserted: list[tuple[int, bytes]] = []
    if scan.history_end is not None:
        inserted.append((scan.history_end, event.encode()))
    elif _HISTORY not in scan.found:
        properties += (
            f'<xmpMM:History xmlns:xmpMM="{_XMP_MM}"><rdf:Seq>{event}</rdf:Seq></xmpMM:History>'
        )
    node = (
        f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about={quoteattr(scan.about)}>{properties}'
        "</rdf:Description>"
    )
    assert scan.end is not None
    return scan.edited([*inserted, (scan.end, node.encode())])


def _scan_for_signature(packet: bytes) -> _Scan:
    stale = (_IPTC_EXT, "DigitalSourceType")
    return _Scan(packet, lambda space, local: (space, local) == stale).run()
