# SPDX-License-Identifier: GPL-3.0-or-later
"""Mattes as channels: of one file a frame, of the moving person's parts, without new frames."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.cli import _parser
from inference.demo import PORTRAIT, TRACK
from inference.errors import InputError
from inference.exr import encode_exr_channels
from inference.frames import encode_frame
from inference.head.frame import draw_head, pose_head
from inference.head.parts import BODY, HAIR, SKIN, find_parts
from inference.jobs import SynthesizeJob, parse_job
from inference.layers.layers import Layers
from inference.mattes import CHANNELS, draw_mattes, label_parts
from inference.performance.retargeting.gains import Gains
from inference.pictures import read_picture
from inference.synthesis import synthesize
from tests.unit.drawn_person import MIDDLE, UNIT, draw_person, turned

Planes = dict[str, NDArray[np.float32]]
JOB = SynthesizeJob(
    (PORTRAIT,), TRACK, Path(), frames=(96, 97), gains=Gains(pose=2), matte="channels"
)


def read_exr(data: bytes) -> Planes:
    """The channels of a half-float ZIP file, by the format's own description."""
    assert struct.unpack("<i", data[:4]) == (20000630,)
    at, header = 8, {}
    while data[at]:
        name, kind, _ = data[at:].split(b"\0", 2)
        at += len(name) + len(kind) + 2
        (size,) = struct.unpack("<i", data[at : at + 4])
        header[name.decode()] = data[at + 4 : at + 4 + size]
        at += 4 + size
    names, listed = [], header["channels"]
    while listed[0]:
        name, listed = listed.split(b"\0", 1)
        assert struct.unpack("<i", listed[:4]) == (1,)  # half
        names.append(name.decode())
        listed = listed[16:]
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    assert header["compression"] == b"\3"
    count = -(-height // 16)
    offsets = struct.unpack(f"<{count}Q", data[at + 1 : at + 1 + 8 * count])
    lines = []
    for offset in offsets:
        first, size = struct.unpack("<2i", data[offset : offset + 8])
        packed = data[offset + 8 : offset + 8 + size]
        length = min(16, height - first) * width * len(names) * 2
        raw = packed
        if size < length:
            split = np.frombuffer(zlib.decompress(packed), np.uint8).astype(np.int64)
            split[1:] -= 128
            split = np.cumsum(split).astype(np.uint8)
            half = (length + 1) // 2
            joined = np.empty(length, np.uint8)
            joined[0::2], joined[1::2] = split[:half], split[half:]
            raw = joined.tobytes()
        lines.append(np.frombuffer(raw, "<f2").reshape(-1, len(names), width))
    whole = np.concatenate(lines).astype(np.float32)
    return {name: whole[:, k] for k, name in enumerate(names)}


def mattes(path: Path) -> Planes:
    return {k.removesuffix(".A"): v for k, v in read_exr(path.read_bytes()).items() if "." in k}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("channels")
    assert synthesize(replace(JOB, out=out, layer="person")).made == 2
    return out


@pytest.mark.parametrize("size", [(1, 1), (16, 5), (33, 70)])
def test_named_channels_come_back_as_they_were(size: tuple[int, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    planes = {
        name: rng.random(size).astype(np.float16)
        for name in ("R", "G", "B", "A", "hair.A", "a name of more than thirty-one letters.A")
    }
    planes["flat.A"] = np.ones(size, np.float16)
    data = encode_exr_channels(planes)
    found = read_exr(data)
    assert list(found) == sorted(planes)
    for name, plane in planes.items():
        np.testing.assert_array_equal(found[name], plane.astype(np.float32))
    # And another reader agrees, as far as it looks.
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    for k, name in enumerate("BGRA"):
        np.testing.assert_array_equal(seen[..., k], planes[name].astype(np.float32))


def test_the_person_s_channel_is_the_alpha_of_the_layer_person(run: Path) -> None:
    for index in JOB.frames or ():
        alpha = read_picture(run / f"person_{index:06d}.png").alpha
        assert alpha is not None
        found = mattes(run / f"matte_{index:06d}.exr")
        assert set(found) == set(CHANNELS)
        np.testing.assert_allclose(found["person"], alpha / 255, atol=0.003)


def test_parts_lie_within_one_another(run: Path) -> None:
    found = mattes(run / "matte_000096.exr")
    slack = 2e-3
    assert (found["face"] <= found["skin"] + slack).all()
    assert (found["skin"] + found["hair"] <= found["person"] + slack).all()
    for name in CHANNELS:
        assert found[name].min() >= 0
        assert found[name].mean() > 0.01 or name == "unseen"
    hair, skin = found["hair"], found["skin"]
    rows = np.arange(len(hair))[:, None]
    assert (rows * hair).sum() / hair.sum() < (rows * skin).sum() / skin.sum()


def test_plain_viewers_see_the_parts_as_colours(run: Path) -> None:
    channels = read_exr((run / "matte_000096.exr").read_bytes())
    for shown, name in {"R": "face", "G": "hair", "B": "skin", "A": "person"}.items():
        np.testing.assert_array_equal(channels[shown], channels[f"{name}.A"])


def test_the_crop_s_mattes_are_those_of_the_whole_within_it(run: Path, tmp_path: Path) -> None:
    synthesize(replace(JOB, out=tmp_path, frames=(96, 96)))
    crop, whole = (mattes(folder / "matte_000096.exr") for folder in (tmp_path, run))
    height, width = crop["person"].shape
    assert whole["person"].shape == read_picture(PORTRAIT).rgb.shape[:2]
    firsts = [np.argwhere(each["face"] > 0.5).min(axis=0) for each in (whole, crop)]
    inner = np.s_[height // 4 : height // 2, width // 4 : width // 2]
    y, x = firsts[0] - firsts[1] + (height // 4, width // 4)
    for name in CHANNELS:
        here = whole[name][y : y + height // 2 - height // 4, x : x + width // 2 - width // 4]
        np.testing.assert_allclose(crop[name][inner], here, atol=2e-3)


def test_another_kind_of_matte_makes_no_frame_anew(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path, matte="off")
    assert synthesize(job).made == 2
    frames = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("head_*.png")}
    for kind, made_now in (("face", 2), ("channels", 2), ("face", 0), ("channels", 0), ("off", 0)):
        assert synthesize(replace(job, matte=kind)).made == made_now, kind
    assert frames == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("head_*.png")}
    assert len(list(tmp_path.glob("matte_*.png"))) == len(list(tmp_path.glob("matte_*.exr"))) == 2
    synthesize(replace(job, matte="channels", gains=Gains(pose=1)))
    assert not list(tmp_path.glob("matte_*.png"))  # of other frames: they would be wrong
    assert len(list(tmp_path.glob("matte_*.exr"))) == 2


def test_mattes_of_frames_that_are_there_equal_those_made_with_them(
    run: Path, tmp_path: Path
) -> None:
    synthesize(replace(JOB, out=tmp_path, layer="person", matte="off"))
    synthesize(replace(JOB, out=tmp_path, layer="person"))
    for path in run.glob("matte_*.exr"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_without_the_person_s_matte_there_are_no_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="leave the box out"):
        synthesize(replace(JOB, out=tmp_path, box=True))
    picture = read_picture(PORTRAIT).rgb8()
    nobody = Layers(np.full(picture.shape[:2], 255, np.uint8), picture, picture, fallback="nobody")
    monkeypatch.setattr("inference.scene.portrait_layers", lambda *_: nobody)
    with pytest.raises(InputError, match="no mattes of the person") as error:
        synthesize(replace(JOB, out=tmp_path))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_sixteen_bits_and_an_own_alpha_have_channels_too(tmp_path: Path) -> None:
    picture = read_picture(PORTRAIT).rgb8()
    alpha = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(alpha, (230, 230), (110, 190), 0, 0, 360, 1, -1)
    path = tmp_path / "cut.png"
    path.write_bytes(encode_frame(picture, alpha, "png16"))
    synthesize(replace(JOB, portrait=(path,), out=tmp_path / "out", frames=(0, 0), layer="person"))
    found = mattes(tmp_path / "out" / "matte_000000.exr")
    assert found["person"][:20].max() == 0
    assert found["face"].max() == 1


def test_what_a_job_and_a_command_line_say() -> None:
    said = {"do": "synthesize", "portrait": ["p.png"], "track": "t", "out": "o"}
    for given, kind in ((True, "face"), (False, "off"), ("channels", "channels")):
        job = parse_job({**said, "matte": given})
        assert isinstance(job, SynthesizeJob)
        assert job.matte == kind
    line = ["synthesize", "--portrait", "p.png", "--track", "t", "--out", "o"]
    for words, kind in (([], "off"), (["--matte"], "face"), (["--matte", "channels"], "channels")):
        assert _parser().parse_args([*line, *words]).matte == kind
    with pytest.raises(InputError, match="'fur' is not one of off, face, channels"):
        synthesize(replace(JOB, matte="fur"))


@pytest.mark.parametrize("hair", [1.0, 1.25])
def test_the_parts_of_a_drawn_person_are_told_apart(hair: float) -> None:
    person = draw_person(hair=hair, ears=True)
    alpha = np.round(person.alpha * 255).astype(np.uint8)
    shares = find_parts(person.portrait, alpha).in_picture(person.portrait.picture.size)
    assert (shares.sum(axis=2) == 255).all()

    def at(x: float, y: float) -> NDArray[np.uint8]:
        column, row = np.round(MIDDLE[:2] + np.array([x, y]) * UNIT).astype(int)
        return shares[row, column]

    assert at(0, 0.3)[SKIN] > 250  # the face
    assert at(0, 1.95)[SKIN] > 200  # the neck
    for side in (-1, 1):
        assert at(side * 1.28, 0.3)[SKIN] > 200  # an ear
        assert at(side * 2.2, 4.0)[BODY] > 200  # a shoulder
    assert at(0, -1.1)[HAIR] > 200  # the crown


@pytest.mark.parametrize("yaw", [-25, 25])
def test_a_turned_head_s_new_hair_is_hair_and_was_never_seen(yaw: float) -> None:
    person = draw_person()
    alpha = np.round(person.alpha * 255).astype(np.uint8)
    head, portrait = person.head(), person.portrait
    labels = label_parts(portrait, Layers(alpha, person.person, person.plate), head, whole=False)

    def drawn(points: NDArray[np.float32]) -> Planes:
        pose = pose_head(head, points)
        frame = draw_head(head, pose)
        face, edge = np.zeros_like(frame.alpha), np.ones_like(frame.alpha)
        return draw_mattes(labels, portrait, pose, frame, face, edge, None)  # type: ignore[return-value]

    found = drawn(turned(person, yaw))
    new = found["unseen"] > 0.9
    assert 0.003 < new.mean() < 0.1
    upper = new & (np.arange(len(new))[:, None] < portrait.crop_points()[1, 1])
    assert upper.any()
    assert found["hair"][upper].mean() > 0.8
    assert (drawn(portrait.crop_points())["unseen"] > 0.1).mean() < 1e-3


def test_layers_of_other_parts_are_not_made_for_the_face_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.mattes.find_parts", lambda *_: pytest.fail("looked for parts"))
    assert synthesize(replace(JOB, out=tmp_path, matte="face", frames=(96, 96))).made == 1
