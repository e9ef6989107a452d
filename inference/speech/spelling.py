# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones of words that the dictionary lacks: from its parts, else from how it is spelled.

English spelling is no rule, but the lips seldom depend on what it hides: p, b, m, f, v, w and the
round vowels are mostly written as they are said.
"""

from __future__ import annotations

from collections.abc import Callable

Lookup = Callable[[str], list[str] | None]

_SHORTEST_PART = 3
# The longest that fits is taken, from left to right; "^" is the word's beginning, "$" its end.
_RULES = {
    "^kn": "N", "^gn": "N", "^wr": "R", "^ps": "S", "^x": "Z", "^mc": "M AH K", "^y": "Y",
    "tion": "SH AH N", "sion": "ZH AH N", "cious": "SH AH S", "tious": "SH AH S", "ture": "CH ER",
    "ough": "AO", "augh": "AO", "igh": "AY", "eigh": "EY", "tch": "CH", "dge": "JH", "sch": "SH",
    "ing$": "IH NG", "ed$": "D", "es$": "IH Z", "le$": "AH L", "mb$": "M", "que$": "K", "e$": "",
    "a$": "AH", "y$": "IY", "o$": "OW", "i$": "IY",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "gh": "G", "ck": "K", "ng": "NG",
    "qu": "K W", "sc": "S K", "ce": "S EH", "ci": "S IH", "cy": "S IY", "ge": "JH EH",
    "gi": "JH IH",
    "ai": "EY", "ay": "EY", "ea": "IY", "ee": "IY", "ei": "EY", "ey": "IY", "ie": "IY", "oa": "OW",
    "oe": "OW", "oi": "OY", "oy": "OY", "oo": "UW", "ou": "AW", "ow": "OW", "au": "AO", "aw": "AO",
    "eu": "Y UW", "ew": "UW", "ui": "UW", "ue": "UW",
    "ar": "AA R", "er": "ER", "ir": "ER", "or": "AO R", "ur": "ER",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z",
}  # fmt: skip
_ENDINGS = (
    ("'s", ["Z"]), ("s'", ["Z"]), ("ing", ["IH", "NG"]), ("ed", ["D"]), ("er", ["ER"]),
    ("ers", ["ER", "Z"]), ("es", ["IH", "Z"]), ("s", ["Z"]), ("ly", ["L", "IY"]),
    ("ness", ["N", "AH", "S"]), ("less", ["L", "AH", "S"]),
)  # fmt: skip


def spelled_out(word: str, lookup: Lookup) -> list[str]:
    """Phones of a word in lower case, a to z and apostrophes; [] where nothing of it is said."""
    for ending, phones in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _SHORTEST_PART:
            continue
        for whole in (stem, stem + "e", stem[:-1]):  # talked, moved, stopped
            known = lookup(whole) if len(whole) >= _SHORTEST_PART else None
            if known and (whole != stem[:-1] or stem[-1] == stem[-2]):
                return [*known, *phones]
    for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return [*first, *second]
    return _by_rules(word.replace("'", ""))


def _by_rules(word: str) -> list[str]:
    phones: list[str] = []
    at = 0
    while at < len(word):
        for length in range(min(5, len(word) - at), 0, -1):
            part = word[at : at + length]
            said = _rule(part, at == 0, at + length == len(word))
            if said is not None:
                new = said.split()
                # A doubled letter is said once.
                phones += new[1:] if new and phones[-1:] == new[:1] else new
                at += length
                break
        else:
            at += 1
    return phones


def _rule(part: str, begins: bool, ends: bool) -> str | None:
    if begins and (said := _RULES.get(f"^{part}")) is not None:
        return said
    if ends and not begins and (said := _RULES.get(f"{part}$")) is not None:
        return said
    return _RULES.get(part)
