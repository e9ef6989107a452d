# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no file, asks for too much, or can be no face: one line, at once, and nothing written."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import InputError
from inference.inputs import MOST_FRAMES
from inference.pictures import read_picture
from inference.track import load_track, save_track
from tests.hostile.conftest import Refused
from tests.hostile.material import Material
from tests.hostile.mutations import npy, zipped

pytestmark = pytest.mark.timeout(120)  # what is tested here may not wait

TAKE, TRACK = "o.performance.npz", "o.track.npz"


def commands(path: Path, m: Material) -> dict[str, tuple[tuple[object, ...], str]]:
    """Every way to name a file that is read: the command, and the name of what it writes."""
    synthesis = ("synthesize", "--provider", "cpu")
    moved = (*synthesis, "--portrait", m.portrait, "--track", m.track_file)
    return {
        "footage": (("capture", path), TRACK),
        "track": (("performance", path), TAKE),
        "take": (("take", path), TAKE),
        "portrait": ((*synthesis, "--portrait", path, "--track", m.track_file), "out"),
        "motion": ((*synthesis, "--portrait", m.portrait, "--track", path), "out"),
        "performance": ((*synthesis, "--portrait", m.portrait, "--performance", path), "out"),
        "model": ((*moved, "--model", path), "out"),
        "match": ((*moved, "--match", path), "out"),
    }


INPUTS = ("footage", "track", "take", "portrait", "motion", "performance", "model", "match")


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("what", ["a pipe", "an endless device"])
def test_what_is_no_regular_file_is_not_waited_for(
    kind: str, what: str, material: Material, refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    if what == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    command, out = commands(path, material)[kind]
    assert "pipe or a device" in refused(*command, out=out)


@pytest.mark.parametrize("name", ["person.json", "generator.onnx", "identity.npy"])
def test_a_person_s_folder_with_a_pipe_in_it_is_not_waited_for(
    name: str, material: Material, refused: Refused, tmp_path: Path
) -> None:
    files = {
        "person.json": b'{"likeness_person": 1, "generator_sha256": ""}',
        "generator.onnx": material.model,
        "identity.npy": b"",
    }
    for each, data in files.items():
        (tmp_path / each).write_bytes(data)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    moved = ("synthesize", "--portrait", material.portrait, "--track", material.track_file)
    assert str(tmp_path) in refused(*moved, "--person", tmp_path)


@pytest.mark.parametrize(
    "more",
    [("--rate", "1000000000"), ("--rate", "1e99999999"), ("--rate", "1e99999"),
     ("--speed", "1/10000000"), ("--speed", "1e-99999999"), ("--frames", f"0-{10**30}"),
     ("--frames", "²-³"), ("--mix", "inf"), ("--rate", "nan")],
)  # fmt: skip
def test_a_take_s_numbers_are_bounded_before_work(
    more: tuple[str, str], material: Material, refused: Refused
) -> None:
    refused("take", material.folder / "a.performance.npz", *more, out=TAKE)


@pytest.mark.parametrize(
    "more",
    [
        ("--fill", str(10**30)),
        ("--neutral", str(10**20)),
        ("--lens", "inf"),
        ("--smooth-pose", "nan"),
    ],
)
def test_a_performance_s_numbers_are_bounded_before_work(
    more: tuple[str, str], material: Material, refused: Refused
) -> None:
    refused("performance", material.track_file, *more, out=TAKE)


def test_a_long_retimed_take_needs_no_more_memory_than_it_is(material: Material) -> None:
    """Twenty thousand frames of six: their landmarks alone are 115 MB, as single numbers."""
    from inference.performance.taking.arrange import retime
    from inference.performance.taking.performance import load_performance

    take = load_performance(material.folder / "a.performance.npz")
    made = retime(take, take.rate * 20, take.rate.__class__(1, 100))
    assert 10_000 < len(made) < MOST_FRAMES and len(made.residual) == len(made)


@pytest.mark.parametrize("times", [0.0, 1e20, -1e20, 1e-20])
def test_points_that_can_be_no_face_are_refused(
    times: float, material: Material, refused: Refused, tmp_path: Path
) -> None:
    track = load_track(material.track_file)
    path = tmp_path / "wrong.track.npz"
    with np.errstate(over="ignore"):
        save_track(replace(track, points=track.points * np.float32(times)), path)
    assert "frame 0" in refused("performance", path, out=TAKE)


@pytest.mark.parametrize("name", ["rate", "size", "cuts", "points", "valid"])
@pytest.mark.parametrize("value", [np.array([np.inf, 1.0]), np.array([np.nan, np.nan]),
                                   np.array([2**63 - 1, 1]), np.array([[1]]), np.array("a")],
                         ids=["inf", "nan", "huge", "square", "text"])  # fmt: skip
def test_an_array_of_another_kind_is_refused(
    name: str, value: np.ndarray, material: Material, refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.track.npz"
    np.savez(path, **{**material.track, name: value})
    assert str(path) in refused("performance", path, out=TAKE)


def header(shape: str, kind: str = "<f4") -> bytes:
    """An .npy that declares a shape and has nothing in it."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "data", [header("(10000000, 478, 3)"), header("(10000000, 478, 3)") + bytes(10_000_000),
             header("(99999999999999999999, 478, 3)"), header("(-6, 478, 3)"),
             header("(" * 4000 + ")" * 4000), header("()", "|O"), header("(6,)", "<U999999999")],
    ids=["frames", "bomb", "huge", "negative", "deep", "objects", "long texts"],
)  # fmt: skip
def test_what_an_array_declares_is_checked_before_memory_is_taken(
    data: bytes, material: Material, refused: Refused, tmp_path: Path
) -> None:
    members = {name: npy(array) for name, array in material.track.items()} | {"points": data}
    path = tmp_path / "wrong.track.npz"
    path.write_bytes(zipped(members))
    before = resident()
    refused("performance", path, out=TAKE)
    assert resident() - before < 100_000_000


def test_a_text_of_what_are_no_characters_is_refused(
    material: Material, refused: Refused, tmp_path: Path
) -> None:
    data = npy(np.array("abc"))[:-4] + b"\xff\xff\xff\x7f"
    members = {name: npy(array) for name, array in material.track.items()} | {"topology": data}
    path = tmp_path / "wrong.track.npz"
    path.write_bytes(zipped(members))
    assert "no characters" in refused("performance", path, out=TAKE)


def resident() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_zip_of_a_million_members_is_not_listed(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "wrong.track.npz"
    path.write_bytes(zipped({f"{i:06d}" * 4: b"" for i in range(3000)}))
    assert "not a landmark track" in refused("performance", path, out=TAKE)


def png(width: int, height: int) -> bytes:
    """The head of a PNG of this size, with the sums that belong to it."""
    chunks = (
        (b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(c)) + k + c + struct.pack(">L", zlib.crc32(k + c)) for k, c in chunks
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp", ".webp"])
def test_a_picture_s_size_is_checked_before_it_is_decoded(suffix: str, tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(suffix, np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    at = data.find(b"\xff\xc0")
    if suffix == ".png":
        data = bytearray(png(30_000, 30_000))
    elif suffix == ".jpg":
        data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ll", 60_000, 60_000)
    elif suffix == ".webp":  # 16383 is the most that it can say, which is in bounds as 8 bits
        data = data[:12] + b"VP8X" + struct.pack("<L", 10) + b"\0\0\0\0" + b"\xff\xff\x0f" * 2
    else:
        (where,) = struct.unpack_from("<L", data, 4)
        for entry in range(struct.unpack_from("<H", data, where)[0]):
            place = where + 2 + 12 * entry
            if struct.unpack_from("<H", data, place)[0] in (256, 257):
                data[place + 2 : place + 12] = struct.pack("<HLL", 4, 1, 50_000)
    path = tmp_path / f"large{suffix}"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="more than can be worked on"):
        read_picture(path)


def test_a_png_whose_pixels_never_come_is_not_waited_for(
    material: Material, tmp_path: Path
) -> None:
    path = tmp_path / "endless.png"
    path.write_bytes(material.pictures[".png"].replace(b"IDAT", b"I\x04ET"))
    with pytest.raises(InputError, match="not a picture"):
        read_picture(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("rate 1e99999", "rate"), ("rate 1e99999999", "rate"), ("size 99999999x1", "size"),
     ("rate inf", "rate"), ("size ²x²", "size"), ("cuts " + "9" * 5000, "cuts")],
)  # fmt: skip
def test_a_table_s_first_line_is_checked(
    kind: str, words: str, material: Material, refused: Refused, tmp_path: Path
) -> None:
    cells = material.table.splitlines()[0].split(",")
    changed = [kind if cell.startswith(words) else cell for cell in cells]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([",".join(changed), *material.table.splitlines()[1:]]))
    assert "line 1" in refused("take", path, out=TAKE)


@pytest.mark.parametrize("cell", ["a" * 200_000, "1e300", "\0", "٣" * 20, '"', "nan"])
def test_a_table_s_cells_are_checked(
    cell: str, material: Material, refused: Refused, tmp_path: Path
) -> None:
    lines = material.table.splitlines()
    row = lines[2].split(",")
    row[4] = cell
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*lines[:2], ",".join(row), *lines[3:]]), encoding="utf-8")
    assert str(path) in refused("take", path, out=TAKE)


def test_a_table_of_nothing_but_commas_is_not_taken_apart(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"," * 20_000_000)
    assert "cells" in refused("take", path, out=TAKE)
