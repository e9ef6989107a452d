# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure takes of known speech: closures found and in time, lips together, stillness, speed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from export.speech.baselines import by_loudness, by_nine_shapes
from export.speech.voices import SILENCE, TEXT, VOICES, Spoken, synthesize, write_wave
from inference.jobs import SpeechJob
from inference.performance.face.canonical import canonical_face
from inference.performance.face.measures import lip_gap
from inference.performance.taking.performance import Performance
from inference.speech import recognizer
from inference.speech.loudness import measure
from inference.speech.sound import opened_sound
from inference.speech.speech import speak

Array = NDArray[np.float64]

TOUCHES = 0.006  # of the eyes' distance: the lips meet
_RATE, _FINE = 25, 100  # frames a second: of a take as anybody makes it, and for times
_NEAR = 0.04  # seconds by which a closure may lie aside


@dataclass(frozen=True)
class Row:
    """One way of one voice. found, false: closures; of: how many there are. error: median, ms.
    gap: the largest at a closure that was found, in eye distances; still: in silence. times: how
    much faster than real time, on one core.
    """

    voice: str
    way: str
    found: int
    of: int
    false: int
    error: float
    gap: float
    still: float
    times: float


def measure_all(voices: Sequence[str] = VOICES, text: str = TEXT) -> list[Row]:
    """Every voice by every way. Raises InputError where there is no espeak-ng."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for voice in voices:
            spoken = synthesize(text, voice)
            path = write_wave(spoken, Path(folder) / "voice.wav")
            rows += measure_voice(voice, spoken, path, text)
    return rows


def lips_apart(performance: Performance) -> Array:
    """How far the lips are apart in each frame, (F,), in eye distances of the canonical face."""
    basis = canonical_face().basis
    return np.array(
        [
            lip_gap(
                performance.neutral
                + np.tensordot(performance.controls[frame], basis, axes=1)
                + performance.residual[frame]
            )
            for frame in range(len(performance))
        ]
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| voice | by | closures found | false ones | timing, median | gap at closures | "
        "in silence | times real time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        timing = f"{row.error:.0f} ms" if np.isfinite(row.error) else ""
        speed = f"{row.times:.0f}" if np.isfinite(row.times) else ""
        lines.append(
            f"| {row.voice} | {row.way} | {row.found} of {row.of} "
            f"({100 * row.found / row.of:.0f}%) | {row.false} | {timing} | "
            f"{100 * row.gap:.2f}% | {100 * row.still:.2f}% | {speed} |"
        )
    return "\n".join(lines)


def measure_voice(voice: str, spoken: Spoken, path: Path, text: str) -> list[Row]:
    """One voice by every way; path: its sound as a file, text: what it says."""
    rows = []
    for way, said in (("transcript", text), ("sound alone", None)):
        rows.append(take_row(voice, way, spoken, path, said))
    with mock.patch.object(recognizer, "available", lambda: False):
        rows.append(take_row(voice, "no recognizer", spoken, path, None))
    with opened_sound(path) as sound:
        loudness = measure(sound)
    phones = speak(SpeechJob(path, path), text).said.phones
    for way, gaps in (
        ("baseline: loudness", lambda times: by_loudness(loudness, times)),
        ("baseline: nine shapes, same phones", lambda times: by_nine_shapes(phones, times)),
    ):
        coarse, fine = (_times(spoken, rate) for rate in (_RATE, _FINE))
        rows.append(_row(voice, way, spoken, gaps(coarse), gaps(fine), float("nan")))
    return rows


def take_row(voice: str, way: str, spoken: Spoken, path: Path, text: str | None) -> Row:
    """A take of a voice by one way; text: None for the sound alone."""
    job = SpeechJob(path, path, idle=0.0)
    begin = time.process_time()
    made = speak(job, text).performance
    took = time.process_time() - begin
    fine = speak(SpeechJob(path, path, idle=0.0, rate=(_FINE, 1)), text).performance
    speed = len(spoken.samples) / spoken.rate / took
    return _row(voice, way, spoken, lips_apart(made), lips_apart(fine), speed)


def _row(
    voice: str, way: str, spoken: Spoken, coarse: Array, fine: Array, speed: float
) -> Row:  # fmt: skip
    end = len(spoken.samples) / spoken.rate - SILENCE
    closed = _closed(fine[: round(end * _FINE)])
    errors, gaps, found = [], [], 0
    for start, stop in spoken.closures:
        first = max(0, int((start - _NEAR) * _RATE))
        near = coarse[first : int(np.ceil((stop + _NEAR) * _RATE)) + 1]
        if not len(near) or near.min() >= TOUCHES:
            continue
        found += 1
        gaps.append(float(near.min()))
        middle = (start + stop) / 2
        errors += [min(abs((a + b) / 2 - middle) for a, b in closed)] if closed else []
    false = sum(
        not any(a < stop + _NEAR and b > start - _NEAR for start, stop in spoken.closures)
        for a, b in closed
        if b - a < 0.3  # longer is a pause
    )
    still = coarse[int((end + 0.3) * _RATE) : int((end + SILENCE) * _RATE)]
    error = 1000 * float(np.median(errors)) if errors else float("nan")
    return Row(
        voice, way, found, len(spoken.closures), false, error, max(gaps, default=0.0),
        float(still.max()), speed,
    )  # fmt: skip


def _closed(gaps: Array) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (gaps < TOUCHES).astype(int), [0]])))
    return [(a / _FINE, b / _FINE) for a, b in edges.reshape(-1, 2)]


def _times(spoken: Spoken, rate: int) -> Array:
    return np.arange(int(len(spoken.samples) / spoken.rate * rate)) / rate
