# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech from espeak-ng, the system's library, with the times at which its lips would meet."""

from __future__ import annotations

import ctypes
import ctypes.util
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError

VOICES = ("en-us", "en-gb-x-rp+f3", "en-gb-scotland+m3")
# Sentences full of p, b and m, and ten of the Harvard lists.
TEXT = (
    "Peter Piper picked a big bag of pickled peppers. My mother bought five hundred maps, and Bob "
    "moved them before breakfast. The boy was there when the sun rose. A rod is used to catch pink "
    "salmon. The source of the huge river is the clear spring. Help the woman get back to her "
    "feet. A pot of tea helps to pass the evening. Smoky fires lack flame and heat. The soft "
    "cushion broke the man's fall. The salt breeze came across from the sea. The small pup gnawed "
    "a hole in the sock."
)
SILENCE = 1.5  # seconds after the last word

_MODE_RETRIEVAL, _PHONEME_EVENTS = 1, 1
_END, _PHONEME = 0, 7
_QUIET = 100  # of 32767: a stop's silence
_LONGEST = 0.12  # seconds of it


@dataclass(frozen=True)
class Spoken:
    """samples: int16. closures: (start, end) of each meeting of the lips, seconds."""

    samples: NDArray[np.int16]
    rate: int
    closures: list[tuple[float, float]]


class _Identity(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def synthesize(text: str, voice: str) -> Spoken:
    """A text as a voice of espeak-ng says it. Raises InputError where there is no espeak-ng."""
    library, rate = _library()
    pieces: list[NDArray[np.int16]] = []
    phones: list[tuple[float, str]] = []

    def hear(samples: Any, count: int, events: Any) -> int:
        if samples and count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.int16))
        index = 0
        while events[index].type != _END:
            if events[index].type == _PHONEME:
                name = bytes(events[index].id.text).split(b"\0")[0].decode(errors="replace")
                phones.append((events[index].sample / rate, name))
            index += 1
        return 0

    callback = _Callback(hear)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise InputError(f"espeak-ng has no voice '{voice}'")
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
    library.espeak_Synchronize()
    samples = np.concatenate([*pieces, np.zeros(int(SILENCE * rate), np.int16)])
    return Spoken(samples, rate, _closures(samples, rate, phones))


def write_wave(spoken: Spoken, path: Path) -> Path:
    """The sound as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(spoken.rate)
        file.writeframes(spoken.samples.tobytes())
    return path


def _closures(
    samples: NDArray[np.int16], rate: int, phones: list[tuple[float, str]]
) -> list[tuple[float, float]]:
    """An m hums as long as it lasts; a p or b is silent before its event, which is the burst, or
    where nothing is silent it hums until the next phone."""
    hop = rate // 200
    count = len(samples) // hop
    loud = np.abs(samples[: count * hop].astype(int)).reshape(count, hop).max(axis=1)
    found = []
    for index, (start, name) in enumerate(phones):
        base = name.rstrip("#:12;^'_ ")
        after = phones[index + 1][0] if index + 1 < len(phones) else start + 0.05
        if base == "m":
            found.append((start, after))
        elif base in ("p", "b"):
            end = round(start * 200)
            begin = end
            for earlier in range(end, max(0, end - 4), -1):  # the burst comes a little early
                if loud[earlier - 1] <= _QUIET:
                    end = begin = earlier
                    break
            while begin > 0 and loud[begin - 1] <= _QUIET and end - begin < _LONGEST * 200:
                begin -= 1
            found.append((begin / 200, end / 200) if begin < end else (start, after))
    return found


@cache
def _library() -> tuple[Any, int]:
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise InputError(
            "espeak-ng is not installed, which speaks what the figures are measured on; install "
            "the system's package of that name"
        )
    library = ctypes.CDLL(name)
    return library, int(library.espeak_Initialize(_MODE_RETRIEVAL, 0, None, _PHONEME_EVENTS))
