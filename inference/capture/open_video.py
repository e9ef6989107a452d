# SPDX-License-Identifier: GPL-3.0-or-later
"""Open one video file with OpenCV's FFmpeg, and nothing but that file.

FFmpeg would open much more: a playlist names other files and addresses, a name with a colon is
one, a pipe is waited for. And OpenCV cannot be given a name that is no text.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2

from inference.errors import InputError
from inference.inputs import check_file, opened

# Containers and raw streams, which hold all that they show. Not among them: what lists other files
# or addresses (hls, dash, concat, sdp, rtsp, imf), numbered pictures (image2), scripts, devices.
_FORMATS = (
    "3dostr,4xm,aiff,amr,anm,apng,asf,asf_o,av1,avi,avr,bfi,bink,bmp_pipe,cavsvideo,cdxl,cine,"
    "dds_pipe,dirac,dnxhd,dpx_pipe,dv,dxa,ea,evc,exr_pipe,film_cpk,flic,flv,gdv,gif,gxf,h261,h263,"
    "h264,hevc,hnm,ico,idcin,iff,ipmovie,ivf,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,jv,kux,"
    "live_flv,lmlm4,lvf,lxf,m4v,matroska,webm,mjpeg,mjpeg_2000,mlv,mov,mp4,m4a,3gp,3g2,mj2,mp3,"
    "mpeg,mpegts,mpegvideo,mpjpeg,msnwctcp,mv,mvi,mxf,mxg,nsv,nut,nuv,obu,ogg,pam_pipe,pbm_pipe,"
    "pcx_pipe,pgm_pipe,pgmyuv_pipe,pictor_pipe,png_pipe,pmp,ppm_pipe,psd_pipe,psxstr,r3d,rl2,rm,"
    "roq,rpl,sgi_pipe,smk,smush,sunrast_pipe,swf,tgv,thp,tiff_pipe,tmv,ty,vc1,vc1test,vmd,vvc,"
    "wc3movie,webp_pipe,wtv,wv,xa,xmv,yop,yuv4mpegpipe"
)
_OPTIONS = f"protocol_whitelist;file|format_whitelist;{_FORMATS}"
_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_HEAD = 4096  # bytes
_TEXTUAL = b"YUV4MPEG2"  # the one video that begins as a text
_MOST_PIXELS = 8192 * 8192
_NO_LIMIT = 1 << 62  # bytes: footage may be as long as it is, it streams

_environment = threading.Lock()


@contextlib.contextmanager
def video_file(path: Path) -> Iterator[cv2.VideoCapture]:
    """A reader of the video at `path`. Raises InputError when it is none that can be read."""
    check_file(path, "file", "check the name of the footage")
    _refuse_lists(path)
    with _safe_name(path) as name:
        reader = _open(name)
        try:
            if not reader.isOpened():
                raise InputError(f"{path}: not a video that can be read, or a truncated one")
            width, height = (reader.get(p) for p in (_WIDTH, _HEIGHT))
            if not width * height <= _MOST_PIXELS:
                raise InputError(f"{path}: says that it is {width:.0f} x {height:.0f} pixels, more "
                                 "than can be worked on; use a smaller copy")  # fmt: skip
            yield reader
        finally:
            reader.release()


_WIDTH, _HEIGHT = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT


def _open(name: str) -> cv2.VideoCapture:
    # OpenCV takes FFmpeg's options from the environment alone, when it opens a file.
    with _environment:
        before = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = f"{before}|{_OPTIONS}" if before else _OPTIONS
        try:
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before


def _refuse_lists(path: Path) -> None:
    """Raises InputError for a text: a playlist, a list of files, a script. No video is one."""
    with opened(path, "file", "check the name of the footage", _NO_LIMIT) as file:
        head = file.read(_HEAD)
    if head and b"\0" not in head and not head.startswith(_TEXTUAL):
        raise InputError(f"{path}: not a video that can be read, it is a text or a playlist; name "
                         "the video file itself")  # fmt: skip


@contextlib.contextmanager
def _safe_name(path: Path) -> Iterator[str]:
    """A name of the file that OpenCV can take and FFmpeg takes for a file's.

    An absolute one: `12:30.mp4` alone would be an address. A name that is no text in UTF-8 gets a
    link in a private folder, as long as the file is read.
    """
    name = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps `..`, which is no matter
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="likeness-") as folder:
            suffix = path.suffix if path.suffix.isascii() else ""
            link = Path(folder) / f"video{suffix}"
            link.symlink_to(name)
            yield str(link)
    else:
        yield name
