# SPDX-License-Identifier: GPL-3.0-or-later
"""What an output says of itself, and the XMP packet that says it.

The property that others look for is IPTC's digital source type. The rest is our own: hashes, never
a name. Nothing in it tells the time, so that the same frame is the same bytes whenever it is made.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

PROGRAM, VERSION = "Likeness", "0.1.0"  # that of blender_addon/blender_manifest.toml
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"  # a made head over a real plate
GENERATED = "trainedAlgorithmicMedia"  # nothing in it is a real plate

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_OWN = "urn:likeness:provenance:1#"
_LONGEST = 1 << 20  # bytes of a packet that is read; ours has a thousand


@dataclass(frozen=True)
class Facts:
    """kind: COMPOSITE or GENERATED. portrait, model: SHA-256 of the leading picture and of the
    network, in hexadecimal. consent: the record's id, or "". preview: is it one, marked in its
    pixels? mark: what the invisible one says, 8 hexadecimal digits, or "off". program: name and
    version of what made it.
    """

    kind: str = COMPOSITE
    portrait: str = ""
    model: str = ""
    consent: str = ""
    preview: bool = False
    mark: str = "off"
    program: str = f"{PROGRAM} {VERSION}"

    def key(self) -> str:
        """What makes two frames of the same pixels different files, but for the version."""
        return " ".join(
            (self.kind, self.portrait, self.model, self.consent, str(self.preview), self.mark)
        )


def packet(facts: Facts) -> bytes:
    """The XMP packet, UTF-8, marked as read-only."""
    said = {
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + facts.kind,
        "xmp:CreatorTool": facts.program,
        "likeness:Portrait": facts.portrait and f"sha256:{facts.portrait}",
        "likeness:Model": facts.model and f"sha256:{facts.model}",
        "likeness:Consent": facts.consent or "none",
        "likeness:Preview": str(facts.preview),
        "likeness:Mark": facts.mark,
    }
    listed = "\n  ".join(f"{name}={quoteattr(value)}" for name, value in said.items() if value)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:xmp="{_XMP}"'
        f' xmlns:likeness="{_OWN}"\n  {listed}/>\n'
        '</rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def parse_packet(data: bytes) -> dict[str, str]:
    """What a packet says: "DigitalSourceType" and our own properties, as far as they are there.

    Others write a property as an element, we as an attribute: both are read.
    Raises ValueError for what is no XMP.
    """
    if len(data) > _LONGEST:
        raise ValueError("longer than any XMP packet")
    if b"<!DOCTYPE" in data:  # which declares entities: a few bytes could fill the memory
        raise ValueError("declares a document type, which XMP does not")
    try:
        root = ET.fromstring(data.decode("utf-8").strip("\0\ufeff \r\n"))
    except (ET.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no XMP: {error}") from None
    found: dict[str, str] = {}
    for thing in root.iter(f"{{{_RDF}}}Description"):
        named = dict(thing.attrib)
        for child in thing:
            named.setdefault(child.tag, child.text or child.get(f"{{{_RDF}}}resource") or "")
        for name, value in named.items():
            space, _, short = name.removeprefix("{").partition("}")
            if space == _OWN or (space, short) in _LOOKED_FOR:
                found.setdefault(short, value.strip())
    return found


_LOOKED_FOR = {(_IPTC, "DigitalSourceType"), (_XMP, "CreatorTool")}
