# SPDX-License-Identifier: GPL-3.0-or-later
"""A voice makes a face speak: the lips meet when they must, rest in silence, and it repeats."""

from __future__ import annotations

import csv
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.cli import main
from inference.errors import Cancelled, InputError
from inference.jobs import SpeechJob
from inference.performance.face.canonical import canonical_face, control_index
from inference.performance.face.measures import lip_gap
from inference.performance.retargeting.from_performance import performance_motion
from inference.performance.retargeting.retarget import retarget_motion
from inference.performance.taking.performance import Performance, load_performance
from inference.portrait import open_portrait
from inference.speech import recognizer
from inference.speech.sound import opened_sound
from inference.speech.speech import Spoken, run_speech

SOUND = Path(__file__).parents[1] / "spoken.flac"
TEXT = "My mother bought five big maps. Peter put them back before the boy came home."
WRONG = "Seven wise kings argue about the price of gold and silver in every market of the land"


def lips_meet() -> list[tuple[float, float]]:
    """When they do, by the synthesizer that spoke."""
    with SOUND.with_suffix(".csv").open(encoding="utf-8") as file:
        return [(float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]


def gaps(p: Performance) -> NDArray[np.float64]:
    """How far the lips are apart in each frame, in eye distances."""
    basis = canonical_face().basis
    shapes = p.neutral + np.tensordot(p.controls, basis, axes=1) + p.residual
    return np.array([lip_gap(shape) for shape in shapes])


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> SpeechJob:
    out = tmp_path_factory.mktemp("speech") / "said.performance.npz"
    return SpeechJob(SOUND, out, text=TEXT)


@pytest.fixture(scope="module")
def spoken(job: SpeechJob) -> Spoken:
    return run_speech(job)


@pytest.fixture(scope="module")
def told(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> SpeechJob:
    """The same phones as a timed text, which nobody has to listen for."""
    timed = tmp_path_factory.mktemp("timed") / "phones.txt"
    lines = [f"{p.start:.3f} {p.end:.3f} {p.name}" for p in spoken.said.phones]
    timed.write_text("\n".join(lines), encoding="utf-8")
    return SpeechJob(SOUND, timed.with_name("told.performance.npz"), timed=timed)


def written(path: Path, samples: NDArray[np.float64], rate: int = 16000) -> Path:
    """Samples (N,) or (N, channels) of -1 to 1 as a WAV file."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def test_the_lips_meet_for_every_p_b_and_m(spoken: Spoken) -> None:
    apart, rate = gaps(spoken.performance), float(spoken.performance.rate)
    for start, end in lips_meet():
        first, last = max(0, int((start - 0.04) * rate)), int(np.ceil((end + 0.04) * rate))
        assert apart[first : last + 1].min() < 0.006, f"the lips are apart at {start} s"
    assert np.quantile(apart, 0.75) > 0.05  # and not for everything else


def test_most_are_found_by_the_sound_alone(tmp_path: Path, job: SpeechJob) -> None:
    made = run_speech(replace(job, text=None, out=tmp_path / "alone.performance.npz"))
    apart, rate = gaps(made.performance), float(made.performance.rate)
    found = [
        apart[max(0, int((a - 0.04) * rate)) : int(np.ceil((b + 0.04) * rate)) + 1].min() < 0.006
        for a, b in lips_meet()
    ]
    assert sum(found) >= 0.7 * len(found)


def test_a_portraits_own_lips_meet(spoken: Spoken) -> None:
    """Through retargeting, on landmarks of a real picture."""
    picture = Path(__file__).parents[2] / "inference" / "samples" / "eileen_collins.png"
    portrait = open_portrait(picture).points
    at = retarget_motion(portrait, performance_motion(spoken.performance), neutralize=True)
    eyes = float(np.linalg.norm(portrait[[33, 133]].mean(0) - portrait[[263, 362]].mean(0)))
    rate = float(spoken.performance.rate)
    for start, end in lips_meet()[:4]:
        frames = range(max(0, int((start - 0.04) * rate)), int(np.ceil((end + 0.04) * rate)) + 1)
        assert min(lip_gap(at(frame)) for frame in frames) / eyes < 0.006


def test_silence_closes_the_mouth(tmp_path: Path, job: SpeechJob, spoken: Spoken) -> None:
    with opened_sound(SOUND) as sound:
        said = sound.samples(0, 9) / 32768
    pause = np.zeros(24000)
    longer = written(tmp_path / "a.wav", np.concatenate([said, pause, said[:16000]]))
    made = run_speech(replace(job, sound=longer, text=None, out=tmp_path / "a.performance.npz"))
    apart, rate = gaps(made.performance), made.performance.rate
    begin = len(said) / 16000
    quiet = apart[int((begin + 0.3) * rate) : int((begin + 1.3) * rate)]
    assert quiet.max() < 0.006
    assert gaps(spoken.performance)[-1] < 0.006  # nor does it hang open at the end


def test_every_rate_is_in_step(tmp_path: Path, told: SpeechJob, spoken: Spoken) -> None:
    fast = run_speech(replace(told, rate=(60, 1), out=tmp_path / "fast.performance.npz"))
    a, b = gaps(spoken.performance), gaps(fast.performance)
    times = np.arange(len(a)) / 25
    same = np.interp(times, np.arange(len(b)) / 60, b)
    assert np.corrcoef(a, same)[0, 1] > 0.97
    assert abs(len(a) / 25 - len(b) / 60) < 0.04


def test_the_same_sound_makes_the_same_take(tmp_path: Path, told: SpeechJob) -> None:
    first = run_speech(replace(told, out=tmp_path / "first.performance.npz")).performance
    run_speech(told)
    again = load_performance(told.out)
    np.testing.assert_array_equal(again.controls, first.controls)
    np.testing.assert_array_equal(again.rotation, first.rotation)
    other = run_speech(replace(told, seed=2, out=tmp_path / "other.performance.npz")).performance
    assert np.abs(other.rotation - first.rotation).max() > 0.005
    lips = [control_index(name) for name in ("jaw_open", "lips_together", "mouth_narrow")]
    np.testing.assert_array_equal(other.controls[:, lips], first.controls[:, lips])


def test_idle_0_moves_the_mouth_alone(tmp_path: Path, told: SpeechJob, spoken: Spoken) -> None:
    still = run_speech(replace(told, idle=0.0, out=tmp_path / "still.performance.npz")).performance
    assert np.abs(still.rotation).max() == 0
    assert np.ptp(still.translation, axis=0).max() == 0
    for name in ("blink_left", "gaze_x", "brow_up_left"):
        assert not still.controls[:, control_index(name)].any()
        assert spoken.performance.controls[:, control_index(name)].any()
    blinks = spoken.performance.controls[:, control_index("blink_left")]
    assert blinks.max() > 0.99  # whole ones, between frames too


def test_a_wrong_transcript_is_found(tmp_path: Path, job: SpeechJob) -> None:
    made = run_speech(replace(job, text=WRONG, out=tmp_path / "w.performance.npz"))
    assert any("the transcript leaves the sound at" in note for note in made.notes)
    half = TEXT.split(".")[0] + " " + WRONG
    made = run_speech(replace(job, text=half, out=tmp_path / "h.performance.npz"))
    (note,) = [note for note in made.notes if "leaves" in note]
    at = float(note.split(" at ")[1].split(" s")[0])
    assert 1.2 < at < 4.0, note
    assert np.quantile(gaps(made.performance), 0.75) > 0.03  # the mouth goes on


def test_without_a_recognizer_it_follows_loudness_and_says_so(
    tmp_path: Path, job: SpeechJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognizer, "available", lambda: False)
    made = run_speech(replace(job, out=tmp_path / "g.performance.npz"))
    assert any("no recognizer" in note for note in made.notes)
    assert np.ptp(gaps(made.performance)) > 0.08


@pytest.mark.parametrize(("channels", "rate"), [(2, 44100), (1, 8000)])
def test_sound_of_any_rate_and_channels(
    tmp_path: Path, job: SpeechJob, spoken: Spoken, channels: int, rate: int
) -> None:
    path = tmp_path / "other.wav"
    resampler = av.AudioResampler("s16", "stereo" if channels == 2 else "mono", rate)
    frames = [made for frame in av.open(str(SOUND)).decode(audio=0) for made in
              resampler.resample(frame)]  # fmt: skip
    data = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    written(path, data.reshape(-1, channels) / 32768, rate)
    made = run_speech(replace(job, sound=path, out=tmp_path / "r.performance.npz"))
    a, b = gaps(spoken.performance), gaps(made.performance)
    count = min(len(a), len(b))
    assert np.corrcoef(a[:count], b[:count])[0, 1] > 0.9


class TestBadInput:
    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
        assert main(["speech", *map(str, arguments)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1
        return said[0]

    def test_no_sound(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "a.performance.npz"
        picture = Path(__file__).parents[2] / "inference" / "samples" / "eileen_collins.png"
        assert "not a sound" in self.refused(capsys, picture, "--out", out)
        (tmp_path / "cut.flac").write_bytes(SOUND.read_bytes()[:60])
        self.refused(capsys, tmp_path / "cut.flac", "--out", out)
        assert "no such file" in self.refused(capsys, tmp_path / "none.wav", "--out", out)
        assert not out.exists()

    def test_texts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "a.performance.npz"
        common = (SOUND, "--out", out)
        assert "empty" in self.refused(capsys, *common, "--text", " ... ")
        assert "English letters" in self.refused(capsys, *common, "--text", "Привет, как дела")
        (tmp_path / "t.bin").write_bytes(bytes(range(256)))
        assert "is no text" in self.refused(capsys, *common, "--text-file", tmp_path / "t.bin")
        assert "no such" in self.refused(capsys, *common, "--timed", tmp_path / "x.tsv")
        assert "idle" in self.refused(capsys, *common, "--idle", "2")
        assert "begin" in self.refused(capsys, *common, "--begin", "-1")
        assert "not a number" in self.refused(capsys, *common, "--begin", "nan")
        assert "seed" in self.refused(capsys, *common, "--seed", "-1")
        assert "nothing from" in self.refused(capsys, *common, "--begin", "900")
        assert not out.exists()

    def test_the_recording_is_not_written_over(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        own = tmp_path / "mine.performance.npz"
        own.write_bytes(b"somebody's")
        assert "is not a performance" in self.refused(capsys, SOUND, "--out", own)
        assert own.read_bytes() == b"somebody's"

    def test_silence_makes_a_still_mouth(self, tmp_path: Path, job: SpeechJob) -> None:
        path = written(tmp_path / "s.wav", np.zeros(16000 * 30))
        made = run_speech(replace(job, sound=path, out=tmp_path / "s.performance.npz"))
        assert gaps(made.performance).max() < 0.006
        assert any("no voice" in note for note in made.notes)

    def test_music_is_said(self, tmp_path: Path, job: SpeechJob) -> None:
        times = np.arange(16000 * 4) / 16000
        notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 0, -5]) / 12)
        since = times % 0.5
        tones = notes[(times / 0.5).astype(int)]
        chord = sum(np.sin(2 * np.pi * tones * k * since) / k for k in (1, 1.5, 2, 3, 4, 5))
        path = written(tmp_path / "m.wav", 0.3 * chord * np.exp(-3 * since))
        made = run_speech(replace(job, sound=path, text=None, out=tmp_path / "m.performance.npz"))
        assert any("music" in note for note in made.notes)

    def test_clipping_is_said(self, tmp_path: Path, job: SpeechJob) -> None:
        with opened_sound(SOUND) as sound:
            loud = sound.samples(0, 2) / 32768 * 12
        path = written(tmp_path / "c.wav", loud)
        made = run_speech(replace(job, sound=path, text=None, out=tmp_path / "c.performance.npz"))
        assert any("clipped" in note for note in made.notes)

    def test_it_can_be_cancelled(self, tmp_path: Path, job: SpeechJob) -> None:
        out = tmp_path / "n.performance.npz"
        with pytest.raises(Cancelled):
            run_speech(replace(job, out=out), cancelled=lambda: True)
        assert not list(tmp_path.iterdir())

    def test_an_unknown_style(self, tmp_path: Path, told: SpeechJob) -> None:
        with pytest.raises(InputError, match="calm, plain, lively"):
            run_speech(replace(told, style="loud", out=tmp_path / "n.performance.npz"))


def test_a_take_gets_the_mouth_of_another(
    tmp_path: Path, told: SpeechJob, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, lively = tmp_path / "calm.performance.npz", tmp_path / "lively.performance.npz"
    actor = run_speech(replace(told, style="calm", seed=5, out=calm)).performance
    voice = run_speech(replace(told, style="lively", out=lively)).performance
    out = tmp_path / "mixed.performance.npz"
    assert main(["take", str(calm), str(lively), "--mix", "mouth", "--out", str(out)]) == 0
    mixed = load_performance(out)
    jaw, blink = control_index("jaw_open"), control_index("blink_left")
    np.testing.assert_allclose(mixed.controls[:, jaw], voice.controls[:, jaw], atol=1e-6)
    np.testing.assert_allclose(mixed.controls[:, blink], actor.controls[:, blink], atol=1e-6)
    np.testing.assert_allclose(mixed.rotation, actor.rotation, atol=1e-6)
    assert main(["take", str(calm), str(lively), "--mix", "nose", "--out", str(out)]) == 2
    assert "no part 'nose'" in capsys.readouterr().err


def test_a_part_of_the_sound_counts_from_its_own_beginning(
    tmp_path: Path, told: SpeechJob, spoken: Spoken
) -> None:
    part = replace(told, begin=1.0, end=4.0, out=tmp_path / "part.performance.npz")
    a, b = gaps(spoken.performance), gaps(run_speech(part).performance)
    assert 75 <= len(b) <= 83  # it breaks off within a word, and the mouth closes
    assert np.corrcoef(a[30:95], b[5:70])[0, 1] > 0.97
