# SPDX-License-Identifier: GPL-3.0-or-later
"""PocketSphinx and the English model in its package: words to phones with times, and phones alone.

It is the only module that knows it. Scores are logarithms in the decoder's own unit.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from inference.speech.phones import SILENCE, Phone
from inference.speech.sound import Samples

# As wide as it takes for a voice that the model does not know well.
_BEAM = 1e-120
_LOOP_BEAM = 1e-20
_LOOP_WEIGHT = 0.8  # of the phones' own grammar; below 0.4 phones flutter, above 1 they freeze
_FRAME = 0.01  # seconds
_ROOM = 6.0  # of 32767
_NOISES = ("<s>", "</s>", "<sil>", "[NOISE]", "[COUGH]", "[SMACK]", "[UH]", "[UM]")


@dataclass(frozen=True)
class Heard:
    """A phone and how well the sound fits it: score is for all of its frames."""

    phone: Phone
    score: float


def available() -> bool:
    """Is there a recognizer for the running Python?"""
    return importlib.util.find_spec("pocketsphinx") is not None


def pronunciation(word: str) -> list[str] | None:
    """The phones of a word in lower case, as the dictionary has them first; None: not in it."""
    said = _aligner().lookup_word(word)
    return said.split() if said else None


def align(
    words: Sequence[tuple[str, list[str]]], samples: Samples, start: float
) -> list[Heard] | None:
    """Each word's phones where they are in the samples, which begin at `start`, seconds.

    words: each with its phones. None where the words cannot be found in the samples at all.
    """
    decoder = _aligner()
    names = [_known(decoder, word, phones) for word, phones in words]
    try:
        decoder.set_align_text(" ".join(names))
        _decode(decoder, samples)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _decode(decoder, samples)
        alignment = decoder.get_alignment()
    except RuntimeError:  # no path through the words
        return None
    if alignment is None:
        return None
    heard, word = [], -1
    for entry in alignment:
        silent = entry.name in _NOISES
        word += not silent
        for phone in entry:
            begin = start + phone.start * _FRAME
            end = begin + phone.duration * _FRAME
            name = SILENCE if silent or phone.name.startswith("+") else phone.name
            heard.append(Heard(Phone(name, begin, end, -1 if silent else word), float(phone.score)))
    return heard if word == len(words) - 1 else None


def listen(samples: Samples, start: float) -> list[Heard]:
    """The phones that are heard without knowing the words; `start`: of the samples, seconds."""
    decoder = _listener()
    _decode(decoder, samples)
    heard = []
    for segment in decoder.seg() or ():
        begin = start + segment.start_frame * _FRAME
        end = start + (segment.end_frame + 1) * _FRAME
        name = SILENCE if segment.word.startswith("+") else segment.word
        heard.append(Heard(Phone(name, begin, end), float(segment.ascore)))
    return heard


def _known(decoder: Any, word: str, phones: list[str]) -> str:
    """The name under which the decoder knows a word with these phones."""
    if (said := decoder.lookup_word(word)) and said.split() == phones:
        return word
    name = f"{word}~{'-'.join(phones)}".lower()
    if decoder.lookup_word(name) is None:
        decoder.add_word(name, " ".join(phones), True)
    return name


def _decode(decoder: Any, samples: Samples) -> None:
    decoder.start_utt()
    decoder.process_raw(_with_a_room(samples).tobytes(), full_utt=True)
    decoder.end_utt()


def _with_a_room(samples: Samples) -> Samples:
    """A little noise, the same each time: without any a pause has no spectrum at all, and words
    beside it are not found."""
    noise = np.random.default_rng(0).normal(0, _ROOM, len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


@cache
def _aligner() -> Any:
    from pocketsphinx import Decoder

    return Decoder(lm=None, beam=_BEAM, pbeam=_BEAM, wbeam=_BEAM, bestpath=False, loglevel="FATAL")


@cache
def _listener() -> Any:
    from pocketsphinx import Decoder, get_model_path

    return Decoder(
        lm=None,
        dict=None,
        allphone=get_model_path("en-us/en-us-phone.lm.bin"),
        allphone_ci=True,
        lw=_LOOP_WEIGHT,
        beam=_LOOP_BEAM,
        pbeam=_LOOP_BEAM,
        loglevel="FATAL",
    )
