# SPDX-License-Identifier: GPL-3.0-or-later
"""Consent: whose face a portrait shows, and on what ground it may be animated.

The record goes with the frames as `consent.json`. The frames themselves hold its id alone, a hash
of all that is in it, so that no name travels in them and an edited record no longer fits.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from inference.errors import InputError
from inference.inputs import read_bytes, read_json

RECORD = "consent.json"
PREVIEWS = (
    "these are previews and say so in their pixels: for final frames record consent "
    "(python -m inference consent) and give it with --consent"
)
BASES = {
    "OWN": "your own face",
    "AGREED": "the person agreed, in writing",
    "LICENSED": "a contract or a licence of the picture covers it",
    "HISTORIC": "a historic person, from a picture in the public domain",
    "FICTION": "a painted, sculpted or rendered person who never lived",
}
NEED_A_SENTENCE = ("HISTORIC", "FICTION")
_FEWEST_WORDS = 3  # of a sentence
_LONGEST = 2000  # characters of a text
_MOST_PICTURES = 1000
_LARGEST = 1 << 30  # bytes of a picture or a document
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Consent:
    """who: whose face. basis: one of BASES. date: of the record, ISO. pictures: SHA-256 of the
    files that it speaks of. note: a sentence, or where the agreement is kept. document: SHA-256 of
    it, or "". salt: random, so that nobody finds a name by trying which one fits the id.
    """

    who: str
    basis: str
    date: str
    pictures: tuple[str, ...]
    note: str = ""
    document: str = ""
    salt: str = ""

    @property
    def id(self) -> str:
        """32 hexadecimal digits; another record has another."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_consent(
    pictures: list[Path], who: str, basis: str, note: str = "", document: Path | None = None
) -> Consent:
    """A record of today for these files. Raises InputError for what is missing in it."""
    hashes = tuple(
        hashlib.sha256(read_bytes(path, "picture", "check its name", _LARGEST)).hexdigest()
        for path in pictures
    )
    kept = ""
    if document:
        data = read_bytes(document, "document", "check its name", _LARGEST)
        kept = hashlib.sha256(data).hexdigest()
    today, salt = date.today().isoformat(), secrets.token_hex(8)
    made = Consent(who.strip(), basis, today, hashes, note.strip(), kept, salt)
    check_consent(made, "the consent record")
    return made


def read_consent(path: Path) -> Consent:
    """A record from a file. Raises InputError where it is none, or something is missing in it."""
    advice = "make one with `python -m inference consent`"
    try:
        content = read_json(path, "consent record", advice)
        return parse_consent(content)
    except ValueError as error:
        raise InputError(f"{path}: is no consent record ({error}); {advice}") from None


def is_consent(path: Path) -> bool:
    """Does a file hold a record?"""
    try:
        read_consent(path)
    except InputError:
        return False
    return True


def parse_consent(content: object) -> Consent:
    """A record from its JSON. Raises ValueError where it is none."""
    if not isinstance(content, Mapping) or content.get("likeness_consent") != 1:
        raise ValueError("it does not say that it is one")
    given: dict[str, Any] = {field.name: content.get(field.name, "") for field in fields(Consent)}
    pictures = given.pop("pictures")
    if not isinstance(pictures, list) or not all(isinstance(p, str) for p in pictures):
        raise ValueError("its pictures are no list of hashes")
    if not all(isinstance(value, str) for value in given.values()):
        raise ValueError("not all of it is text")
    made = Consent(pictures=tuple(pictures), **given)
    try:
        check_consent(made, "it")
    except InputError as error:
        raise ValueError(str(error)) from None
    return made


def consent_bytes(consent: Consent) -> bytes:
    """The record as a file."""
    content = {"likeness_consent": 1, "id": consent.id, **asdict(consent)}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def check_consent(consent: Consent, what: str) -> None:
    """Raises InputError for the first thing that a record lacks. what: how the line names it."""
    if not consent.who.strip():
        raise InputError(f"{what} needs a name: say whose face this is")
    if consent.basis not in BASES:
        raise InputError(f"{what} needs a basis: one of {', '.join(BASES)}")
    if consent.basis in NEED_A_SENTENCE and not is_sentence(consent.note):
        raise InputError(
            f"{what} needs a sentence: on the basis {consent.basis} the note must say who this "
            "is and why the picture may be used"
        )
    for text in (consent.who, consent.note, consent.salt):
        if len(text) > _LONGEST:
            raise InputError(f"{what} has a text of {len(text)} letters; keep it below {_LONGEST}")
    try:
        date.fromisoformat(consent.date)
    except ValueError:
        raise InputError(f"{what} needs a date such as 2026-11-28") from None
    if not 0 < len(consent.pictures) <= _MOST_PICTURES:
        raise InputError(f"{what} must speak of 1 to {_MOST_PICTURES} pictures")
    for digest in (*consent.pictures, *filter(None, [consent.document])):
        if not _SHA256.fullmatch(digest):
            raise InputError(f"{what} needs SHA-256 hashes of 64 hexadecimal digits")


def is_sentence(note: str) -> bool:
    """Does a note say something, in three words or more?"""
    return len(note.split()) >= _FEWEST_WORDS


def check_covers(consent: Consent, pictures: Mapping[Path, str]) -> None:
    """Raises InputError unless the record speaks of each of these files. pictures: their hashes."""
    for path, digest in pictures.items():
        if digest not in consent.pictures:
            raise InputError(
                f"{path}: the consent record is for other pictures, or the file has changed since; "
                "record consent to this one"
            )
