# SPDX-License-Identifier: GPL-3.0-or-later
"""Open one video or sound file with PyAV's FFmpeg, and nothing but that file.

FFmpeg would open much more: a playlist names other files and addresses, a name with a colon is
one, a pipe is waited for. So it is given neither a name nor a format that lists others: it reads
bytes through a handle that is open already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer

from inference.errors import InputError
from inference.inputs import opened

# FFmpeg's names of the containers and raw streams that are read; none of them names other files.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "live_flv", "asf",
    "mxf", "mxf_opatom", "ogg", "nut", "gxf", "rm", "dv", "wtv", "ivf", "gif", "apng",
    "yuv4mpegpipe", "h261", "h263", "h264", "hevc", "vvc", "mpegvideo", "m4v", "vc1", "vc1test",
    "av1", "obu", "dirac", "cavsvideo", "mjpeg", "roq", "smk", "bink", "swf", "nsv", "4xm",
)  # fmt: skip
_SOUND_FORMATS = (
    "wav", "w64", "mp3", "flac", "aac", "aiff", "au", "caf", "amr", "amrnb", "amrwb", "ac3", "eac3",
    "ape", "wv", "tta", "dsf", "loas", "voc", "ircam",
)  # fmt: skip
# Raw streams whose first bytes FFmpeg takes for a single picture's.
_BY_SUFFIX = {".mjpeg": "mjpeg", ".mjpg": "mjpeg"}
_NO_LIMIT = 1 << 62  # bytes: footage may be as long as it is, it streams
_BUFFER = 1 << 18  # bytes that are read at once
_MOST_PIXELS = 8192 * 8192


class _Handle:
    """What PyAV needs of an open file: no name by which anything could be opened again."""

    def __init__(self, file: BinaryIO) -> None:
        self.read: Callable[[int], bytes] = file.read
        self.seek: Callable[[int, int], int] = file.seek
        self.tell: Callable[[], int] = file.tell


@contextlib.contextmanager
def sound_file(path: Path) -> Iterator[tuple[InputContainer, Any]]:
    """The container at `path` and its stream of sound. Raises InputError when it holds none."""
    with opened(path, "file", "check the name of the sound", _NO_LIMIT) as file:
        try:
            container = _container(file, _FORMATS + _SOUND_FORMATS)
        except (av.FFmpegError, ValueError, MemoryError):
            raise InputError(f"{path}: not a sound that can be read, or a truncated one") from None
        with container:
            stream = container.streams.best("audio")
            if stream is None or stream.codec_context is None:
                raise InputError(f"{path}: there is no sound in it; name a recording of a voice")
            yield container, stream


@contextlib.contextmanager
def video_file(path: Path) -> Iterator[tuple[InputContainer, Any]]:
    """The container at `path` and its stream of pictures. Raises InputError when it is no video."""
    with opened(path, "file", "check the name of the footage", _NO_LIMIT) as file:
        head = file.read(16)
        file.seek(0)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            raise InputError(
                f"{path}: animated WebP is not supported as footage; convert it to a movie, such "
                "as MP4, or to numbered PNG files"
            )
        try:
            container = _container(file, _FORMATS, _BY_SUFFIX.get(path.suffix.lower()))
        except (av.FFmpegError, ValueError, MemoryError):
            raise InputError(f"{path}: not a video that can be read, or a truncated one") from None
        with container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise InputError(f"{path}: holds no pictures, only sound or data; name a video")
            codec = stream.codec_context
            if codec.width * codec.height > _MOST_PIXELS:
                raise InputError(
                    f"{path}: says that it is {codec.width} x {codec.height} pixels, more "
                    "than can be worked on; use a smaller copy"
                )
            codec.options = {"max_pixels": str(_MOST_PIXELS)}
            stream.thread_type = "AUTO"
            yield container, stream


def _container(file: BinaryIO, formats: tuple[str, ...], form: str | None = None) -> Any:
    return av.open(
        _Handle(file),
        mode="r",
        format=form,
        buffer_size=_BUFFER,
        container_options={
            "format_whitelist": ",".join(formats),
            "protocol_whitelist": "none",
        },
    )
