"""XMP: what is not true of a result is removed, what made it is added, the rest stays as it is."""

import tracemalloc
import xml.etree.ElementTree as ET

import pytest
from helpers.metadata import xmp

from colorzoo.imaging.xmp import cleaned_xmp, signed_xmp

TIFF = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
CV = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def cleaned(packet: bytes, *, is_turned: bool = False) -> tuple[bytes | None, list[str]]:
    notes: list[str] = []
    return cleaned_xmp(packet, notes, is_turned=is_turned), notes


def test_nothing_to_remove_keeps_every_byte():
    for packet in (xmp(), xmp().replace(b'<?xpacket end="w"?>', b"")):
        assert cleaned(packet) == (packet, [])
    assert cleaned(b"\xef\xbb\xbf" + xmp() + bytes(20)) == (xmp(), [])


STALE = [
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
    ("http://ns.adobe.com/tiff/1.0/", "ImageWidth"),
    ("http://ns.adobe.com/exif/1.0/", "PixelXDimension"),
    ("http://ns.adobe.com/exif/1.0/", "ColorSpace"),
    ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    ("http://ns.adobe.com/photoshop/1.0/", "ColorMode"),
    ("http://ns.adobe.com/camera-raw-settings/1.0/", "ConvertToGrayscale"),
    ("http://ns.google.com/photos/1.0/camera/", "MotionPhoto"),
    ("http://purl.org/dc/terms/", "provenance"),
]


@pytest.mark.parametrize("prefix", ["usual", "über"])
@pytest.mark.parametrize(("space", "name"), STALE)
def test_stale_properties_are_removed(space, name, prefix):
    declared = f'xmlns:{prefix}="{space}"'
    element = xmp(f"   <{prefix}:{name}>6</{prefix}:{name}>\n", declared)
    assert cleaned(element) == (xmp("   \n", declared), [])
    nested = xmp(
        f"<{prefix}:{name}><rdf:Bag><rdf:li>></rdf:li></rdf:Bag></{prefix}:{name}>", declared
    )
    assert cleaned(nested) == (xmp("", declared), [])
    empty = xmp(f"<{prefix}:{name} />", declared)
    assert cleaned(empty) == (xmp("", declared), [])
    attribute = xmp("", f"{declared} {prefix}:{name} = '>\"6'")
    assert cleaned(attribute) == (xmp("", declared), [])


def test_the_same_names_elsewhere_are_kept():
    other = 'xmlns:tiff="http://example.com/other/" tiff:Orientation="6"'
    inside = (
        f'<dc:source rdf:parseType="Resource" {TIFF}><tiff:Orientation>6</tiff:Orientation>'
        "</dc:source><dc:creator>Ada</dc:creator>"
    )
    for packet in (xmp(attributes=other), xmp(inside)):
        assert cleaned(packet) == (packet, [])
    kept = f'{TIFF} tiff:Make="Agfa" tiff:Model="tiff:Orientation=&quot;6&quot;"'
    assert cleaned(xmp(attributes=kept)) == (xmp(attributes=kept), [])


def test_thumbnails_are_removed():
    thumbnail = (
        '<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/"><rdf:Alt><rdf:li '
        'rdf:parseType="Resource"><xmpGImg:image xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/"'
        ">/9j/4AAQSk</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
    )
    assert cleaned(xmp(thumbnail + "<dc:title>x</dc:title>")) == (xmp("<dc:title>x</dc:title>"), [])


def test_what_a_rotation_makes_wrong():
    regions = 'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
    faces = '<mwg-rs:Regions rdf:parseType="Resource"/>'
    packet = xmp(f"<tiff:XResolution>300/1</tiff:XResolution>{faces}", f"{TIFF} {regions}")
    assert cleaned(packet) == (packet, [])
    packet, notes = cleaned(packet, is_turned=True)
    assert packet == xmp("", f"{TIFF} {regions}")
    assert notes == ["the regions of faces in its XMP were left out, because the photo was turned"]


def test_a_second_part_is_noted():
    declared = 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    packet = xmp("", f'{declared} xmpNote:HasExtendedXMP="0123456789ABCDEF"')
    assert cleaned(packet) == (xmp("", declared), ["the second part of its XMP was left out"])


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"junk",
        xmp()[:-60],
        xmp().replace(b"&amp;", b"&"),
        xmp().replace("ß".encode(), b"\xdf"),
        xmp(before="<!DOCTYPE x>"),
        xmp("<dc:title>&i;</dc:title>", before=BOMB),
        xmp('<tiff:Orientation xmlns="">6</tiff:Orientation>'),  # without a namespace
        b"<x/>",
        xmp().decode().encode("utf-16"),
    ],
)
def test_what_is_not_xmp_is_left_out_with_a_note(packet):
    assert cleaned(packet) == (None, ["its XMP cannot be read, and was left out"])
    assert signed_xmp(packet, "colorzoo") == signed_xmp(None, "colorzoo")


def test_hostile_packets_take_little_time_and_memory():
    """Each would take minutes if an attribute or element cost as much as the packet is long."""
    attributes = " ".join(f'crs:A{i}="1"' for i in range(60_000))
    many = xmp("", f'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {attributes}')
    deep = xmp("<dc:title>" * 20_000 + "</dc:title>" * 20_000)
    open_quote = xmp("", 'a="' * 200_000)
    tracemalloc.start()
    try:
        result, notes = cleaned(many)
        assert b"crs:A" not in result and notes == []
        assert cleaned(deep)[0] == deep
        assert cleaned(open_quote)[0] is None
        assert cleaned(xmp("<dc:title/>" * 400_000))[0] is None  # more than 4 MiB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000


def properties(packet: bytes) -> list[ET.Element]:
    root = ET.fromstring(packet[packet.index(b"<x:") :].split(b"<?xpacket")[0])
    (rdf,) = root
    assert {node.get(f"{RDF}about") for node in rdf} == {rdf[0].get(f"{RDF}about")}
    return [each for node in rdf for each in node]


def test_results_are_signed():
    signed = signed_xmp(xmp(), "colorzoo 1 (<unet>)")
    assert signed.startswith(xmp()[: xmp().index(b"</rdf:RDF>")])
    assert signed.endswith(xmp()[xmp().index(b"</rdf:RDF>") :])
    found = {each.tag: each for each in properties(signed)}
    assert found[SOURCE_TYPE].text == CV + "compositeWithTrainedAlgorithmicMedia"
    assert "colorzoo 1 (<unet>)" in "".join(
        found["{http://ns.adobe.com/xap/1.0/mm/}History"].itertext()
    )
    assert len(properties(signed_xmp(None, "colorzoo"))) == 2


@pytest.mark.parametrize(
    ("inside", "attributes"),
    [
        (f"<i:DigitalSourceType>{CV}print</i:DigitalSourceType>", ""),
        ("", f'i:DigitalSourceType="{CV}print"'),
    ],
)
def test_the_source_type_is_replaced(inside, attributes):
    declared = 'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    packet = xmp(inside, f"{declared} {attributes}").replace(b'about=""', b'about="uuid:&amp;1"')
    signed = signed_xmp(packet, "colorzoo")
    assert b"digitalsourcetype/print" not in signed
    assert [each.tag for each in properties(signed)].count(SOURCE_TYPE) == 1
    assert cleaned(signed) == (signed, [])


def test_a_history_is_continued():
    history = (
        '<m:History xmlns:m="http://ns.adobe.com/xap/1.0/mm/" xmlns:e="http://ns.adobe.com/xap/1.0/'
        'sType/ResourceEvent#"><rdf:Seq><rdf:li e:action="created"/></rdf:Seq></m:History>'
    )
    for first in (xmp(history), xmp()):
        packet = signed_xmp(signed_xmp(first, "colorzoo 1"), "colorzoo 2")
        (history_found,) = (each for each in properties(packet) if each.tag.endswith("History"))
        agents = ["".join(event.itertext()) for event in history_found[0]]
        assert [agent for agent in agents if agent] == [
            "editedcolorzoo 1colorized",
            "editedcolorzoo 2colorized",
        ]
        assert len(agents) == 2 + (first != xmp())
