# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a still says that it is, read off its head: before a decoder takes memory for it."""

from __future__ import annotations

import re
import struct

_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_PAM = re.compile(rb"P7\s(?:.*\n)*?WIDTH\s+(\d{1,9})\s(?:.*\n)*?HEIGHT\s+(\d{1,9})\s")
# JPEG's markers that no length follows, and those that tell the frame's size.
_BARE = (0x01, *range(0xD0, 0xD9))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# TIFF's tags and the widths of the types that they may have.
_WIDTH, _HEIGHT, _BITS, _SAMPLES = 256, 257, 258, 277
_TYPES = {1: "B", 3: "H", 4: "L", 16: "Q"}


def declared_size(data: bytes) -> tuple[int, int, int] | None:
    """Width and height in pixels, and bytes a pixel once decoded; None for no known picture.

    What the head of the file does not say in one piece counts at its largest.
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        return _other(data)
    except (struct.error, IndexError, KeyError, ValueError):
        return None


def _png(data: bytes) -> tuple[int, int, int]:
    """A PNG's chunks must follow one another to its end: decoders wait for one that never comes."""
    kinds: list[bytes] = []
    at = 8
    while not kinds or kinds[-1] != b"IEND":
        length, kind = struct.unpack_from(">L4s", data, at)
        at += 12 + length
        if not kind.isalpha() or at > len(data):
            raise ValueError("no chunk")
        kinds.append(kind)
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise ValueError("no picture")
    width, height, bits = struct.unpack_from(">LLB", data, 16)
    return width, height, 8 if bits == 16 else 4


def _jpeg(data: bytes) -> tuple[int, int, int] | None:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            at += 1  # decoders look for the next marker, too
            continue
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height, 3
        if marker == 0xFF or marker in _BARE or marker == 0:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _tiff(data: bytes) -> tuple[int, int, int]:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    where = struct.unpack_from(order + ("Q" if big else "L"), data, 8 if big else 4)[0]
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, where)
    found: dict[int, int] = {}
    entry, start = (20, where + 8) if big else (12, where + 2)
    for i in range(min(count, 512)):
        at = start + i * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in (_WIDTH, _HEIGHT, _BITS, _SAMPLES) and kind in _TYPES:
            several = struct.unpack_from(order + ("Q" if big else "L"), data, at + 4)[0]
            value = at + (12 if big else 8)
            inside = struct.calcsize(order + _TYPES[kind]) * several <= (8 if big else 4)
            if not inside:
                value = struct.unpack_from(order + ("Q" if big else "L"), data, value)[0]
            found[tag] = struct.unpack_from(order + _TYPES[kind], data, value)[0]
    samples, bits = max(found.get(_SAMPLES, 1), 3), found.get(_BITS, 1)
    return found[_WIDTH], found[_HEIGHT], samples * max(1, (bits + 7) // 8)


def _webp(data: bytes) -> tuple[int, int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
        return width, height, 4
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 4
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, 4
    return None


def _other(data: bytes) -> tuple[int, int, int] | None:
    """BMP and portable maps."""
    if data[:2] == b"BM":
        if struct.unpack_from("<L", data, 14)[0] == 12:
            width, height = struct.unpack_from("<HH", data, 18)
        else:
            width, height = struct.unpack_from("<ll", data, 18)
        return abs(width), abs(height), 4
    found = (_PNM if data[:2] != b"P7" else _PAM).match(data[:4096])
    if found:
        return int(found[1]), int(found[2]), 6
    return None
