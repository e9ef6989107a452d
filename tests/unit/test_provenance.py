# SPDX-License-Identifier: GPL-3.0-or-later
"""What each file says of itself: read by others, in every kind of file, the same in every run."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from blender_addon.sequencer import marks
from inference.demo import PORTRAIT, TRACK
from inference.frames import encode_frame
from inference.jobs import SynthesizeJob
from inference.pictures import read_picture
from inference.provenance.facts import (
    COMPOSITE,
    GENERATED,
    SOURCE_TYPES,
    VERSION,
    Facts,
    packet,
    parse_packet,
)
from inference.provenance.origin import is_generated
from inference.provenance.xmp import find_xmp, with_xmp
from inference.sidecar import known_placement
from inference.synthesis import synthesize
from tests.movies import write_movie

ROOT = Path(__file__).parents[2]
JOB = SynthesizeJob((PORTRAIT,), TRACK, Path("out"), neutral=12, frames=(0, 1), provider="cpu")
PACKET = packet(Facts(COMPOSITE, "ab" * 32, "cd" * 32))


def said(path: Path) -> dict[str, str]:
    found = find_xmp(path)
    assert found is not None, path
    return parse_packet(found)


def as_exiftool_reads(path: Path) -> dict[str, str]:
    """Independent of us: ExifTool where it is installed, else Pillow, which reads PNG alone."""
    if program := shutil.which("exiftool"):
        command = [program, "-json", "-n", "-XMP:all", "-OpenEXR:XMP", "-b", str(path)]
        output = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
        found = json.loads(output)[0]
        if isinstance(found.get("Xmp"), str):  # an EXR's attribute is given as it is
            return parse_packet(found["Xmp"].encode())
        return {str(key): str(value) for key, value in found.items()}
    with Image.open(path) as picture:
        return parse_packet(picture.info["XML:com.adobe.xmp"].encode())


@pytest.mark.parametrize("form", ["png", "png16", "exr"])
def test_a_picture_with_its_marks_has_the_pixels_that_it_had(form: str, tmp_path: Path) -> None:
    rgb = read_picture(PORTRAIT).rgb8()[:101, :203]
    alpha = np.linspace(0, 1, rgb.size // 3, dtype=np.float32).reshape(rgb.shape[:2])
    plain = encode_frame(rgb, alpha, form)
    path = tmp_path / ("a.exr" if form == "exr" else "a.png")
    path.write_bytes(with_xmp(plain, PACKET))
    one, other = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        for data in (plain, path.read_bytes())
    )
    np.testing.assert_array_equal(one, other)
    assert find_xmp(path) == PACKET
    assert said(path)["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE


def test_every_file_of_a_synthesis_says_what_it_is(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path / "head", matte="channels")
    synthesize(job)
    portrait = read_picture(PORTRAIT).sha256
    for name in ("head_000000.png", "head_000001.png", "matte_000000.exr"):
        for facts in (said(job.out / name), as_exiftool_reads(job.out / name)):
            assert facts["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE, name
            assert facts["Portrait"] == f"sha256:{portrait}"
            assert facts["CreatorTool"] == f"Likeness {VERSION}"
            assert len(facts["Model"]) == len("sha256:") + 64
    movie = parse_packet(str(known_placement(job.out)["xmp"]).encode())
    assert movie["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE

    again = replace(JOB, out=tmp_path / "again", frames=(1, 1))
    synthesize(again)
    ours, theirs = (folder / "head_000001.png" for folder in (job.out, again.out))
    assert ours.read_bytes() == theirs.read_bytes()

    alone = replace(JOB, out=tmp_path / "person", layer="person", format="exr", frames=(0, 0))
    synthesize(alone)
    assert said(alone.out / "person_000000.exr")["DigitalSourceType"] == SOURCE_TYPES + GENERATED


def test_a_portrait_that_was_generated_makes_generated_frames(tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    path.write_bytes(with_xmp(PORTRAIT.read_bytes(), packet(Facts(GENERATED))))
    assert is_generated(path)
    assert not is_generated(PORTRAIT)


def test_a_movie_plays_as_before_and_says_what_it_is(tmp_path: Path) -> None:
    frames = [np.full((64, 96, 3), value, np.uint8) for value in (10, 120, 240)]
    path = write_movie(tmp_path / "a.mp4", frames)
    before = path.read_bytes()
    assert find_xmp(path) is None
    assert marks.add_to_movie(path, PACKET.decode())
    assert path.read_bytes().startswith(before)
    assert find_xmp(path) == PACKET
    once = path.read_bytes()
    assert not marks.add_to_movie(path, PACKET.decode())
    assert path.read_bytes() == once
    if shutil.which("exiftool"):
        assert as_exiftool_reads(path)["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE
    reader = cv2.VideoCapture(str(path))
    assert int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    other = tmp_path / "a.mkv"
    other.write_bytes(b"\x1aE\xdf\xa3 and so on")
    assert not marks.add_to_movie(other, PACKET.decode())


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    "data",
    [b"", b"<a", b"\xff\xfe", BOMB, b"<a>" * 50_000, b"x" * (1 << 21)],
    ids=["empty", "cut", "other letters", "entities", "deep", "long"],
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_packet(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 9, b"iTXt") + b"XML:com.a" + b"0000",
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I4s", 18, b"iTXt")
        + b"XML:com.adobe.xmp\0"
        + struct.pack(">I", zlib.crc32(b"iTXtXML:com.adobe.xmp\0")),
        b"\x76\x2f\x31\x01\x02\0\0\0xmp\0string\0" + struct.pack("<i", -5),
        b"\x76\x2f\x31\x01\x02\0\0\0" + b"x" * 5000,
        struct.pack(">I4s", 24, b"ftyp") + bytes(16) + struct.pack(">I4s", 5000, b"uuid"),
        struct.pack(">I4s", 24, b"ftyp") + bytes(16) + struct.pack(">I4s", 3, b"mdat") + bytes(20),
    ],
    ids=["checksum", "short", "length", "name", "box", "small box"],
)
def test_a_broken_file_is_said_to_be_broken(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(data)
    with pytest.raises(ValueError):
        find_xmp(path)


def test_the_version_is_that_of_the_extension() -> None:
    manifest = tomllib.loads((ROOT / "blender_addon/blender_manifest.toml").read_text("utf-8"))
    assert manifest["version"] == VERSION
