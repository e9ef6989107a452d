# SPDX-License-Identifier: GPL-3.0-or-later
"""What a phone's app sends over UDP: Live Link Face, and VMC's blendshapes (OSC), as states.

Live Link Face, version 6, port 11111, big-endian: version u8; device and subject, each a u32 length
and its bytes; frame i32, part of a frame f32, rate i32, its denominator i32; count u8, 61, and as
many f32: the 52 coefficients and three angles for the head and each eye. Without a face the packet
ends before the count.

VMC (port 39539): OSC messages `/VMC/Ext/Blend/Val` (name, value), applied by
`/VMC/Ext/Blend/Apply`, alone or in bundles; the head's rotation in `/VMC/Ext/Bone/Pos` of "Head".
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from inference.performance.face.rotations import from_angles
from inference.performance.taking.livelink import map_coefficients
from inference.performance.taking.livelink_map import COEFFICIENTS, HEAD
from inference.stream.packet import MalformedPacket, OtherVersion
from inference.stream.state import POSE_COUNT, FaceState, of_controls

VERSION = 6
# The app's own order; livelink_map holds the same names.
ORDER = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft",
    "EyeSquintLeft", "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight",
    "EyeLookOutRight", "EyeLookUpRight", "EyeSquintRight", "EyeWideRight", "JawForward", "JawLeft",
    "JawRight", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight",
    "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft",
    "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper",
    "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft",
    "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft",
    "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff",
    "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
    "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
    "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)  # fmt: skip

_LONGEST_NAME = 256  # bytes
_LARGEST = 4.0  # of a coefficient; of an angle in radians
_MOST_DEPTH = 4  # bundles in bundles
_COEFFICIENTS = {name.lower() for name in COEFFICIENTS}


@dataclass(frozen=True)
class PhoneFrame:
    """state: None where the phone sees no face."""

    state: FaceState | None


def is_livelink_packet(data: bytes) -> bool:
    """Does it begin as a packet of Live Link Face does: a small version, a length that fits?"""
    return len(data) >= 5 and data[0] < 32 and data[1:3] == b"\0\0" and data[0] != 0


def is_osc(data: bytes) -> bool:
    """Does it begin as OSC does?"""
    return data.startswith((b"/", b"#bundle\0"))


def read_livelink(data: bytes, seconds: float) -> PhoneFrame:
    """A packet of Live Link Face. Raises MalformedPacket, OtherVersion for another version."""
    reader = _Reader(data)
    version = reader.whole(">B")
    if version != VERSION:
        raise OtherVersion(
            f"is Live Link Face of version {version}, version {VERSION} is read (in the app: ARKit "
            "mode, protocol of Unreal 4.25 to 5)"
        )
    for _ in range(2):
        reader.skip(reader.length())
    reader.skip(16)
    if reader.is_done():
        return PhoneFrame(None)
    if reader.whole(">B") != len(ORDER):
        raise MalformedPacket("its values are not 61")
    values = dict(zip(ORDER, reader.floats(len(ORDER)), strict=True))
    if not reader.is_done():
        raise MalformedPacket("more than its values")
    return PhoneFrame(_state(values, seconds))


class VmcReader:
    """Gathers a VMC sender's messages until it says that they are a frame."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def read(self, data: bytes, seconds: float) -> PhoneFrame | None:
        """The frame that this packet completes, or None. Raises MalformedPacket."""
        frame = None
        for address, arguments in _messages(data, 0):
            if address == "/VMC/Ext/Blend/Val" and len(arguments) == 2:
                name, value = arguments
                key = str(name).lower()
                if key in _COEFFICIENTS and isinstance(value, float):
                    self._values[key] = value
            elif address == "/VMC/Ext/Bone/Pos" and len(arguments) == 8:
                place = [value for value in arguments[1:] if isinstance(value, float)]
                if arguments[0] == "Head" and len(place) == 7:
                    self._turn(place[3:])
            elif address == "/VMC/Ext/Blend/Apply":
                frame = PhoneFrame(_state(self._values, seconds))
        return frame

    def _turn(self, quaternion: list[float]) -> None:
        x, y, z, w = quaternion
        length = math.sqrt(x * x + y * y + z * z + w * w)
        if not 0.5 < length < 2:
            raise MalformedPacket("a rotation that is none")
        # Unity: x right, y up, z forward, left-handed, seen from behind the head.
        angle = 2 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w))
        sine = math.sin(angle / 2) * length
        share = math.copysign(angle / sine, w) if sine > 1e-9 else 0.0
        self._values["headpitch"] = -x * share
        self._values["headyaw"] = y * share
        self._values["headroll"] = -z * share


def _state(values: dict[str, float], seconds: float) -> FaceState:
    named = {name.lower(): value for name, value in values.items()}
    if not all(math.isfinite(v) and abs(v) <= _LARGEST for v in named.values()):
        raise MalformedPacket("a value that no face has")
    known = {name: np.array([named.get(name, 0.0)]) for name in _COEFFICIENTS}
    controls = map_coefficients(known)[0]
    angles = [math.degrees(named.get(name.lower(), 0.0)) * sign for name, sign in HEAD]
    pose = np.zeros(POSE_COUNT)
    pose[:3] = from_angles(np.array([angles]))[0]
    return of_controls(seconds, controls, pose)


class _Reader:
    """Takes a packet apart from its start; what does not fit is a MalformedPacket."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def is_done(self) -> bool:
        return self._at == len(self._data)

    def skip(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise MalformedPacket("it ends too early")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def whole(self, layout: str) -> int:
        return int(struct.unpack(layout, self.skip(struct.calcsize(layout)))[0])

    def length(self) -> int:
        length = self.whole(">I")
        if length > _LONGEST_NAME:
            raise MalformedPacket("a name that is too long")
        return length

    def floats(self, count: int) -> tuple[float, ...]:
        return struct.unpack(f">{count}f", self.skip(4 * count))

    def text(self) -> str:
        """An OSC string: ended by a zero, filled up to four bytes."""
        end = self._data.find(b"\0", self._at)
        if end < 0 or end - self._at > _LONGEST_NAME:
            raise MalformedPacket("a text without an end")
        raw = self.skip((end - self._at) // 4 * 4 + 4)
        return raw.rstrip(b"\0").decode("ascii", "replace")


def _messages(data: bytes, depth: int) -> list[tuple[str, list[str | float | int]]]:
    if depth > _MOST_DEPTH:
        raise MalformedPacket("bundles without end")
    reader = _Reader(data)
    head = reader.text()
    if head != "#bundle":
        return [(head, _arguments(reader))]
    reader.skip(8)  # a time tag
    found = []
    while not reader.is_done():
        found += _messages(reader.skip(reader.whole(">I")), depth + 1)
    return found


def _arguments(reader: _Reader) -> list[str | float | int]:
    kinds = reader.text() if not reader.is_done() else ","
    arguments: list[str | float | int] = []
    for kind in kinds[1:]:
        if kind == "f":
            arguments.append(reader.floats(1)[0])
        elif kind == "i":
            arguments.append(reader.whole(">i"))
        elif kind == "s":
            arguments.append(reader.text())
        elif kind not in "TFNI":
            raise MalformedPacket(f"a value of the kind {kind!r}")
    return arguments
