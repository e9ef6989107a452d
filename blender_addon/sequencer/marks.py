# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rendered file says of itself: the packet of XMP that the head frames' head.json brings."""

from __future__ import annotations

import struct
from pathlib import Path

# XMP's box in ISO media files (XMP specification, part 3); at the end it moves nothing else.
_BOX = b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def add_to_movie(path: Path, xmp: str) -> bool:
    """Append the packet to an MP4 or MOV file that was written just now; False for others."""
    with path.open("r+b") as file:
        if not xmp or file.read(8)[4:] != b"ftyp":
            return False
        packet = xmp.encode()
        file.seek(0, 2)
        file.write(struct.pack(">I", 8 + 16 + len(packet)) + _BOX + packet)
    return True
