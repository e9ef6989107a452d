# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees and is asked beside the four steps: consent, crop, overlay, gaps, matte."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.composite import synthesis
from blender_addon.errors import InputError
from blender_addon.overlay import drawing
from blender_addon.overlay import layers as overlay
from blender_addon.overlay.recordings import recording_of
from blender_addon.performance import takes
from blender_addon.sequencer import head_strip, output, placement
from blender_addon.storage import recordings
from tests.blender import material
from tests.blender.shoot import Shoot, absolute, head_of, key_alone, ops, refused, reopened
from tests.blender.stage import stage
from tests.blender.windowed import press
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

CLEANED, EDITED = "performance.npz", "edited.performance.npz"


def test_consent_is_chosen_and_named(shoot: Shoot) -> None:
    """Nothing is kept until the note has everything."""
    scene = shoot.scene()
    ops.portrait_from_strip(strip="lisa.jpg")
    portrait = scene.likeness.portraits[0]
    # Files that were saved hold these numbers.
    items = portrait.bl_rna.properties["consent_basis"].enum_items
    known = {"OWN": 0, "AGREED": 1, "LICENSED": 2, "HISTORIC": 3, "FICTION": 4}
    assert {item.identifier: item.value for item in items} == {**known, "CHOOSE": 5}
    dialog = ops.consent_record.get_rna_type().properties["basis"]
    assert portrait.consent_basis == dialog.default == "CHOOSE"
    assert dialog.enum_items[0].name == "Choose..."

    line = refused(ops.consent_record)
    assert "needs a name and a basis: say whose face this is, and choose" in line
    for how in ({}, {"basis": "CHOOSE"}):
        line = refused(ops.consent_record, who="Lisa", **how)
        assert line.endswith("needs a basis: choose on what ground it may be animated")
    line = refused(ops.consent_record, basis="OWN")
    assert line.endswith("needs a name: say whose face this is")
    assert (portrait.consent_who, portrait.consent_sha256) == ("", "")

    assert ops.consent_record(who="Lisa", basis="OWN") == {"FINISHED"}
    assert (portrait.consent_who, portrait.consent_basis) == ("Lisa", "OWN")
    bpy.ops.wm.save_mainfile()
    portrait = reopened().likeness.portraits[0]
    assert (portrait.consent_who, portrait.consent_basis) == ("Lisa", "OWN")


def test_the_crop_that_is_drawn_is_made_anew(shoot: Shoot) -> None:
    scene = shoot.prepared()
    (layer,) = (each for each in overlay.layers_of(scene, "STRIP") if each.crop[2])
    assert layer.target.startswith("portrait:") and scene.likeness_overlay.crop
    drawn = list(layer.crop)
    ops.synthesize()
    assert list(placement.read_placement(absolute(head_of(scene).directory)).box) == drawn


def test_a_take_is_drawn_over_its_strip_and_clip(shoot: Shoot) -> None:
    """Which recordings lie over strip and clip as a take goes through an artist's hands."""
    scene = shoot.prepared()
    # The take begins two pictures into the strip's content and into the clip.
    strip, clip = ["STRIP", "take", 2, CLEANED], ["CLIP", "clip", 2, CLEANED]
    portrait, *captured = _drawn(scene)
    assert portrait[:3] == ["STRIP", "portrait", 1] and portrait[3].endswith("face1.npy")
    assert captured == [strip]
    take = scene.likeness.takes[0]
    (layer,) = (each for each in overlay.layers_of(scene, "STRIP") if each.take)
    shown = recording_of(absolute(layer.path))
    assert shown.confidence is not None
    assert shown.count == len(shown.confidence) == 6
    actor = versions.strips(scene.sequence_editor)["actor"]
    assert drawing.start_of(layer, actor) == 12
    versions.set_content_start(actor, versions.content_start(actor) + 7)
    assert drawing.start_of(layer, actor) == 19
    versions.set_content_start(actor, versions.content_start(actor) - 7)

    ops.take_markers()
    bpy.data.movieclips[0].name = "the artist's name"
    with_markers = _drawn(scene)
    assert with_markers == [portrait, strip, clip]
    (layer,) = overlay.layers_of(scene, "CLIP")
    assert layer.target == bpy.data.movieclips[0][head_strip.TAG]
    ops.take_curves()
    empty = bpy.data.objects["actor face"]
    scene.frame_set(15)
    key_alone(empty, "jaw_open", 1.0, 15)
    ops.take_curves_keep()
    assert [each[3] for each in _drawn(scene)[1:]] == [EDITED, EDITED]
    ops.curves_drop()
    assert _drawn(scene) == with_markers

    ops.capture_footage(source="STRIP", strip="actor")
    takes = {take.uid: take.name for take in scene.likeness.takes}
    for index, name in ((1, "actor 2"), (0, "actor")):  # of two, the one that is chosen
        scene.likeness.take_index = index
        found = [takes[each.take] for each in overlay.layers_of(scene, "STRIP") if each.take]
        assert found == [name]
    other = shoot.folder / "other"
    other.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(other / "moved.blend"))
    assert _drawn(scene) == with_markers
    uid = take.uid
    of_the_take = [each.path for each in scene.likeness_overlay.layers if each.take == uid]
    assert len(of_the_take) == 2
    assert all(path.startswith("//../likeness/takes/") for path in of_the_take)
    ops.take_remove()
    # The portrait's and the other take's.
    assert len(scene.likeness_overlay.layers) == 2


def test_a_cut_out_portrait_is_not_seen_behind_its_moving_head(
    shoot: Shoot, tmp_path: Path
) -> None:
    """It is muted, within the button's own undo step; nothing is left where the head was."""
    rgb = cv2.imread(str(shoot.picture))
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    height, width = alpha.shape
    cv2.ellipse(alpha, (width // 2, height), (width // 3, int(0.9 * height)), 0, 0, 360, 255, -1)
    cut = tmp_path / "cut out.png"
    cv2.imwrite(str(cut), np.dstack([rgb, alpha]))
    scene = shoot.prepared(until=14, picture=cut)
    versions.strips(scene.sequence_editor)["lisa.jpg"].blend_type = "ALPHA_OVER"
    scene.likeness.pose = 2
    bpy.ops.ed.undo_push(message="before")
    press(ops.synthesize)
    found: Any = bpy.context.scene
    head = head_of(found)
    assert placement.read_placement(absolute(head.directory)).layer == "person"
    assert versions.strips(found.sequence_editor)["lisa.jpg"].mute
    versions.strips(found.sequence_editor)["actor"].mute = True
    found.view_settings.view_transform = "Standard"
    found.render.dither_intensity = 0
    output.render_still(found, tmp_path / "shot.png", 13)
    shown = material.load(tmp_path / "shot.png")
    file = absolute(head.directory) / head.elements[1].filename
    seen = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., 3]
    seen = seen[height % 2 :, : width - width % 2]
    assert (seen == 0).mean() > 0.2 and shown[seen == 0].max() == 0
    bpy.ops.ed.undo()
    assert not versions.strips(bpy.context.scene.sequence_editor)["lisa.jpg"].mute


def test_a_head_lies_in_its_portraits_meta_strip_and_follows_its_keys(shoot: Shoot) -> None:
    """A push-in inside of a meta strip, with mattes."""
    scene = shoot.prepared(until=14)
    editor = scene.sequence_editor
    portrait = versions.strips(editor)["lisa.jpg"]
    meta = versions.strips(editor).new_meta(name="shot", channel=3, frame_start=5)
    portrait.move_to_meta(meta)
    for frame, scale in ((5, 1.0), (15, 1.5)):
        portrait.transform.scale_x = portrait.transform.scale_y = scale
        portrait.transform.keyframe_insert("scale_x", frame=frame)
        portrait.transform.keyframe_insert("scale_y", frame=frame)
    scene.likeness.matte = True
    ops.synthesize()
    chosen = scene.likeness
    head = head_of(scene)
    matte = head_strip.find(scene, synthesis.matte_tag(chosen.portraits[0], chosen.takes[0]))
    assert head.parent_meta() == matte.parent_meta() == meta
    assert portrait.channel < head.channel < matte.channel
    for frame in (12, 15):
        scene.frame_set(frame)
        scale = portrait.transform.scale_x
        assert scale > 1.3 and head.transform.scale_x == pytest.approx(scale)
        box = placement.read_placement(absolute(head.directory))
        across = placement.centre_offset(box)[0] * scale + portrait.transform.offset_x
        for strip in (head, matte):
            assert strip.transform.offset_x == pytest.approx(across, abs=1.01)
    assert not synthesis.portrait_moved(scene, chosen.portraits[0], chosen.takes[0])
    assert "does not lie" not in refused(ops.align)


def _drawn(scene: Any) -> list[list[Any]]:
    """What is drawn: kind, name's beginning, start, and the ending of a file that is there."""
    found = [layer for kind in ("STRIP", "CLIP") for layer in overlay.layers_of(scene, kind)]
    assert all(absolute(layer.path).is_file() for layer in found)
    return [
        [
            layer.kind,
            layer.name.split(" ")[0].split(":")[0],
            layer.start,
            ".".join(Path(layer.path).name.split(".")[1:]),
        ]
        for layer in found
    ]


def test_a_clip_that_begins_later_has_its_markers_in_place(shoot: Shoot, tmp_path: Path) -> None:
    """A clip that leaves out its file's first pictures: markers and overlay begin with it."""
    short = write_movie(tmp_path / "short.mp4", read_clip(shoot.clip, 0, 7))
    scene = shoot.scene()
    clip = bpy.data.movieclips.load(str(short))
    clip.frame_offset = 3
    ops.capture_footage(source="CLIP", clip=clip.name)
    take = scene.likeness.takes[0]
    assert (take.offset, take.frames) == (3, 4)
    assert _drawn(scene) == [["CLIP", "clip", 0, CLEANED]]
    ops.take_markers()
    # Blender counts markers from the first picture that the clip shows.
    chin = clip.tracking.tracks["Likeness chin"].markers
    assert [marker.frame for marker in chin if not marker.mute] == [1, 2, 3, 4]
    marker = chin.find_frame(2)
    marker.co = marker.co[0] + 0.02, marker.co[1]
    assert ops.take_markers_apply() == {"FINISHED"}
    assert scene.likeness_jobs[-1].kind == "performance"


def test_gaps_are_bridged_as_the_field_says(shoot: Shoot, tmp_path: Path) -> None:
    """The longest gap that is bridged, from the panel's field to the frames."""
    frames = read_clip(shoot.clip, 0, 15)
    for index in (6, 7):  # out of focus: a black frame would be a cut
        frames[index] = cv2.GaussianBlur(frames[index], (0, 0), frames[index].shape[0] / 12)
    gappy = write_movie(tmp_path / "gappy.mp4", frames)
    scene = shoot.scene()
    ops.capture_footage(source="FILE", filepath=str(gappy))
    take = scene.likeness.takes[0]

    def updated(longest: int) -> tuple[int, int]:
        """What is left of the gaps, and how many frames were filled."""
        take.fill = longest
        ops.take_update()
        assert json.loads(scene.likeness_jobs[-1].request)["fill"] == longest
        return take.gaps, take.filled

    assert take.fill == 12
    left, filled = updated(12)
    assert left == 0 and filled >= 2
    assert updated(3) == (0, filled)
    assert updated(1) == (filled, 0)


def test_the_lens_reaches_the_performance(shoot: Shoot) -> None:
    """The actor's lens, from the panel's field to the performance."""
    take = shoot.prepared().likeness.takes[0]

    def made() -> tuple[str, float]:
        """Which camera, and its focal length in widths of the picture."""
        performance = recordings.load_performance(absolute(take.performance))
        return performance.camera, performance.focal / max(performance.size)

    assert take.lens == 0
    ops.take_update()
    assert made() == ("weak", 0)
    take.lens = 40
    ops.take_update()
    camera, focal = lens = made()
    assert camera == "perspective" and focal == pytest.approx(40 / 36)
    take.lens = 3
    assert "a lens of 3 mm cannot be; give 8 to 1000" in refused(ops.take_update)
    assert made() == lens  # as it was


def test_the_matte_masks_a_grade_of_the_face_alone(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.prepared()
    scene.likeness.matte = True
    ops.synthesize()
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    chosen = scene.likeness
    matte = head_strip.find(scene, synthesis.matte_tag(chosen.portraits[0], chosen.takes[0]))
    portrait = head_strip.find(scene, f"portrait:{chosen.portraits[0].uid}")
    _assert_no_box(scene, tmp_path)
    portrait.transform.rotation, portrait.transform.offset_x = 0.2, 25
    portrait.transform.scale_x = portrait.transform.scale_y = 0.8
    ops.align()

    def rendered(name: str) -> np.ndarray:
        output.render_still(scene, tmp_path / name, 14)
        return material.load(tmp_path / name)

    plain = rendered("plain.png")
    grade = head_of(scene).modifiers.new("grade", "BRIGHT_CONTRAST")
    grade.bright = 40
    grade.input_mask_type = "STRIP"
    grade.input_mask_strip = matte
    change = (rendered("graded.png") - plain).mean(axis=-1)
    # What the mask is, as Blender places it: the matte alone, seen.
    for strip in versions.strips(scene.sequence_editor):
        strip.mute = strip != matte
    matte.blend_type = "REPLACE"
    mask = rendered("mask.png")[..., 0] / 255

    file = absolute(matte.directory) / matte.elements[2].filename
    grey = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert grey.ndim == 2 and grey.max() == 255 and grey.min() == 0
    outside, inside = mask < 0.01, mask > 0.99
    assert 0.05 < inside.mean() < 0.5 and outside.mean() > 0.4
    assert np.abs(change[outside]).max() < 3
    # Where nothing is clipped it is as bright as asked for; the mask's edge is the grade's.
    free = plain.max(axis=-1) < 180
    full = np.median(change[inside & free])
    assert full > 15
    soft = free & (mask > 0.2) & (mask < 0.8)
    assert np.abs(change[soft] - full * mask[soft]).mean() < 0.12 * full


def _assert_no_box(scene: Any, folder: Path) -> None:
    """A grade of the head strip, without any mask, ends where its frames do: no box is seen."""
    head = head_of(scene)
    place = placement.read_placement(absolute(head.directory))
    drawn = absolute(head.directory) / head.elements[2].filename  # what frame 14 shows
    alpha = cv2.imread(str(drawn), cv2.IMREAD_UNCHANGED)[..., 3].astype(np.float32) / 255
    x, y, width, height = place.box
    whole = np.zeros((place.portrait_size[1] + 2 * height, place.portrait_size[0] + 2 * width))
    whole[y + height : y + 2 * height, x + width : x + 2 * width] = alpha
    whole = whole[height:-height, width:-width]
    whole = whole[whole.shape[0] % 2 :, : whole.shape[1] - whole.shape[1] % 2]

    def rendered(name: str) -> np.ndarray:
        output.render_still(scene, folder / name, 14)
        return material.load(folder / name)

    plain = rendered("before.png")
    bright = head.modifiers.new("bright", "BRIGHT_CONTRAST")
    bright.bright = 30
    for kind in ("BRIGHT_CONTRAST", "CURVES"):
        change = np.abs(rendered(f"{kind}.png") - plain).mean(axis=-1)
        assert change[whole > 0.99].mean() > 10
        assert change[whole == 0].max() < 2, kind
        # In the soft edge it fades with the alpha. Blender gives curves premultiplied colours, so
        # there they are a little off.
        over = (change - 1.3 * whole * change.max()).max()
        assert over < (16 if kind == "CURVES" else 4), kind
        for each in list(head.modifiers):
            head.modifiers.remove(each)
        curve = head.modifiers.new("curves", "CURVES").curve_mapping
        curve.curves[3].points.new(0.4, 0.55)
        curve.update()
    for each in list(head.modifiers):
        head.modifiers.remove(each)


def test_a_recording_that_is_no_take_is_kept_and_told(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The puppet was recorded, but what should become of it failed."""
    stage()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    heard: list[tuple[Any, ...]] = []

    def fails(*what: Any) -> None:
        heard.append(what)
        raise InputError("the disk\nis full")

    monkeypatch.setattr(takes, "recorded", fails)
    line = refused(ops.capture_viewport, what="PUPPET", name="speech")
    (out,) = tmp_path.rglob("*.npz")
    assert out.name.startswith("speech.") and out.name.endswith(".track.npz")
    assert line == f"the disk is full (the recording {out.name} is kept)"
    assert heard == [(out, 1, Fraction(24))]
    assert len(recordings.load_track(out)) == 6
