# SPDX-License-Identifier: GPL-3.0-or-later
"""Timed text that people have: `start end label` lines, Praat's TextGrid, Rhubarb's TSV and JSON,
Papagayo's .dat. Labels are phones (ARPAbet or IPA), mouth shapes, or words of whatever language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.inputs import parse_json, parse_text, read_bytes
from inference.speech.phones import PHONES, SILENCE, Phone, in_order
from inference.speech.spelling import spelled_out

Cue = tuple[float, float, str]  # start and end in seconds, label

_LARGEST = 32 << 20  # bytes
_MOST_CUES = 500_000
_LONGEST_HOLD = 10.0  # seconds of a last cue without an end
DAT_RATE = 24.0  # frames a second of a .dat, which does not say its own; Moho's own default
_HEAD = "MohoSwitch1"

# Mouth shapes of Rhubarb and of Preston Blair, as the phone that looks like it.
_RHUBARB = {
    "A": "P", "B": "IH", "C": "EH", "D": "AA", "E": "AO", "F": "UW", "G": "F", "H": "L",
    "X": SILENCE,
}  # fmt: skip
_BLAIR = {
    "AI": "AA", "E": "EH", "O": "AO", "U": "UW", "etc": "T", "FV": "F", "L": "L", "MBP": "M",
    "rest": SILENCE, "WQ": "W",
}  # fmt: skip
_SILENT = frozenset(
    {"", "sil", "sp", "spn", "<sil>", "<p:>", "_", "#", "pau", "h#", "rest", "noise"}
)
_IPA = {
    "t͡ʃ": "CH", "tʃ": "CH", "ʧ": "CH", "d͡ʒ": "JH", "dʒ": "JH", "ʤ": "JH", "aɪ": "AY", "aʊ": "AW",
    "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "ts": "S", "pf": "F", "a": "AA", "ɑ": "AA",
    "ɒ": "AO", "æ": "AE", "ɐ": "AH", "ʌ": "AH", "ə": "AH", "ɜ": "ER", "ɝ": "ER", "ɚ": "ER",
    "ɔ": "AO", "o": "OW", "ø": "UH", "œ": "ER", "e": "EH", "ɛ": "EH", "i": "IY", "ɪ": "IH",
    "ɨ": "IH",
    "u": "UW", "ʊ": "UH", "ʉ": "UW", "y": "UW", "ʏ": "UH", "ɯ": "IH", "ɤ": "AH", "p": "P", "b": "B",
    "m": "M", "ɱ": "V", "f": "F", "v": "V", "ʋ": "V", "ɸ": "F", "β": "V", "w": "W", "ʍ": "W",
    "ɥ": "W",
    "θ": "TH", "ð": "DH", "t": "T", "d": "D", "n": "N", "ɾ": "D", "s": "S", "z": "Z", "ʃ": "SH",
    "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "l": "L", "ɫ": "L", "ʎ": "Y", "r": "R",
    "ɹ": "R", "ɻ": "R", "ʁ": "K", "ʀ": "K", "j": "Y", "ʝ": "Y", "ç": "SH", "k": "K", "g": "G",
    "ɡ": "G",
    "x": "K", "χ": "K", "ɣ": "G", "ŋ": "NG", "ɲ": "N", "h": "HH", "ɦ": "HH", "ʔ": "HH",
}  # fmt: skip
_IPA_MARKS = re.compile("[ˈˌːˑ̯̩̃ʰʲʷ̥̬̪̊.]")


@dataclass(frozen=True)
class Timed:
    """phones: in order, seconds. kind: what the labels are, in words."""

    phones: tuple[Phone, ...]
    kind: str


def read_timed(path: Path, seconds: float, begin: float = 0.0) -> Timed:
    """The phones of a timed text for so many seconds of a sound, counted from `begin` on.

    Raises InputError when it is none of these formats, has no cue, or none within the sound.
    """
    data = read_bytes(path, "timed text", "check its name", _LARGEST)
    try:
        text = parse_text(data)
    except ValueError:
        raise InputError(
            f"{path}: is no text; give lines of 'start end label', or a TextGrid"
        ) from None
    cues = _cues(path, text)
    if len(cues) > _MOST_CUES:
        raise InputError(f"{path}: has more than {_MOST_CUES} cues; cut it")
    cues = [(a - begin, b - begin, label) for a, b, label in cues if b > begin]
    if not cues:
        raise InputError(f"{path}: no cue is left from {begin:g} s on; name an earlier part")
    if not any(first < seconds for first, _, _ in cues):
        raise InputError(
            f"{path}: its first cue is at {min(cue[0] for cue in cues):.1f} s, and the sound ends "
            f"at {seconds:.1f} s; give the timed text of this sound"
        )
    kind, phones = _as_phones(cues)
    return Timed(in_order(phones, seconds), kind)


def _cues(path: Path, text: str) -> list[Cue]:
    readers: list[Callable[[str], list[Cue] | None]] = [_json, _textgrid, _dat, _lines]
    for read in readers:
        try:
            cues = read(text)
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            cues = None
        if cues:
            for begin, end, _ in cues:
                if not 0 <= begin <= end < 1e6:
                    raise InputError(
                        f"{path}: a cue goes from {begin:g} to {end:g} s; its times must not be "
                        "below 0 or run backwards"
                    )
            return cues
    raise InputError(
        f"{path}: no timed text that is known; give lines of 'start end label' in seconds, a "
        "TextGrid, Rhubarb's TSV or JSON, or Papagayo's .dat"
    )


def _json(text: str) -> list[Cue] | None:
    if not text.lstrip().startswith("{"):
        return None
    given: Any = parse_json(text)
    return [(float(c["start"]), float(c["end"]), str(c["value"])) for c in given["mouthCues"]]


def _textgrid(text: str) -> list[Cue] | None:
    if "ooTextFile" not in text[:200] and "IntervalTier" not in text[:2000]:
        return None
    tiers = re.split(r'"IntervalTier"', text)[1:]
    read = [_tier(tier) for tier in tiers]
    read = [tier for tier in read if tier[1]]
    if not read:
        return None
    for name, cues in read:  # of an aligner's tiers the one of phones
        if "phone" in name.lower() or name.lower() in ("mau", "segments", "phn"):
            return cues
    return max(read, key=lambda tier: len(tier[1]))[1]


def _tier(text: str) -> tuple[str, list[Cue]]:
    """Its name and intervals, of the long or of the short form."""
    # "" within a text is a quote.
    parts = re.findall(r'"((?:[^"]|"")*)"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)', _undecorated(text))
    name = parts[0][0]
    values = parts[4:]  # begin, end and number of intervals stand before
    cues = []
    for begin, end, label in zip(values[::3], values[1::3], values[2::3], strict=False):
        cues.append((float(begin[1]), float(end[1]), label[0].replace('""', '"')))
    return name, cues


def _undecorated(text: str) -> str:
    return re.sub(
        r"(?m)^\s*(?:intervals\s*\[\d+\]:?|intervals: size =|item\s*\[\d*\]:?|"
        r"(?:class|name|xmin|xmax|text|size)\s*=)",
        " ",
        text,
    )


def _dat(text: str) -> list[Cue] | None:
    lines = text.split("\n")
    if lines[0].strip() != _HEAD:
        return None
    rows = [line.split() for line in lines[1:] if line.strip()]
    return _held([((float(frame) - 1) / DAT_RATE, label) for frame, label in rows])


def _lines(text: str) -> list[Cue] | None:
    rows = [re.split(r"[\t ,;]+", line.strip(), maxsplit=2) for line in text.splitlines()]
    rows = [row for row in rows if row != [""] and not row[0].startswith("#")]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]  # a heading
    if all(len(row) > 1 and not _is_number(row[1]) for row in rows):
        return _held([(float(row[0]), " ".join(row[1:])) for row in rows])
    return [(float(row[0]), float(row[1]), row[2] if len(row) > 2 else "") for row in rows]


def _held(starts: list[tuple[float, str]]) -> list[Cue]:
    """Cues that each last until the next."""
    ends = [start for start, _ in starts[1:]]
    last = starts[-1][0] + (0.0 if starts[-1][1] in ("X", "rest") else _LONGEST_HOLD)
    return [(a, max(a, b), label) for (a, label), b in zip(starts, [*ends, last], strict=True)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_phones(cues: list[Cue]) -> tuple[str, list[Phone]]:
    labels = {label.strip() for _, _, label in cues}
    for kind, table in (("mouth shapes", _RHUBARB), ("mouth shapes", _BLAIR)):
        if labels <= set(table) | {""}:
            return kind, [
                Phone(table.get(label.strip(), SILENCE), begin, end) for begin, end, label in cues
            ]
    heard = [(begin, end, _phone(label.strip())) for begin, end, label in cues]
    if sum(name is not None for _, _, name in heard) > 0.7 * len(heard):
        return "phones", [Phone(name or "AH", begin, end) for begin, end, name in heard]
    phones: list[Phone] = []
    for word, (begin, end, label) in enumerate(cues):
        phones += _word(label, begin, end, word)
    return "words", phones


def _phone(label: str) -> str | None:
    """The phone that a label names, without stress or length; None: it names none."""
    if label.lower() in _SILENT:
        return SILENCE
    bare = label.rstrip("0123456789").upper()
    if bare in PHONES and (label[:1].isupper() or len(label) > 1 or label not in _IPA):
        return bare
    plain = _IPA_MARKS.sub("", label)
    if plain in _IPA:
        return _IPA[plain]
    return _IPA.get(plain[:1]) if 1 < len(plain) <= 3 and not plain.isascii() else None


def _word(label: str, begin: float, end: float, word: int) -> list[Phone]:
    """A word's phones by its spelling, vowels twice as long as consonants."""
    letters = re.sub(r"[^a-z']", "", label.lower())
    names = spelled_out(letters, lambda _: None) if letters else []
    if not names:
        return [Phone(SILENCE, begin, end)]
    lengths = [2.0 if name[0] in "AEIOU" else 1.0 for name in names]
    unit = (end - begin) / sum(lengths)
    phones, at = [], begin
    for name, length in zip(names, lengths, strict=True):
        phones.append(Phone(name, at, at + unit * length, word))
        at += unit * length
    return phones
