# SPDX-License-Identifier: GPL-3.0-or-later
"""How prepared footage lies on disk: the index, and what precedes a clip's JPEGs in its shard.

A folder holds `dataset.json` (the settings), `shard-00000.bin`, ... and `index.jsonl`, one line
a clip. A clip is appended to a shard first and to the index last, so that it is either whole or
not there. In a shard a clip is a table, the JPEGs of its frames and, as a rule, their mattes
(`export.data.mattes`). Every table, frame and matte has a checksum, looked at when it is read.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.data.measures import MEASURES
from inference.errors import InputError
from inference.landmarks import POINT_COUNT, TOPOLOGY
from inference.outputs import FolderKind

Points = NDArray[np.float32]

FORMAT = 1
SETTINGS, INDEX, SKIPPED = "dataset.json", "index.jsonl", "skipped.csv"
SHARD = re.compile(r"shard-\d{5}\.bin")
# Landmarks are kept as 16-bit fractions of this range, in units of the crop's side: a step is
# 0.012 pixels of a 256-pixel crop, the error at most half of it.
_LOW, _HIGH = -1.0, 2.0
_STEPS = 65535


@dataclass(frozen=True)
class ClipRecord:
    """One line of the index.

    rate: frames a second as "25/1". size: width and height of the stored pictures. side: of the
    clip's usual crop (`inference.portrait.crop_box`) in the same pixels. still: a single picture.
    shard, offset, length: where the clip lies. table_crc: CRC-32 of its table. mattes: where in
    the clip its mattes begin, 0 where none were made.
    """

    name: str
    identity: str
    split: str
    still: bool
    rate: str
    size: tuple[int, int]
    side: float
    frames: int
    shard: str
    offset: int
    length: int
    table_crc: int
    mattes: int = 0


@dataclass(frozen=True)
class Table:
    """What precedes the JPEGs. numbers: (F,) the frames' zero-based numbers in the footage.

    starts: (F + 1,) where each JPEG begins after the table, and the end; crcs: (F,) theirs.
    """

    numbers: NDArray[np.int32]
    measures: NDArray[np.float32]
    points: NDArray[np.uint16]
    starts: NDArray[np.uint32]
    crcs: NDArray[np.uint32]

    @staticmethod
    def shapes(frames: int) -> tuple[tuple[np.dtype, tuple[int, ...]], ...]:
        """The arrays' types and shapes, in the order in which they lie in the file."""
        return (
            (np.dtype("<i4"), (frames,)),
            (np.dtype("<f4"), (frames, len(MEASURES))),
            (np.dtype("<u2"), (frames, POINT_COUNT, 3)),
            (np.dtype("<u4"), (frames + 1,)),
            (np.dtype("<u4"), (frames,)),
        )

    @staticmethod
    def length(frames: int) -> int:
        """In bytes, a multiple of four."""
        size = sum(kind.itemsize * int(np.prod(shape)) for kind, shape in Table.shapes(frames))
        return (size + 3) // 4 * 4

    @staticmethod
    def make(
        numbers: NDArray[np.int32],
        measures: NDArray[np.float32],
        points: Points,
        side: float,
        jpegs: list[bytes],
    ) -> Table:
        """points: (F, 478, 3) in pixels of the stored pictures; all within `storable`."""
        share = (points / np.float32(side) - _LOW) / (_HIGH - _LOW)
        return Table(
            numbers,
            measures,
            np.round(np.clip(share, 0, 1) * _STEPS).astype(np.uint16),
            np.cumsum([0, *(len(jpeg) for jpeg in jpegs)]).astype(np.uint32),
            np.array([zlib.crc32(jpeg) for jpeg in jpegs], np.uint32),
        )

    def landmarks(self, index: int, side: float) -> Points:
        """A frame's landmarks (478, 3) in pixels of its stored picture."""
        share = self.points[index].astype(np.float32) * np.float32((_HIGH - _LOW) / _STEPS)
        return (share + np.float32(_LOW)) * np.float32(side)

    def pack(self) -> bytes:
        arrays: list[NDArray[np.generic]] = [
            self.numbers,
            self.measures,
            self.points,
            self.starts,
            self.crcs,
        ]
        shapes = self.shapes(len(self.numbers))
        parts = [a.astype(kind).tobytes() for a, (kind, _) in zip(arrays, shapes, strict=True)]
        return b"".join(parts).ljust(self.length(len(self.numbers)), b"\0")

    @staticmethod
    def unpack(data: NDArray[np.uint8], frames: int) -> Table:
        arrays, at = [], 0
        for kind, shape in Table.shapes(frames):
            size = kind.itemsize * int(np.prod(shape))
            arrays.append(data[at : at + size].view(kind).reshape(shape))
            at += size
        return Table(*arrays)


def storable(points: Points, side: float) -> NDArray[np.bool_]:
    """Which frames' landmarks (F, 478, 3) lie within the range that is kept: (F,)."""
    share = points / np.float32(side)
    return ((share > _LOW) & (share < _HIGH)).all(axis=(1, 2))


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"shard-{number:05d}.bin"


def _has_settings(folder: Path) -> bool:
    """Folders of prepared data had no record before, but always their settings."""
    try:
        found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"topology", "format"} <= found.keys()


PREPARED = FolderKind(
    "prepared footage",
    (*(re.escape(name) for name in (SETTINGS, INDEX, SKIPPED)), SHARD.pattern),
    _has_settings,
)


def check_settings(path: Path, wanted: dict[str, int]) -> None:
    """Raises InputError when `dataset.json` is damaged or says otherwise than `wanted`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        topology = found["topology"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is damaged; delete the folder and prepare again") from None
    if topology != TOPOLOGY:
        raise InputError(
            f"{path}: the data's topology is '{topology}', this version reads "
            f"'{TOPOLOGY}'; prepare the footage again"
        )
    for key, value in wanted.items():
        if found.get(key) != value:
            raise InputError(
                f"{path}: the data was prepared with {key} {found.get(key)}, not "
                f"{value}; choose another --out folder"
            )


def read_index(folder: Path) -> tuple[list[ClipRecord], int]:
    """The whole lines of the index, and how many bytes they take. Raises InputError."""
    path = folder / INDEX
    if not path.is_file():
        return [], 0
    records, length = [], 0
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # a run was ended while it wrote this line
        try:
            fields = json.loads(line)
            record = ClipRecord(**{**fields, "size": tuple(fields["size"])})
            if not SHARD.fullmatch(record.shard):
                raise ValueError  # it would lead out of the folder
            records.append(record)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(
                f"{path}: line {len(records) + 1} is damaged; delete the folder and "
                "prepare the footage again"
            ) from None
        length += len(line)
    return records, length
