# SPDX-License-Identifier: GPL-3.0-or-later
"""Some of a track's landmarks as tracking markers of a movie clip, and moved markers back.

A marker that the artist moves takes its landmark along exactly, and the landmarks around it in
part, by their way over the skin: a lower lip does not pull the upper one, nor a lid the other.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..storage.canonical import Face, read_face
from ..storage.recordings import POINT_COUNT, Track

if TYPE_CHECKING:
    import bpy

# Landmark and its name; left and right are the person's own.
POINTS = {
    10: "forehead", 4: "nose tip", 152: "chin",
    61: "mouth corner right", 291: "mouth corner left",
    0: "upper lip", 13: "upper lip inside", 14: "lower lip inside", 17: "lower lip",
    33: "eye right outside", 133: "eye right inside", 159: "lid right upper",
    145: "lid right lower", 468: "iris right",
    362: "eye left inside", 263: "eye left outside", 386: "lid left upper",
    374: "lid left lower", 473: "iris left",
    105: "brow right", 107: "brow right inside", 334: "brow left", 336: "brow left inside",
}  # fmt: skip
_IRISES = {468: range(468, 473), 473: range(473, 478)}
_PREFIX = "Likeness "
_FALLOFF = 3  # a marker's share falls with this power of the way to it


def add_markers(clip: bpy.types.MovieClip, track: Track, offset: int = 0) -> int:
    """Put the points of `POINTS` on a movie clip, one marker a frame; returns how many tracks.

    offset: the clip's picture, counted from 0, that the track's frame 0 was captured from. A gap
    begins with a muted marker, or Blender would hold the last place. Earlier ones are replaced.
    """
    _check(clip, track)
    # Markers lie in the clip's data: without a user they would be gone from the saved file.
    clip.use_fake_user = True
    places = _normalised(track)
    seen = np.flatnonzero(track.valid).tolist()
    ends = [i for i in seen if i + 1 == len(track) or not track.valid[i + 1]]
    own = {each.name: each for each in clip.tracking.tracks}
    for point, name in POINTS.items():
        first = _clip_frame(seen[0], offset)
        added = own.get(_PREFIX + name)
        if added is None:
            added = clip.tracking.tracks.new(name=_PREFIX + name, frame=first)
        _put(added, {_clip_frame(i, offset): places[i, point] for i in seen})
        for index in ends:
            frame = _clip_frame(index + 1, offset)
            added.markers.insert_frame(frame, co=tuple(places[index, point].tolist())).mute = True
        added.hide = False
    return len(POINTS)


def remove_markers(clip: bpy.types.MovieClip) -> int:
    """Take the markers of `add_markers` away; returns how many tracks they were.

    Blender has no way to delete a track from outside its editor: they stay, empty and hidden, and
    the next ones take their places.
    """
    found = [track for track in _own_tracks(clip).values() if not track.hide]
    for track in found:
        frame = track.markers[0].frame
        _put(track, {frame: np.array(track.markers[0].co, np.float32)})
        track.markers[0].mute = True
        track.select = False
        track.hide = True
    return len(found)


def has_markers(clip: bpy.types.MovieClip) -> bool:
    """Whether a clip has markers of `add_markers`."""
    return any(not track.hide for track in _own_tracks(clip).values())


def _put(track: bpy.types.MovieTrackingTrack, places: dict[int, NDArray[np.float32]]) -> None:
    """Make these the only markers of a track; a track is never without one."""
    for frame, place in places.items():
        marker = track.markers.insert_frame(frame, co=tuple(place.tolist()))
        marker.mute = False
    for frame in [marker.frame for marker in track.markers if marker.frame not in places]:
        track.markers.delete_frame(frame)


def moved(
    clip: bpy.types.MovieClip, track: Track, offset: int = 0, face: Face | None = None
) -> tuple[Track, list[int]]:
    """The track with its points where the artist put the markers, and the frames that changed.

    Frames whose markers were left alone are the same bit for bit. Markers that were muted or
    deleted move nothing. Raises InputError when the clip has none of the markers.
    """
    _check(clip, track)
    own = _own_tracks(clip)
    if not has_markers(clip):
        raise InputError(f"{clip.name}: there are no Likeness markers on this clip; add them first")
    places = _normalised(track)
    order = list(POINTS)
    moves = np.zeros((len(track), len(order), 2))
    for column, point in enumerate(order):
        if (found := own.get(point)) is None:
            continue
        for marker in found.markers:
            index = marker.frame - _clip_frame(0, offset)
            if marker.mute or not 0 <= index < len(track) or not track.valid[index]:
                continue
            now = np.array(marker.co, np.float32)
            if (now != places[index, point]).any():
                step = now.astype(np.float64) - places[index, point]
                moves[index, column] = step * track.size * (1, -1)
    touched = np.flatnonzero(moves.any(axis=(1, 2)))
    points = track.points.copy()
    shares = _shares(face or read_face())
    points[touched, :, :2] += (shares @ moves[touched]).astype(np.float32)
    return replace(track, points=points), touched.tolist()


def _check(clip: bpy.types.MovieClip, track: Track) -> None:
    size = tuple(clip.size)
    if size[0] > 0 and size != track.size:
        raise InputError(
            f"{clip.name}: the clip has {size[0]} x {size[1]} pixels, the track was captured from "
            f"{track.size[0]} x {track.size[1]}; choose the clip of that footage"
        )


def _own_tracks(clip: bpy.types.MovieClip) -> dict[int, bpy.types.MovieTrackingTrack]:
    tracks = {track.name: track for track in clip.tracking.tracks}
    return {
        point: tracks[_PREFIX + name] for point, name in POINTS.items() if _PREFIX + name in tracks
    }


def _clip_frame(index: int, offset: int) -> int:
    # A clip's first picture is its frame 1, wherever the clip begins in the scene.
    return index + offset + 1


def _normalised(track: Track) -> NDArray[np.float32]:
    """Points as markers have them, (F, 478, 2): shares of the picture, y up from below."""
    share = track.points[..., :2].astype(np.float64) / track.size
    share[..., 1] = 1 - share[..., 1]
    return share.astype(np.float32)


def _shares(face: Face) -> NDArray[np.float64]:
    """How much of each marker's move each point makes, (478, markers); rows sum up to 1.

    A point on the way between markers takes of each by its nearness (Shepard 1968), so that moving
    all markers alike moves the whole face, and a marker's own point goes exactly with it.
    """
    order = list(POINTS)
    shares = np.zeros((POINT_COUNT, len(order)))
    ways = _neighbours(face)
    for column, point in enumerate(order):
        if point not in _IRISES:
            distance = _way_to(point, ways)
            with np.errstate(divide="ignore"):
                shares[:, column] = distance**-_FALLOFF
    marked = [point for point in order if point not in _IRISES]
    shares[marked] = 0
    for column, point in enumerate(order):
        if point in _IRISES:
            shares[_IRISES[point]] = 0  # an eyeball turns as one, whatever the lids do
            shares[_IRISES[point], column] = 1
        else:
            shares[point, column] = 1
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _neighbours(face: Face) -> list[list[tuple[int, float]]]:
    """For each point those that share an edge of the skin with it, and how far they are."""
    edges = {
        (int(a), int(b))
        for triangle in face.triangles
        for a, b in zip(triangle, np.roll(triangle, 1), strict=True)
    }
    ways: list[list[tuple[int, float]]] = [[] for _ in range(POINT_COUNT)]
    for a, b in sorted({(min(edge), max(edge)) for edge in edges}):
        length = float(np.linalg.norm(face.mean[a] - face.mean[b]))
        ways[a].append((b, length))
        ways[b].append((a, length))
    return ways


def _way_to(start: int, ways: list[list[tuple[int, float]]]) -> NDArray[np.float64]:
    """The shortest way over edges from every point to `start`, (478,); infinite where none is."""
    distance = np.full(POINT_COUNT, np.inf)
    distance[start] = 0
    heap = [(0.0, start)]
    while heap:
        so_far, point = heapq.heappop(heap)
        if so_far > distance[point]:
            continue
        for other, length in ways[point]:
            if so_far + length < distance[other]:
                distance[other] = so_far + length
                heapq.heappush(heap, (so_far + length, other))
    return distance
