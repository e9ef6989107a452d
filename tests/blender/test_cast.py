# SPDX-License-Identifier: GPL-3.0-or-later
"""Several portraits at once: each with its take, one progress, one sheet, what failed is listed."""

from __future__ import annotations

from typing import Any

import bpy
import pytest

from blender_addon import versions
from blender_addon.composite import cast
from blender_addon.portrait.consent_sheet import LIKENESS_OT_consent_sheet
from blender_addon.sequencer import head_strip
from blender_addon.worker import jobs
from tests.blender.shoot import Shoot, ops, refused
from tests.blender.windowed import as_in_a_window, press, ticks

pytestmark = [pytest.mark.blender, pytest.mark.footage]


def test_each_of_a_cast_plays_its_part(shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialogue: two portraits, two takes; a third portrait lacks consent and holds up nobody."""
    scene = shoot.prepared(until=14)
    chosen = scene.likeness
    chosen.layer, chosen.tier = "box", "draft"
    for name in ("s_girl_pearl_earring_pd.jpg", "s_mona_lisa_pd.jpg"):
        ops.portrait_from_files(filepath=str(shoot.picture.with_name(name)))
    _second_take(scene)
    lisa, girl, third = chosen.portraits
    girl.plays = chosen.takes[0].name
    assert girl.part == chosen.takes[0].uid and lisa.plays == ""  # the active one: the second
    chosen.takes[0].name = "renamed"
    assert girl.plays == "renamed"

    open_ones = cast.without_consent(scene)
    assert open_ones == [girl, third]
    facts = {"name": "", "basis": "FICTION", "note": "Painted, and never lived"}
    sheet = [
        {**facts, "uid": girl.uid, "who": "A girl"}, {**facts, "uid": third.uid, "who": ""}
    ]  # fmt: skip
    assert "no row has a name" in refused(ops.consent_sheet, rows=sheet[1:])
    short = {"uid": third.uid, "who": "Lisa", "basis": "HISTORIC", "note": "old"}
    said = refused(ops.consent_sheet, rows=[sheet[0], {**short, "name": third.name}])
    assert third.name in said and "needs a sentence" in said
    assert cast.without_consent(scene) == [girl, third]  # all or nothing
    typed = LIKENESS_OT_consent_sheet._typed
    assert typed.pop(third.uid) == ("Lisa", "HISTORIC", "old")
    assert typed.pop(girl.uid) == ("A girl", "FICTION", facts["note"])
    press(ops.consent_sheet, rows=sheet)
    assert cast.without_consent(scene) == [third] and girl.consent_who == "A girl"

    as_in_a_window(monkeypatch)
    press(ops.synthesize_all)
    assert [line.split(":")[0] for line in cast.failures(scene)] == [third.name]
    seen: list[jobs.Progress] = []

    def done() -> bool:
        now = cast.progress(bpy.context.scene)
        seen.extend([now] if now is not None else [])
        return not jobs.overview()

    ticks(done)
    assert {now.total for now in seen} == {4}
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    scene = bpy.context.scene
    lisa, girl, third = scene.likeness.portraits
    takes = scene.likeness.takes
    found = {
        (portrait.name, take.name)
        for portrait in scene.likeness.portraits
        for take in takes
        if head_strip.find(scene, f"head:{portrait.uid}:{take.uid}") is not None
    }
    assert found == {(lisa.name, takes[1].name), (girl.name, "renamed")}
    (line,) = cast.failures(scene)
    assert "consent" in line.lower()
    before = _strips(scene)
    bpy.ops.ed.undo()  # one press, one step
    assert len(_strips(bpy.context.scene)) < len(before)
    bpy.ops.ed.redo()
    assert _strips(bpy.context.scene) == before


def test_without_a_window_what_failed_is_raised_when_all_others_are_made(shoot: Shoot) -> None:
    """One take on two portraits; one's picture is gone by then."""
    scene = shoot.prepared(until=14)
    scene.likeness.layer = "box"
    gone = shoot.folder / "gone.jpg"
    gone.write_bytes(shoot.picture.read_bytes())
    ops.portrait_from_files(filepath=str(gone))
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    scene.likeness.portraits.move(1, 0)
    gone.unlink()
    other = bpy.data.scenes.new("other")
    if bpy.app.version >= (5, 0):  # before, the scene that is seen is the one that is edited
        bpy.context.window.scene = other
    said = refused(ops.synthesize_all)
    assert [job.kind for job in scene.likeness_jobs].count(cast.KIND) == 2
    assert len(other.likeness_jobs) == 0 and len(cast.failures(scene)) == 1
    assert "1 of 2 were not made" in said and "gone" in said
    take, lisa = scene.likeness.takes[0], scene.likeness.portraits[1]
    assert head_strip.find(scene, f"head:{lisa.uid}:{take.uid}") is not None
    for portrait in scene.likeness.portraits:
        portrait.in_cast = False
    assert "no portrait is ticked" in refused(ops.synthesize_all)


def _second_take(scene: Any) -> None:
    """The first once more under another name, which becomes the active one."""
    second = scene.likeness.takes.add()
    first = scene.likeness.takes[0]  # adding has moved it
    for name in ("track", "performance", "frames", "rate", "start", "last", "cleaned"):
        setattr(second, name, getattr(first, name))
    second.name, second.uid, second.slug = "second", "0badcafe", "second-0badcafe"
    scene.likeness.take_index = 1


def _strips(scene: Any) -> list[str]:
    return sorted(strip.name for strip in versions.all_strips(scene.sequence_editor))
