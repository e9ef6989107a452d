# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rendered file says of itself: the packet of XMP that the head frames' head.json brings."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from ..storage.files import part_of

# XMP's box in ISO media files (XMP specification, part 3); at the end it moves nothing else.
_BOX = b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

_PNG = b"\x89PNG\r\n\x1a\n"
_LOOKED_AT = 10_000  # bytes in which a packet of before is looked for
_HEAD = 33  # bytes of a PNG: its signature and IHDR


def add_to_picture(path: Path, xmp: str) -> bool:
    """Put the packet into a PNG that was written just now; False for others, and where one is."""
    data = path.read_bytes() if path.suffix.lower() == ".png" else b""
    if not xmp or data[:8] != _PNG or b"XML:com.adobe.xmp" in data[:_LOOKED_AT]:
        return False
    text = b"iTXtXML:com.adobe.xmp" + bytes(5) + xmp.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    part = part_of(path)
    try:
        part.write_bytes(data[:_HEAD] + chunk + data[_HEAD:])
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return True


def add_to_movie(path: Path, xmp: str) -> bool:
    """Append the packet to an MP4 or MOV file that was written just now; False for others, and
    where it is already.
    """
    with path.open("r+b") as file:
        if not xmp or file.read(8)[4:] != b"ftyp":
            return False
        packet = xmp.encode()
        file.seek(-min(file.seek(0, 2), len(_BOX + packet)), 2)
        if file.read() == _BOX + packet:
            return False
        file.write(struct.pack(">I", 8 + 16 + len(packet)) + _BOX + packet)
    return True
