# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved file with an actor's clip and a portrait on its sequencer, as an artist begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import pytest

from blender_addon import versions
from blender_addon.composite import synthesis
from blender_addon.sequencer import head_strip

ops = bpy.ops.likeness


@dataclass(frozen=True)
class Shoot:
    """The clip and the picture of a file that is saved in `folder`."""

    folder: Path
    clip: Path
    picture: Path

    def scene(
        self,
        fps: int = 25,
        until: int = 18,
        picture: Path | None = None,
        clip: Path | None = None,
        save: bool = True,
    ) -> Any:
        """A new file: the clip as "actor" at 10, seen from 12 to `until`, "lisa.jpg" above it."""
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.render.fps = fps
        scene.sequence_editor_create()
        versions.edit_in_every_workspace(scene)
        strips = versions.strips(scene.sequence_editor)
        actor = strips.new_movie(
            name="actor",
            filepath=str(clip or self.clip),
            channel=1,
            frame_start=10,
            fit_method="ORIGINAL",
        )
        versions.set_span(actor, 12, until)
        still = strips.new_image(
            name="lisa.jpg",
            filepath=str(picture or self.picture),
            channel=2,
            frame_start=5,
            fit_method="ORIGINAL",
        )
        versions.set_span(still, 5, 40)
        width, height = still.elements[0].orig_width, still.elements[0].orig_height
        scene.render.resolution_x, scene.render.resolution_y = width // 2 * 2, height // 2 * 2
        if save:
            bpy.ops.wm.save_as_mainfile(filepath=str(self.folder / "shot é.blend"))
        return scene

    def prepared(self, **how: Any) -> Any:
        """The scene after Portrait, consent and Performance."""
        scene = self.scene(**how)
        ops.portrait_from_strip(strip="lisa.jpg")
        ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC", note="Leonardo's, of 1503")
        ops.capture_footage(source="STRIP", strip="actor")
        return scene


def reopened(path: str | Path = "") -> Any:
    """The scene of the file, opened again as it lies on the disk; or of another file."""
    bpy.ops.wm.open_mainfile(filepath=str(path or bpy.data.filepath), load_ui=False)
    return bpy.context.scene


def refused(operator: Callable[..., Any], **how: Any) -> str:
    """The line with which an operator says no; "" when it did not."""
    try:
        operator(**how)
    except RuntimeError as error:
        return " ".join(str(error).replace("Error:", "").split())
    return ""


def says_no(words: str, operator: Callable[..., Any], *given: Any, **how: Any) -> None:
    """The operator refuses, in one short line that holds these words."""
    with pytest.raises(RuntimeError) as refusal:
        operator(*given, **how)
    line = str(refusal.value).removeprefix("Error: ").strip()
    assert words in line
    assert "\n" not in line and len(line) < 300


def strip_facts(scene: Any) -> dict[str, Any]:
    """What lies on the sequencer, by the kind of its tag."""
    facts: dict[str, Any] = {}
    for strip in versions.strips(scene.sequence_editor):
        kind = str(strip.get(head_strip.TAG, strip.name)).partition(":")[0]
        facts[kind] = {
            "name": strip.name, "channel": strip.channel, "span": list(versions.span(strip)),
            "content": [versions.content_start(strip), versions.content_length(strip)],
            "mute": strip.mute, "type": strip.type,
        }  # fmt: skip
        if strip.type == "IMAGE":
            facts[kind]["files"] = [element.filename for element in strip.elements]
            facts[kind]["offset"] = [strip.transform.offset_x, strip.transform.offset_y]
            facts[kind]["modifiers"] = len(strip.modifiers)
    return facts


def head_of(scene: Any) -> Any:
    """The head strip of the first portrait and the first take; None where there is none."""
    found = scene.likeness
    return head_strip.find(scene, synthesis.head_tag(found.portraits[0], found.takes[0]))


def said(scene: Any) -> str:
    """What the last job on the list said."""
    return str(scene.likeness_jobs[-1].message)


def absolute(path: str) -> Path:
    """A path as Blender keeps it, from the root on."""
    return Path(bpy.path.abspath(path))


def key_alone(empty: Any, control: str, value: float, frame: int) -> None:
    """Key a control of a take's Empty at a frame as I over it does; the take's own beside it."""
    empty[control] = value
    empty.keyframe_insert(f'["{control}"]', frame=frame)
    curve = versions.channelbag(empty).fcurves.find(f'["{control}"]')
    for beside in (frame - 1, frame + 1):
        curve.keyframe_points.insert(beside, 0)
    curve.update()
