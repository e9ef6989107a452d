# SPDX-License-Identifier: GPL-3.0-or-later
"""How loud a sound is over time and what its spectrum is like, 100 times a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.speech.sound import RATE, Samples, Sound

Array = NDArray[np.float32]

HOP = 100  # frames a second
_STEP, _WINDOW = RATE // HOP, 400  # samples
_BANDS = (0.0, 500.0, 1200.0, 2500.0, 4000.0, 8000.0)  # Hz
_QUIETEST = 30.0  # dB below the voice's level: less than this is silence in any recording
_FLOOR = 12.0  # dB above the room
_GAP, _SHORTEST = 0.25, 0.06  # seconds: a pause, and the shortest sound that is speech


@dataclass(frozen=True)
class Loudness:
    """level: (F,) dB, of 20 ms around each hundredth of a second. bands: (F, 5), each band's share
    of the power: to 500, 1200, 2500, 4000 and 8000 Hz. voice, room: dB, how loud the speech mostly
    is, and what goes on in pauses.
    """

    level: Array
    bands: Array
    voice: float
    room: float

    @property
    def threshold(self) -> float:
        """dB, below which there is no speech."""
        return float(max(self.voice - _QUIETEST, min(self.room + _FLOOR, self.voice - 12.0)))

    def at(self, begin: float, end: float) -> Array:
        """The level from `begin` to `end`, seconds; one frame at least."""
        first = min(max(0, int(begin * HOP)), len(self.level) - 1)
        return self.level[first : max(first + 1, int(np.ceil(end * HOP)))]


def measure(sound: Sound) -> Loudness:
    """Listen to all of a sound, ten seconds at a time."""
    levels, bands = [], []
    for block in _overlapping(sound):
        level, shares = _frames(block)
        levels.append(level)
        bands.append(shares)
    level = np.concatenate(levels)
    heard = level[level > -90]
    voice = float(np.quantile(heard, 0.9)) if len(heard) else -90.0
    room = float(np.quantile(level, 0.05))
    return Loudness(level, np.concatenate(bands), voice, room)


def speech_parts(loudness: Loudness, gap: float = _GAP) -> list[tuple[float, float]]:
    """Where somebody may be speaking, in seconds: loud parts without a pause of `gap`."""
    loud = loudness.level > loudness.threshold
    if loudness.voice <= -65:  # dB: nothing but a recorder's own noise
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    parts: list[tuple[float, float]] = []
    for first, last in edges.reshape(-1, 2) / HOP:
        if parts and first - parts[-1][1] < gap:
            parts[-1] = (parts[-1][0], last)
        else:
            parts.append((first, last))
    return [(a, b) for a, b in parts if b - a >= _SHORTEST]


def _overlapping(sound: Sound, seconds: int = 10) -> Iterator[Samples]:
    margin = (_WINDOW - _STEP) / 2 / RATE
    for begin in range(0, int(np.ceil(sound.seconds)), seconds):
        end = min(begin + seconds, sound.seconds)
        before = sound.samples(begin - margin, begin) if begin else np.zeros(120, np.int16)
        block = np.concatenate([before, sound.samples(begin, end + margin)])
        count = max(1, round((end - begin) * HOP))
        needed = count * _STEP + _WINDOW - _STEP
        yield np.pad(block, (0, max(0, needed - len(block))))[:needed]


def _frames(block: Samples) -> tuple[Array, Array]:
    """Level and shares of the bands of each frame of a block."""
    frames = np.lib.stride_tricks.sliding_window_view(block, _WINDOW)[::_STEP] / 32768.0
    frames = frames.astype(np.float32)
    inner = frames[:, 40:-40]
    level = 10 * np.log10((inner**2).mean(axis=1) + 1e-10)
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), 512)) ** 2
    frequency = np.fft.rfftfreq(512, 1 / RATE)
    shares = np.stack(
        [power[:, (frequency >= a) & (frequency < b)].sum(axis=1)
         for a, b in zip(_BANDS, _BANDS[1:], strict=False)], axis=1
    )  # fmt: skip
    return level.astype(np.float32), (shares / (shares.sum(axis=1, keepdims=True) + 1e-9)).astype(
        np.float32
    )
