# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from outside: text in the encodings that people have, the hash of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from inference.inputs import parse_text, sha256_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_is_read_in_the_encodings_that_people_have(encoding: str) -> None:
    assert parse_text("0 1 Grüße\n".encode(encoding)) == "0 1 Grüße\n"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        parse_text(b"RIFF\0\0\xff")


def test_the_hash_of_several_files_is_that_of_all_their_bytes(tmp_path: Path) -> None:
    parts = [b"a" * 300_000, b"", b"b"]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    assert sha256_of(*paths) == hashlib.sha256(b"".join(parts)).hexdigest()
    assert sha256_of(paths[2]) == hashlib.sha256(b"b").hexdigest()
