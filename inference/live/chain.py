# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain: a driver's moments become pictures of the portrait, each as soon as it can be.

One thread follows the face, one says where the portrait's landmarks go, two draw; between them lies
the newest thing alone. So what is shown is late by the stages' own time and never by a queue.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.live.driver import Driver, Moment, Wishes
from inference.live.performer import LiveClock, Performer
from inference.live.presence import Presence
from inference.live.recording import Recorder
from inference.live.slot import Slot
from inference.live.smoothing import STRENGTH, LiveSmoother
from inference.performance.face.canonical import canonical_face
from inference.stream.state import mirrored

Pixels = NDArray[np.uint8]

# At rest, and while a driver is awaited, something is shown so often.
_IDLE_STEP = 1 / 25
_DRAWERS = 2
_MOST_FIGURES = 200_000
# After the driver has ended, what is on its way is still shown.
_SETTLES, _LAST = 0.5, 5.0


class Show(Protocol):
    """Where pictures go."""

    def show(self, picture: Pixels, seconds: float, delay: float) -> bool:
        """Show a picture (H, W, 3), RGB, that is `seconds` from the start; False ends it all.

        delay: seconds since what it was made from came; not a number while nobody drives.
        """

    def is_wanted(self) -> bool:
        """Is somebody there still? Asked also while nothing is shown."""

    def close(self) -> None:
        """End; what was written is whole."""


@dataclass(frozen=True)
class Shown:
    """One shown frame: when (monotonic), how long after its picture came, and what that was."""

    at: float
    delay: float
    passed: dict[str, float]
    worked: dict[str, float]


@dataclass
class Figures:
    """What was shown, and what was not. frames: of the driver's moments alone."""

    frames: deque[Shown] = field(default_factory=lambda: deque(maxlen=_MOST_FIGURES))
    shown: int = 0
    dropped: int = 0


@dataclass
class _Target:
    number: int
    points: NDArray[np.float32]
    moment: Moment | None
    made: float


class Live:
    """A running chain. `run` shows pictures in the thread that calls it, until it ends."""

    def __init__(
        self,
        driver: Driver,
        performer: Performer,
        wishes: Wishes,
        idle: bool = False,
        look_ahead: int = 0,
        recorder: Recorder | None = None,
    ) -> None:
        self.figures = Figures()
        self.recorder = recorder
        self._driver, self._performer, self._wishes = driver, performer, wishes
        self._look_ahead = look_ahead
        self._presence = Presence(idle)
        self._targets: Slot[_Target] = Slot()
        self._pictures: Slot[tuple[_Target, Pixels]] = Slot()
        self._ends = threading.Event()
        self._error: BaseException | None = None
        self._drawing, self._drawn = 0, 0
        self._lock = threading.Lock()

    def run(self, show: Show, stopped: Callable[[], bool] = lambda: False) -> None:
        """Show until the driver ends, `stopped`, or the show wants no more.

        Raises what the driver or the drawing raised.
        """
        cv2.setNumThreads(1)  # frames are drawn side by side; threads in each would only wait
        works = [self._direct, *[self._draw] * _DRAWERS]
        threads = [threading.Thread(target=self._guard, args=(w,), daemon=True) for w in works]
        for thread in threads:
            thread.start()
        try:
            self._show_all(show, stopped)
        finally:
            self._ends.set()
            self._driver.stop()
            for thread in threads:
                thread.join(1.0)
        error = self._error or self._driver.error
        if error is not None:
            raise error

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
            self._ends.set()

    def _show_all(self, show: Show, stopped: Callable[[], bool]) -> None:
        begun, last, ended = time.monotonic(), -1, None
        while not self._ends.is_set() and not stopped() and show.is_wanted():
            taken = self._pictures.take(0.05)
            now = time.monotonic()
            if taken is None:
                if not self._driver.is_done:
                    continue
                ended = now if ended is None else ended
                slots = (self._driver.slot, self._targets)
                is_idle = self._drawing == 0 and all(slot.is_empty for slot in slots)
                if now - ended > (_SETTLES if is_idle else _LAST):
                    return
                continue
            ended = None
            target, picture = taken
            if target.number <= last:  # the other drawer was quicker
                self.figures.dropped += 1
                continue
            last = target.number
            worked = time.thread_time()
            delay = now - target.moment.arrived if target.moment else math.nan
            if not show.show(picture, now - begun, delay):
                return
            self._note(target, now, time.thread_time() - worked)

    def _note(self, target: _Target, begun: float, worked: float) -> None:
        self.figures.shown += 1
        moment = target.moment
        if moment is None:
            return
        at = time.monotonic()
        moment.passed["show"], moment.worked["show"] = at - begun, worked
        self.figures.frames.append(Shown(at, at - moment.arrived, moment.passed, moment.worked))

    def _direct(self) -> None:
        """From moments to where the portrait's landmarks go."""
        smoother: LiveSmoother | None = None
        strength: float | None = None
        neutral = canonical_face().mean
        number, rests = 0, False
        while not self._ends.is_set():
            moment = self._driver.slot.take(_IDLE_STEP)
            if moment is None and (self._driver.is_done or not self._presence.is_moving) and number:
                continue
            worked = time.thread_time()
            begun = time.monotonic()
            state = moment.state if moment else None
            if moment and not self._driver.is_smooth:
                wanted = self._wishes.smooth
                if smoother is None or wanted != strength:
                    strength = wanted
                    amount = STRENGTH if wanted is None else wanted
                    smoother = LiveSmoother(amount, amount, look_ahead=self._look_ahead)
                if state is None:
                    smoother.reset()
                else:
                    state = smoother(state)
                    moment.arrived = state.seconds  # with a look-ahead it came earlier
            if state is not None and self._wishes.mirror:
                state = mirrored(state)
            shown = self._presence(state, time.monotonic())
            rested, rests = rests, not self._presence.is_moving
            if rested and rests:  # the same picture again
                continue
            neutral = moment.neutral if moment else neutral
            if self.recorder is not None and state is not None and self._wishes.record:
                self.recorder.add(replace(shown, seconds=state.seconds), neutral)
            points = self._performer.target(neutral, shown)
            if moment:
                moment.passed["retarget"] = time.monotonic() - begun
                moment.worked["retarget"] = time.thread_time() - worked
            number += 1
            self._targets.put(_Target(number, points, moment, time.monotonic()))

    def _draw(self) -> None:
        while not self._ends.is_set():
            target = self._targets.take(0.05)
            if target is None:
                continue
            with self._lock:
                self._drawing += 1
            try:
                clock = LiveClock()
                waited = time.monotonic() - target.made
                picture = self._performer.draw(target.points, clock)
                if target.moment:
                    target.moment.passed |= {"queue": waited, **clock.seconds}
                    target.moment.worked |= clock.processor
                with self._lock:  # one that is late must not take a newer one's place
                    if target.number > self._drawn:
                        self._drawn = target.number
                        self._pictures.put((target, picture))
            finally:
                with self._lock:
                    self._drawing -= 1
