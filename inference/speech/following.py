# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a transcript through a sound of any length, and find out where it leaves it.

The phones that are heard without the words say roughly which words each stretch of speech holds;
within a stretch the words' own phones are then aligned with the sound. A stretch that its words do
not fit, against what is heard freely, keeps the phones that are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.speech import recognizer
from inference.speech.phones import LIPS_MEET, SILENCE, VOWELS, Phone
from inference.speech.recognizer import Heard
from inference.speech.sound import Sound
from inference.speech.transcript import Word

Part = tuple[float, float]

# Speech that is aligned at once, seconds; memory and search grow with its square.
STRETCH = 25.0
_MARGIN = 0.15  # seconds heard before and after a stretch
# By so much a frame a word may fit worse than what is heard freely: right texts are at -20 to -50,
# wrong ones at -55 to -75. So much worse in sum, from a word to the end, is no chance.
_FITS, _NOT_FOUND, _SURE = -52.0, -80.0, 45.0
# Hundredths of a second: a phone that is longer was stretched over others; each further one counts.
_DRAWN_OUT, _TOO_LONG = 25, 60.0
_BAND = 2000  # phones by which words and sound may drift apart
_SKIP = 0.7
_ALIKE = (
    VOWELS, frozenset(["P", "B", "T", "D", "K", "G"]), frozenset(["M", "N", "NG"]),
    frozenset(["F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "CH", "JH", "HH"]),
    frozenset(["L", "R", "W", "Y"]),
)  # fmt: skip


@dataclass(frozen=True)
class Followed:
    """phones: of all of the speech. leaves: seconds at which the transcript leaves the sound, None:
    never; word: the one from which on it does.
    """

    phones: list[Phone]
    leaves: float | None = None
    word: str = ""


def stretches(parts: Sequence[Part], longest: float = STRETCH) -> list[Part]:
    """Parts of speech put together, as many as are not too long; longer ones are cut."""
    made: list[Part] = []
    for begin, end in parts:
        if made and end - made[-1][0] <= longest:
            made[-1] = (made[-1][0], end)
            continue
        while end - begin > longest:
            made.append((begin, begin + longest))
            begin += longest
        made.append((begin, end))
    return made


def hear(
    sound: Sound, parts: Sequence[Part], progress: Callable[[float], None]
) -> list[list[Heard]]:
    """The phones that are heard in each part without the words."""
    heard = []
    for begin, end in parts:
        first = max(0.0, begin - _MARGIN)
        heard.append(recognizer.listen(sound.samples(first, end + _MARGIN), first))
        progress(end)
    return heard


def follow(
    sound: Sound,
    parts: Sequence[Part],
    heard: Sequence[list[Heard]],
    words: Sequence[Word],
    pauses: Sequence[Part],
    progress: Callable[[float], None],
) -> Followed:
    """The words' phones where they are said in the parts, `heard` in them before.

    pauses: the same speech parted at every pause.
    """
    tried: list[_Try] = []
    given = 0
    for (begin, end), free, count in zip(parts, heard, _share_out(words, heard), strict=True):
        tried += _tries(sound, (begin, end), free, words[given : given + count], pauses)
        given += count
        progress(end)
    fits = [fit for each in tried for fit in each.fits]
    lost = _leaving(fits)
    phones: list[Phone] = []
    leaves: float | None = None
    given = 0
    for each in tried:
        count = len(each.fits)
        kept = [h.phone for h in each.found or () if given + h.phone.word < lost]
        phones += [Phone(p.name, p.start, p.end, p.word + given * (p.word >= 0)) for p in kept]
        since = each.begin
        if each.found is not None and given + count <= lost:
            since = np.inf  # all of it is told
        elif any(p.word >= 0 for p in kept):
            since = max(p.end for p in kept if p.word >= 0)
        phones = [p for p in phones if p.start < since]
        phones += [h.phone for h in each.free if h.phone.start >= since]
        if leaves is None and given + count > lost:
            leaves = since
        given += count
    return Followed(phones, leaves, words[lost][0] if lost < len(words) else "")


@dataclass(frozen=True)
class _Try:
    """What came of aligning the words of a part from `begin` on. found: None where they are not in
    it. fits: of each word, how much worse it fits than what is heard freely.
    """

    begin: float
    free: list[Heard]
    found: list[Heard] | None
    fits: list[float]


def _tries(
    sound: Sound, part: Part, free: list[Heard], words: Sequence[Word], pauses: Sequence[Part]
) -> list[_Try]:
    """Align a part's words with it; where that cannot be, those between its pauses each apart."""
    begin, end = part
    first = max(0.0, begin - _MARGIN)
    found = None
    if words:
        found = recognizer.align(words, sound.samples(first, end + _MARGIN), first)
    if found is not None:
        return [_Try(begin, free, found, _fit(found, free, len(words)))]
    inner = [each for each in pauses if each[0] >= begin - 0.01 and each[1] <= end + 0.01]
    if len(inner) < 2 or not words:
        return [_Try(begin, free, None, [_NOT_FOUND] * len(words))]
    made: list[_Try] = []
    edges = [begin, *((a[1] + b[0]) / 2 for a, b in zip(inner, inner[1:], strict=False)), np.inf]
    split = [
        [h for h in free if a <= h.phone.middle < b] for a, b in zip(edges, edges[1:], strict=False)
    ]
    given = 0
    for each, heard, count in zip(inner, split, _share_out(words, split), strict=True):
        made += _tries(sound, each, heard, words[given : given + count], ())
        given += count
    return made


def _leaving(fits: Sequence[float]) -> int:
    """The word from which on the words fit badly to their end; their number where all fit."""
    if not fits:
        return 0
    tail = np.cumsum((_FITS - np.array(fits))[::-1])[::-1]
    first = int(np.argmax(tail))
    return first if tail[first] > _SURE else len(fits)


def _fit(found: Sequence[Heard], free: Sequence[Heard], count: int) -> list[float]:
    """For each word how much worse a frame it fits than what is heard freely."""
    end = max((h.phone.end for h in (*found, *free)), default=0.0)
    begin = min((h.phone.start for h in (*found, *free)), default=0.0)
    best = np.zeros(round((end - begin) * 100) + 2)
    for h in free:
        a, b = round((h.phone.start - begin) * 100), round((h.phone.end - begin) * 100)
        best[a:b] = h.score / max(1, b - a)
    own, theirs, frames = np.zeros(count), np.zeros(count), np.zeros(count)
    drawn = np.zeros(count)
    for h in found:
        if h.phone.word >= 0:
            a, b = round((h.phone.start - begin) * 100), round((h.phone.end - begin) * 100)
            own[h.phone.word] += h.score
            theirs[h.phone.word] += best[a:b].sum()
            frames[h.phone.word] += b - a
            drawn[h.phone.word] += max(0, b - a - _DRAWN_OUT)
    return list((own - theirs - _TOO_LONG * drawn) / np.maximum(frames, 1))


def _share_out(words: Sequence[Word], heard: Sequence[list[Heard]]) -> list[int]:
    """How many words each part holds: where each word's phones are heard, as far as they are."""
    if len(heard) == 1:
        return [len(words)]
    said = [phone for _, phones in words for phone in phones]
    loud = [(i, h.phone.name) for i, each in enumerate(heard) for h in each]
    loud = [(i, name) for i, name in loud if name != SILENCE]
    if not loud:
        return [len(words)] + [0] * (len(heard) - 1)
    place = _matched([name for _, name in loud], said)
    counts = [0] * len(heard)
    at, last = 0, 0
    for _, phones in words:
        own = [loud[p][0] for p in place[at : at + len(phones)] if p >= 0]
        last = max(last, round(float(np.median(own)))) if own else last
        counts[last] += 1
        at += len(phones)
    return counts


def _matched(loud: Sequence[str], said: Sequence[str]) -> NDArray[np.int64]:
    """For each phone that is said the index of the one that is heard for it, -1 for none.

    The cheapest way of changing one list into the other, within a band around the diagonal.
    """
    names = sorted({*loud, *said})
    cost = np.array([[_unlike(a, b) for b in names] for a in names])
    a = np.array([names.index(name) for name in loud])
    b = np.array([names.index(name) for name in said])
    rows, columns = len(a), len(b)
    width = min(columns + 1, 2 * _BAND)
    starts = [max(0, min(columns + 1 - width, round(i * columns / rows) - width // 2))
              for i in range(rows + 1)]  # fmt: skip
    steps = np.zeros((rows + 1, width), np.uint8)
    ramp = _SKIP * np.arange(width)
    row = ramp + _SKIP * starts[0]
    for i in range(1, rows + 1):
        shift = starts[i] - starts[i - 1]
        above = np.concatenate([row[shift:], np.full(shift, np.inf)])
        before = np.concatenate([[np.inf] if shift == 0 else [row[shift - 1]], above[:-1]])
        column = starts[i] + np.arange(width)
        swap = before + np.where(column > 0, cost[a[i - 1], b[np.maximum(column - 1, 0)]], np.inf)
        down = above + _SKIP
        best = np.minimum(swap, down)
        row = np.minimum.accumulate(best - ramp) + ramp
        steps[i] = np.where(row < best - 1e-9, 2, np.where(swap <= down, 0, 1))
    place = np.full(columns, -1, np.int64)
    i, j = rows, columns
    while i > 0 and j > 0:
        step = steps[i, j - starts[i]] if 0 <= j - starts[i] < width else 1
        if step == 0:
            i, j = i - 1, j - 1
            place[j] = i
        elif step == 1:
            i -= 1
        else:
            j -= 1
    return place


def _unlike(a: str, b: str) -> float:
    if a == b:
        return 0.0
    if (a in LIPS_MEET) and (b in LIPS_MEET):
        return 0.3
    return 0.5 if any(a in kind and b in kind for kind in _ALIKE) else 1.0
