# SPDX-License-Identifier: GPL-3.0-or-later
"""Write prepared footage: clips are packed one by one and appended to shards, whole or not at all.

Whatever an interrupted run left behind the last indexed clip is cut off by the next run.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from export.data.layout import (
    FORMAT,
    INDEX,
    SETTINGS,
    SHARD,
    ClipRecord,
    Points,
    Table,
    check_settings,
    read_index,
    shard_name,
)
from export.data.mattes import join_mattes
from inference.errors import InputError, LikenessError
from inference.files import write_whole
from inference.landmarks import TOPOLOGY
from inference.outputs import OwnedFolder

_SHARD_BYTES = 512 << 20


@dataclass(frozen=True)
class PackedClip:
    """A clip ready to be appended: what the index will say, less the place, and its bytes."""

    name: str
    identity: str
    split: str
    still: bool
    rate: str
    size: tuple[int, int]
    side: float
    frames: int
    table_crc: int
    data: bytes
    mattes: int = 0


def pack_clip(
    name: str,
    identity: str,
    split: str,
    still: bool,
    rate: str,
    size: tuple[int, int],
    side: float,
    numbers: NDArray[np.int32],
    points: Points,
    measures: NDArray[np.float32],
    jpegs: list[bytes],
    mattes: list[bytes] | None = None,
) -> PackedClip:
    """Lay a clip's frames out as they lie in a shard.

    points: (F, 478, 3) in pixels of the stored pictures; all within `storable`. mattes: of each
    frame, by `export.data.mattes.make_matte`.
    """
    table = Table.make(numbers, measures, points, side, jpegs).pack()
    data = b"".join([table, *jpegs])
    data = data.ljust((len(data) + 3) // 4 * 4, b"\0")  # the next table begins aligned
    begin = len(data) if mattes else 0
    data += join_mattes(mattes) if mattes else b""
    return PackedClip(
        name, identity, split, still, rate, size, side, len(jpegs), zlib.crc32(table), data, begin
    )


class ShardWriter:
    """Appends clips to a dataset's folder; use it as a context, one at a time per folder."""

    def __init__(self, folder: OwnedFolder, settings: dict[str, int]) -> None:
        """Open or begin a dataset. Raises InputError when it was begun with other settings, or
        when it is not whole."""
        self._folder = folder
        settings = {"format": FORMAT, **settings}
        path = folder.file(SETTINGS)
        if path.is_file():
            check_settings(path, settings)
        else:
            text = json.dumps({"topology": TOPOLOGY, **settings}, indent=1)
            write_whole(path, (text + "\n").encode())
        self.records = _cut_off_the_unfinished(folder)
        self._index = folder.file(INDEX).open("ab")
        self._shard: BinaryIO | None = None
        self._number = max([0, *(int(r.shard[6:11]) for r in self.records)])

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()
        if self._shard:
            self._shard.close()

    def append(self, clip: PackedClip) -> None:
        """Add a clip; when this returns it is whole on disk. Raises LikenessError (a full disk)."""
        try:
            shard = self._open_shard()
            offset = shard.tell()
            shard.write(clip.data)
            shard.flush()
            os.fsync(shard.fileno())
            fields = {k: v for k, v in vars(clip).items() if k != "data"}
            record = ClipRecord(
                **fields, shard=shard_name(self._number), offset=offset, length=len(clip.data)
            )
            self._index.write(json.dumps(asdict(record)).encode() + b"\n")
            self._index.flush()
            os.fsync(self._index.fileno())
        except OSError as error:
            raise LikenessError(
                f"{self._folder.path}: cannot be written ({error.strerror}); make "
                "room and run the same command again"
            ) from error
        self.records.append(record)

    def _open_shard(self) -> BinaryIO:
        if self._shard and self._shard.tell() >= _SHARD_BYTES:
            self._shard.close()
            self._shard, self._number = None, self._number + 1
        if not self._shard:
            self._shard = self._folder.file(shard_name(self._number)).open("ab")
        return self._shard


def _cut_off_the_unfinished(folder: OwnedFolder) -> list[ClipRecord]:
    """Drop what an interrupted run left behind the last whole clip.

    Raises InputError when more than that would go: then the index is not the shards' own.
    """
    index = folder.file(INDEX)
    records, length = read_index(folder.path)
    ends: dict[str, int] = {}
    for record in records:
        ends[record.shard] = max(ends.get(record.shard, 0), record.offset + record.length)
    sizes = {p.name: p.stat().st_size for p in folder.files() if SHARD.fullmatch(p.name)}
    for name, end in ends.items():
        if sizes.get(name, 0) < end:
            raise InputError(
                f"{folder.path / name}: the shard is shorter than its index says; "
                "delete the folder and prepare the footage again"
            )
    beyond = {name for name, size in sizes.items() if size > ends.get(name, 0)}
    # A run writes its index before its first shard, and is interrupted in the last shard only.
    if beyond and (not index.is_file() or len(beyond) > 1 or beyond != {max(sizes)}):
        what = "says nothing of" if index.is_file() else "is missing beside"
        raise InputError(
            f"{index}: {what} clips in {min(beyond)}; bring the index back, or choose another "
            "folder (nothing was changed)"
        )
    if index.is_file():
        os.truncate(index, length)
    for name in beyond:
        os.truncate(folder.file(name), ends.get(name, 0))
    return records
