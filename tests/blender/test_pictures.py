# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait of several pictures: faces with stable numbers, what may be beside what, what goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from blender_addon.sequencer.placement import FILE_NAME
from tests.blender.shoot import Shoot, absolute, head_of, ops, refused, reopened, said, says_no
from tests.movies import read_clip, write_movie

pytestmark = [pytest.mark.blender, pytest.mark.footage]

MANY = [f"copy {number}.png" for number in range(33)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> Path:
    """pair.png: the person at the left, another at the right; second and third: the person alone.

    MANY: the person as well; blank.png: no face. short.mp4: a movie of three frames.
    """
    sample, made = footage / "sample", tmp_path_factory.mktemp("made")
    folder = made / "Bïlder"
    folder.mkdir()
    pair = [
        cv2.resize(cv2.imread(str(sample / name)), (400, 400))
        for name in ("s_obama_official_pd.jpg", "s_girl_pearl_earring_pd.jpg")
    ]
    _save(folder / "pair.png", np.hstack(pair))
    spoken = read_clip(sample / "s_obama_whitehouse_pd.mp4", 0, 31)
    for name, index in (("second", 0), ("third", 30)):
        _save(folder / f"{name}.png", spoken[index][..., ::-1])
    for name in MANY:
        shutil.copy(folder / "second.png", folder / name)
    _save(folder / "blank.png", np.full((300, 300, 3), 127, np.uint8))
    frames = read_clip(sample / "s_grid_female_ccby4.mp4", 0, 3)
    write_movie(folder / "short.mp4", frames, rate=25)
    return folder


def test_several_pictures_make_one_person(shoot: Shoot, folder: Path) -> None:
    """Two pictures, then one more of the same person, through to the head frames."""
    scene = shoot.scene()
    _add(folder, "pair.png", "second.png")
    pair, second = _pictures(scene)
    assert (pair[0], second[0]) == ("pair.png", "second.png")
    (one, left, there), (two, right, too) = pair[2]
    assert (one, two) == (1, 2) and there and too
    assert left[0] + left[2] / 2 < 400 < right[0] + right[2] / 2
    assert pair[1] == 0 and second[1] == 1  # only of one face is it clear which is meant
    assert _add(folder, "second.png", extend=True) == {"FINISHED"}
    assert len(_pictures(scene)) == 2
    with pytest.raises(RuntimeError, match="at most 32 pictures"):
        _add(folder, *MANY[:32], extend=True)
    _add(folder, "third.png", extend=True)
    ops.capture_footage(source="FILE", filepath=str(folder / "short.mp4"))
    scene.frame_current = 1
    assert "pair.png shows 2 faces; choose one" in refused(ops.test_frame)
    boxes = []
    for number in (1, 2):
        ops.face_choose(number=number)
        ops.test_frame()
        boxes.append(_asked(json.loads(scene.likeness_jobs[-1].request)["out"])["box"])
    (x1, _, w1, _), (x2, _, w2, _) = boxes
    assert x1 + w1 / 2 < 400 < x2 + w2 / 2

    ops.face_choose(number=1)
    ops.consent_record(who="Barack Obama", basis="LICENSED")
    scene.likeness.range = "TAKE"
    ops.synthesize()
    assert said(scene).startswith("3 frames made")
    home = absolute(head_of(scene).directory)
    used = [Path(path).name for path in _asked(home, "job.json")["job"]["portrait"]]
    assert used == ["pair.png", "second.png", "third.png"]
    assert _asked(home)["box"] == boxes[0]

    # Looked for once more, and after a reload, the faces have their numbers, and the choice holds.
    first = next(job.name for job in scene.likeness_jobs if job.kind == "faces")
    ops.job_again(job=first)
    again = _pictures(scene)
    assert again[0][2] == pair[2] and again[0][1] == 1
    bpy.ops.wm.save_mainfile()
    scene = reopened()
    assert _pictures(scene) == again
    ops.synthesize()
    assert said(scene).startswith("0 frames made, 3 kept")

    # Switched off, a picture lends nothing; the one that leads always counts.
    portrait = scene.likeness.portraits[0]
    for picture in portrait.pictures:
        picture.use = picture.name == "third.png"
    ops.synthesize()
    assert said(scene).startswith("3 frames made")
    home = absolute(head_of(scene).directory)
    used = [Path(path).name for path in _asked(home, "job.json")["job"]["portrait"]]
    assert used == ["pair.png", "third.png"]
    portrait.pictures[1].use = True

    third = folder / "third.png"
    away = third.rename(folder / "away.png")
    for line in (
        refused(ops.synthesize),
        refused(ops.test_frame),
        refused(ops.consent_record, who="B", basis="LICENSED"),
    ):
        assert "third.png" in line and "is not there any more" in line
    portrait.picture_index = 2
    ops.picture_remove()
    away.rename(third)
    assert [picture.name for picture in portrait.pictures] == ["pair.png", "second.png"]
    assert portrait.picture_index == 1
    assert "consent note is for other pictures" in refused(ops.synthesize)
    ops.consent_record(who="Barack Obama", basis="LICENSED")
    ops.synthesize()
    assert said(scene).startswith("3 frames made")  # one picture less: all are made anew
    portrait.picture_index = 0
    assert "the first picture" in refused(ops.picture_remove)
    portrait.picture_index = 1
    ops.picture_remove()
    assert "at least one picture" in refused(ops.picture_remove)
    assert [picture.name for picture in portrait.pictures] == ["pair.png"]


def test_pictures_that_cannot_be_used_change_nothing(shoot: Shoot, folder: Path) -> None:
    scene = shoot.scene()
    says_no("at most 32 pictures, not 33", _add, folder, *MANY)
    says_no("no picture was chosen", ops.portrait_from_files)
    says_no("no portrait yet", _add, folder, "second.png", extend=True)
    says_no("blank.png: no face was found", _add, folder, "second.png", "blank.png")
    assert not scene.likeness.portraits
    _add(folder, "second.png")
    says_no("blank.png: no face was found", _add, folder, "third.png", "blank.png", extend=True)
    assert len(_pictures(scene)) == 1
    _add(folder, "pair.png", extend=True)
    ops.capture_footage(source="FILE", filepath=str(folder / "short.mp4"))
    scene.likeness.portraits[0].picture_index = 1
    ops.face_choose(number=2)
    scene.frame_current = 1
    says_no("only the first picture may show more than one", ops.test_frame)
    assert ops.portrait_remove() == {"FINISHED"} and not scene.likeness.portraits
    says_no("no portrait yet", ops.portrait_remove)
    says_no("no portrait yet", ops.picture_remove)
    says_no("no portrait yet", ops.face_choose, number=1)
    says_no("no portrait yet", ops.consent_record, who="A", basis="OWN")


def _add(folder: Path, *names: str, extend: bool = False) -> set[str]:
    """As the file browser gives them: a folder, and names in it."""
    files = [{"name": name} for name in names]
    return set(ops.portrait_from_files(directory=str(folder), files=files, extend=extend))


def _pictures(scene: Any) -> list[Any]:
    """Of each picture the name, the chosen face, and the faces as number, box, thumbnail there."""
    return [
        [
            picture.name,
            picture.face,
            [
                [face.number, list(face.box), absolute(face.thumbnail).is_file()]
                for face in picture.faces
            ],
        ]
        for portrait in scene.likeness.portraits
        for picture in portrait.pictures
    ]


def _asked(folder: Path | str, name: str = FILE_NAME) -> Any:
    return json.loads((Path(folder) / name).read_text(encoding="utf-8"))


def _save(path: Path, picture: np.ndarray) -> None:
    cv2.imencode(path.suffix, picture)[1].tofile(path)
