# SPDX-License-Identifier: GPL-3.0-or-later
"""The four steps where something is not there: one line, nothing changed, and nothing lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.worker import jobs
from tests.blender.shoot import Shoot, absolute, ops, refused, reopened, said, says_no, strip_facts

pytestmark = [pytest.mark.blender, pytest.mark.footage]

HEAD = [f"head_{index:06d}.png" for index in range(6)]


def test_what_cannot_be_done_is_one_line(shoot: Shoot, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((300, 300, 3), 127, np.uint8))
    scene = shoot.scene()
    strip, file = {"source": "STRIP"}, {"source": "FILE"}
    says_no("no portrait yet", ops.synthesize)
    says_no("no portrait yet", ops.test_frame)
    says_no("there is no strip 'nobody'", ops.portrait_from_strip, strip="nobody")
    says_no("'lisa.jpg' is no movie strip", ops.portrait_from_clip, strip="lisa.jpg")
    says_no("there is no strip 'nobody'", ops.capture_footage, strip="nobody", **strip)
    says_no(
        "/no/movie.mp4: there is no such file",
        ops.capture_footage,
        filepath="/no/movie.mp4",
        **file,
    )
    says_no("movie", ops.capture_footage, filepath=str(shoot.picture), **file)
    says_no("no clip is chosen", ops.capture_footage, source="CLIP")
    says_no("there is no such picture", ops.portrait_from_files, filepath="/no/picture.png")
    says_no("not a picture that can be used", ops.portrait_from_files, filepath=str(shoot.clip))
    says_no("no face was found", ops.portrait_from_files, filepath=str(blank))
    assert not scene.likeness.portraits and not scene.likeness.takes

    ops.portrait_from_strip(strip="lisa.jpg")
    assert ops.portrait_from_strip(strip="lisa.jpg") == {"FINISHED"}
    assert len(scene.likeness.portraits) == 1  # it was known already
    says_no("no performance yet", ops.test_frame)
    says_no("needs a name", ops.consent_record, who=" ")
    says_no("there is no face 7 in this picture; its faces are: 1", ops.face_choose, number=7)

    ops.capture_footage(source="STRIP", strip="actor")
    scene.frame_current = 90
    says_no("frame 90 is outside of 'actor', which lies at 12 to 17", ops.test_frame)
    says_no("frame 90 is outside of the take", ops.take_set, what="NEUTRAL")
    says_no("no test frame", ops.test_clear)
    says_no("synthesize first", ops.align)
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    second = shoot.picture.with_name("s_girl_pearl_earring_pd.jpg")
    ops.portrait_from_files(filepath=str(second), extend=True)
    says_no("consent note is for other pictures", ops.synthesize)


def test_ticks_stand_for_special_numbers(shoot: Shoot) -> None:
    """The largest face and the neutral frame that is found: as they are, off, and on again."""
    scene = shoot.scene()
    ops.capture_footage(source="STRIP", strip="actor")
    chosen, take = scene.likeness, scene.likeness.takes[0]
    for ticked, face, neutral in ((None, 0, -1), (False, 1, take.neutral_found), (True, 0, -1)):
        if ticked is not None:
            chosen.largest_face = take.find_neutral = ticked
        assert chosen.largest_face == take.find_neutral == (ticked is not False)
        assert (chosen.capture_face, take.neutral) == (face, neutral)


def test_what_went_missing_is_named(shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Path(shutil.copy(shoot.picture, shoot.folder / "mine.jpg"))
    scene = shoot.prepared(picture=mine)
    real = jobs.KINDS["synthesize"]

    def before_the_result(happens: Callable[[Any], Any]) -> None:
        def apply(context: Any, where: Any, ticket: Any, result: Any) -> str:
            happens(where)
            return real.apply(context, where, ticket, result)

        monkeypatch.setitem(jobs.KINDS, "synthesize", jobs.Kind(real.label, apply))

    def delete_strip(where: Any) -> None:
        strips = versions.strips(where.sequence_editor)
        strips.remove(strips["lisa.jpg"])

    before_the_result(delete_strip)
    assert "the strip of 'lisa' was deleted meanwhile" in refused(ops.synthesize)
    monkeypatch.setitem(jobs.KINDS, "synthesize", real)
    ops.synthesize()
    strips = strip_facts(scene)
    assert strips["head"]["files"] == HEAD and strips["portrait"]["name"] == "lisa"
    assert said(scene).startswith("0 frames made, 6 kept")

    changed = bytearray(mine.read_bytes())
    changed[-3] ^= 1
    mine.write_bytes(bytes(changed))
    line = refused(ops.synthesize)
    assert "mine.jpg: the file has changed since consent was recorded" in line
    away = mine.rename(shoot.folder / "away.jpg")
    line = refused(ops.synthesize)
    assert "mine.jpg: the picture 1 of 'lisa' is not there any more" in line
    away.rename(mine)
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    take = scene.likeness.takes[0]
    files = [absolute(take.track), absolute(take.performance)]
    for path in files:
        path.rename(path.with_suffix(".away"))
    assert "is not there any more" in refused(ops.synthesize)
    for path in files:
        path.with_suffix(".away").rename(path)
    before_the_result(lambda _: ops.portrait_remove())
    assert "the portrait that this was for was removed" in refused(ops.synthesize)


def test_a_file_saved_elsewhere_still_finds_everything(shoot: Shoot) -> None:
    scene = shoot.prepared()
    ops.synthesize()
    take = scene.likeness.takes[0]
    before = take.track, take.source
    other = shoot.folder / "other" / "deep"
    other.mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "copy.blend"), copy=True)
    assert (take.track, take.source) == before  # a saved copy changes nothing in memory
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "moved.blend"))
    assert take.track.startswith("//../../likeness/takes/") and absolute(take.track).is_file()
    for name in ("copy.blend", "moved.blend"):
        scene = reopened(other / name)
        scene.frame_current = 14
        assert ops.test_frame() == {"FINISHED"}
        assert scene.likeness.takes[0].track.startswith("//../../likeness/takes/")
