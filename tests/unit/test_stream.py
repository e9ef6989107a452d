# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of performances: small, exact enough, and calm about whatever arrives."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import InputError
from inference.landmarks import LEFT_EYE_UPPER, RIGHT_EYE_UPPER, mirror_order
from inference.performance.face.neutral import find_neutral
from inference.performance.face.pose import fit_pose
from inference.stream.packet import LONGEST, Encoder, MalformedPacket, OtherVersion, decode
from inference.stream.receiver import Receiver
from inference.stream.state import FaceState, RestingFace, mirrored, motion_of
from inference.track import LandmarkTrack, load_track
from tests.benchmarks.stream import fuzzed, moved, stream_errors

STEP = 0.04


@pytest.fixture(scope="module")
def track(samples: Path) -> LandmarkTrack:
    return load_track(samples / "weekly_address.track.npz")


@pytest.fixture(scope="module")
def states(track: LandmarkTrack) -> list[FaceState]:
    face = RestingFace(find_neutral(track))
    return [face.state(i * STEP, track.points[i]) for i in range(100)]


@pytest.fixture(scope="module")
def packets(states: list[FaceState]) -> list[bytes]:
    encoder = Encoder(7, 2000, 25)
    return [encoder.encode(round(state.seconds * 1000), state) for state in states]


def test_a_state_tells_where_every_landmark_is(track: LandmarkTrack) -> None:
    neutral = find_neutral(track)
    face = RestingFace(neutral)
    held = fit_pose(face.neutral, neutral)
    for frame in (0, 30, 77):
        seen = track.points[frame]
        pose, shape = motion_of(face.neutral, face.state(0, seen)).at(0)
        # The head as it is at rest, in canonical space, turned as the states count turns.
        middle = face.neutral.mean(axis=0)
        turned = pose.scale * (shape - middle) @ held.rotation.T @ pose.rotation.T
        travel = pose.apply(middle) - middle
        again = held.scale * (turned + travel) + held.apply(middle)
        assert np.abs(again - seen).max() < 0.01


@pytest.mark.parametrize(("rate", "most"), [(2000, 0.008), (6000, 0.003)])
def test_a_rate_is_kept_and_so_is_the_face(track: LandmarkTrack, rate: int, most: float) -> None:
    found = stream_errors(track, rate, 25, frames=range(0, 100, 4))
    assert found.largest * 25 <= rate
    assert found.flat < most


def test_any_rate_is_kept_and_a_higher_one_is_nearer(states: list[FaceState]) -> None:
    errors = []
    for rate in (1200, 2000, 4000):
        encoder = Encoder(1, rate, 25)
        data = [encoder.encode(0, state) for state in states[::10]]
        assert max(map(len, data)) * 25 <= rate
        decoded = [decode(each).state for each in data]
        errors.append(np.mean([_apart(a, b) for a, b in zip(states[::10], decoded, strict=True)]))
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]
    with pytest.raises(InputError, match="a face takes at least"):
        Encoder(1, 500, 25)


def test_a_face_beyond_all_measure_is_held_and_still_a_packet(states: list[FaceState]) -> None:
    far = FaceState(0, np.full(7, 1e6), states[0].change + 0.5 * np.sin(np.arange(478))[:, None])
    data = Encoder(1, 1200, 25).encode(0, FaceState(0, far.pose, far.change.astype(np.float32)))
    assert len(data) <= 48
    assert decode(data).state is not None


def test_no_face_is_a_packet_too() -> None:
    data = Encoder(1, 2000, 25).encode(40, None)
    assert len(data) == 14
    assert decode(data).state is None


def test_another_version_is_told_apart(packets: list[bytes]) -> None:
    with pytest.raises(OtherVersion, match="version 2"):
        decode(packets[0][:1] + b"\x02" + packets[0][2:])
    receiver = Receiver()
    receiver.take(packets[0][:1] + b"\x02" + packets[0][2:], 0)
    assert "the same version on both sides" in receiver.counts.words


def test_damaged_packets_are_refused_and_nothing_else_happens(
    packets: list[bytes], rng: np.random.Generator
) -> None:
    counts = fuzzed(packets, 3000, rng)
    assert counts.refused > 0.99 * counts.tried - counts.sealed
    assert counts.sealed > 1000  # with a checksum that is right: the codes behind it are reached
    assert counts.sealed_refused > 0.2 * counts.sealed


def test_what_no_face_does_is_refused(packets: list[bytes]) -> None:
    for body in (b"", b"\xff" * 900, b"\0" * (LONGEST + 1), packets[0][:-1], packets[0] + b"\0"):
        with pytest.raises(MalformedPacket):
            decode(_sealed(packets[0][:14] + body))
    far = bytearray(packets[0])
    far[10] = 31  # the coarsest step: the same numbers are a face that is torn apart, or no codes
    with pytest.raises(MalformedPacket):
        decode(_sealed(bytes(far)))


def test_states_come_out_evenly_after_the_delay(packets: list[bytes]) -> None:
    receiver = Receiver(delay=0.06)
    shown = _played(receiver, [(i * STEP, data) for i, data in enumerate(packets)])
    assert [round(state.seconds / STEP) for _, state in shown] == list(range(100))
    for now, state in shown:
        assert 0.059 <= now - state.seconds <= 0.062


def test_packets_out_of_order_and_double_are_put_right(
    packets: list[bytes], rng: np.random.Generator
) -> None:
    receiver = Receiver(delay=0.1)
    arrivals = [(i * STEP + rng.uniform(0, 0.09), data) for i, data in enumerate(packets)]
    arrivals += [(at + rng.uniform(0, 0.05), data) for at, data in arrivals[::5]]
    shown = _played(receiver, sorted(arrivals))
    assert [round(state.seconds / STEP) for _, state in shown] == list(range(100))
    assert receiver.counts.late + receiver.counts.doubled == 20


def test_lost_packets_are_bridged_and_forgotten_at_once(
    states: list[FaceState], packets: list[bytes]
) -> None:
    gone = {20, 41, 42, 60}
    receiver = Receiver(delay=0.13)
    shown = _played(receiver, [(i * STEP, p) for i, p in enumerate(packets) if i not in gone])
    assert receiver.counts.lost == 4
    for frame in gone:
        bridge = min((s for _, s in shown), key=lambda s: abs(s.seconds - frame * STEP))
        assert abs(bridge.seconds - frame * STEP) < 0.01
        assert _apart(bridge, states[frame]) < 0.03
    after = next(state for _, state in shown if abs(state.seconds - 43 * STEP) < 1e-6)
    assert _apart(after, decode(packets[43]).state) == 0  # at once: no packet needs another


def test_a_twentieth_lost_keeps_the_face(
    states: list[FaceState], packets: list[bytes], rng: np.random.Generator
) -> None:
    receiver = Receiver(delay=0.06)
    kept = [(i * STEP, data) for i, data in enumerate(packets) if rng.random() > 0.05]
    shown = _played(receiver, kept)
    errors = [_apart(state, states[round(state.seconds / STEP)]) for _, state in shown]
    assert np.mean(errors) < 0.008
    assert max(np.diff([now for now, _ in shown])) < 0.13


def test_who_joins_late_sees_the_face_with_the_first_packet(
    states: list[FaceState], packets: list[bytes]
) -> None:
    receiver = Receiver()
    shown = _played(receiver, [(i * STEP, packets[i]) for i in range(60, 100)])
    assert round(shown[0][1].seconds / STEP) == 60
    assert _apart(shown[0][1], states[60]) < 0.02


@pytest.mark.parametrize("drift", [1.002, 0.998])
def test_a_clock_that_drifts_is_followed(drift: float) -> None:
    encoder, receiver = Encoder(3, 2000, 25), Receiver(delay=0.06)
    for i in range(1500):  # a minute
        receiver.take(encoder.encode(round(i * 40 * drift), None), i * STEP)
        receiver.newest(i * STEP)
    due = receiver.seconds_at(1500 * STEP)
    assert due is not None
    assert abs(due - (1500 * STEP * drift - 0.06)) < 0.03  # without following: 0.12


def test_sequence_and_clock_wrap(states: list[FaceState]) -> None:
    encoder, receiver = Encoder(3, 2000, 25), Receiver(delay=0)
    encoder._sequence = (1 << 16) - 4
    begin = (1 << 32) - 100
    shown = 0
    for i, state in enumerate(states[:10]):
        receiver.take(encoder.encode(begin + 40 * i, state), i * STEP)
        shown += receiver.newest(i * STEP + 0.001)[0]
    assert shown == 10
    assert receiver.counts.late == receiver.counts.lost == 0


def test_a_flood_is_counted_and_takes_no_memory(packets: list[bytes]) -> None:
    receiver = Receiver()
    other = Encoder(9, 2000, 25).encode(0, None)
    receiver.take(packets[0], 0.0)
    for i in range(2000):
        receiver.take(other if i % 2 else b"x" * 50, 0.1)
    counts = receiver.counts
    assert counts.received == 1
    assert counts.flooded > 1500
    assert counts.strange > 100  # another sender does not push in
    assert len(receiver._waiting) <= 128


def test_a_mirror_image_does_on_the_left_what_was_on_the_right(track: LandmarkTrack) -> None:
    face = RestingFace(find_neutral(track))
    pose = np.arange(1, 8) / 10
    change = np.zeros((478, 3), np.float32)
    lid = list(RIGHT_EYE_UPPER[3:6])
    change[lid] = 0.1, 0.2, 0
    flipped = mirrored(FaceState(0, pose, change))
    where = np.flatnonzero(flipped.change.any(axis=1))
    assert len(where) == 3
    assert set(where) <= set(LEFT_EYE_UPPER)
    assert np.allclose(flipped.change[where], (-0.1, 0.2, 0))
    np.testing.assert_allclose(moved(flipped, _flip(face.neutral)), _flip(moved(
        FaceState(0, pose, change), face.neutral)), atol=1e-6)  # fmt: skip


def _flip(points: NDArray[np.floating]) -> NDArray[np.floating]:
    return points[mirror_order()] * np.array([-1, 1, 1])


def _apart(one: FaceState, other: FaceState | None) -> float:
    """Mean distance of the landmarks, in distances between the eyes."""
    assert other is not None
    return float(np.linalg.norm((moved(one) - moved(other))[:, :2], axis=1).mean())


def _sealed(data: bytes) -> bytes:
    blank = data[:12] + b"\0\0" + data[14:]
    return data[:12] + struct.pack(">H", zlib.crc32(blank) & 0xFFFF) + data[14:]


def _played(
    receiver: Receiver, arrivals: list[tuple[float, bytes]]
) -> list[tuple[float, FaceState]]:
    """What a player that looks every millisecond shows, and when."""
    shown: list[tuple[float, FaceState]] = []
    waiting = list(arrivals)
    for tick in range(int(1000 * (arrivals[-1][0] + 0.3))):
        now = tick / 1000
        while waiting and waiting[0][0] <= now:
            receiver.take(waiting.pop(0)[1], now)
        is_new, state = receiver.newest(now)
        if is_new and state is not None:
            shown.append((now, state))
    return shown
