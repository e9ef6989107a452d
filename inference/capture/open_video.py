# SPDX-License-Identifier: GPL-3.0-or-later
"""Open one video file with OpenCV's FFmpeg, and nothing but that file.

FFmpeg would open much more: a playlist names other files and addresses, a name with a colon is
one, a pipe is waited for. And OpenCV cannot be given a name that is no text.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2

from inference.errors import InputError
from inference.inputs import check_file, opened

# What FFmpeg takes for a list of other files or addresses, wherever it stands in the text that the
# file begins with (HLS, concat, DASH, SDP, VobSub). OpenCV passes on no list of allowed formats.
_LISTS = (b"#extm3u", b"ffconcat", b"<mpd", b"c=in ip", b"vobsub index")
_TAG = b"ID3"  # FFmpeg looks behind it; music has one, no video
_PROBED = 1 << 20  # bytes, as many as FFmpeg looks at
# Of real video, what may begin with this much of what could be text.
_LONGEST_TEXT = 16  # bytes
_TEXTUAL = (
    b"YUV4MPEG2",
    b"RIFF",
    b"FLV",
    b"GIF8",
    b"OggS",
    b".RMF",
    b"DKIF",
    b"nut/",
    b"BIK",
    b"KB2",
    b"SDPX",
    b"XPDS",
    b"FORM",
    b"BM",
)
_NOT_TEXT = re.compile(rb"[^\t\n\v\f\r\x1b -~\x80-\xff]")
_MOST_PIXELS = 8192 * 8192
_NO_LIMIT = 1 << 62  # bytes: footage may be as long as it is, it streams


@contextlib.contextmanager
def video_file(path: Path) -> Iterator[cv2.VideoCapture]:
    """A reader of the video at `path`. Raises InputError when it is none that can be read."""
    check_file(path, "file", "check the name of the footage")
    _refuse_lists(path)
    with _safe_name(path) as name:
        reader = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        try:
            if not reader.isOpened():
                raise InputError(f"{path}: not a video that can be read, or a truncated one")
            width, height = (reader.get(p) for p in (_WIDTH, _HEIGHT))
            if not width * height <= _MOST_PIXELS:
                raise InputError(
                    f"{path}: says that it is {width:.0f} x {height:.0f} pixels, more "
                    "than can be worked on; use a smaller copy"
                )
            yield reader
        finally:
            reader.release()


_WIDTH, _HEIGHT = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT


def _refuse_lists(path: Path) -> None:
    """Raises InputError for a playlist, a list of files, a script: no video begins as a text."""
    with opened(path, "file", "check the name of the footage", _NO_LIMIT) as file:
        head = file.read(_PROBED)
    text = head.partition(b"\0")[0].lower()
    listed = head.startswith(_TAG) or any(mark in text for mark in _LISTS)
    plain = len(text) >= _LONGEST_TEXT and not _NOT_TEXT.search(text)
    if listed or (plain and not head.startswith(_TEXTUAL)):
        raise InputError(
            f"{path}: not a video that can be read, it is a text or a playlist; name "
            "the video file itself"
        )


@contextlib.contextmanager
def _safe_name(path: Path) -> Iterator[str]:
    """A name of the file that OpenCV can take and FFmpeg takes for a file's.

    An absolute one: `12:30.mp4` alone would be an address. A name that is no text in UTF-8, or that
    has a `%`, which could stand for the numbers of many pictures, gets a link in a private folder
    as long as the file is read.
    """
    name = str(path.absolute())
    if "%" not in name and not any("\ud800" <= sign <= "\udfff" for sign in name):
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="likeness-") as folder:
        suffix = path.suffix if re.fullmatch(r"\.[A-Za-z0-9]+", path.suffix) else ""
        link = Path(folder) / f"video{suffix}"
        try:
            link.symlink_to(name)
        except OSError:  # Windows asks for a privilege
            link = Path(name)
        yield str(link)
