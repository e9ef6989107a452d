# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that makes a performance of a voice recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.errors import Cancelled, InputError
from inference.files import check_writable
from inference.inputs import MOST_FRAMES, checked_rate, parse_text, read_bytes, sha256_of
from inference.jobs import SpeechJob
from inference.outputs import check_replaceable, refuse_inputs
from inference.performance.taking.arrange import mix_takes
from inference.performance.taking.performance import (
    SUFFIX,
    Performance,
    is_performance,
    save_performance,
)
from inference.performance.taking.read import read_performance
from inference.progress import Progress
from inference.speech import recognizer
from inference.speech.following import follow, hear, stretches
from inference.speech.guessed import guess_phones
from inference.speech.idle import living_head
from inference.speech.labials import with_labials
from inference.speech.loudness import Loudness, measure, speech_parts
from inference.speech.mouth import STYLES, resting_neutral, speaking_mouth, touching_lips
from inference.speech.phones import SILENCE, Phone, Said, in_order
from inference.speech.sound import Sound, opened_sound
from inference.speech.timed import read_timed
from inference.speech.transcript import read_words

_LARGEST_TEXT = 4 << 20  # bytes
_SIZE = 512  # pixels: of the picture that the mean face is thought to be in
_SHARE = 0.2  # of its width is a canonical unit
_MOSTLY = 0.25  # of what is loud: more silence than that is heard in music, not in speech
_NO_SPEECH = ("much of the sound is no speech that is known (is it music?)",)
_TAIL = 0.3  # seconds that a mouth has to close where the sound breaks off within a word


@dataclass(frozen=True)
class Spoken:
    """frames, rate: of the performance. phones: that were used, closures among them. notes: what a
    person should know.
    """

    performance: Performance
    said: Said
    notes: tuple[str, ...]


def run_speech(
    job: SpeechJob,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Spoken:
    """Listen to a sound, make the performance and write it.

    Raises InputError for what the user can fix, LikenessError for a full disk, Cancelled.
    """
    if not job.out.name.endswith(SUFFIX):
        raise InputError(f"{job.out}: a performance's name ends in {SUFFIX}; choose such a name")
    inputs = [job.sound, *(path for path in (job.text_file, job.timed, job.actor) if path)]
    refuse_inputs([job.out], inputs)
    check_replaceable(job.out, is_performance, "a performance")
    check_job(job)
    text = _transcript(job)
    check_writable(job.out)
    spoken = speak(job, text, progress, cancelled)
    save_performance(spoken.performance, job.out)
    return spoken


def check_job(job: SpeechJob) -> None:
    """Raises InputError for what contradicts itself or is out of range."""
    if sum(given is not None for given in (job.text, job.text_file, job.timed)) > 1:
        raise InputError("name one of a text, a text's file and a timed text")
    if job.style not in STYLES:
        raise InputError(f"there is no style '{job.style}'; the styles are {', '.join(STYLES)}")
    if not 0 <= job.idle <= 1:
        raise InputError(f"idle motion cannot be {job.idle:g}; choose from 0 (none) to 1")
    if job.seed < 0:
        raise InputError("the seed of idle motion must be 0 or above")
    if not 0 < job.actor_speed <= 100:
        raise InputError("the sound's speed must be above 0 and at most 100")
    if job.begin < 0 or (job.end is not None and job.end <= job.begin):
        raise InputError("the part of the sound must begin at 0 s or later and end after that")


def speak(
    job: SpeechJob,
    text: str | None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Spoken:
    """The performance of a sound, with its transcript where there is one; nothing is written."""
    try:
        rate = checked_rate(*job.rate)
    except ValueError:
        raise InputError("a take has a rate of 0.1 to 1000 frames a second; name one") from None
    actor = None if job.actor is None else read_performance(job.actor)
    with opened_sound(job.sound, job.begin, job.end, cancelled) as sound:
        loudness = measure(sound)
        said = _listen(job, text, sound, loudness, progress, cancelled)
        notes = [*sound.notes(), *said.notes]
        seconds = sound.seconds
    if actor is not None:
        times = job.actor_at + np.arange(len(actor)) * job.actor_speed / float(actor.rate)
        voice = _performance(replace(job, idle=0.0), said, loudness, times, actor.rate)
        voice = replace(voice, camera=actor.camera, focal=actor.focal, size=actor.size)
        return Spoken(mix_takes(actor, voice, 0.0, {"mouth": 1.0}), said, tuple(notes))
    spoken = [p for p in said.phones if p.name != SILENCE]
    if spoken and spoken[-1].end > seconds - _TAIL:
        seconds = spoken[-1].end + _TAIL
    count = max(1, int(np.ceil(seconds * rate - 1e-6)))
    if count > MOST_FRAMES:
        raise InputError(f"{job.sound}: is {count} frames long; a take has {MOST_FRAMES} at most")
    times = np.arange(count) / float(rate)
    return Spoken(_performance(job, said, loudness, times, rate), said, tuple(notes))


def _listen(
    job: SpeechJob, text: str | None, sound: Sound, loudness: Loudness,
    progress: Progress | None, cancelled: Callable[[], bool],
) -> Said:  # fmt: skip
    pauses = speech_parts(loudness)
    parts = stretches(pauses)
    if job.timed is not None:
        timed = read_timed(job.timed, sound.seconds, job.begin)
        return Said(timed.phones, (f"{len(timed.phones)} {timed.kind} from {job.timed.name}",))
    if not parts:
        return Said((), ("no voice was found in the sound; the mouth stays closed",))
    if not recognizer.available():
        phones = guess_phones(loudness, parts)
        note = (
            "there is no recognizer for this Python: the mouth follows loudness and spectrum "
            "alone; give a timed text to be exact"
        )
        return Said(in_order(phones, sound.seconds), (note,))
    words = None if text is None else read_words(text, recognizer.pronunciation)
    passes = 1 if words is None else 2
    meter = _meter(sound.seconds, passes, progress, cancelled)
    heard = hear(sound, parts, lambda at: meter(at))
    free = [h.phone for part in heard for h in part]
    strange = _NO_SPEECH if _no_voice(free, loudness) > _MOSTLY else ()
    if words is None:
        return Said(in_order(with_labials(free, loudness), sound.seconds), strange)
    followed = follow(sound, parts, heard, words, pauses, lambda at: meter(sound.seconds + at))
    notes = [f"{len(words)} words", *strange]
    if followed.leaves is not None:
        notes.append(
            f"the transcript leaves the sound at {followed.leaves + job.begin:.1f} s, at "
            f"'{followed.word}': from there on the mouth follows the sound alone; check the text"
        )
    return Said(in_order(followed.phones, sound.seconds), tuple(notes))


def _no_voice(heard: Sequence[Phone], loudness: Loudness) -> float:
    """The share of what is loud enough for speech in which the recognizer hears none."""
    loud = [p for p in heard if float(loudness.at(p.start, p.end).mean()) > loudness.threshold]
    all_of_it = sum(p.end - p.start for p in loud)
    return sum(p.end - p.start for p in loud if p.name == SILENCE) / max(all_of_it, 1e-6)


def _meter(
    seconds: float, passes: int, progress: Progress | None, cancelled: Callable[[], bool]
) -> Callable[[float], None]:
    def heard_to(at: float) -> None:
        if cancelled():
            raise Cancelled("cancelled; nothing was written")
        if progress:
            progress(min(100, round(100 * at / (passes * seconds))), 100)

    return heard_to


def _transcript(job: SpeechJob) -> str | None:
    if job.text_file is None:
        return job.text
    data = read_bytes(job.text_file, "transcript", "check its name", _LARGEST_TEXT)
    try:
        return parse_text(data)
    except ValueError:
        raise InputError(f"{job.text_file}: is no text; give what is said as plain text") from None


def _performance(
    job: SpeechJob, said: Said, loudness: Loudness, times: NDArray[np.float64], rate: Fraction
) -> Performance:
    style = STYLES[job.style]
    mouth = speaking_mouth(said.phones, loudness, times, style)
    idle = living_head(said.phones, loudness, times, job.idle * style.head, job.seed)
    neutral = resting_neutral()
    controls = mouth.controls + idle.controls
    scale = _SIZE * _SHARE
    place = np.array([_SIZE / 2, _SIZE * 0.45, 0.0])
    translation = np.tile(place, (len(times), 1))
    translation[:, 1] += scale * idle.rise
    return Performance(
        controls=controls.astype(np.float32),
        rotation=idle.turn,
        translation=translation,
        scale=np.full(len(times), scale),
        neutral=neutral,
        residual=touching_lips(mouth.controls, mouth.closed, neutral.astype(np.float64)),
        valid=np.ones(len(times), bool),
        filled=np.zeros(len(times), bool),
        confidence=np.ones(len(times), np.float32),
        rate=rate,
        size=(_SIZE, _SIZE),
        source=job.sound.name,
        source_sha256=sha256_of(job.sound),
        rest=np.concatenate([np.zeros(3), place, [scale]]),
    )
