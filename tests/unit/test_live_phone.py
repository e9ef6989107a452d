# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone sends drives the controls: Live Link Face and VMC, right, wrong and hostile."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from inference.landmarks import LEFT_EYE_LOWER, LEFT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_EYE_UPPER
from inference.live.phone import ORDER, VmcReader, is_livelink_packet, is_osc, read_livelink
from inference.performance.face.canonical import canonical_face
from inference.performance.face.rotations import to_angles
from inference.stream.packet import MalformedPacket, OtherVersion
from inference.stream.state import FaceState

Values = dict[str, float]


def livelink(values: Values | None, version: int = 6) -> bytes:
    """A packet as the app lays it out; None: no face."""
    head = struct.pack(">B", version)
    for name in (b"4F2C-phone", b"Gloria"):
        head += struct.pack(">I", len(name)) + name
    head += struct.pack(">ifii", 1234, 0.25, 60, 1)
    if values is None:
        return head
    return head + struct.pack(">B61f", 61, *(values.get(name, 0.0) for name in ORDER))


def osc(address: str, *arguments: str | float) -> bytes:
    kinds = "," + "".join("s" if isinstance(a, str) else "f" for a in arguments)
    data = _padded(address) + _padded(kinds)
    for argument in arguments:
        data += _padded(argument) if isinstance(argument, str) else struct.pack(">f", argument)
    return data


def bundle(*messages: bytes) -> bytes:
    return b"#bundle\0" + bytes(8) + b"".join(struct.pack(">I", len(m)) + m for m in messages)


def _padded(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return raw + bytes(-len(raw) % 4)


def opening(state: FaceState, upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
    face = canonical_face().mean + state.change
    return float(face[lower[4], 1] - face[upper[4], 1])


def test_the_layout_is_the_apps() -> None:
    assert len(ORDER) == 61
    assert ORDER.index("JawOpen") == 17  # left eye 0-6, right eye 7-13, jaw 14-17
    assert ORDER[7] == "EyeBlinkRight"
    assert ORDER[18] == "MouthClose"
    assert 264 <= len(livelink({})) <= 774


def test_a_phones_wink_closes_the_persons_left_eye() -> None:
    data = livelink({"EyeBlinkLeft": 1.0, "HeadYaw": math.radians(20)})
    assert is_livelink_packet(data)
    state = read_livelink(data, 3.5).state
    assert state is not None
    assert state.seconds == 3.5
    assert opening(state, LEFT_EYE_UPPER, LEFT_EYE_LOWER) < 0.01
    assert opening(state, RIGHT_EYE_UPPER, RIGHT_EYE_LOWER) > 0.08
    np.testing.assert_allclose(to_angles(state.pose[None, :3])[0], [20, 0, 0], atol=1e-4)


def test_no_face_is_told_apart() -> None:
    assert read_livelink(livelink(None), 0).state is None


def test_another_version_is_said() -> None:
    with pytest.raises(OtherVersion, match="version 7, version 6 is read"):
        read_livelink(livelink({}, version=7), 0)


def test_a_vmc_frame_is_gathered_until_it_is_applied() -> None:
    reader = VmcReader()
    assert reader.read(osc("/VMC/Ext/Blend/Val", "jawOpen", 0.8), 1) is None
    half = math.radians(15) / 2
    turn = osc("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.0, 0.0, 0.0, math.sin(half), 0.0, math.cos(half))
    frame = reader.read(bundle(turn, osc("/VMC/Ext/Blend/Apply")), 2)
    assert frame is not None
    assert frame.state is not None
    assert frame.state.change[152, 1] > 0.1  # the chin goes down
    assert abs(to_angles(frame.state.pose[None, :3])[0, 0]) == pytest.approx(15, abs=0.01)
    assert is_osc(bundle(turn))


@pytest.mark.parametrize(
    "data",
    [
        livelink({})[:-1],
        livelink({}) + b"\0",
        livelink({"JawOpen": math.nan}),
        livelink({"JawOpen": 1e9}),
        b"\x06" + struct.pack(">I", 2**31) + b"x" * 40,
        livelink(None) + b"\x07" + bytes(28),
    ],
)
def test_a_damaged_packet_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        read_livelink(data, 0)


def test_hostile_packets_are_refused_or_read(rng: np.random.Generator) -> None:
    reader = VmcReader()
    turn = osc("/VMC/Ext/Bone/Pos", "Head", *[0.1] * 7)
    good = [livelink({"JawOpen": 0.5}), bundle(turn, osc("/VMC/Ext/Blend/Val", "JawOpen", 0.2))]
    nested = b""
    for _ in range(50):
        nested = bundle(nested)
    good.append(nested)
    refused = 0
    for number in range(1200):
        data = bytearray(good[number % 3])
        for at in rng.integers(len(data), size=int(rng.integers(1, 12))):
            data[at] = int(rng.integers(256))
        if number % 5 == 0:
            del data[int(rng.integers(len(data))) :]
        try:
            if number % 3:
                reader.read(bytes(data), 0)
            else:
                read_livelink(bytes(data), 0)
        except MalformedPacket:
            refused += 1
    assert refused > 400
