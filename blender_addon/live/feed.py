# SPDX-License-Identifier: GPL-3.0-or-later
"""The file through which live pictures come from their process, and wishes go there. No bpy.

Its layout is described in `inference/live/shared.py`, which writes the pictures.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

MAGIC = b"LIKELIVE"
_START, _BUFFERS, _LONGEST = 4096, 3, 512
_PLACE = _LONGEST * _LONGEST * 16
_BYTES = _START + _BUFFERS * _PLACE
_STOP, _RECENTER, _MIRROR, _SMOOTH, _RECORD = 64, 68, 72, 76, 80


class Feed:
    """A new file, mapped into memory. Raises InputError where it cannot be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("w+b") as file:
                file.truncate(_BYTES)
                self._map = mmap.mmap(file.fileno(), _BYTES)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be made ({error}); choose another cache folder in the add-on's "
                "preferences"
            ) from None
        self._map[:8] = MAGIC
        struct.pack_into("<f", self._map, _SMOOTH, -1.0)

    @property
    def serial(self) -> int:
        """The newest picture's number; 0 before the first."""
        return int(struct.unpack_from("<I", self._map, 16)[0])

    @property
    def figures(self) -> tuple[float, float, bool]:
        """Pictures a second, delay in milliseconds, and whether a face is seen."""
        rate, delay, is_seen = struct.unpack_from("<ffI", self._map, 20)
        return rate, delay, bool(is_seen)

    def picture(self) -> NDArray[np.float32] | None:
        """The newest picture (H, W, 4), RGBA, from its lowest row up; a copy."""
        width, height, serial = struct.unpack_from("<III", self._map, 8)
        if serial == 0 or not (0 < width <= _LONGEST and 0 < height <= _LONGEST):
            return None
        place = _START + (serial % _BUFFERS) * _PLACE
        pixels = np.frombuffer(self._map, np.float32, height * width * 4, place)
        return pixels.reshape(height, width, 4).copy()

    def stop(self) -> None:
        """Ask the process to end well."""
        struct.pack_into("<I", self._map, _STOP, 1)

    def recenter(self) -> None:
        """What the driver's face does now is its rest."""
        (count,) = struct.unpack_from("<I", self._map, _RECENTER)
        struct.pack_into("<I", self._map, _RECENTER, count + 1)

    def wish(self, mirror: bool, smooth: float, record: bool) -> None:
        """What counts from the next picture on."""
        struct.pack_into("<IfI", self._map, _MIRROR, mirror, smooth, record)

    def remove(self) -> None:
        """Take the file away; Windows keeps it as long as the process has it mapped."""
        self._map.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
