# SPDX-License-Identifier: GPL-3.0-or-later
"""Who drives: threads that turn pictures or packets into moments, and leave the newest one.

Nothing waits in a queue: a picture that nobody could look at in time is dropped for the next.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.capture.movie import Picture
from inference.errors import InputError
from inference.live.phone import VmcReader, is_livelink_packet, is_osc, read_livelink
from inference.live.pictures import played, seen_by_camera
from inference.live.slot import Slot
from inference.live.tracker import FaceTracker
from inference.performance.face.canonical import canonical_face
from inference.stream.address import Address, parse_address, tls_context
from inference.stream.packet import MalformedPacket, OtherVersion
from inference.stream.receiver import DELAY, Receiver
from inference.stream.sockets import Listener, hear_pipe
from inference.stream.state import FaceState

# How often a player looks whether the next state is due.
_LOOK = 0.004
_CAMERA = "camera"


@dataclass
class Moment:
    """What a driver does at one moment.

    arrived: when what it was read from came, on a monotonic clock. neutral: the face at rest.
    passed, worked: by stage, the seconds that went by, and those that the processor worked.
    """

    arrived: float
    state: FaceState | None
    neutral: NDArray[np.float32]
    passed: dict[str, float] = field(default_factory=dict)
    worked: dict[str, float] = field(default_factory=dict)


@dataclass
class Wishes:
    """What a person asks for while it runs; read at each moment."""

    mirror: bool = False
    smooth: float | None = None
    recenter: int = 0
    record: bool = True


@dataclass(frozen=True)
class From:
    """Where motion comes from. place: as on the command line. again: footage from its start again.

    delay: of the jitter buffer, seconds. key: a stream's, between machines.
    """

    place: str
    again: bool = False
    delay: float = DELAY
    key: Path | None = None


class Driver:
    """Moments in `slot`, from threads that end with `stop`, with the source, or with `error`."""

    def __init__(self, source: From, wishes: Wishes) -> None:
        """Begins at once. Raises InputError for a place that is none, or cannot be had."""
        self.slot: Slot[Moment] = Slot()
        self.error: BaseException | None = None
        self.address: Address | None = None
        self.receiver: Receiver | None = None
        self.is_smooth = False
        self._pictures: Slot[tuple[float, Picture]] = Slot()
        self._wishes = wishes
        self._ends = threading.Event()
        self._read_all = threading.Event()
        self._threads: list[threading.Thread] = []
        self._begin(source)

    @property
    def dropped(self) -> int:
        """Pictures that came while the one before was still looked at."""
        return self._pictures.dropped

    @property
    def is_done(self) -> bool:
        """Has the source ended, or failed, and was all of it handed over?"""
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End the threads; returns within half a second."""
        self._ends.set()
        for thread in self._threads:
            thread.join(0.5)

    def _begin(self, source: From) -> None:
        place, stopped = source.place, self._ends.is_set
        if place.startswith(("udp:", "tcp:")) or place == "-":
            self.receiver = Receiver(source.delay)
            self._begin_packets(source)
            return
        if place == _CAMERA or place.startswith(f"{_CAMERA}:"):
            number = place.partition(":")[2] or "0"
            if not (number.isascii() and number.isdigit() and len(number) < 4):
                raise InputError(f"'{place}' is no camera; write camera, or camera:1")
            pictures = seen_by_camera(int(number), stopped)
        else:
            pictures = played(Path(place), source.again, stopped)
        # The first picture shows whether there are any, before threads begin.
        first = next(pictures, None)
        if first is None:
            raise InputError(f"{place}: gives no picture")
        self._start(partial(self._read, first, pictures), self._track)

    def _begin_packets(self, source: From) -> None:
        if source.place == "-":
            hear: Callable[[Callable[[bytes], None], Callable[[], bool]], None] = partial(
                hear_pipe, sys.stdin.buffer
            )
        else:
            address = parse_address(source.place)
            context = None
            if address.kind == "tcp":
                context = tls_context(source.key, address, listens=True)
            listener = Listener(address, context)
            self.address, hear = listener.address, listener.hear
        self.is_smooth = True
        inbox = _Inbox(self, self.address)
        self._start(lambda: hear(inbox.take, self._ends.is_set), partial(self._play, inbox), ends=0)

    def _start(self, *works: Callable[[], None], ends: int | None = None) -> None:
        for number, work in enumerate(works):
            thread = threading.Thread(target=self._guard, args=(work, number == ends), daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def _guard(self, work: Callable[[], None], ends: bool) -> None:
        try:
            work()
        except BaseException as error:  # told by whoever waits for the driver
            self.error = self.error or error
            self._ends.set()
        finally:
            if ends:
                self._read_all.set()

    def _read(
        self, first: tuple[float, Picture], pictures: Iterator[tuple[float, Picture]]
    ) -> None:
        try:
            self._pictures.put(first)
            for picture in pictures:
                self._pictures.put(picture)
        finally:
            self._read_all.set()

    def _track(self) -> None:
        recentered = self._wishes.recenter
        with FaceTracker() as tracker:
            while not self._ends.is_set():
                was_read = self._read_all.is_set()
                taken = self._pictures.take(0.05)
                if taken is None:
                    if was_read:
                        return
                    continue
                arrived, picture = taken
                begun, worked = time.monotonic(), time.thread_time()
                if self._wishes.recenter != recentered:
                    recentered = self._wishes.recenter
                    tracker.recenter()
                state = tracker.find(picture, arrived)
                moment = Moment(arrived, state, tracker.neutral)
                moment.passed = {"wait": begun - arrived, "track": time.monotonic() - begun}
                moment.worked = {"track": time.thread_time() - worked}
                self.slot.put(moment)

    def _play(self, inbox: _Inbox) -> None:
        neutral = canonical_face().mean
        while not self._ends.is_set():
            ended = self._read_all.is_set()
            is_new, state, late = inbox.due(time.monotonic())
            if is_new:
                now = time.monotonic()
                moment = Moment(now - late, state, neutral)
                moment.passed = {"wait": late}
                self.slot.put(moment)
            elif ended and inbox.is_empty:
                return
            time.sleep(_LOOK)


class _Inbox:
    """Packets of whichever kind come in; states that are due go out."""

    def __init__(self, driver: Driver, address: Address | None) -> None:
        assert driver.receiver is not None
        self._receiver = driver.receiver
        self._lock = threading.Lock()
        self._vmc = VmcReader()
        self._phone: tuple[float, FaceState | None] | None = None
        # Our own packets come in plain from this machine alone; phones from where they are.
        self._own_too = address is None or address.kind == "tcp" or address.is_here
        self._phones_too = address is not None and address.kind == "udp"

    @property
    def is_empty(self) -> bool:
        return self._receiver.waits == 0 and self._phone is None

    def take(self, data: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            counts = self._receiver.counts
            if self._phones_too and (is_livelink_packet(data) or is_osc(data)):
                try:
                    if is_osc(data):
                        frame = self._vmc.read(data, now)
                    else:
                        frame = read_livelink(data, now)
                except MalformedPacket as error:
                    counts.malformed += 1
                    if isinstance(error, OtherVersion):
                        counts.words = f"the phone {error}"
                    return
                if frame is not None:
                    counts.received += 1
                    self._phone = (now, frame.state)
            elif self._own_too:
                self._receiver.take(data, now)
            else:
                counts.strange += 1

    def due(self, now: float) -> tuple[bool, FaceState | None, float]:
        """Is something new due; the state; and how long ago it came."""
        with self._lock:
            if self._phone is not None:
                (came, state), self._phone = self._phone, None
                self._receiver.counts.shown += 1
                return True, state, now - came
            is_new, state = self._receiver.newest(now)
            return is_new, state, self._receiver.delay
