# SPDX-License-Identifier: GPL-3.0-or-later
"""The four steps, called as scripts and farms call them, with the real worker on a real clip."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import bpy
import cv2
import numpy as np
import pytest

from blender_addon import versions
from blender_addon.overlay import geometry, layers
from blender_addon.performance import takes
from blender_addon.sequencer import head_strip, output, placement
from blender_addon.storage.recordings import load_track
from tests.blender import material
from tests.blender.shoot import (
    Shoot,
    absolute,
    head_of,
    ops,
    refused,
    reopened,
    said,
    strip_facts,
)
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

HEAD = [f"head_{index:06d}.png" for index in range(8)]


def test_the_artists_way(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.scene()
    assert ops.portrait_from_strip(strip="lisa.jpg") == {"FINISHED"}
    portrait = scene.likeness.portraits[0]
    picture = portrait.pictures[0]
    assert portrait.name == "lisa"
    assert (len(picture.faces), picture.face, tuple(picture.size)) == (1, 1, (511, 512))
    assert len(picture.sha256) == 64
    assert Path(picture.faces[0].thumbnail).is_file() and Path(picture.faces[0].points).is_file()

    # The strip begins at 10 and shows the frames 12 to 17: pictures 2 to 7 of the file.
    assert ops.capture_footage(source="STRIP", strip="actor") == {"FINISHED"}
    take = scene.likeness.takes[0]
    assert (take.name, take.frames, take.start, take.offset) == ("actor", 6, 12, 2)
    assert (tuple(take.rate), take.pace, take.first, take.last) == ((25, 1), 0, 0, 5)
    assert take.track.startswith("//likeness/takes/")
    assert take.performance.startswith("//likeness/takes/")
    assert 0 <= take.neutral_found < 6

    scene.frame_current = 14
    assert ops.test_frame() == {"FINISHED"}
    tested = strip_facts(scene)["test"]
    assert tested["span"] == [14, 15] and tested["files"] == [HEAD[2]]

    assert "consent" in refused(ops.synthesize)
    ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC", note="Painted by Leonardo, 1503")
    assert ops.synthesize() == {"FINISHED"}
    strips = strip_facts(scene)
    assert "test" not in strips
    assert strips["head"]["span"] == [12, 18] and strips["head"]["files"] == HEAD[:6]
    assert strips["portrait"]["channel"] < strips["head"]["channel"]
    assert strips["portrait"]["span"] == [5, 40]
    assert said(scene).startswith("6 frames made on CPU")
    ops.synthesize()
    assert said(scene).startswith("0 frames made, 6 kept")

    bpy.ops.wm.save_mainfile()
    scene = reopened()
    portrait = scene.likeness.portraits[0]
    assert strip_facts(scene) == strips
    assert (portrait.consent_who, portrait.consent_note) == (
        "Lisa del Giocondo",
        "Painted by Leonardo, 1503",
    )
    ops.synthesize()
    assert said(scene).startswith("0 frames made, 6 kept")
    _assert_rendered(scene, shoot, tmp_path / "shot.png")


def _assert_rendered(scene: Any, shoot: Shoot, shot: Path) -> None:
    """The render is the portrait with this frame's head over it."""
    output.set_still(scene)
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0
    there = placement.read_placement(absolute(head_of(scene).directory))
    output.render_still(scene, shot, 14)
    picture = cv2.imread(str(shoot.picture))[..., ::-1]
    frame = cv2.imread(str(there.folder / HEAD[2]), cv2.IMREAD_UNCHANGED)
    frame = cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA)
    wanted = material.composite(picture, frame, there.box)[:, :510]
    assert np.abs(material.load(shot) - wanted).mean() < 1
    assert np.abs(picture[:, :510] - wanted).mean() > 0.5  # and the head did move


def test_the_artists_edits_are_kept(shoot: Shoot) -> None:
    scene = shoot.prepared()
    scene.likeness.range = "PREVIEW"
    assert "no preview range is set" in refused(ops.synthesize)
    scene.use_preview_range = True
    scene.frame_preview_start, scene.frame_preview_end = 13, 14
    ops.synthesize()
    part = strip_facts(scene)["head"]
    assert part["span"] == [13, 15]
    assert part["files"] == ["pending.png", *HEAD[1:3], *["pending.png"] * 3]
    scene.frame_preview_start, scene.frame_preview_end = 100, 110
    line = refused(ops.synthesize)
    assert line.startswith("the preview range (100 to 110) and the take (12 to 17)")
    scene.likeness.range = "STRIP"
    ops.synthesize()
    whole = strip_facts(scene)["head"]
    assert whole["span"] == [12, 18] and whole["files"] == HEAD[:6]
    assert whole["channel"] == part["channel"]

    head = head_of(scene)
    head.transform.offset_x += 7
    head.modifiers.new("grade", "BRIGHT_CONTRAST")
    versions.set_span(head, 14, 18)
    ops.synthesize()
    trimmed = strip_facts(scene)["head"]
    assert trimmed["span"] == [14, 18]
    assert trimmed["offset"] == [whole["offset"][0] + 7, whole["offset"][1]]
    assert trimmed["modifiers"] == 1

    # Moved by 20 frames, and the take begins a frame later: picture 1 is at 13 + 20 now.
    head = head_of(scene)
    versions.set_content_start(head, versions.content_start(head) + 20)
    head.name = "my head"
    take = scene.likeness.takes[0]
    take.first = 1
    ops.synthesize()
    moved = strip_facts(scene)["head"]
    assert moved["name"] == "my head"
    assert moved["content"][0] == 33 and moved["files"] == HEAD[1:6]
    assert moved["span"] == [34, 38]
    assert moved["offset"] == trimmed["offset"] and moved["modifiers"] == 1
    ops.align()
    assert strip_facts(scene)["head"]["offset"] == whole["offset"]
    take.first = 0
    scene.likeness.mouth = 0.5
    ops.synthesize()
    assert said(scene).startswith("6 frames made")


def test_mattes_as_channels_are_one_layered_file_a_frame(shoot: Shoot) -> None:
    scene = shoot.prepared(until=16)
    scene.likeness.matte = True
    ops.synthesize()
    scene.likeness.matte_kind = "channels"
    ops.synthesize()
    assert said(scene).startswith("4 frames made")  # their mattes alone
    strips = strip_facts(scene)
    assert strips["matte"]["files"] == [f"matte_{index:06d}.exr" for index in range(4)]
    strip = next(s for s in versions.strips(scene.sequence_editor) if s.name.endswith(" matte"))
    assert strip.colorspace_settings.name == "Non-Color"
    assert (strip.mute, strip.alpha_mode) == (True, "PREMUL")
    image = bpy.data.images.load(str(absolute(strip.directory) / strip.elements[2].filename))
    tree = bpy.data.node_groups.new("mattes", "CompositorNodeTree")
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    found = {socket.name for socket in node.outputs}
    assert {"person", "face", "hair", "skin", "unseen"} <= found
    scene.likeness.matte = False  # the strip that is there stays what it is
    scene.likeness.mouth = 0.5
    ops.synthesize()
    assert strip_facts(scene)["matte"]["files"] == strips["matte"]["files"]
    # A box has no person's mattes: the face's then.
    scene.likeness.layer = "box"
    ops.synthesize()
    assert strip_facts(scene)["matte"]["files"][0] == "matte_000000.png"
    assert strip.colorspace_settings.name == "sRGB"


def test_the_matte_lies_as_the_head_does(shoot: Shoot) -> None:
    files = [name.replace("head", "matte") for name in HEAD]

    def assert_in_step(strips: dict[str, Any]) -> None:
        head, matte = strips["head"], strips["matte"]
        assert matte["mute"] and not head["mute"]
        assert matte["channel"] > head["channel"]
        assert matte["files"] == files[:6] and matte["name"] == f"{head['name']} matte"
        for fact in ("span", "content", "offset"):
            assert matte[fact] == head[fact]

    scene = shoot.prepared()
    ops.synthesize()
    head_of(scene).transform.offset_x += 9
    scene.likeness.matte = True
    bpy.ops.ed.undo_push(message="before")
    ops.synthesize("EXEC_DEFAULT", True)
    assert_in_step(strip_facts(scene))
    bpy.ops.ed.undo()
    undone = strip_facts(bpy.context.scene)
    assert "matte" not in undone and "head" in undone
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    assert_in_step(strip_facts(scene))
    # Made again with the toggle off: the strip that is there is replaced and stays in step.
    versions.set_span(head_of(scene), 14, 18)
    scene.likeness.matte = False
    scene.likeness.mouth = 0.5
    ops.synthesize()
    again = strip_facts(scene)
    assert again["matte"]["span"] == again["head"]["span"] == [14, 18]
    assert again["matte"]["files"] == files[:6]
    assert len(versions.strips(scene.sequence_editor)) == len(again)


def test_a_clip_keeps_its_speed_on_another_timeline(shoot: Shoot, tmp_path: Path) -> None:
    short = write_movie(tmp_path / "short.mp4", read_clip(shoot.clip, 0, 4), rate=25)
    scene = shoot.scene(fps=50)
    ops.portrait_from_files(filepath=str(shoot.picture))
    ops.consent_record(who="Lisa del Giocondo", basis="HISTORIC", note="Painted by Leonardo, 1503")
    scene.frame_start = 101
    ops.capture_footage(source="FILE", filepath=str(short))
    scene.likeness.range = "TAKE"
    ops.synthesize()
    strips = strip_facts(scene)
    assert strips["head"]["span"] == [101, 109]  # 4 / 25 seconds are 8 frames of 1 / 50
    assert strips["head"]["files"] == [HEAD[k // 2] for k in range(8)]
    # A portrait from a file gets a strip of its own, below the head.
    assert strips["portrait"]["span"] == [101, 109]
    assert strips["portrait"]["channel"] < strips["head"]["channel"]
    assert scene.likeness.takes[0].pace == 0  # in real time

    # A strip that Blender plays a picture a frame: the take runs in real time all the same.
    ops.capture_footage(source="STRIP", strip="actor")
    take = scene.likeness.takes[1]
    captured = next(job for job in scene.likeness_jobs if take.name in job.message)
    assert captured.message.endswith("in real time, its strip plays at 200%")
    assert take.real_time and takes.timing_of(scene, take).span() == (12, 24)
    drawn = next(each for each in layers.layers_of(scene, "STRIP") if each.take == take.uid)
    assert drawn.pace == 1  # over the strip it keeps to that one's pictures
    take.real_time = False
    assert takes.timing_of(scene, take).span() == (12, 18)
    take.real_time = True
    assert take.pace == 0


def test_a_frame_of_a_movie_can_be_the_portrait(shoot: Shoot) -> None:
    scene = shoot.scene()
    scene.frame_current = 15
    ops.portrait_from_strip(strip="actor")
    picture = scene.likeness.portraits[0].pictures[0]
    assert absolute(picture.path).is_file() and list(picture.size) == [256, 256]
    assert picture.path.startswith("//likeness/actor-") and picture.path.endswith(".png")


def test_one_of_two_faces_is_chosen(shoot: Shoot, tmp_path: Path) -> None:
    """Two faces in one picture, and a clip of the Movie Clip Editor."""
    pair = [
        cv2.resize(cv2.imread(str(shoot.picture.with_name(name))), (400, 400))
        for name in ("s_obama_official_pd.jpg", "s_girl_pearl_earring_pd.jpg")
    ]
    two = tmp_path / "two.png"
    cv2.imwrite(str(two), np.hstack(pair))
    short = write_movie(tmp_path / "short.mp4", read_clip(shoot.clip, 0, 3), rate=25)
    scene = shoot.scene()
    ops.portrait_from_files(filepath=str(two))
    picture = scene.likeness.portraits[0].pictures[0]
    left, right = (list(face.box) for face in picture.faces)
    assert left[0] + left[2] / 2 < 400 < right[0] + right[2] / 2
    assert picture.face == 0 and len({face.thumbnail for face in picture.faces}) == 2

    clip = bpy.data.movieclips.load(str(short))
    clip.frame_start = 30
    ops.capture_footage(source="CLIP", clip=clip.name)
    take = scene.likeness.takes[0]
    assert (take.name, take.frames, take.start) == ("short", 3, 30)
    scene.frame_current = 31
    assert "two.png shows 2 faces; choose one" in refused(ops.test_frame)
    ops.face_choose(number=2)
    ops.test_frame()
    assert json.loads(scene.likeness_jobs[-1].request)["portrait_face"] == 2
    assert strip_facts(scene)["test"]["span"] == [31, 32]
    strip = head_strip.find(scene, f"test:{scene.likeness.portraits[0].uid}")
    assert strip.transform.offset_x > 0  # the right half of the picture


def test_a_mirrored_and_cropped_strip_is_captured_as_it_is_seen(shoot: Shoot) -> None:
    scene = shoot.scene(until=14)
    actor = versions.strips(scene.sequence_editor)["actor"]
    ops.capture_footage(source="STRIP", strip="actor")
    actor.use_flip_x, actor.crop.min_x, actor.crop.max_y = True, 20, 10
    ops.capture_footage(source="STRIP", strip="actor")
    plain, mirrored = (load_track(absolute(take.track)) for take in scene.likeness.takes)
    width, nose = plain.size[0], 4
    assert mirrored.size == plain.size
    assert mirrored.points[0, nose, 0] == pytest.approx(width - plain.points[0, nose, 0], abs=2)
    # It is drawn over the pixels that it was captured from, and so are its markers.
    layer = next(each for each in layers.layers_of(scene, "STRIP") if each.take)
    drawn = geometry.mirrored(mirrored.points[0, :, :2], mirrored.size, tuple(layer.mirror))
    assert drawn[nose] == pytest.approx(plain.points[0, nose, :2], abs=2)
    ops.take_markers()
    (clip,) = bpy.data.movieclips
    marker = clip.tracking.tracks["Likeness nose tip"].markers[0]
    assert marker.co[0] * width == pytest.approx(plain.points[0, nose, 0], abs=2)
    actor.crop.min_x = 2 * width
    assert "cropped to nothing" in refused(ops.capture_footage, source="STRIP", strip="actor")


def test_an_image_sequence_is_captured_a_picture_a_frame(shoot: Shoot, tmp_path: Path) -> None:
    scene = shoot.scene(fps=30)
    for i, frame in enumerate(read_clip(shoot.clip, 0, 5)):
        cv2.imwrite(str(tmp_path / f"shot.{i + 8:04d}.png"), frame[..., ::-1])
    strip = versions.strips(scene.sequence_editor).new_image(
        name="shots", filepath=str(tmp_path / "shot.0008.png"), channel=5, frame_start=20
    )
    for i in range(9, 13):
        strip.elements.append(f"shot.{i:04d}.png")
    versions.set_span(strip, 21, 24)
    ops.capture_footage(source="STRIP", strip="shots")
    take = scene.likeness.takes[0]
    assert (take.frames, take.start, tuple(take.rate)) == (3, 21, (30, 1))
    assert take.source.endswith("shot.0009.png")
    strip.elements[2].filename = "shot.0008.png"
    assert "not numbered one after the other" in refused(
        ops.capture_footage, source="STRIP", strip="shots"
    )


def test_the_footages_sound_is_in_step(shoot: Shoot, tmp_path: Path) -> None:
    loud = _with_sound(tmp_path / "loud.mp4", read_clip(shoot.clip, 0, 12))
    scene = shoot.scene(fps=24)
    ops.portrait_from_strip(strip="lisa.jpg")
    ops.consent_record(who="Lisa", basis="HISTORIC", note="Painted by Leonardo, 1503")
    scene.frame_start = 6
    ops.capture_footage(source="FILE", filepath=str(loud))
    scene.likeness.takes[0].first = 5
    assert scene.likeness.takes[0].sound_leads == 0
    ops.synthesize()
    strips = strip_facts(scene)
    assert strips["sound"]["span"] == strips["head"]["span"]
    assert strips["sound"]["content"][0] == 6  # where frame 0 of the footage lies
    assert strips["sound"]["channel"] > strips["head"]["channel"]
    ops.synthesize()
    assert sum(s.type == "SOUND" for s in versions.strips(scene.sequence_editor)) == 1

    # A sound that begins earlier than its pictures lies earlier; Blender plays it from its start.
    sound = next(s for s in versions.strips(scene.sequence_editor) if s.type == "SOUND")
    versions.strips(scene.sequence_editor).remove(sound)
    scene.likeness.takes[0].sound_leads = 0.25
    ops.synthesize()
    assert strip_facts(scene)["sound"]["content"][0] == 0


def _with_sound(path: Path, frames: list[np.ndarray]) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48000)
        audio.layout = "mono"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode())
        samples = np.sin(np.arange(48000 * len(frames) // 25) / 20)[None].astype(np.float32)
        tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        tone.sample_rate = 48000
        container.mux(audio.encode(tone))
        container.mux(audio.encode())
    return path
