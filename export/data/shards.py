# SPDX-License-Identifier: GPL-3.0-or-later
"""Read prepared footage through memory maps; no video is decoded, nothing is kept in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.clips import shared_person
from export.data.layout import (
    FORMAT,
    SETTINGS,
    ClipRecord,
    Points,
    Table,
    check_settings,
    read_index,
)
from export.data.mattes import find_matte, read_matte
from inference.errors import InputError


class PreparedData:
    """A prepared folder, read through memory maps; cheap to hand to another process."""

    def __init__(self, folder: Path, split: str | None = None) -> None:
        """Open the clips of one split, or all. Raises InputError when it is no prepared folder."""
        path = folder / SETTINGS
        if not path.is_file():
            raise InputError(
                f"{folder}: is no prepared data; make it with: "
                "python -m export prepare SRC --out DATA"
            )
        check_settings(path, {"format": FORMAT})
        records = sorted(read_index(folder)[0], key=lambda record: record.name)
        _check_people(records, folder)
        self.folder = folder
        self.records = [r for r in records if split is None or r.split == split]
        if not self.records:
            what = f"of the split '{split}'" if split else "in it"
            raise InputError(f"{folder}: there is no clip {what}; prepare more footage")
        self._maps: dict[str, NDArray[np.uint8]] = {}
        self._checked: set[int] = set()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_maps": {}}

    def __len__(self) -> int:
        return len(self.records)

    def clip(self, index: int) -> StoredClip:
        """The clip at a place in `records`."""
        record = self.records[index]
        if record.shard not in self._maps:
            path = self.folder / record.shard
            if not path.is_file():
                raise InputError(f"{path}: the shard is missing; prepare the footage again")
            self._maps[record.shard] = np.memmap(path, np.uint8, "r")
        shard = self._maps[record.shard]
        clip = StoredClip(
            record, self.folder / record.shard, shard[record.offset : record.offset + record.length]
        )
        if index not in self._checked:
            clip.check_table()
            self._checked.add(index)
        return clip


class StoredClip:
    """One clip in its shard. Raises InputError when what is read is damaged."""

    def __init__(self, record: ClipRecord, path: Path, data: NDArray[np.uint8]) -> None:
        self.record = record
        self._path = path
        self._data = data
        self._head = Table.length(record.frames)

    def check_table(self) -> None:
        """Raises InputError when the shard is too short or the clip's table is damaged."""
        whole = len(self._data) == self.record.length
        if not whole or zlib.crc32(self._data[: self._head].tobytes()) != self.record.table_crc:
            raise self._damaged()

    @cached_property
    def _table(self) -> Table:
        return Table.unpack(self._data[: self._head], self.record.frames)

    @property
    def numbers(self) -> NDArray[np.int32]:
        """(F,) zero-based numbers of the frames in the footage; a gap is a missing number."""
        return self._table.numbers

    @property
    def measures(self) -> NDArray[np.float32]:
        """(F, 4), see `export.data.measures`."""
        return self._table.measures

    def points(self, index: int) -> Points:
        """The landmarks (478, 3) of a frame in pixels of its stored picture."""
        return self._table.landmarks(index, self.record.side)

    def jpeg(self, index: int) -> NDArray[np.uint8]:
        """A frame's JPEG file, checked."""
        first, end = self._table.starts[index : index + 2].tolist()
        data = self._data[self._head + first : self._head + end]
        if zlib.crc32(data.tobytes()) != int(self._table.crcs[index]):
            raise self._damaged()
        return data

    def matte_png(self, index: int) -> NDArray[np.uint8] | None:
        """A frame's matte as a PNG file, checked; None where the clip has none."""
        if not self.record.mattes:
            return None
        png = find_matte(self._data[self.record.mattes :], self.record.frames, index)
        if png is None:
            raise self._damaged()
        return png

    def matte(self, index: int) -> NDArray[np.uint8] | None:
        """A frame's matte (SIDE, SIDE) of `export.data.mattes`; None where the clip has none."""
        png = self.matte_png(index)
        matte = None if png is None else read_matte(png)
        if png is not None and matte is None:
            raise self._damaged()
        return matte

    def check(self) -> None:
        """Raises InputError when a frame or matte is damaged."""
        for index in range(self.record.frames):
            self.jpeg(index)
            self.matte_png(index)

    def whole(self) -> bytes:
        """The clip as it lies in its shard, every frame checked."""
        self.check()
        return self._data.tobytes()

    def picture(self, index: int, half: bool = False) -> NDArray[np.uint8]:
        """A frame's picture (H, W, 3), RGB; `half` gives half its size, rounded up, sooner."""
        how = cv2.IMREAD_REDUCED_COLOR_2 if half else cv2.IMREAD_COLOR
        bgr = cv2.imdecode(self.jpeg(index), how)
        share = 2 if half else 1
        width, height = self.record.size
        if bgr is None or bgr.shape[:2] != (-(-height // share), -(-width // share)):
            raise self._damaged()
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._path}: the shard is damaged at the clip '{self.record.name}'; delete the "
            "folder and prepare the footage again"
        )


def _check_people(records: list[ClipRecord], folder: Path) -> None:
    person = shared_person((record.identity, record.split) for record in records)
    if person is not None:
        raise InputError(
            f"{folder}: '{person}' is in the validation split and in another; "
            "prepare the footage again"
        )


def check_all(data: PreparedData) -> Iterator[str]:
    """Read every frame of every clip and yield one line for each damaged clip."""
    for index in range(len(data)):
        try:
            data.clip(index).check()
        except InputError as error:
            yield str(error)
