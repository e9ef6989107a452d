# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in the artist's hands: as curves on an Empty, as tracking markers, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy

from ..controls import curves, layer, presets
from ..errors import InputError
from ..overlay import geometry
from ..properties import LikenessTake, active_take, pace_of
from ..sequencer.timing import Timing
from ..storage import folders, recordings
from ..storage.canonical import read_face
from . import markers, take_overlay, takes
from .clips import find_clip, load_clip


def load_curves(context: bpy.types.Context, scene: bpy.types.Scene) -> str:
    """Put the active take's controls and head pose on an Empty, in time with the timeline."""
    take = active_take(scene)
    kind, path = takes.motion_of(take)
    if kind != "performance":
        raise InputError(f"'{take.name}' has no performance yet; press Update Take first")
    if (there := controls_of(scene, take)) is not None:
        _select(context, there)
        if curves.show_again(there):
            return f"{there.name}: the take lies below its curves again"
        return f"{there.name}: its curves are there already, in the Graph Editor"
    pace = 1 / pace_of(scene, take)
    empty = show_curves(context, scene, path, f"{take.name} face", take.start, pace)
    empty[curves.TAKE] = take.uid
    return f"{empty.name}: set a control below and press I over it, or add a blink, then Keep Edits"


def add_preset(context: bpy.types.Context, scene: bpy.types.Scene, name: str) -> str:
    """Add a blink, a smile, a nod or a viseme to the active take at the playhead."""
    take = active_take(scene)
    frame = scene.frame_current
    timed = Timing(take.start, pace_of(scene, take), 0, take.frames - 1)
    begin, end = timed.span()
    if not begin <= frame < end:
        raise InputError(
            f"frame {frame} is outside of '{take.name}', which lies at {begin} to {end - 1}; "
            "move the playhead"
        )
    empty = controls_of(scene, take)
    if empty is None:
        load_curves(context, scene)
        empty = controls_of(scene, take)
    assert empty is not None
    if not layer.is_layered(empty):
        raise InputError(
            f"the curves of '{take.name}' are of an earlier Likeness, a key a frame: press Keep "
            "Edits, delete its Empty, and press Edit as Curves again"
        )
    if name == presets.BACK:
        presets.back_to_take(empty, frame)
        return f"frame {frame} is as in the take"
    presets.add(empty, name, frame, float(takes.rate_of(scene)))
    empty.update_tag()
    return f"{presets.PRESETS[name].label} at frame {frame}; Synthesize uses it"


def show_curves(
    context: bpy.types.Context,
    scene: bpy.types.Scene,
    path: Path,
    name: str = "",
    start: float = 1,
    pace: float = 1,
) -> bpy.types.Object:
    """A performance on a new Empty, which becomes the active object; see `curves.load_curves`."""
    empty = curves.load_curves(scene, path, name, start, pace, read_face())
    _select(context, empty)
    return empty


def keep_curves(scene: bpy.types.Scene, take: LikenessTake | None = None) -> str:
    """The curves as they are now become the active take's motion; left frames stay bit for bit."""
    take = take or active_take(scene)
    empty = controls_of(scene, take)
    if empty is None:
        raise InputError(f"'{take.name}' is on no Empty; press Edit as Curves first")
    if not curves.edited_frames(empty):
        source = curves.source_of(empty)
        if take.edited and source != folders.absolute(take.edited):
            # What lies below may be edits that were kept before.
            is_plain = take.performance and source == folders.absolute(take.performance)
            take.edited = "" if is_plain else folders.stored(source)
            take_overlay.refresh(scene, take)
            return f"{empty.name}: its curves are as they came again"
        return f"{empty.name}: no curve was edited"
    out = takes.new_take_file(take.slug, "edited", recordings.PERFORMANCE_SUFFIX)
    edited = curves.save_curves(empty, out)
    is_over_edits = take.edited and curves.source_of(empty) == folders.absolute(take.edited)
    if is_over_edits and not layer.is_layered(empty):
        curves.settle(empty, out)
    take.edited = folders.stored(out)
    take_overlay.refresh(scene, take)
    many = len(edited) != 1
    return (
        f"{len(edited)} frame{'s were' if many else ' was'} edited; Synthesize makes just "
        f"{'these' if many else 'this one'} again"
    )


def has_unkept(scene: bpy.types.Scene, take: LikenessTake) -> bool:
    """Were curves of the take changed since they were loaded or kept?"""
    empty = controls_of(scene, take)
    return empty is not None and curves.changed_since_kept(empty)


def keep_what_is_seen(scene: bpy.types.Scene, take: LikenessTake) -> bool:
    """Use curves that were changed and not kept; was there anything of the kind?"""
    if not has_unkept(scene, take):
        return False
    keep_curves(scene, take)
    return True


def controls_of(scene: bpy.types.Scene, take: LikenessTake) -> bpy.types.Object | None:
    """The Empty that carries the take's curves, or None."""
    own = {folders.absolute(path) for path in (take.performance, take.edited) if path}
    found = curves.control_empties(scene)
    known = [empty for empty in found if empty.get(curves.TAKE) == take.uid]
    # Empties of an earlier Likeness do not name their take.
    known += [
        empty
        for empty in found
        if empty.get(curves.TAKE) is None and curves.source_of(empty).absolute() in own
    ]
    return known[0] if known else None


def add_markers(scene: bpy.types.Scene) -> str:
    """Show landmarks of the active take as tracking markers on its footage's clip, and the take."""
    take = active_take(scene)
    track = recordings.load_track(folders.existing(take.track, f"track of '{take.name}'"))
    clip = _clip_of(take, load=True)
    shift = take_overlay.shift_of(take, clip)
    count = markers.add_markers(clip, _as_filed(track, take), shift)
    take_overlay.show_on_clip(scene, take, clip)
    return f"Open {clip.name} in the Movie Clip Editor, move its {count} markers, then Apply"


def _as_filed(track: recordings.Track, take: LikenessTake) -> recordings.Track:
    """A track between the clip's file and what a mirrored strip showed of it, either way."""
    points = track.points.copy()
    points[..., :2] = geometry.mirrored(points[..., :2], track.size, tuple(take.mirror))
    return replace(track, points=points)


def apply_markers(context: bpy.types.Context, scene: bpy.types.Scene) -> str:
    """The landmarks go where the markers were moved to, and the take is cleaned again."""
    take = active_take(scene)
    track = recordings.load_track(folders.existing(take.track, f"track of '{take.name}'"))
    clip = _clip_of(take)
    shift = take_overlay.shift_of(take, clip)
    moved, changed = markers.moved(clip, _as_filed(track, take), shift)
    if not changed:
        return "no marker was moved"
    out = takes.new_take_file(take.slug, "marked", recordings.TRACK_SUFFIX)
    recordings.save_track(_as_filed(moved, take), out)
    take.track = folders.stored(out)
    markers.add_markers(clip, moved, shift)
    take_overlay.show_on_clip(scene, take, clip)
    takes.clean(context, take)
    return f"{len(changed)} frames were moved"


def remove_markers(context: bpy.types.Context, clip_name: str) -> str:
    """Take the markers off the named clip, "": the one that is shown."""
    clip = find_clip(context, clip_name)
    return f"{clip.name}: {markers.remove_markers(clip)} tracks removed"


def has_markers(take: LikenessTake) -> bool:
    """Are the take's markers on its clip?"""
    clip = _found_clip(take)
    return clip is not None and markers.has_markers(clip)


def _clip_of(take: LikenessTake, load: bool = False) -> bpy.types.MovieClip:
    if not take.source:
        raise InputError(f"'{take.name}' was not captured from footage; edit it as curves instead")
    path = folders.existing(take.source, f"footage of '{take.name}'")
    clip = _found_clip(take)
    if clip is None and not load:
        raise InputError(f"'{take.name}' has no markers yet; press Add Markers first")
    return load_clip(path) if clip is None else clip


def _found_clip(take: LikenessTake) -> bpy.types.MovieClip | None:
    if not take.source:
        return None
    path = folders.absolute(take.source)
    for clip in bpy.data.movieclips:
        if folders.absolute(clip.filepath) == path:
            return clip
    return None


def _select(context: bpy.types.Context, empty: bpy.types.Object) -> None:
    """Make it the active object, where the view layer has it."""
    layer = context.view_layer
    layer.update()  # else it does not know an Empty that was made just now
    if empty.name not in layer.objects:
        return
    for other in list(layer.objects.selected):
        other.select_set(False)
    empty.select_set(True)
    layer.objects.active = empty
