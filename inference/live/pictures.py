# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they come now: from a camera, or from footage played at its own pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from inference.capture.movie import Picture
from inference.capture.video import open_footage, read_frames
from inference.errors import InputError, LikenessError

# What is asked of a camera; it gives what it can.
_CAMERA_SIZE, _CAMERA_RATE = (1280, 720), 30
# Pictures in a row that a camera may fail to give.
_MOST_MISSED = 5


def played(path: Path, again: bool, stopped: Callable[[], bool]) -> Iterator[tuple[float, Picture]]:
    """Footage as a camera would give it: each picture at its time, with the moment (a monotonic
    clock's seconds) at which it came. again: from the start, without end.

    Raises InputError where it cannot be read.
    """
    footage = open_footage(path)
    step = 1 / float(footage.rate)
    due = time.monotonic()
    while True:
        for frame in read_frames(footage):
            # A pause here, or a slow disk, is made up for by haste, but not without end.
            due = max(due, time.monotonic() - 1.0)
            while (left := due - time.monotonic()) > 0:
                if stopped():
                    return
                time.sleep(min(left, 0.05))
            if stopped():
                return
            yield time.monotonic(), frame.picture
            due += step
        if not again:
            return


def seen_by_camera(number: int, stopped: Callable[[], bool]) -> Iterator[tuple[float, Picture]]:
    """The camera's pictures, RGB, with the moment at which each came.

    Raises InputError where there is no such camera or another program has it, and LikenessError
    when it is gone.
    """
    camera = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise InputError(
                f"camera {number}: there is none, or another program uses it; name another "
                "(camera:1), or close that program"
            )
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, _CAMERA_SIZE[0])
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, _CAMERA_SIZE[1])
        camera.set(cv2.CAP_PROP_FPS, _CAMERA_RATE)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        missed = 0
        while not stopped():
            is_there, picture = camera.read()
            if is_there:
                missed = 0
                yield time.monotonic(), np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
                continue
            missed += 1
            if missed >= _MOST_MISSED:
                raise LikenessError(
                    f"camera {number}: gives no more pictures; was it unplugged? Start again"
                )
    finally:
        camera.release()
