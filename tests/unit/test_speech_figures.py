# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of speech: what they count, and that what they are set beside is worse."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from export.speech.baselines import by_nine_shapes
from export.speech.figures import table, take_row
from export.speech.voices import SILENCE, Spoken, write_wave
from inference.speech.phones import Phone
from inference.speech.sound import RATE, opened_sound
from tests.unit.test_speech import SOUND, TEXT


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    with opened_sound(SOUND) as sound:
        samples = sound.samples(0, sound.seconds)
    with SOUND.with_suffix(".csv").open(encoding="utf-8") as file:
        closures = [(float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]
    quiet = np.zeros(int(SILENCE * RATE), np.int16)
    return Spoken(np.concatenate([samples, quiet]), RATE, closures)


def test_the_figures_that_are_aimed_at_are_met_with_a_transcript(
    spoken: Spoken, tmp_path: Path
) -> None:
    path = write_wave(spoken, tmp_path / "voice.wav")
    exact = take_row("sample", "transcript", spoken, path, TEXT)
    assert exact.found >= 0.95 * exact.of
    assert exact.gap < 0.006 and exact.error < 25 and exact.still < 0.006
    assert "(100%)" in table([exact])


def test_nine_shapes_are_held() -> None:
    phones = [Phone("M", 0.0, 0.1), Phone("AA", 0.1, 0.4), Phone("P", 0.4, 0.5)]
    times = np.arange(0, 0.5, 0.01)
    gaps = by_nine_shapes(phones, times)
    assert set(np.round(gaps[12:25], 3)) == {0.2}
    assert gaps[5] == 0 and gaps[45] == 0
