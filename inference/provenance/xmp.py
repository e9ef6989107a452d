# SPDX-License-Identifier: GPL-3.0-or-later
"""An XMP packet put into a file's bytes and found there: PNG, OpenEXR, JPEG, MP4 and MOV.

PNG: an iTXt chunk (XMP specification, part 3). OpenEXR: the attribute `xmp`, a string. MP4 and MOV:
a box of its own at the end of the file, which leaves every offset as it was.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from inference.inputs import opened

PNG = b"\x89PNG\r\n\x1a\n"
EXR = b"\x76\x2f\x31\x01"
_HEAD_OF_PNG = 33  # bytes: the signature and IHDR
_KEYWORD = b"XML:com.adobe.xmp\0"
_ATTRIBUTE = "xmp"
BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # XMP's, in ISO media files
_JPEG_KEYWORD = b"http://ns.adobe.com/xap/1.0/\0"
_LONGEST = 1 << 20  # bytes of a packet
_MOST = 10_000  # chunks, attributes or boxes that are looked at
LARGEST = 1 << 40  # bytes of a file; only its headers are read


def with_xmp(picture: bytes, packet: bytes) -> bytes:
    """A PNG's or an EXR's bytes with the packet in them. Both are as this project writes them."""
    return into_exr(picture, packet) if picture[:4] == EXR else into_png(picture, packet)


def into_png(picture: bytes, packet: bytes) -> bytes:
    """The bytes with an iTXt chunk after IHDR."""
    assert picture[:8] == PNG
    text = b"iTXt" + _KEYWORD + b"\0\0\0\0" + packet  # not compressed, no language, no translation
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return picture[:_HEAD_OF_PNG] + chunk + picture[_HEAD_OF_PNG:]


def into_exr(picture: bytes, packet: bytes) -> bytes:
    """The bytes with a further attribute; the chunks' offsets move by its length.

    picture: one part of scan lines, from the top down.
    """
    end = 8
    while picture[end]:
        end = picture.index(b"\0", picture.index(b"\0", end) + 1) + 1
        end += 4 + int.from_bytes(picture[end : end + 4], "little")
    added = f"{_ATTRIBUTE}\0string\0".encode() + struct.pack("<i", len(packet)) + packet
    table = end + 1
    (first,) = struct.unpack_from("<Q", picture, table)
    count = (first - table) // 8
    offsets = struct.unpack_from(f"<{count}Q", picture, table)
    moved = struct.pack(f"<{count}Q", *(offset + len(added) for offset in offsets))
    return b"".join([picture[:end], added, b"\0", moved, picture[first:]])


def as_box(packet: bytes) -> bytes:
    """What is appended to an MP4 or MOV file."""
    return struct.pack(">I", 24 + len(packet)) + b"uuid" + BOX + packet


def find_xmp(path: Path) -> bytes | None:
    """The file's packet; None where there is none, or in a kind of file that is not known.

    Raises ValueError where the file's structure is broken before its end, InputError where it
    cannot be read.
    """
    with opened(path, "file", "check its name", LARGEST) as file:
        head = file.read(12)
        try:
            if head[:8] == PNG:
                return _in_png(file)
            if head[:4] == EXR:
                return _in_exr(file)
            if head[:2] == b"\xff\xd8":
                return _in_jpeg(file)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
                return _in_movie(file)
        except (struct.error, zlib.error) as error:
            raise ValueError(f"the file is broken: {error}") from None
    return None


def _in_png(file: BinaryIO) -> bytes | None:
    file.seek(8)
    for _ in range(_MOST):
        head = file.read(8)
        if not head or head[4:] == b"IEND":
            return None
        length, kind = struct.unpack(">I4s", head)
        if kind != b"iTXt" or length > _LONGEST:
            file.seek(length + 4, 1)
            continue
        text = file.read(length)
        if zlib.crc32(kind + text) != struct.unpack(">I", file.read(4))[0]:
            raise ValueError("the file is broken: a text's checksum does not fit")
        if text.startswith(_KEYWORD):
            if len(text) < len(_KEYWORD) + 2:
                raise ValueError("the file is broken: a text ends too early")
            packed, rest = text[len(_KEYWORD)], text[len(_KEYWORD) + 2 :].split(b"\0", 2)[-1]
            return zlib.decompressobj().decompress(rest, _LONGEST) if packed else rest
    return None


def _in_exr(file: BinaryIO) -> bytes | None:
    file.seek(8)
    for _ in range(_MOST):
        name, kind = _word(file), _word(file)
        if not name:
            return None
        (length,) = struct.unpack("<i", file.read(4))
        if length < 0:
            raise ValueError("the file is broken: an attribute has no length")
        if name == _ATTRIBUTE.encode() and kind == b"string" and length <= _LONGEST:
            return file.read(length)
        file.seek(length, 1)
    return None


def _word(file: BinaryIO) -> bytes:
    """A name that ends with nought. Nothing, and the place unchanged, where the header ends."""
    start = file.tell()
    name, ended, _ = file.read(256).partition(b"\0")
    if not ended:
        raise ValueError("the file is broken: a name has no end")
    file.seek(start + (len(name) + 1 if name else 0))
    return name


def _in_jpeg(file: BinaryIO) -> bytes | None:
    file.seek(2)
    for _ in range(_MOST):
        mark, length = struct.unpack(">2sH", file.read(4))
        if mark[0] != 0xFF or mark[1] == 0xDA or length < 2:
            return None
        data = file.read(length - 2)
        if mark[1] == 0xE1 and data.startswith(_JPEG_KEYWORD):
            return data[len(_JPEG_KEYWORD) :]
    return None


def _in_movie(file: BinaryIO) -> bytes | None:
    file.seek(0, 2)
    size, at = file.tell(), 0
    for _ in range(_MOST):
        file.seek(at)
        head = file.read(24)
        if len(head) < 8:
            return None
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) >= 16:
            (length,) = struct.unpack(">Q", head[8:16])
        length = length or size - at
        if length < 8 or at + length > size:
            raise ValueError("the file is broken: a box reaches beyond its end")
        if kind == b"uuid" and head[8:24] == BOX and length <= _LONGEST:
            return file.read(length - 24)
        at += length
    return None
