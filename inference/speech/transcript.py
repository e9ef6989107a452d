# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said, from text to words with phones: numbers, abbreviations, words no dictionary has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from inference.errors import InputError
from inference.speech.spelling import spelled_out

Lookup = Callable[[str], list[str] | None]  # a word in lower case -> its phones
Word = tuple[str, list[str]]

MOST_WORDS = 100_000
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINAL = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_SHORT = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor",
    "jr": "junior", "sr": "senior", "vs": "versus", "etc": "et cetera", "dept": "department",
    "capt": "captain", "gen": "general", "sgt": "sergeant", "gov": "governor", "rev": "reverend",
    "approx": "approximately", "min": "minutes", "oz": "ounces", "lb": "pounds", "ft": "feet",
    "km": "kilometers", "kg": "kilograms", "cm": "centimeters", "mm": "millimeters",
}  # fmt: skip
# With a full stop behind them alone; else they are words or names of their own.
_WITH_STOP = {"st": "saint", "no": "number", "fig": "figure", "ave": "avenue", "mt": "mount"}
_SIGNS = {
    "&": " and ",
    "%": " percent ",
    "+": " plus ",
    "=": " equals ",
    "@": " at ",
    "°": " degrees ",
}
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds"}
_TOKEN = re.compile(
    r"[$€£]?\d+(?:,\d{3})*(?:\.\d+)?(?:st|nd|rd|th|s)?|[A-Za-z]+(?:'[A-Za-z]+)*\.?", re.ASCII
)


def read_words(text: str, lookup: Lookup) -> list[Word]:
    """The words that a speaker of English says for a text, each with its phones.

    Raises InputError for a text without any, in other letters, or longer than four hours' speech.
    """
    plain = _plain(text)
    words: list[Word] = []
    for token in _TOKEN.findall(plain):
        for word in _said(token, lookup):
            phones = lookup(word) or spelled_out(word, lookup)
            if phones:
                words.append((word, phones))
        if len(words) > MOST_WORDS:
            raise InputError(f"the transcript has more than {MOST_WORDS} words; cut it")
    letters = sum(sign.isalpha() for sign in text)
    latin = sum(sign.isascii() and sign.isalpha() for sign in plain)
    if letters and latin < letters / 2:
        raise InputError(
            "the transcript is not in English letters; leave it out, or give a timed text"
        )
    if not words:
        raise InputError("the transcript is empty, no word is in it; leave it out")
    return words


def _plain(text: str) -> str:
    """Latin letters without accents, one kind of apostrophe; nothing that stands in brackets."""
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>", " ", text)
    text = text.translate({0x2019: "'", 0x2018: "'", 0x02BC: "'"})
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    whole = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(sign for sign in whole if not unicodedata.combining(sign))


def _said(token: str, lookup: Lookup) -> list[str]:
    """The words in lower case that one piece of a text stands for."""
    if token[-1].isdigit() or token[0].isdigit() or token[0] in _MONEY:
        return number_words(token)
    stop = token.endswith(".")
    bare = token.removesuffix(".")
    word = bare.lower()
    if (word in _SHORT and lookup(word) is None) or word in ("dr", "mr", "mrs", "ms", "vs"):
        return _SHORT[word].split()
    if stop and word in _WITH_STOP and bare[0].isupper():
        return [_WITH_STOP[word]]
    if 1 < len(bare) <= 5 and bare.isupper() and lookup(word) is None:
        return [f"{letter}." if lookup(f"{letter}.") else letter for letter in word]
    return [word]


def number_words(token: str) -> list[str]:
    """A number as it is said: 42, 1,250, 3.14, 1984, 21st, 1990s, $5."""
    found = re.fullmatch(r"([$€£]?)([\d,]+)(?:\.(\d+))?(st|nd|rd|th|s)?", token)
    if not found:
        return []
    money, digits, decimals, ending = found.groups()
    bare = digits.replace(",", "")
    if not bare:
        return []
    number = int(bare[:15])
    year = len(bare) == 4 and "," not in digits and not money and not decimals
    if year and 1100 <= number <= 2099 and not 2000 <= number <= 2009 and number % 1000:
        words = _year(number)
    elif (bare[0] == "0" and len(bare) > 1) or len(bare) > 12:
        words = [_ONES[int(digit)] for digit in bare]
    else:
        words = _cardinal(number)
    if money and decimals and len(decimals) == 2:
        cents = _cardinal(int(decimals))
        return [*words, _MONEY[money], *cents]
    if decimals:
        words = [*words, "point", *(_ONES[int(digit)] for digit in decimals)]
    if money:
        words = [*words, "dollar" if number == 1 and money == "$" else _MONEY[money]]
    if ending == "s":
        last = words[-1]
        words = [*words[:-1], last[:-1] + "ies" if last.endswith("y") else last + "s"]
    elif ending:
        last = words[-1]
        ordinal = last[:-1] + "ieth" if last.endswith("y") else last + "th"
        words = [*words[:-1], _ORDINAL.get(last, ordinal)]
    return words


def _year(number: int) -> list[str]:
    high, low = divmod(number, 100)
    if not low:
        return [*_cardinal(high), "hundred"]
    return [*_cardinal(high), *(["oh"] if low < 10 else []), *_cardinal(low)]


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [_TENS[tens - 2], *([_ONES[ones]] if ones else [])]
    for scale, name in _SCALES:
        if number >= scale:
            many, rest = divmod(number, scale)
            return [*_cardinal(many), name, *(_cardinal(rest) if rest else [])]
    return []
