# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in `old_scene.blend`, and how it was made; artists' files of that age must still open.

It was saved by Blender 4.5 and the add-on as it was before its packages by feature. To make another
one, of another age: check that commit out somewhere, put this file beside it, and run it there with
Blender 4.5's Python,

    python old_scene.py CHECKOUT CLIP OUT.blend

CLIP is any movie of a face. Whatever the add-on of that commit keeps, and is not said here, is
refused. The file that is committed must stay as it is: it stands for those that people have.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

FACE = {
    "number": 2, "box": [11, 12, 130, 140], "crop": [5, 6, 256, 250],
    "thumbnail": "//likeness/lisa/face2.png", "points": "//likeness/lisa/face2.npy",
}  # fmt: skip
PICTURE = {
    "name": "lisa.jpg", "path": "//pictures/lisa.jpg", "sha256": "c0ffee", "size": [511, 512],
    "face": 1, "faces": [FACE],
}  # fmt: skip
PORTRAIT = {
    "name": "Lisa", "uid": "a1b2c3d4", "slug": "lisa-a1b2c3d4", "picture_index": 1,
    "consent_who": "Lisa del Giocondo", "consent_basis": "HISTORIC", "consent_note": "Louvre",
    "consent_sha256": "c0ffee beef", "consent_date": "2026-11-27", "person": "//likeness/person",
    "use_person": False, "pictures": [PICTURE, {**PICTURE, "name": "side.jpg", "face": 0}],
}  # fmt: skip
TAKE = {
    "name": "actor", "uid": "b2c3d4e5", "slug": "actor-b2c3d4e5", "source": "//shots/actor.mp4",
    "strip": "footage:b2c3d4e5", "track": "//likeness/takes/actor.track.npz",
    "performance": "//likeness/takes/actor.performance.npz",
    "edited": "//likeness/takes/actor.edited.performance.npz", "frames": 48, "rate": [30000, 1001],
    "offset": 3, "gaps": 4, "filled": 2, "neutral_found": 7, "cleaned": "7 0.4000 0.1000 9 35.00",
    "start": 12.5, "pace": 1.25, "first": 2, "last": 40, "neutral": 5, "smooth_pose": 0.4,
    "smooth_expression": 0.1, "fill": 9, "lens": 35.0,
}  # fmt: skip
SETTINGS = {
    "portraits": [PORTRAIT], "portrait_index": 1, "takes": [TAKE, {**TAKE, "name": "actor 2"}],
    "take_index": 1, "source": "CLIP", "capture_face": 2, "pose": 0.5, "mouth": 1.25, "eyes": 0.75,
    "brows": 1.5, "gaze": 0.25, "transfer": "absolute", "neutralize": True, "tier": "final",
    "range": "SCENE", "format": "png16", "feather": 4.0, "match": "picture",
    "match_picture": "//pictures/plate.png", "match_strength": 0.5, "matte": True, "sound": False,
}  # fmt: skip
LAYER = {
    "name": "take b2c3d4e5", "path": "//likeness/takes/actor.performance.npz", "kind": "CLIP",
    "target": "footage:b2c3d4e5", "start": 2.0, "pace": 0.75, "size": [320, 240],
    "crop": [1, 2, 30, 40], "take": "b2c3d4e5",
}  # fmt: skip
OVERLAY = {
    "landmarks": False, "mesh": True, "confidence": False, "crop": False, "preview": False,
    "clip": False, "view3d": False, "layers": [LAYER],
}  # fmt: skip
JOB = {
    "name": "job 1", "kind": "capture", "label": "Capture", "state": "DONE", "message": "48 frames",
    "request": '{"do": "capture"}', "notes": '{"uid": "b2c3d4e5"}', "result": '{"gaps": 4}',
}  # fmt: skip
HEAD = {
    "likeness": "head:a1b2c3d4:b2c3d4e5", "likeness_place": [12, 14, 30],
    "likeness_box": [5, 6, 256, 250],
}  # fmt: skip
START, PACE = 12.5, 0.8  # of the curves


def fill(group: Any, values: dict[str, Any]) -> None:
    """Set all that a property group keeps. ValueError if it keeps more, or where one is default."""
    kept = {each.identifier for each in group.bl_rna.properties if not each.is_readonly}
    kept |= {each.identifier for each in group.bl_rna.properties if each.type == "COLLECTION"}
    strange = kept - set(values) - {"rna_type", "name", "clip", "find_neutral", "largest_face"}
    if strange:
        raise ValueError(f"{group.bl_rna.identifier} keeps {sorted(strange)} too: say what")
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                fill(getattr(group, name).add(), each)
            continue
        if (
            group.bl_rna.properties[name].type != "STRING"
            and read(group, {name: value}) == {name: value}
            and name != "face"
        ):
            raise ValueError(f"{group.bl_rna.identifier}.{name}: {value} is what it is anyway")
        setattr(group, name, value)


def read(group: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What the group has in the properties of `values`, in the same form."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        here = getattr(group, name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found[name] = [read(each, values) for each, values in zip(here, value, strict=True)]
        elif isinstance(value, list):
            found[name] = list(here)
        else:
            found[name] = round(here, 5) if isinstance(here, float) else here
    return found


def make(checkout: Path, clip: Path, out: Path) -> None:
    """Save the file; the old add-on is registered."""
    from blender_addon import canonical, curves, markers, puppet, recordings
    from inference.performance.face.decompose import decompose
    from inference.performance.taking.performance import save_performance

    scene = bpy.context.scene
    scene.sequence_editor_create()
    bpy.ops.wm.save_as_mainfile(filepath=str(out), compress=True)  # paths are from here on
    fill(scene.likeness, SETTINGS)
    fill(scene.likeness_overlay, OVERLAY)
    fill(scene.likeness_jobs.add(), JOB)
    footage = bpy.data.movieclips.load(str(clip))
    footage.name = "actor.mp4"
    scene.likeness.clip = footage

    picture = bpy.data.images.new("picture", 8, 8)
    picture.filepath_raw, picture.file_format = str(out.with_suffix(".png")), "PNG"
    picture.save()
    strips = scene.sequence_editor.strips
    for channel, (name, tags) in enumerate(
        {"portrait": {"likeness": "portrait:a1b2c3d4"}, "head": HEAD}.items(), 1
    ):
        strip = strips.new_image(name, picture.filepath_raw, channel, 1, fit_method="ORIGINAL")
        for tag, value in tags.items():
            strip[tag] = value
        strip.directory = "//"

    track = _few(checkout, footage.size)
    recordings.save_track(track, out.with_suffix(".track.npz"))
    markers.add_markers(footage, recordings.load_track(out.with_suffix(".track.npz")), 0)
    face = canonical.read_face()
    puppet.add_puppet(scene.collection, face)
    performance = out.with_suffix(".performance.npz")
    save_performance(decompose(track), performance)
    curves.load_curves(scene, performance, "actor face", START, PACE, face)
    bpy.data.images.remove(picture)
    footage.filepath = "//actor.mp4"  # markers stay; the file need not be there any more
    bpy.ops.wm.save_mainfile(compress=True)


def _few(checkout: Path, size: Any) -> Any:
    """A track of the samples' first three frames, as if captured from a picture of that size."""
    from inference.track import load_track

    whole = load_track(checkout / "inference" / "samples" / "weekly_address.track.npz")
    return replace(whole, points=whole.points[:3], valid=whole.valid[:3], size=tuple(size), cuts=())


if __name__ == "__main__":
    checkout, clip, out = (Path(each).absolute() for each in sys.argv[1:])
    sys.path.insert(0, str(checkout))
    import blender_addon

    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    make(checkout, clip, out)
    os._exit(0)  # Blender 4.5 as a library may hang when Python ends
