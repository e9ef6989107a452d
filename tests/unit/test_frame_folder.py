# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of head frames: strangers' files stay, and no run keeps another one's frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import inference.sidecar
from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError, LikenessError
from inference.files import write_whole, written_whole
from inference.jobs import SynthesizeJob
from inference.mouth.look import TeethLook
from inference.performance.retargeting.gains import Gains
from inference.pictures import read_picture
from inference.sidecar import MARKS, shared_mark
from inference.synthesis import synthesize

ROOT = Path(__file__).parents[2]
JOB = SynthesizeJob((PORTRAIT,), TRACK, Path("out"), neutral=12, frames=(0, 2), preview=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def frames_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("head_*.png"))}


def run(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "inference", "synthesize", "--portrait", str(PORTRAIT),
        "--track", str(TRACK), "--out", str(out), "--neutral", "12", *options,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr
        time.sleep(0.01)


def test_what_was_put_out_never_changes_and_what_stays_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version beside its base: only what differs is made, on disks with links and without."""
    first = replace(JOB, out=tmp_path / "v001", base=tmp_path / "none", note="first")
    assert synthesize(first).made == 3
    more = replace(first, out=tmp_path / "v002", base=first.out, frames=(0, 3), note="")
    made = synthesize(more)
    assert (made.made, made.kept, made.out) == (1, 3, first.out)  # only added to
    assert not more.out.exists()
    before = contents(first.out)
    assert json.loads(before["job.json"])["job"]["note"] == "first"

    # Of the four frames two are wanted otherwise; the others stay as they are.
    other = replace(more, frames=(2, 3), gains=Gains(mouth=0.5), note="mouth 1.0 -> 0.5")
    made = synthesize(other)
    assert (made.made, made.kept, made.out) == (2, 0, other.out)
    assert contents(first.out) == before
    same = [a.samefile(other.out / a.name) for a in sorted(first.out.glob("head_*.png"))]
    assert same == [True, True, False, False]
    assert synthesize(other).kept == 2  # the same button once more, in the same version
    monkeypatch.setattr(os, "link", raising)
    third = replace(other, base=other.out, out=tmp_path / "v003", frames=(3, 3), gains=Gains())
    assert synthesize(third).made == 1
    now = frames_of(third.out)
    assert len(now) == 4 and now["head_000003.png"] == before["head_000003.png"]
    assert {now[n] == data for n, data in frames_of(other.out).items()} == {True, False}

    # Another size, form or network: nothing of it has a place beside the old frames.
    for number, changed in enumerate((replace(third, format="exr"), replace(third, box=True)), 4):
        job = replace(changed, base=third.out, out=tmp_path / f"v{number:03d}", frames=(0, 0))
        assert synthesize(job).made == 1
    with pytest.raises(InputError, match="holds frames that this would change"):
        synthesize(replace(other, gains=Gains(mouth=0.2)))
    assert frames_of(first.out) == {n: d for n, d in before.items() if n.startswith("head_")}


def raising(*_: object) -> None:
    raise OSError("no links here")


STRANGERS = (
    "head_shot.jpg", "matte_v01.exr", "full_res.png", "head_1.png", "head_0000001.png",
    "head_000001.jpg", "head_notes.txt", "portrait.png", "frames.marks.bak",
)  # fmt: skip


def test_strangers_files_stay_whatever_is_made_beside_them(tmp_path: Path) -> None:
    for name in STRANGERS:
        (tmp_path / name).write_text(f"mine: {name}")
    synthesize(replace(JOB, out=tmp_path))
    later = (*STRANGERS, "head_000900.png")  # the take has 240 frames
    (tmp_path / "head_000900.png").write_text("mine: head_000900.png")
    for changed in (replace(JOB, layer="full"), replace(JOB, matte="face", format="exr"), JOB):
        assert synthesize(replace(changed, out=tmp_path)).made == 3
    assert all((tmp_path / name).read_text() == f"mine: {name}" for name in later)
    made = set(contents(tmp_path)) - set(later)
    assert made == {
        *(f"head_{i:06d}.png" for i in range(3)),
        "head.json",
        "job.json",
        "frames.marks",
        "frames.lock",
        "likeness.json",
    }


def test_teeth_that_change_make_their_frames_again_alone(tmp_path: Path) -> None:
    table = tmp_path / "looks.csv"
    job = replace(JOB, out=tmp_path / "out", frames=(186, 188))
    assert synthesize(job).made == 3
    table.write_text("frame,seen\n0,1\n188,0.5\n")
    looking = replace(job, teeth_frames=table)
    before = frames_of(job.out)
    assert synthesize(looking).made == 1
    after = frames_of(job.out)
    assert [name for name in after if after[name] != before[name]] == ["head_000188.png"]
    assert synthesize(looking).made == 0
    table.write_text("frame,seen,gap\n188,0.5,0\n")  # holds before its frame too
    assert synthesize(looking).made == 2
    assert synthesize(replace(job, teeth=TeethLook(seen=0.5))).made == 0


@pytest.mark.parametrize(
    "name", ["head_000002.png", "matte_000001.png", "head.json", "job.json", "frames.marks"]
)
def test_a_stranger_in_the_way_is_refused_before_anything_is_touched(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="was not made by Likeness"):
        synthesize(replace(JOB, out=tmp_path, matte="face"))
    assert contents(tmp_path) == {name: b"mine"}


def test_a_stranger_that_came_later_is_refused_too(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path)
    synthesize(job)
    (tmp_path / "matte_000001.png").write_text("mine")
    before = contents(tmp_path)
    assert synthesize(replace(job, gains=Gains(mouth=0.5))).made == 3  # no matte is wanted
    assert (tmp_path / "matte_000001.png").read_text() == "mine"
    before = contents(tmp_path)
    with pytest.raises(InputError, match="matte_000001"):
        synthesize(replace(job, matte="face"))
    assert contents(tmp_path) == before


def test_inputs_in_the_output_folder_stay_or_are_refused(tmp_path: Path) -> None:
    portrait = tmp_path / "head_p.png"
    portrait.write_bytes(PORTRAIT.read_bytes())
    assert synthesize(replace(JOB, portrait=(portrait,), out=tmp_path)).made == 3
    assert portrait.read_bytes() == PORTRAIT.read_bytes()
    plate = tmp_path / "full_pl.png"
    plate.write_bytes(PORTRAIT.read_bytes())
    synthesize(replace(JOB, portrait=(portrait,), out=tmp_path, match=str(plate)))
    assert plate.read_bytes() == PORTRAIT.read_bytes()
    before = contents(tmp_path)
    with pytest.raises(InputError, match="this is read"):
        synthesize(replace(JOB, portrait=(tmp_path / "head_000001.png",), out=tmp_path))
    assert contents(tmp_path) == before


def test_a_turned_portrait_s_upright_copy_replaces_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    turned = folder / "portrait.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(PORTRAIT).convert("RGB").rotate(90, expand=True).save(turned, exif=exif)
    original = turned.read_bytes()
    job = replace(JOB, portrait=(turned,), out=folder)
    synthesize(job)
    assert turned.read_bytes() == original
    shown = json.loads((folder / "head.json").read_text())["portrait"]
    upright = read_picture(folder / shown)
    assert not upright.turned
    np.testing.assert_array_equal(upright.rgb, read_picture(turned).rgb)
    stranger = tmp_path / "c"
    stranger.mkdir()
    (stranger / shown).write_text("mine")
    with pytest.raises(InputError, match="was not made by Likeness"):
        synthesize(replace(job, out=stranger))
    assert contents(stranger) == {shown: b"mine"}


def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path / "out")
    synthesize(job)
    outside = tmp_path / "outside"
    outside.write_bytes(b"stays")
    for name in ("head_000001.png", "frames.marks", "head.json", "frames.lock"):
        path = job.out / name
        kept = path.read_bytes()
        path.unlink()
        path.symlink_to(outside)
        with pytest.raises(InputError, match=r"link|was not made by"):
            synthesize(replace(job, gains=Gains(mouth=0.5)))
        assert path.is_symlink() and outside.read_bytes() == b"stays"
        path.unlink()
        path.write_bytes(kept)


def test_a_folder_made_before_records_is_taken_over(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path)
    synthesize(job)
    (tmp_path / "likeness.json").unlink()
    content = json.loads((tmp_path / "job.json").read_text())
    content.pop("patterns")
    (tmp_path / "job.json").write_text(json.dumps(content))
    assert synthesize(job).kept == 3
    assert synthesize(replace(job, layer="full")).made == 3
    assert not frames_of(tmp_path)


def test_frames_outlive_a_change_of_the_code_that_changes_no_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides is the version of the pixels; it is raised by hand."""
    job = replace(JOB, out=tmp_path)
    synthesize(job)
    assert synthesize(job).kept == 3
    monkeypatch.setattr(inference.sidecar, "PIXELS_VERSION", inference.sidecar.PIXELS_VERSION + 1)
    assert synthesize(job).made == 3


def test_a_run_that_makes_other_frames_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path / "out", frames=(0, 39))
    first = run(job.out, "--frames", "0-39")
    wait_for(job.out / "head_000002.png", first)
    with pytest.raises(InputError, match="another run is writing other frames here"):
        synthesize(replace(job, gains=Gains(mouth=0.4)))
    assert first.wait(120) == 0
    synthesize(replace(JOB, out=tmp_path / "alone", frames=(0, 9)))
    made, alone = frames_of(job.out), frames_of(tmp_path / "alone")
    assert len(made) == 40 and {name: made[name] for name in alone} == alone


def test_equal_runs_and_chunks_share_the_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ranges = ("0-9", "0-9", "5-14")
    runs = [run(out, "--frames", frames) for frames in ranges]
    for one in runs:
        _, said = one.communicate(timeout=240)
        assert one.returncode == 0, said
    synthesize(replace(JOB, out=tmp_path / "alone", frames=(0, 14)))
    assert frames_of(out) == frames_of(tmp_path / "alone")
    assert not list(out.glob("*.part"))


def test_without_locks_a_frame_of_other_choices_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system without locks: what the mark does not want is not kept."""
    job = replace(JOB, out=tmp_path)
    synthesize(job)
    right = contents(tmp_path)

    def overtaken(path: Path, *rest: object) -> object:
        write_whole(tmp_path / MARKS, right[MARKS])  # the other run sets its own
        return real(path, *rest)

    real = written_whole
    monkeypatch.setattr("inference.sidecar.written_whole", overtaken)
    with pytest.raises(LikenessError, match="another run"):
        synthesize(replace(job, gains=Gains(mouth=0.4)))
    assert not frames_of(tmp_path)
    monkeypatch.undo()
    synthesize(job)
    assert {k: v for k, v in contents(tmp_path).items() if k.startswith("head_")} == {
        k: v for k, v in right.items() if k.startswith("head_")
    }


def test_a_portrait_replaced_while_it_is_read_leaves_no_wrong_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait, other = tmp_path / "p.png", tmp_path / "other.png"
    portrait.write_bytes(PORTRAIT.read_bytes())
    picture = cv2.imread(str(PORTRAIT))
    cv2.imwrite(str(other), cv2.convertScaleAbs(picture, alpha=0.6))
    job = replace(JOB, portrait=(portrait,), out=tmp_path / "out")
    real = shared_mark

    def replaced_meanwhile(*arguments: object) -> bytes:
        portrait.write_bytes(other.read_bytes())
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("inference.scene.shared_mark", replaced_meanwhile)
    synthesize(job)
    monkeypatch.undo()
    assert synthesize(job).made == 3
    synthesize(replace(job, portrait=(other,), out=tmp_path / "right"))
    assert frames_of(tmp_path / "out") == frames_of(tmp_path / "right")
