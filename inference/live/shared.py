# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures for Blender through a file that both map into memory; wishes come back in it.

Little-endian. The program that shows the pictures makes the file and reads:

      0  8  "LIKELIVE"            16  4  serial of the newest picture, 0: none yet
      8  4  width                 20  4  frames a second, float
     12  4  height                24  4  delay in milliseconds, float
                                  28  4  is a face seen? 1: yes
and writes:
     64  4  stop, 1: yes          72  4  mirror, 1: yes
     68  4  recenter, a count     76  4  smoothing, float, below 0: the usual
     80  4  record, 1: yes

From 4096 on lie BUFFERS pictures, float32 RGBA from the lowest row up, as a texture takes them;
picture n in the place n % BUFFERS. So what is read is not written meanwhile.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from inference.errors import InputError
from inference.live.chain import Pixels
from inference.live.driver import Wishes

MAGIC = b"LIKELIVE"
START, BUFFERS, LONGEST = 4096, 3, 512
FILE_BYTES = START + BUFFERS * LONGEST * LONGEST * 16
_FIGURES_OVER = 2.0  # seconds


class SharedPictures:
    """Writes each picture, made small enough, to the next place of the file."""

    def __init__(self, path: Path, wishes: Wishes) -> None:
        """Raises InputError where the file is not the other program's."""
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), FILE_BYTES)
        except (OSError, ValueError):
            raise InputError(f"{path}: is no file to share pictures in") from None
        if self._map[:8] != MAGIC:
            raise InputError(f"{path}: is no file to share pictures in")
        self._wishes, self._serial = wishes, 0
        self._times: deque[float] = deque()
        self._read_wishes()

    def is_wanted(self) -> bool:
        """Does the other program not want an end?"""
        (stop,) = struct.unpack_from("<I", self._map, 64)
        return not stop

    def show(self, picture: Pixels, _seconds: float, delay: float) -> bool:
        self._read_wishes()
        share = LONGEST / max(picture.shape[:2])
        if share < 1:
            picture = np.asarray(
                cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
            )
        height, width = picture.shape[:2]
        serial = self._serial + 1
        place = START + (serial % BUFFERS) * LONGEST * LONGEST * 16
        view = np.frombuffer(self._map, np.float32, height * width * 4, place)
        rgba = view.reshape(height, width, 4)
        rgba[..., 3] = 1
        np.multiply(picture[::-1], np.float32(1 / 255), out=rgba[..., :3])
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > _FIGURES_OVER:
            self._times.popleft()
        rate = (len(self._times) - 1) / max(now - self._times[0], 1e-3)
        is_seen = delay == delay  # not a number while nobody is seen
        figures = rate, 1000 * delay if is_seen else 0.0, is_seen
        struct.pack_into("<ffI", self._map, 20, *figures)
        struct.pack_into("<III", self._map, 8, width, height, serial)
        self._serial = serial
        return self.is_wanted()

    def close(self) -> None:
        """The file is the other program's; it stays."""

    def _read_wishes(self) -> None:
        recenter, mirror, smooth, record = struct.unpack_from("<IIfI", self._map, 68)
        self._wishes.recenter, self._wishes.mirror = recenter, bool(mirror)
        self._wishes.record = bool(record)
        self._wishes.smooth = None if not 0 <= smooth <= 1 else smooth
