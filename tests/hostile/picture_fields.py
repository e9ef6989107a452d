# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage to the fields of pictures that decoders check: sizes, chunks with sums that fit, tags."""

from __future__ import annotations

import struct
import zlib

from tests.hostile.mutations import Rng, damage, pick

_SIDES = (0, 1, 2, 31, 32, 65535, 65536, 100_000, 2**31 - 1, 2**31, 2**32 - 1)


def damaged_picture(rng: Rng, data: bytes) -> bytes:
    """A picture with one of its fields changed."""
    if data.startswith(b"\x89PNG"):
        return _png(rng, data)
    if data.startswith(b"\xff\xd8"):
        at = next(
            at
            for at in range(len(data))
            if data[at : at + 1] == b"\xff" and data[at + 1] in (0xC0, 0xC2)
        )
        sides = struct.pack(">HH", _side(rng, 65535), _side(rng, 65535))
        return data[: at + 5] + sides + data[at + 9 :]
    if data[:4] == b"II*\0":
        return _tiff(rng, data)
    if data[:2] == b"BM":
        sides = struct.pack("<ll", _side(rng, 2**31 - 1), _side(rng, 2**31 - 1))
        return data[:18] + sides + data[26:]
    if data[8:12] == b"WEBP":
        return data[:21] + rng.bytes(9) + data[30:]
    return data[:3] + f"{_side(rng, 2**32)} {_side(rng, 2**32)}\n".encode() + data[8:]


def _side(rng: Rng, most: int) -> int:
    return min(most, int(pick(rng, _SIDES)))


def _png(rng: Rng, data: bytes) -> bytes:
    """Chunks changed, dropped, doubled or brought in, each with a sum that fits."""
    chunks: list[tuple[bytes, bytes]] = []
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">L", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    where = int(rng.integers(len(chunks)))
    kind, content = chunks[where]
    what = int(rng.integers(6))
    if what == 0:
        chunks[0] = b"IHDR", chunks[0][1][:8] + bytes(int(v) for v in rng.integers(0, 17, 5))
    elif what == 1:
        sides = struct.pack(">LL", _side(rng, 2**32 - 1), _side(rng, 2**32 - 1))
        chunks[0] = b"IHDR", sides + chunks[0][1][8:]
    elif what == 2:
        chunks[where] = kind, damage(rng, content)
    elif what == 3:
        del chunks[where]
    elif what == 4:
        chunks.insert(where, (kind, content))
    else:
        brought = pick(rng, (
            (b"acTL", struct.pack(">LL", pick(rng, (0, 1, 2**31 - 1)), 0)),
            (b"fcTL", struct.pack(">LLLLLHHBB", 0, _side(rng, 2**32 - 1), 9, 0, 0, 1, 1, 0, 0)),
            (b"fdAT", rng.bytes(20)), (b"iCCP", b"a\0\0" + rng.bytes(50)), (b"tRNS", rng.bytes(9)),
            (b"eXIf", b"MM\0*\0\0\0\x08" + rng.bytes(40)), (b"PLTE", rng.bytes(9)),
            (b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000))),
        ))  # fmt: skip
        chunks.insert(max(1, where), brought)
    parts = [data[:8]]
    for kind, content in chunks:
        parts.append(struct.pack(">L", len(content)) + kind + content)
        parts.append(struct.pack(">L", zlib.crc32(kind + content)))
    return b"".join(parts)


def _tiff(rng: Rng, data: bytes) -> bytes:
    """One entry of the first directory changed."""
    (where,) = struct.unpack_from("<L", data, 4)
    (count,) = struct.unpack_from("<H", data, where)
    at = where + 2 + 12 * int(rng.integers(count))
    tag, kind, several, value = struct.unpack_from("<HHLL", data, at)
    what = int(rng.integers(4))
    if what == 0:
        value = _side(rng, 2**32 - 1)
    elif what == 1:
        several = _side(rng, 2**32 - 1)
    elif what == 2:
        kind = int(rng.integers(0, 20))
    else:
        tag = int(pick(rng, (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 339)))
    return data[:at] + struct.pack("<HHLL", tag, kind, several, value) + data[at + 12 :]
