# SPDX-License-Identifier: GPL-3.0-or-later
"""Where live pictures go: a window, a movie, numbered frames, a virtual camera, a pipe."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import cv2

from inference.errors import InputError
from inference.files import check_writable, file_error, write_whole, written_whole
from inference.frames import encode_frame
from inference.live.chain import Pixels, Show
from inference.live.driver import Wishes
from inference.live.shared import SharedPictures
from inference.outputs import FolderKind, claim_folder

FRAMES = FolderKind("live frames", (r"frame_\d{6}\.png",))
PLACES = "window, FILE.mp4, frames:DIR, virtualcam or -"
_RATE = 25  # of a virtual camera
_TITLE = "Likeness"
_MILLISECONDS = Fraction(1, 1000)
_ESCAPE = 27


def open_show(place: str, size: tuple[int, int], wishes: Wishes) -> Show:
    """What pictures of `size` (width, height) are shown in, as a person names it.

    Raises InputError for a place that is none, is not there, or holds something already.
    """
    if place == "window":
        return Window(wishes)
    if place == "virtualcam":
        return VirtualCamera(size)
    if place == "-":
        return Pipe(sys.stdout.buffer, size)
    if place.startswith("frames:"):
        return NumberedFrames(Path(place.removeprefix("frames:")))
    if place.startswith("shared:"):  # Blender's; it is not advertised
        return SharedPictures(Path(place.removeprefix("shared:")), wishes)
    if place.endswith(".mp4"):
        return Movie(Path(place), size)
    raise InputError(f"'{place}' is no place for live pictures; name {PLACES}")


class Window:
    """A window of one's own. Q or Escape ends, R is neutral now, M mirrors."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        has_screen = sys.platform in ("win32", "darwin") or any(
            os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
        )
        try:
            if not has_screen:
                raise cv2.error("no screen")
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error:
            raise InputError(
                "there is no screen for a window here; show it elsewhere with --to (FILE.mp4, "
                "frames:DIR)"
            ) from None

    def show(self, picture: Pixels, _seconds: float, _delay: float) -> bool:
        cv2.imshow(_TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        if key == ord("r"):
            self._wishes.recenter += 1
        elif key == ord("m"):
            self._wishes.mirror = not self._wishes.mirror
        is_open = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1
        return is_open and key not in (ord("q"), _ESCAPE)

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        cv2.destroyAllWindows()


class Movie:
    """An MP4 of what was shown when; it has its name only when it is whole."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        if path.exists() or path.is_symlink():
            raise InputError(f"{path}: is there already; choose another name")
        check_writable(path)
        self._path = path
        with contextlib.ExitStack() as stack:
            part = stack.enter_context(written_whole(path))
            self._container = av.open(str(part), "w", format="mp4")
            self._stream: Any = self._container.add_stream("libx264", rate=30)
            self._size = (size[0] // 2 * 2, size[1] // 2 * 2)
            self._stream.width, self._stream.height = self._size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = _MILLISECONDS
            self._stream.options = {"crf": "18", "preset": "veryfast", "tune": "zerolatency"}
            self._stream.codec_context.thread_count = 1
            self._whole = stack.pop_all()
        self._last = -1

    def show(self, picture: Pixels, seconds: float, _delay: float) -> bool:
        width, height = self._size
        frame = av.VideoFrame.from_ndarray(picture[:height, :width], format="rgb24")
        self._last = max(self._last + 1, round(1000 * seconds))
        frame.pts, frame.time_base = self._last, _MILLISECONDS
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise file_error(error, self._path) from error
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        nothing, ended = contextlib.suppress(_NothingShown), contextlib.closing(self._container)
        with nothing, self._whole, ended:
            if self._last < 0:
                raise _NothingShown
            self._container.mux(self._stream.encode(None))


class _NothingShown(Exception):
    """A movie without a picture is none."""


class NumberedFrames:
    """A PNG for each frame that was shown."""

    def __init__(self, folder: Path) -> None:
        self._folder = claim_folder(folder, FRAMES)
        if any(True for _ in self._folder.files()):
            raise InputError(f"{folder}: holds frames already; choose another folder")
        self._count = 0

    def show(self, picture: Pixels, _seconds: float, _delay: float) -> bool:
        path = self._folder.file(f"frame_{self._count:06d}.png")
        write_whole(path, encode_frame(picture, None, "png"))
        self._count += 1
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        """Every frame is whole already."""


class VirtualCamera:
    """What other programs see as a camera; through pyvirtualcam, where a device exists."""

    def __init__(self, size: tuple[int, int]) -> None:
        try:
            module = importlib.import_module("pyvirtualcam")
        except ImportError:
            raise InputError(
                "a virtual camera needs the package pyvirtualcam: pip install pyvirtualcam"
            ) from None
        try:
            self._camera: Any = module.Camera(width=size[0], height=size[1], fps=_RATE)
        except RuntimeError as error:
            raise InputError(
                f"there is no virtual camera ({error}); install OBS, or load v4l2loopback on Linux"
            ) from None

    def show(self, picture: Pixels, _seconds: float, _delay: float) -> bool:
        self._camera.send(picture)
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        self._camera.close()


class Pipe:
    """Raw RGB pictures one after the other, for another program to read."""

    def __init__(self, out: BinaryIO, size: tuple[int, int]) -> None:
        self._out = out
        print(f"rgb24, {size[0]} x {size[1]} pixels", file=sys.stderr)

    def show(self, picture: Pixels, _seconds: float, _delay: float) -> bool:
        try:
            self._out.write(picture.tobytes())
            self._out.flush()
        except (BrokenPipeError, ValueError):
            return False
        return True

    def is_wanted(self) -> bool:
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._out.flush()
