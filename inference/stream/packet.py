# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet: one face's state in a few dozen bytes, understood without any packet before it.

So every packet is a key state: who joins late sees the face with the first one, and a lost one is
forgotten with the next. Big-endian:

    0   1  "L"
    1   1  the format's version, 1
    2   2  session: another number whenever a sender begins
    4   2  sequence, one more each packet, wraps
    6   4  time on the sender's clock, milliseconds since it began
    10  1  which of STEPS the rest is told in; 255: no face is seen, and the packet ends after 14
    11  1  how many directions of the rest follow
    12  2  lower half of the CRC-32 of all other bytes
    14 14  pose, seven int16 in POSE_STEPS (`state.POSE_COUNT`)
    28  .  Rice codes (`bits`): 25 controls in CONTROL_STEPs, then the rest's directions (`rest`)

Neither the sender's face at rest nor any picture is in it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError
from inference.performance.face.controls import CONTROL_NAMES
from inference.stream.bits import WrongBits, code_lengths, fitted, read_bits, write_bits
from inference.stream.rest import of_control_steps, rest_basis, steps_of_controls
from inference.stream.state import POSE_COUNT, FaceState

VERSION = 1
MAGIC = b"L"
LONGEST = 1024  # bytes; more is no packet
SEQUENCES = 1 << 16
CLOCK = 1 << 32  # milliseconds
STEPS = tuple(0.0025 * 2 ** (i / 4) for i in range(32))  # canonical units
POSE_STEPS = np.array([2**-13] * 3 + [2**-11] * 3 + [2**-12])
LEAST_BUDGET = 48  # bytes: a pose, and the controls of almost any face

_HEAD = struct.Struct(">sBHHIBBH")
_POSE = struct.Struct(f">{POSE_COUNT}h")
_NO_FACE = 255
_CONTROL_BITS = 2
# A face's points do not go further than this, in canonical units.
_FARTHEST = 3.0


class MalformedPacket(Exception):
    """Bytes that are no packet of this version; the message says why in a few words."""


class OtherVersion(MalformedPacket):
    """A packet of another version of this format."""


@dataclass(frozen=True)
class Packet:
    """session, sequence, milliseconds: as sent. state: None where no face is seen."""

    session: int
    sequence: int
    milliseconds: int
    state: FaceState | None


class Encoder:
    """Makes the packets of one session."""

    def __init__(self, session: int, rate: float, fps: float) -> None:
        """rate: bytes a second at the most, at `fps` packets a second.

        Raises InputError where that is too little for any face.
        """
        self._budget = int(min(rate / fps, LONGEST))
        if self._budget < LEAST_BUDGET:
            raise InputError(
                f"{rate:g} bytes a second are {self._budget} a frame at {fps:g} frames a second; a "
                f"face takes at least {LEAST_BUDGET}: give {LEAST_BUDGET * fps:g} or more"
            )
        self._session = session % SEQUENCES
        self._sequence = -1

    def encode(self, milliseconds: int, state: FaceState | None) -> bytes:
        """The next packet: the finest rest that the budget allows, or none for no face."""
        self._sequence = (self._sequence + 1) % SEQUENCES
        if state is None:
            return self._packed(milliseconds, _NO_FACE, 0, b"")
        room = 8 * (self._budget - _HEAD.size - _POSE.size)
        low = np.full(len(CONTROL_NAMES), _CONTROL_BITS, np.int64)
        controls = fitted(steps_of_controls(state.change), low)
        while (taken := int(code_lengths(controls, low).sum())) > room:
            controls = np.fix(controls / 2).astype(np.int64)  # no face: it is told by halves
        room -= taken
        amounts = rest_basis().amounts(state.change - of_control_steps(controls))
        step, numbers = _finest(amounts, room)
        both = np.concatenate([controls, numbers])
        bits = write_bits(both, np.concatenate([low, _low_bits(step)[: len(numbers)]]))
        most = np.iinfo(np.int16).max
        pose = np.clip(np.rint(state.pose / POSE_STEPS), -most, most).astype(int)
        return self._packed(milliseconds, step, len(numbers), _POSE.pack(*pose) + bits)

    def _packed(self, milliseconds: int, step: int, count: int, body: bytes) -> bytes:
        values = (MAGIC, VERSION, self._session, self._sequence, milliseconds % CLOCK, step, count)
        return _HEAD.pack(*values, _checksum(_HEAD.pack(*values, 0) + body)) + body


def decode(data: bytes) -> Packet:
    """The packet in these bytes, whoever sent them. Raises MalformedPacket, nothing else."""
    if not _HEAD.size <= len(data) <= LONGEST:
        raise MalformedPacket(f"{len(data)} bytes")
    magic, version, session, sequence, milliseconds, step, count, checksum = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise MalformedPacket("does not begin as a packet")
    if version != VERSION:
        raise OtherVersion(f"is of version {version}, this is version {VERSION}")
    body = data[_HEAD.size :]
    if checksum != _checksum(data[:12] + b"\0\0" + body):
        raise MalformedPacket("its checksum is wrong")
    state = None if step == _NO_FACE else _state(milliseconds / 1000, step, count, body)
    if state is None and (count or body):
        raise MalformedPacket("more than no face")
    return Packet(session, sequence, milliseconds, state)


def _state(seconds: float, step: int, count: int, body: bytes) -> FaceState:
    if step >= len(STEPS) or count > len(rest_basis()) or len(body) < _POSE.size:
        raise MalformedPacket("its head is wrong")
    pose = np.array(_POSE.unpack_from(body), np.float64) * POSE_STEPS
    low = [_CONTROL_BITS] * len(CONTROL_NAMES) + _low_bits(step)[:count].tolist()
    try:
        numbers = np.array(read_bits(body[_POSE.size :], low))
    except WrongBits:
        raise MalformedPacket("its codes are wrong") from None
    controls, amounts = np.split(numbers, [len(CONTROL_NAMES)])
    change = of_control_steps(controls) + rest_basis().rest(amounts * STEPS[step])
    if np.abs(change).max() > _FARTHEST:
        raise MalformedPacket("no face moves so far")
    return FaceState(seconds, pose, change.astype(np.float32))


def _checksum(data: bytes) -> int:
    return zlib.crc32(data) & 0xFFFF


@cache
def _low_bits(step: int) -> NDArray[np.int64]:
    """How many bits of each direction's number are told as they are."""
    usual = np.log2(np.maximum(1.1 * rest_basis().deviation / STEPS[step], 1))
    return np.rint(usual).astype(np.int64)


def _finest(amounts: NDArray[np.float64], room: int) -> tuple[int, NDArray[np.int64]]:
    """The finest step whose codes take at most `room` bits, and the numbers, in it.

    Where even the coarsest step takes more, the last directions are left out.
    """
    best = _numbers(amounts, len(STEPS) - 1)
    first, last = 0, len(STEPS) - 1
    while first < last:
        middle = (first + last) // 2
        numbers = _numbers(amounts, middle)
        if int(code_lengths(numbers, _low_bits(middle)[: len(numbers)]).sum()) <= room:
            best, last = numbers, middle
        else:
            first = middle + 1
    lengths = np.cumsum(code_lengths(best, _low_bits(last)[: len(best)]))
    return last, best[: int((lengths <= room).sum())]


def _numbers(amounts: NDArray[np.float64], step: int) -> NDArray[np.int64]:
    """The amounts in whole steps, without the zeros at their end."""
    numbers = fitted(np.rint(amounts / STEPS[step]).astype(np.int64), _low_bits(step))
    seen = np.flatnonzero(numbers)
    return numbers[: seen[-1] + 1 if len(seen) else 0]
