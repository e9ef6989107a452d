# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end: packets as they come in, in whatever order; states at an even pace out.

A state is shown `delay` seconds after the earliest moment at which it could have been here. That
moment follows the sender's clock: of the packets of the last seconds the quickest counts, so a
clock that drifts, or a way that becomes longer, is followed in either direction.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field, replace

from inference.stream.packet import (
    CLOCK,
    SEQUENCES,
    MalformedPacket,
    OtherVersion,
    Packet,
    decode,
)
from inference.stream.state import FaceState, mixed

DELAY = 0.06  # seconds
_MOST_WAITING = 128  # packets; more in a delay's time is a flood
_MOST_SECONDS = 300  # packets a second that are looked at at all
# The quickest of this many seconds says how the clocks stand to each other.
_CLOCK_WINDOW, _CLOCK_PARTS = 8.0, 8
# A sender that is silent for so long may be followed by another one.
_SILENT = 1.0
# So many lost packets in a row are bridged by what lies between their neighbours.
_MOST_BRIDGED = 6


@dataclass
class Counts:
    """What became of the packets. words: what to tell about the last refused one, or ""."""

    received: int = 0
    shown: int = 0
    lost: int = 0
    late: int = 0
    doubled: int = 0
    malformed: int = 0
    flooded: int = 0
    strange: int = 0
    words: str = ""


@dataclass(frozen=True, order=True)
class _Waiting:
    number: int  # sequence, unwrapped
    seconds: float  # of the sender's clock, unwrapped
    state: FaceState | None = field(compare=False)


class Receiver:
    """Takes packets with the time of their arrival and gives states back. One thread at a time.

    delay: seconds. Times are of any one steady clock of this machine.
    """

    def __init__(self, delay: float = DELAY) -> None:
        self.delay = delay
        self.counts = Counts()
        self._session: int | None = None
        self._heard = -1e9
        self._second, self._in_second = -1e9, 0
        self._begin()

    def _begin(self) -> None:
        self._waiting: list[_Waiting] = []
        self._newest: _Waiting | None = None
        self._shown: _Waiting | None = None
        self._offsets: deque[tuple[float, float]] = deque()

    def take(self, data: bytes, now: float) -> None:
        """A packet that came at `now`; whatever is wrong with it is counted, and it is dropped."""
        if now - self._second >= 1:
            self._second, self._in_second = now, 0
        self._in_second += 1
        if self._in_second > _MOST_SECONDS:
            self.counts.flooded += 1
            return
        try:
            packet = decode(data)
        except OtherVersion as error:
            self.counts.malformed += 1
            self.counts.words = f"the sender {error}: run the same version on both sides"
            return
        except MalformedPacket:
            self.counts.malformed += 1
            return
        if packet.session != self._session:
            if self._session is not None and now - self._heard < _SILENT:
                self.counts.strange += 1
                return
            self._session = packet.session
            self._begin()
        self._heard = now
        self.counts.received += 1
        self._put(self._unwrapped(packet), now)

    def _unwrapped(self, packet: Packet) -> _Waiting:
        near = self._newest
        if near is None:
            return _Waiting(packet.sequence, packet.milliseconds / 1000, packet.state)
        number = near.number + _signed(packet.sequence - near.number, SEQUENCES)
        near_ms = round(near.seconds * 1000)
        seconds = (near_ms + _signed(packet.milliseconds - near_ms, CLOCK)) / 1000
        state = packet.state and replace(packet.state, seconds=seconds)
        return _Waiting(number, seconds, state)

    def _put(self, packet: _Waiting, now: float) -> None:
        if self._newest is None or packet.number > self._newest.number:
            self._newest = packet
        if self._shown is not None and packet.number <= self._shown.number:
            self.counts.late += 1
            return
        if any(packet.number == other.number for other in self._waiting):
            self.counts.doubled += 1
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.counts.flooded += 1
            del self._waiting[0]
        self._follow_clock(now - packet.seconds, now)
        insort(self._waiting, packet)

    def _follow_clock(self, offset: float, now: float) -> None:
        """Keep the smallest offset of each part of the window."""
        last = self._offsets[-1] if self._offsets else None
        if last is None or now - last[0] > _CLOCK_WINDOW / _CLOCK_PARTS:
            self._offsets.append((now, offset))
        else:
            self._offsets[-1] = (last[0], min(last[1], offset))
        while now - self._offsets[0][0] > _CLOCK_WINDOW and len(self._offsets) > 1:
            self._offsets.popleft()

    @property
    def waits(self) -> int:
        """Packets that are not due yet."""
        return len(self._waiting)

    def seconds_at(self, now: float) -> float | None:
        """The moment on the sender's clock that is due at `now`; None before the first packet."""
        if not self._offsets:
            return None
        return now - min(offset for _, offset in self._offsets) - self.delay

    def newest(self, now: float) -> tuple[bool, FaceState | None]:
        """Is something new due, and the state to show then; None where the sender sees no face.

        Of packets that fell due together the last one counts. Between the neighbours of a lost
        packet the face goes on its way as they say.
        """
        due = self.seconds_at(now)
        if due is None:
            return False, None
        passed = [packet for packet in self._waiting if packet.seconds <= due]
        if passed:
            del self._waiting[: len(passed)]
            numbers = ([self._shown.number] if self._shown else []) + [p.number for p in passed]
            self.counts.lost += numbers[-1] - numbers[0] + 1 - len(numbers)
            self.counts.shown += 1
            self._shown = passed[-1]
            return True, self._shown.state
        return self._bridged(due)

    def _bridged(self, due: float) -> tuple[bool, FaceState | None]:
        before, after = self._shown, self._waiting[0] if self._waiting else None
        if before is None or after is None or before.state is None or after.state is None:
            return False, None
        missing = after.number - before.number - 1
        if not 0 < missing <= _MOST_BRIDGED:
            return False, None
        step = (after.seconds - before.seconds) / (missing + 1)
        if step <= 0 or due - before.seconds < step:
            return False, None
        share = (due - before.seconds) / (after.seconds - before.seconds)
        return True, mixed(before.state, after.state, min(1.0, share))


def _signed(difference: int, around: int) -> int:
    """A difference of two numbers that wrap, as the shorter way."""
    return (difference + around // 2) % around - around // 2
