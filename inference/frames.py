# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent, and head frames among them: PNG of 8 or 16 bits, or EXR."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError, LikenessError

FORMATS = ("png", "png16", "exr")
PART_SUFFIX = ".part"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it becomes `path` when the block ends well.

    Raises InputError when the folder cannot be written, LikenessError when the disk is full.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError):
            raise file_error(error, path) from error
        raise


def check_writable(path: Path) -> None:
    """Find out before long work whether `path` can be written; raises as `written_whole` does."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; name a file in it")
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise file_error(error, path) from error
    finally:
        _remove(part)


def file_error(error: OSError, path: Path) -> LikenessError:
    """The clear line for an operating system's refusal to write `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LikenessError(
            f"{path}: the disk is full; free some space and run the same command again, "
            "finished frames are kept"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return InputError(f"{path.parent}: this folder cannot be written; choose another one")
    return LikenessError(f"{path}: cannot be written ({error.strerror or error})")


def frame_suffix(form: str) -> str:
    """The file name's ending for one of `FORMATS`."""
    return ".exr" if form == "exr" else ".png"


def encode_frame(
    rgb: NDArray[np.uint8] | NDArray[np.uint16], alpha: NDArray[np.float32] | None, form: str
) -> bytes:
    """A picture file's bytes.

    rgb: (H, W, 3) display sRGB; alpha: (H, W), 0 to 1, or None for an opaque picture.
    form: "png" and "png16" hold straight alpha; "exr" holds linear Rec.709 as half floats with
    the alpha multiplied in, as is usual for EXR.
    """
    if form == "exr":
        return _encode_exr(rgb, alpha)
    deep = form == "png16"
    top = 65535 if deep else 255
    if rgb.dtype == np.uint8 and deep:
        rgb = rgb.astype(np.uint16) * np.uint16(257)
    elif rgb.dtype == np.uint16 and not deep:
        rgb = np.round(rgb / 257).astype(np.uint8)
    if alpha is None:
        pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    else:
        pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
        pixels[..., 3] = np.round(alpha * top)
    # Level 1 with run lengths was the fastest that OpenCV offers, a third faster than level 1.
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return _encoded(".png", pixels, how)


def encode_grey(plane: NDArray[np.uint8]) -> bytes:
    """A grey PNG of 8 bits from (H, W)."""
    return _encoded(".png", plane, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def write_frame(path: Path, data: bytes) -> None:
    """Put an encoded frame under its name, whole or not at all."""
    with written_whole(path) as part:
        part.write_bytes(data)


def remove_parts(folder: Path, name: str) -> None:
    """Clear what a killed process left of the file `name`."""
    for part in folder.glob(f"{name}.*{PART_SUFFIX}"):
        _remove(part)


def _encode_exr(
    rgb: NDArray[np.uint8] | NDArray[np.uint16], alpha: NDArray[np.float32] | None
) -> bytes:
    # OpenCV looks at this once, when the first EXR is written.
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    top = np.iinfo(rgb.dtype).max
    curve = _to_linear(np.arange(top + 1, dtype=np.float64) / top).astype(np.float32)
    linear = curve[rgb]
    if alpha is None:
        pixels = cv2.cvtColor(linear, cv2.COLOR_RGB2BGR)
    else:
        pixels = cv2.cvtColor(linear * alpha[..., None], cv2.COLOR_RGB2BGRA)
        pixels[..., 3] = alpha
    how = [cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_HALF,
           cv2.IMWRITE_EXR_COMPRESSION, cv2.IMWRITE_EXR_COMPRESSION_PIZ]  # fmt: skip
    return _encoded(".exr", pixels, how)


def _to_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB's curve undone (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encoded(suffix: str, pixels: NDArray[np.generic], how: list[int]) -> bytes:
    ok, data = cv2.imencode(suffix, pixels, how)
    if not ok:
        raise LikenessError(f"a {suffix} frame of {pixels.shape} could not be encoded")
    return bytes(data)


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):  # an unreachable folder: the error that led here says more
        part.unlink(missing_ok=True)
