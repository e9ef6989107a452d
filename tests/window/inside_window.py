# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a Blender window: opens the scene of the walk, answers questions, notes what is drawn.

    blender --python inside_window.py -- FOLDER PYTHON MOVIE PICTURE TEMPLATE

A question is a file FOLDER/question.py that sets `answer`; the answer is FOLDER/answer.json. All
that a person does is done by the test with the mouse and the keys; what is asked here only looks.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
loop_inside = import_module("loop_inside")  # questions ask it

PERSONS_WORKSPACE = "Video Editing"
FOLDER, PYTHON, MOVIE, PICTURE, TEMPLATE = sys.argv[sys.argv.index("--") + 1 :]
TICK = 0.01
# (when, what the interface showed then), one for each time that the sidebar was drawn.
DRAWN: deque[tuple[float, str]] = deque(maxlen=20000)
PUMPED: deque[tuple[float, float]] = deque(maxlen=100000)
TICKS: deque[float] = deque(maxlen=100000)


def fingerprint() -> str:
    """What of the add-on's state a person could see, in short."""
    scene = bpy.context.scene
    if not hasattr(scene, "likeness"):
        return ""
    chosen, editor = scene.likeness, scene.sequence_editor
    return repr(
        (
            [progress.text for _id, _label, progress in the_jobs().overview()],
            [(item.label, item.state, item.message) for item in scene.likeness_jobs],
            [(each.name, each.consent_who, len(each.pictures)) for each in chosen.portraits],
            [take_facts(each) for each in chosen.takes],
            [strip.name for strip in editor.strips_all] if editor else [],
            [thing.name for thing in scene.objects],
            [(clip.name, len(clip.tracking.tracks)) for clip in bpy.data.movieclips],
            [getattr(scene.likeness_overlay, name) for name in ("landmarks", "mesh", "preview")],
        )
    )


def take_facts(take: Any) -> list[Any]:
    """What a person chose and edited of a take."""
    edges = take.first, take.last, take.neutral, take.neutral_found
    files = take.track, take.performance, take.edited, take.cleaned
    return [take.name, take.frames, *edges, *files, round(take.smooth_pose, 3)]


def the_jobs() -> Any:
    """The add-on's jobs."""
    return sys.modules["bl_ext.user_default.likeness.worker.jobs"]


def live_now() -> Any:
    """The live run, None while there is none."""
    return sys.modules["bl_ext.user_default.likeness.live.session"].current()


def live_as(**choices: Any) -> None:
    """Set what is chosen in the panel Live."""
    for name, value in choices.items():
        setattr(bpy.context.scene.likeness_live, name, value)


def live_costs() -> list[float]:
    """Processor ms of the main thread that live's last pictures took: median, 99th percentile."""
    costs = sorted(sys.modules["bl_ext.user_default.likeness.live.drawing"].costs)
    return [costs[len(costs) // 2], costs[int(0.99 * (len(costs) - 1))]]


def note_drawn() -> None:
    """Called by Blender after the sidebar was drawn."""
    DRAWN.append((time.monotonic(), fingerprint()))


def reaction(clicked: float, before: str) -> float | None:
    """Seconds from the click to the first drawing that showed something else; None: not yet."""
    for when, shown in DRAWN:
        if when > clicked and shown != before:
            return when - clicked
    return None


def longest_gap(since: float) -> str:
    """Longest time in which the window did not come to its timers, and the add-on's share."""
    ticks = [when for when in TICKS if when >= since]
    gap = max((b - a for a, b in zip(ticks, ticks[1:], strict=False)), default=0.0)
    own = max((seconds for when, seconds in PUMPED if when >= since), default=0.0)
    return f"{gap:.2f} s; the add-on's own longest tick: {own:.2f} s"


def watch_pump() -> None:
    """Note how long each tick of the add-on takes."""
    pump = sys.modules["bl_ext.user_default.likeness.worker.pump"]

    def timed() -> float:
        began = time.monotonic()
        pause = pump.tick()
        PUMPED.append((began, time.monotonic() - began))
        return float(pause)

    bpy.app.timers.unregister(pump.tick)
    bpy.app.timers.register(timed, persistent=True)


def sequencer(kind: str = "SEQUENCER") -> Any:
    """The window's sequencer, or its PREVIEW."""
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == "SEQUENCE_EDITOR" and area.spaces.active.view_type == kind:
            return area
    return None


def region(area: Any, kind: str) -> Any:
    return next(each for each in area.regions if each.type == kind)


def sidebar() -> list[int]:
    """x, y, width and height in pixels of the window, y up."""
    found = region(sequencer(), "UI")
    return [found.x, found.y, found.width, found.height]


def under_mouse(area: Any, kind: str = "UI") -> str:
    """The operator or property of the button that the mouse is over, in words of Python."""
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region(area, kind)):
        copy: Any = bpy.ops.ui.copy_python_command_button
        if copy.poll():
            copy()
            return str(bpy.context.window_manager.clipboard)
        found = bpy.context.property
        return "" if found is None else str(found[1])


def place_of_strip(name: str, frame: float) -> list[int]:
    """Where in the window a strip lies at a frame."""
    found = region(sequencer(), "WINDOW")
    strip = bpy.context.scene.sequence_editor.strips_all[name]
    x, y = found.view2d.view_to_region(frame, strip.channel + 0.3, clip=False)
    return [found.x + x, found.y + y]


def place_of_playhead(frame: float) -> list[int]:
    """Where to click for the playhead to go to a frame."""
    found = region(sequencer(), "WINDOW")
    x, _y = found.view2d.view_to_region(frame, 1, clip=False)
    return [found.x + x, found.y + found.height - 10]


def area_of(kind: str) -> Any:
    """The area that shows this editor, in whichever window."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == kind:
                return area
    return None


def in_area(area: Any, part: str, right: float, down: float) -> list[int]:
    """A place on the screen, so many pixels from the upper left corner of an editor's region."""
    found = region(area, part)
    for window in bpy.context.window_manager.windows:
        if area in list(window.screen.areas):
            left, top = window.x + found.x, window.y + found.y + found.height
            return [round(left + right), round(top - down)]
    raise LookupError(f"the {area.type} was closed meanwhile")


def corner(kind: str, part: str, right: float, down: float) -> list[int]:
    """The same in the editor of a kind."""
    return in_area(area_of(kind), part, right, down)


def curve(name: str) -> Any:
    """The control's F-curve on the Empty of the take."""
    empty = next(thing for thing in bpy.data.objects if thing.get("likeness_performance"))
    bag = empty.animation_data.action.layers[0].strips[0].channelbags[0]
    return bag.fcurves.find(f'["{name}"]')


def keys(name: str) -> list[float]:
    return [round(key.co[1], 5) for key in curve(name).keyframe_points]


def place_of_key(name: str, frame: int) -> list[int]:
    """Where in the window the Graph Editor shows a control's key."""
    found = region(area_of("GRAPH_EDITOR"), "WINDOW")
    key = next(key for key in curve(name).keyframe_points if round(key.co[0]) == frame)
    x, y = found.view2d.view_to_region(*key.co, clip=False)
    return [found.x + x, found.y + y]


def place_of_marker(track: str) -> list[int]:
    """Where in the window the Clip Editor shows a track's marker of the frame that it is at."""
    area = area_of("CLIP_EDITOR")
    found, space = region(area, "WINDOW"), area.spaces.active
    marker = space.clip.tracking.tracks[track].markers.find_frame(space.clip_user.frame_current)
    x, y = found.view2d.view_to_region(*marker.co, clip=False)
    return [found.x + x, found.y + y]


def checked() -> list[str]:
    """What the check of the runtime said."""
    return list(sys.modules["bl_ext.user_default.likeness.worker.status"].CHECK.lines)


def hint() -> str:
    """What the panel says of a take that is not as its sliders are."""
    hints = sys.modules["bl_ext.user_default.likeness.performance.hints"]
    return str(hints.for_take(bpy.context.scene.likeness.takes[0]))


def animate_puppet() -> None:
    """It opens its mouth, smiles and turns its head, as keys that a person would set."""
    keys = bpy.data.objects["Likeness puppet"].data.shape_keys.key_blocks
    smile = ("smile_left", "smile_right", "brow_up_left", "brow_up_right")
    for name, peak, at in (("jaw_open", 1, 20), *((name, 0.9, 50) for name in smile)):
        for frame, value in ((1, 0), (at, peak), (75, 0)):
            keys[name].value = value
            keys[name].keyframe_insert("value", frame=frame)
    head = bpy.data.objects["Likeness puppet head"]
    for frame, turn in ((1, 0), (25, 0.25), (55, -0.25), (75, 0)):
        head.rotation_euler = 0, 0, turn
        head.keyframe_insert("rotation_euler", frame=frame)


def begin() -> None:
    """The footage and the portrait as strips above each other, saved as a file of its own."""
    if TEMPLATE:  # File > New
        bpy.ops.wm.read_homefile(app_template=TEMPLATE)
        bpy.app.timers.register(lay_strips, first_interval=0.5)
        return
    startup = Path(bpy.utils.system_resource("SCRIPTS")) / "startup/bl_app_templates_system"
    bpy.ops.workspace.append_activate(
        idname=PERSONS_WORKSPACE, filepath=str(startup / "Video_Editing" / "startup.blend")
    )
    bpy.app.timers.register(lay_strips, first_interval=0.5)


def lay_strips() -> None:
    scene = bpy.context.scene
    scene.sequence_editor_create()
    for workspace in bpy.data.workspaces:
        workspace.sequencer_scene = scene
    scene.render.fps = 25
    scene.render.resolution_x = scene.render.resolution_y = 512
    strips = scene.sequence_editor.strips
    movie = strips.new_movie(
        name="actor.mp4", filepath=MOVIE, channel=1, frame_start=1, fit_method="ORIGINAL"
    )
    picture = strips.new_image(
        name=Path(PICTURE).name, filepath=PICTURE, channel=2, frame_start=1, fit_method="FIT"
    )
    picture.right_handle = scene.frame_end = movie.right_handle
    scene.frame_end -= 1
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(FOLDER) / "shot.blend"))
    bpy.types.SpaceSequenceEditor.draw_handler_add(note_drawn, (), "UI", "POST_PIXEL")
    bpy.app.timers.register(tick, persistent=True)
    watch_pump()


def tick() -> float:
    """Answer what was asked meanwhile; never raises, since Blender would drop the timer."""
    TICKS.append(time.monotonic())
    question = Path(FOLDER) / "question.py"
    if question.exists():
        known: dict[str, Any] = {**globals(), "answer": None}
        code = question.read_text(encoding="utf-8")
        question.unlink()
        try:
            exec(code, known)
            reply = {"answer": known["answer"]}
        except Exception:
            reply = {"error": traceback.format_exc()}
        part = Path(FOLDER) / "answer.part"
        part.write_text(json.dumps(reply), encoding="utf-8")
        part.replace(Path(FOLDER) / "answer.json")
    return TICK


if __name__ == "__main__":
    os.environ["LIKENESS_PYTHON"] = PYTHON
    bpy.app.timers.register(begin, first_interval=1)
