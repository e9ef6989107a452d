# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of named channels as OpenEXR files: half floats, ZIP-compressed scan lines.

OpenCV writes red, green, blue and alpha only. The format is that of its makers' "OpenEXR File
Layout": a header of attributes, the chunks' offsets, and chunks of sixteen lines, each line channel
by channel in the order of their names.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]

_MAGIC, _VERSION = 20000630, 2
_LONG_NAMES = 1 << 10  # a flag of the version: names of more than 31 letters
_LINES = 16  # of a chunk under ZIP compression
_ZIP, _HALF = 3, 1
_LEVEL = 3  # of zlib: mattes are mostly flat, more effort gains little


def encode_exr_channels(channels: Mapping[str, Half], comments: str = "") -> bytes:
    """An EXR file's bytes. channels: (H, W) each, all of one size; comments: for people."""
    names = sorted(channels)
    height, width = channels[names[0]].shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = b"".join(
        name.encode("ascii") + b"\0" + struct.pack("<i4x2i", _HALF, 1, 1) for name in names
    )
    head = struct.pack("<2i", _MAGIC, _VERSION | _LONG_NAMES)
    for name, kind, value in (
        ("channels", "chlist", listed + b"\0"),
        ("comments", "string", comments.encode("ascii")),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ):
        head += f"{name}\0{kind}\0".encode("ascii") + struct.pack("<i", len(value)) + value
    head += b"\0"
    chunks = []
    for first in range(0, height, _LINES):
        lines = [channels[name][first : first + _LINES] for name in names]
        raw = np.stack(lines, axis=1).astype("<f2").tobytes()  # (lines, channels, W)
        packed = zlib.compress(_arranged(raw), _LEVEL)
        data = packed if len(packed) < len(raw) else raw
        chunks.append(struct.pack("<2i", first, len(data)) + data)
    at = len(head) + 8 * len(chunks)
    offsets = []
    for chunk in chunks:
        offsets.append(at)
        at += len(chunk)
    return b"".join([head, struct.pack(f"<{len(offsets)}Q", *offsets), *chunks])


def _arranged(raw: bytes) -> bytes:
    """As ZIP chunks want it: the even bytes, then the odd ones, each less the one before."""
    data = np.frombuffer(raw, np.uint8)
    data = np.concatenate([data[0::2], data[1::2]])
    less = np.diff(data, prepend=data[:1])
    less[1:] += np.uint8(128)
    less[0] = data[0]
    return less.tobytes()
