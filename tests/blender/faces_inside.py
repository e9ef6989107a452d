# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a process with bpy: puppets, control curves, markers and overlay, used as by scripts.

    python faces_inside.py SCENARIO ARGUMENTS.json REPORT.json
A scenario is a function below; what it returns is the report. The add-on is registered from the
source tree.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view

import blender_addon
from blender_addon import versions
from blender_addon.overlay import drawing, geometry, layers, strips
from blender_addon.performance import curves, markers
from blender_addon.puppet import operators as viewport_operators
from blender_addon.puppet import puppet, viewport
from blender_addon.sequencer import output
from blender_addon.storage import recordings

ops = bpy.ops.likeness
SIZE = (321, 240)


def refused(operator: Callable[..., Any], **how: Any) -> str:
    """The line with which an operator says no; "" when it did not."""
    try:
        operator(**how)
    except RuntimeError as error:
        return " ".join(str(error).replace("Error:", "").split())
    return ""


def stage(lens: float = 70) -> tuple[Any, Any]:
    """A scene with a puppet that moves over frames 1 to 6, and a camera that is not straight."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 6
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    ops.puppet_add()
    face = puppet.puppets(scene)[0]
    for control, value in (("jaw_open", 1), ("gaze_x", -1), ("smile_left", 0.7)):
        key = face.data.shape_keys.key_blocks[control]
        key.value = 0
        key.keyframe_insert("value", frame=1)
        key.value = value
        key.keyframe_insert("value", frame=6)
    head = face.parent
    head.location, head.rotation_euler = (0.02, 0.05, 0.01), (0.1, -0.2, 0.4)
    head.keyframe_insert("rotation_euler", frame=1)
    head.rotation_euler = (-0.2, 0.1, -0.5)
    head.keyframe_insert("rotation_euler", frame=6)
    data = bpy.data.cameras.new("camera")
    data.lens, data.shift_x, data.shift_y = lens, 0.06, -0.03
    camera = bpy.data.objects.new("camera", data)
    camera.location = (0.2, -0.8, 0.1)
    camera.rotation_euler = (math.radians(84), 0.05, math.radians(14))
    camera.scale = (2, 2, 2)  # does not count
    scene.collection.objects.link(camera)
    scene.camera = camera
    return scene, face


def seen_by_blender(scene: Any, face: Any, frame: int) -> Any:
    """Pixels of the evaluated vertices by Blender's own function, (478, 2)."""
    scene.frame_set(frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = face.evaluated_get(depsgraph)
    matrix = evaluated.matrix_world.copy()
    world = [matrix @ vertex.co for vertex in evaluated.to_mesh().vertices]
    views = [world_to_camera_view(scene, scene.camera, place) for place in world]
    return np.array([(v.x * SIZE[0], (1 - v.y) * SIZE[1]) for v in views])


def project(given: dict[str, Any]) -> dict[str, Any]:
    scene, face = stage()
    scene.render.pixel_aspect_x = given.get("aspect", 1)
    scene.camera.data.type = given["camera"]
    scene.camera.data.ortho_scale = 0.4
    scene.frame_set(3)
    ops.viewport_capture(filepath=given["out"])
    kept = scene.frame_current
    track = recordings.load_track(Path(given["out"]))
    errors = [
        float(np.abs(track.points[f - 1, :, :2] - seen_by_blender(scene, face, f)).max())
        for f in range(1, 7)
    ]
    # Nose and ear: the nose looks at the camera.
    ahead = bool((track.points[:, 4, 2] < track.points[:, 234, 2]).all())
    return {"errors": errors, "frames": len(track), "size": track.size, "kept": kept,
            "nose is nearer": ahead, "rate": str(track.rate)}  # fmt: skip


def silhouette(given: dict[str, Any]) -> dict[str, Any]:
    scene, _ = stage()
    ops.viewport_capture(filepath=given["out"], first=4, last=4)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    scene.render.film_transparent = True
    scene.render.use_sequencer = False
    output.set_still(scene)
    scene.render.image_settings.color_mode = "RGBA"
    scene.frame_set(4)
    scene.render.filepath = given["picture"]
    bpy.ops.render.render(write_still=True)
    return {}


def bound(given: dict[str, Any]) -> dict[str, Any]:
    """The puppet on a character that deforms, by Surface Deform."""
    scene, face = stage()
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=12, y_subdivisions=12, size=0.6)
    skin = bpy.context.object
    skin.rotation_euler, skin.location = (math.radians(90), 0, 0), (0, 0.02, 0)
    skin.shape_key_add(name="Basis")
    key = skin.shape_key_add(name="raised")
    key.value = 0  # 5.0 and later begin with 1
    for point in key.data:
        point.co.y += 0.05 + point.co.x * 0.1
    bpy.context.view_layer.objects.active = face
    modifier = face.modifiers.new("bound", "SURFACE_DEFORM")
    modifier.target = skin
    with bpy.context.temp_override(object=face, active_object=face):
        bpy.ops.object.surfacedeform_bind(modifier="bound")
    scene.frame_set(3)
    is_bound = modifier.is_bound
    before = viewport.look(scene, face.name, "").points
    key.value = 1
    bpy.context.view_layer.update()
    after = viewport.look(scene, face.name, "").points
    truth = seen_by_blender(scene, face, scene.frame_current)
    assert before is not None and after is not None
    return {
        "bound": is_bound,
        "moved": float(np.linalg.norm(after - before, axis=1).min()),
        "error": float(np.abs(after[:, :2] - truth).max()),
    }


def refusals(given: dict[str, Any]) -> dict[str, Any]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, out = bpy.context.scene, given["out"]
    lines = {"no puppet": refused(ops.viewport_capture, filepath=out)}
    scene, face = stage()
    camera = scene.camera
    lines["wrong name"] = refused(ops.viewport_capture, filepath=out, object="Suzanne")
    lines["not a face"] = refused(ops.viewport_capture, filepath=out, object="camera")
    lines["name of the file"] = refused(ops.viewport_capture, filepath=out + ".mp4")
    lines["no name"] = refused(ops.viewport_capture)
    modifier = face.modifiers.new("finer", "SUBSURF")
    lines["other vertices"] = refused(ops.viewport_capture, filepath=out)
    face.modifiers.remove(modifier)
    camera.rotation_euler[2] += math.pi
    lines["behind"] = refused(ops.viewport_capture, filepath=out)
    camera.data.type = "PANO"
    lines["panoramic"] = refused(ops.viewport_capture, filepath=out)
    scene.camera = None
    lines["no camera"] = refused(ops.viewport_capture, filepath=out)
    lines["no curves"] = refused(ops.puppet_follow)
    lines["two puppets"] = ""
    ops.puppet_add()
    bpy.context.view_layer.objects.active = None
    lines["two puppets"] = refused(ops.viewport_capture, filepath=out, camera="camera")
    return {"lines": lines, "frame": scene.frame_current, "written": Path(out).exists()}


def cameras(given: dict[str, Any]) -> dict[str, Any]:
    """Another camera from frame 4 on, by a marker on the timeline; one frame shows no face."""
    scene, _ = stage()
    other = scene.camera.copy()
    scene.collection.objects.link(other)
    other.location.x += 0.05
    for frame, camera in ((1, scene.camera), (4, other)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    other.keyframe_insert("location", frame=5)
    other.location.y += 9
    other.keyframe_insert("location", frame=6)
    heard: list[list[Any]] = []
    viewport_operators.finished.clear()
    viewport_operators.finished.append(lambda *what: heard.append([str(each) for each in what]))
    ops.viewport_capture(filepath=given["out"])
    track = recordings.load_track(Path(given["out"]))
    return {"cuts": track.cuts, "valid": track.valid.tolist(), "heard": heard}


def face_camera(given: dict[str, Any]) -> dict[str, Any]:
    """A puppet somewhere in the scene, turned about; the camera that the add-on puts before it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_end = 1
    ops.puppet_add()
    head = puppet.puppets(scene)[0].parent
    head.location, head.rotation_euler = (3, -2, 1.6), (0.2, -0.4, 2.2)
    ops.puppet_camera()
    ops.viewport_capture(filepath=given["out"])
    points = recordings.load_track(Path(given["out"])).points[0]
    size = scene.render.resolution_x, scene.render.resolution_y
    return {"camera": scene.camera.name, "points": points.tolist(), "size": size}


def reloaded(given: dict[str, Any]) -> dict[str, Any]:
    stage()
    ops.viewport_capture(filepath=given["out"])
    bpy.ops.wm.save_as_mainfile(filepath=given["blend"])
    bpy.ops.wm.open_mainfile(filepath=given["blend"])
    ops.viewport_capture(filepath=given["again"])
    one, two = (recordings.load_track(Path(given[name])) for name in ("out", "again"))
    return {"same": one.points.tobytes() == two.points.tobytes()}


def footage(given: dict[str, Any]) -> dict[str, Any]:
    """The scene as a movie, though there are strips on its sequencer."""
    scene, _ = stage()
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.rotation_euler = (math.radians(70), 0, 0)
    scene.collection.objects.link(sun)
    scene.render.resolution_percentage = 50
    scene.render.filepath = "//mine"
    scene.sequence_editor_create()
    versions.strips(scene.sequence_editor).new_effect(
        name="red", type="COLOR", channel=1, frame_start=1,
        **({"length": 9} if bpy.app.version >= (5, 0) else {"frame_end": 9}),
    )  # fmt: skip
    before = _settings(scene)
    viewport_operators.finished.clear()  # no worker here that would look for faces
    ops.viewport_render(filepath=given["out"], first=2, last=4)
    missing = given["out"].replace("é", "e") + "/x.mp4"
    line = refused(ops.viewport_render, filepath=missing, first=2, last=4, camera="none")
    changed = sorted(set(before) ^ set(_settings(scene)))
    return {"changed": changed, "line": line}


def _settings(scene: Any) -> list[str]:
    owners = (scene.render, scene.render.image_settings, scene.render.ffmpeg)
    found = [
        f"{name} {getattr(owner, name)}"
        for owner in owners
        for name in owner.bl_rna.properties.keys()  # noqa: SIM118 (Blender's own mapping)
        if not name.endswith("settings") and name not in {"rna_type", "ffmpeg", "bake", "views"}
    ]
    return [*found, f"{scene.frame_start} {scene.frame_end} {scene.frame_current}",
            scene.camera.name]  # fmt: skip


def follow(given: dict[str, Any]) -> dict[str, Any]:
    """The puppet under the curves, through a camera that looks as the performance's does."""
    scene, face = stage()
    ops.curves_load(filepath=given["performance"], start=10, pace=1)
    empty = curves.control_empties(scene)[0]
    performance = recordings.load_performance(Path(given["performance"]))
    width, height = performance.size
    scene.render.resolution_x, scene.render.resolution_y = width, height
    camera = scene.camera
    camera.data.type, camera.data.shift_x, camera.data.shift_y = "ORTHO", 0, 0
    camera.data.ortho_scale = 0.063 / float(np.median(performance.scale)) * max(width, height)
    camera.location, camera.rotation_euler = (0, -5, 0), (math.radians(90), 0, 0)
    bpy.context.view_layer.objects.active = face
    # The stage keyed shape keys and head: what follows must not fight it.
    face.data.shape_keys.animation_data_clear()
    face.parent.animation_data_clear()
    ops.puppet_follow(controls=empty.name)
    last = 10 + len(performance) - 1
    ops.viewport_capture(filepath=given["out"], first=10, last=last)
    scene.frame_set(12)
    held = viewport.look(scene, face.name, "").points
    ops.puppet_release()
    scene.frame_set(14)
    released = viewport.look(scene, face.name, "").points
    assert held is not None and released is not None
    return {
        "held": float(np.abs(held - released).max()),
        "drivers": len(face.data.shape_keys.animation_data.drivers),
    }


def edit(given: dict[str, Any]) -> dict[str, Any]:
    """Load curves, edit some keys by hand, save, save again, and after a reload once more."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ops.curves_load(
        filepath=given["performance"], start=given["start"], pace=given["pace"], name="take"
    )
    empty = bpy.data.objects["take"]
    # The Graph Editor shows what is selected, and a drag moves the keys that are.
    shown = empty.select_get() and bpy.context.view_layer.objects.active == empty
    held = sum(key.select_control_point for key in bag_keys(empty))
    untouched = curves.edited_frames(empty)
    ops.curves_save(filepath=given["untouched"])
    bag = versions.channelbag(empty)
    for data_path, index, key, step in given["edits"]:
        curve = bag.fcurves.find(data_path, index=index)
        curve.keyframe_points[key].co.y += step
        curve.update()
    bpy.ops.wm.save_as_mainfile(filepath=given["blend"])
    bpy.ops.wm.open_mainfile(filepath=given["blend"])
    empty = bpy.data.objects["take"]
    edited = curves.edited_frames(empty)
    ops.curves_save(filepath=given["out"])
    ops.curves_save()
    ranges = [empty.id_properties_ui(name).as_dict() for name in ("gaze_x", "jaw_open")]
    return {
        "untouched": untouched, "edited": edited, "shown": shown, "held": held,
        "curves": len(versions.channelbag(empty).fcurves),
        "keys": len(bag_keys(empty)), "ranges": [[r["soft_min"], r["soft_max"]] for r in ranges],
    }  # fmt: skip


def bag_keys(empty: Any) -> Any:
    return versions.channelbag(empty).fcurves.find("location", index=0).keyframe_points


def overwrite(given: dict[str, Any]) -> dict[str, Any]:
    """Save over the source itself: a second save finds nothing new. Then the source changes."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    path = Path(given["performance"])
    ops.curves_load(filepath=str(path), name="take")
    curve = versions.channelbag(bpy.data.objects["take"]).fcurves.find("rotation_euler", index=2)
    curve.keyframe_points[3].co.y += 0.1
    curve.update()
    empty = bpy.data.objects["take"]
    first = curves.save_curves(empty, path)
    bits = path.read_bytes()
    second = curves.save_curves(empty, path)
    same = recordings.load_performance(path)
    path.write_bytes(bits)
    before = recordings.load_performance(path)
    ops.curves_load(filepath=str(path), name="again")
    recordings.save_performance(same, path.with_name("other.performance.npz"))
    path.write_bytes(path.with_name("other.performance.npz").read_bytes() + b" ")
    lines = {"another file": refused(ops.curves_save, controls="again", filepath=given["out"])}
    path.unlink()
    lines["gone"] = refused(ops.curves_save, controls="again", filepath=given["out"])
    lines["which one"] = refused(ops.curves_save, filepath=given["out"], controls="nobody")
    lines["no file"] = refused(ops.curves_load, filepath=str(path))
    return {"first": first, "second": second, "lines": lines,
            "same": before.rotation.tobytes() == same.rotation.tobytes()}  # fmt: skip


def markers_there_and_back(given: dict[str, Any]) -> dict[str, Any]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ops.markers_add(filepath=given["track"], footage=given["clip"], offset=given["offset"])
    clip = bpy.data.movieclips[0]
    clip.tracking.tracks.new(name="the artist's own", frame=1)
    ops.markers_apply(filepath=given["track"], out=given["untouched"], offset=given["offset"])
    bpy.ops.wm.save_as_mainfile(filepath=given["blend"])
    bpy.ops.wm.open_mainfile(filepath=given["blend"])
    clip = bpy.data.movieclips[0]
    muted = [
        m.frame for m in clip.tracking.tracks["Likeness chin"].markers if m.mute
    ]  # fmt: skip
    for name, frame, step in given["moves"]:
        marker = clip.tracking.tracks[f"Likeness {name}"].markers.find_frame(frame)
        marker.co = (marker.co[0] + step[0], marker.co[1] + step[1])
    ops.markers_apply(filepath=given["track"], out=given["out"], offset=given["offset"])
    removed = markers.remove_markers(clip)
    left = [track.name for track in clip.tracking.tracks if not track.hide]
    line = refused(ops.markers_apply, filepath=given["track"], out=given["out"])
    # Once more, after they were removed: as they were the first time.
    ops.markers_add(filepath=given["track"], offset=given["offset"])
    again = [[m.frame, m.mute] for m in clip.tracking.tracks["Likeness chin"].markers]
    return {"muted": muted, "removed": removed, "left": left, "line": line, "again": again}


def overlay_life(given: dict[str, Any]) -> dict[str, Any]:
    """Layers over save and reload; handlers without a window; a callback that cannot draw."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    layers.set_layer(scene, "take", given["track"], "actor", start=12, pace=0.5)
    layers.set_layer(scene, "take", given["track"], "actor", start=13, pace=0.5)
    layers.set_layer(scene, "other", given["track"], "actor")
    layers.remove_layer(scene, "other")
    layers.remove_layer(scene, "other")
    scene.likeness_overlay.mesh = True
    bpy.ops.wm.save_as_mainfile(filepath=given["blend"])
    bpy.ops.wm.open_mainfile(filepath=given["blend"])
    shown = bpy.context.scene.likeness_overlay
    facts = {
        "layers": [[x.name, x.target, x.start, x.pace] for x in shown.layers], "mesh": shown.mesh
    }  # fmt: skip
    drawing.add_handlers(layers.layers_of)
    # There is no region: it must say so once, and not raise.
    drawing.draw("preview", layers.layers_of)
    drawing.draw("preview", layers.layers_of)
    drawing.remove_handlers()
    drawing.remove_handlers()
    facts["handlers"] = len(drawing._handlers)
    return facts


def preview(given: dict[str, Any]) -> dict[str, Any]:
    """A picture strip as the artist placed it, rendered: where do its pixels lie?"""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    versions.edit_in_every_workspace(scene)
    scene.sequence_editor_create()
    strip = versions.strips(scene.sequence_editor).new_image(
        name="dot", filepath=given["picture"], channel=1, frame_start=1, fit_method="ORIGINAL"
    )
    for name, value in given["transform"].items():
        setattr(strip.transform, name, value)
    strip.use_flip_x, strip.use_flip_y = given["flip"]
    strip.crop.min_x, strip.crop.max_y = given["crop"]
    scene.render.resolution_x, scene.render.resolution_y = given["frame"]
    scene.render.resolution_percentage = given["percentage"]
    output.set_still(scene)
    scene.view_settings.view_transform = "Standard"
    output.render_still(scene, Path(given["out"]), 1)
    size = strip.elements[0].orig_width, strip.elements[0].orig_height
    place = strips.place_of(strip, size, scene.render, None)
    dot = geometry.on_frame(np.array(given["dot"], np.float64), place)
    return {"drawn": dot.tolist()}


def hiding(given: dict[str, Any]) -> dict[str, Any]:
    """A face in the middle of a strip, and another strip above: is it hidden, case by case?"""
    return {name: _hidden(given, *case) for name, case in given["cases"].items()}


def _hidden(given: dict[str, Any], where: str, values: dict[str, Any]) -> bool:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = given["frame"]
    editor = scene.sequence_editor_create()
    actor, above = (
        versions.strips(editor).new_image(
            name=name, filepath=given["picture"], channel=channel, frame_start=1,
            fit_method="ORIGINAL",
        )
        for name, channel in (("actor", 2), ("above", 3))
    )  # fmt: skip
    things = {"strip": above, "channel": editor.channels[3], "scene": scene}
    thing = things.get(where) or getattr(above, where, above)
    for name, value in values.items():
        if where == "tag":
            above[name] = value
        else:
            setattr(thing, name, value)
    size = strips.size_of(actor)
    assert size is not None
    face = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]], np.float64) * size
    points = geometry.on_frame(face, strips.place_of(actor, size, scene.render, None))
    found = strips.hidden_by(scene, actor, points)
    assert found is None or found.name == "above"
    return found is not None


if __name__ == "__main__":
    code = 1
    try:
        blender_addon.register()
        result = globals()[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
        result["version"] = list(bpy.app.version)
        Path(sys.argv[3]).write_text(json.dumps(result), encoding="utf-8")
        blender_addon.unregister()
        code = 0
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender 4.5 as a library may hang when Python ends
