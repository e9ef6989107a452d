# SPDX-License-Identifier: GPL-3.0-or-later
"""A landmark track: one face's 478 points over the frames of some footage, and its file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.arrays import UNREADABLE, Arrays, WrongArray, open_arrays
from inference.errors import InputError
from inference.files import written_whole
from inference.inputs import checked_rate, checked_size
from inference.landmarks import POINT_COUNT, TOPOLOGY
from inference.plausible import check_faces

SUFFIX = ".track.npz"
_FORMAT = 1


@dataclass(frozen=True)
class LandmarkTrack:
    """The landmarks of one face.

    points: (F, 478, 3) float32, x right and y down in pixels of the source picture, z in the same
        unit, growing away from the camera. NaN where the frame is not valid.
    valid: (F,) bool; a frame without the face is a gap.
    rate: frames a second.
    size: width and height of the source picture in pixels.
    cuts: zero-based frames at which another shot begins.
    source, source_sha256: name and hash of the footage.
    clear: (F,) float32, 0 to 1, how much of the face is seen as it is in the rest of the take; None
        where nobody looked.
    """

    points: NDArray[np.float32]
    valid: NDArray[np.bool_]
    rate: Fraction
    size: tuple[int, int]
    cuts: tuple[int, ...] = ()
    source: str = ""
    source_sha256: str = ""
    clear: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.points)


def save_track(track: LandmarkTrack, path: Path) -> None:
    """Write the track; the file appears under its name only when it is whole.

    Raises LikenessError when the folder cannot be written or the disk is full.
    """
    arrays = {
        "format": _FORMAT,
        "topology": TOPOLOGY,
        "points": track.points.astype(np.float32),
        "valid": track.valid.astype(bool),
        "rate": np.array([track.rate.numerator, track.rate.denominator], np.int64),
        "size": np.array(track.size, np.int32),
        "cuts": np.array(track.cuts, np.int32),
        "source": track.source,
        "source_sha256": track.source_sha256,
        **({} if track.clear is None else {"clear": track.clear.astype(np.float32)}),
    }
    write_arrays(path, arrays)


def load_track(path: Path) -> LandmarkTrack:
    """Read a track and check it. Raises InputError when it is not one, or of another topology."""
    try:
        with open_arrays(path, "track", "capture one first") as arrays:
            topology = arrays.text("topology")
            if topology != TOPOLOGY:
                raise InputError(
                    f"{path}: the track's topology is '{topology}', this version reads "
                    f"'{TOPOLOGY}'; capture the footage again"
                )
            frames = arrays.length("points")
            track = LandmarkTrack(
                points=arrays.read("points", np.float32, (frames, POINT_COUNT, 3)),
                valid=arrays.read("valid", np.bool_, (frames,)),
                rate=rate_of(arrays),
                size=size_of(arrays),
                cuts=arrays.numbers("cuts"),
                source=arrays.text("source"),
                source_sha256=arrays.text("source_sha256"),
                clear=_clear(arrays, frames),
            )
    except WrongArray as error:
        raise InputError(f"{path}: {error}; capture the footage again") from None
    except UNREADABLE:
        raise InputError(
            f"{path}: not a landmark track, or a damaged one; capture the footage again"
        ) from None
    _check(track, path)
    return track


def rate_of(arrays: Arrays) -> Fraction:
    """A recording's frame rate. Raises one of UNREADABLE."""
    numerator, denominator = arrays.numbers("rate")
    return checked_rate(numerator, denominator)


def size_of(arrays: Arrays) -> tuple[int, int]:
    """The size of the picture that a recording was made of, pixels. Raises one of UNREADABLE."""
    width, height = arrays.numbers("size")
    try:
        return checked_size(width, height)
    except ValueError:
        raise WrongArray(
            f"a picture's size of {width} x {height} is not positive, or too large"
        ) from None


def write_arrays(path: Path, arrays: Mapping[str, object]) -> None:
    """Write named arrays as one compressed .npz without pickles, whole or not at all.

    Raises LikenessError when the folder cannot be written or the disk is full.
    """
    # As np.savez_compressed does, but on a full disk that one leaves its zip file to the garbage
    # collector, which complains on stderr.
    with (
        written_whole(path) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)


def is_recording(path: Path, array: str) -> bool:
    """Is the file one of our recordings, by the names in it: does it hold `array`?"""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{array}.npy", "topology.npy"} <= set(archive.namelist())
    except UNREADABLE:
        return False


def is_track(path: Path) -> bool:
    """Does the file's content show that it is a landmark track?"""
    return is_recording(path, "points")


def fill_gaps(track: LandmarkTrack) -> LandmarkTrack:
    """Every frame valid: linear between a gap's ends in one shot, held at a shot's own ends.

    A shot in which the face was never seen holds the nearest frame of its neighbours.
    """
    if bool(track.valid.all()):
        return track
    points = track.points.copy()
    bounds = [0, *track.cuts, len(track)]
    seen_anywhere = np.flatnonzero(track.valid)
    for start, stop in zip(bounds, bounds[1:], strict=False):
        seen = seen_anywhere[(seen_anywhere >= start) & (seen_anywhere < stop)]
        for frame in range(start, stop):
            if track.valid[frame]:
                continue
            if len(seen) == 0:
                points[frame] = track.points[_nearest(seen_anywhere, frame)]
                continue
            before, after = seen[seen < frame], seen[seen > frame]
            if len(before) and len(after):
                a, b = before[-1], after[0]
                share = np.float32((frame - a) / (b - a))
                points[frame] = (1 - share) * track.points[a] + share * track.points[b]
            else:
                points[frame] = track.points[_nearest(seen, frame)]
    return replace(track, points=points, valid=np.ones(len(track), bool))


def _nearest(frames: NDArray[np.int64], frame: int) -> int:
    return int(frames[np.argmin(np.abs(frames - frame))])


def _clear(arrays: Arrays, frames: int) -> NDArray[np.float32] | None:
    if "clear" not in arrays.names:
        return None
    return np.clip(np.nan_to_num(arrays.read("clear", np.float32, (frames,))), 0, 1)


def _check(track: LandmarkTrack, path: Path) -> None:
    if not track.valid.any():
        raise InputError(f"{path}: the track is empty, no frame holds a face; capture another")
    wrong = check_faces(track.points, track.valid, track.size)
    if wrong:
        raise InputError(f"{path}: {wrong}; capture the footage again")
    if list(track.cuts) != sorted(set(track.cuts) & set(range(1, len(track)))):
        raise InputError(f"{path}: the track's cuts are not among its frames; capture it again")
