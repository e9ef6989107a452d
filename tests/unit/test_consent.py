# SPDX-License-Identifier: GPL-3.0-or-later
"""Consent: what a record needs, which pictures it speaks of, and what is made without one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.cli import main
from inference.consent import Consent, consent_bytes, make_consent, read_consent
from inference.demo import CONSENT, PORTRAIT, TRACK
from inference.errors import InputError
from inference.jobs import SynthesizeJob, parse_job
from inference.pictures import read_picture
from inference.provenance.facts import parse_packet
from inference.provenance.xmp import find_xmp
from inference.synthesis import synthesize

JOB = SynthesizeJob((PORTRAIT,), TRACK, Path("out"), neutral=12, frames=(0, 0), provider="cpu")
NOTE = "Painted by Leonardo, 1503"


def made(basis: str = "OWN", note: str = "", who: str = "Ann") -> Consent:
    return make_consent([PORTRAIT], who, basis, note)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ann.consent.json"
    command = ["consent", str(PORTRAIT), "--who", "Ann É", "--basis", "AGREED"]
    assert main([*command, "--document", str(PORTRAIT), "--out", str(path)]) == 0
    record = read_consent(path)
    digest = read_picture(PORTRAIT).sha256
    assert (record.who, record.pictures, record.document) == ("Ann É", (digest,), digest)
    assert json.loads(path.read_text("utf-8"))["id"] == record.id
    assert replace(record, note="more").id != record.id
    assert replace(record, salt="other").id != record.id


@pytest.mark.parametrize("basis", ["HISTORIC", "FICTION"])
@pytest.mark.parametrize("note", ["", "Louvre", "Louvre, 1503"])
def test_where_nobody_agreed_a_sentence_is_needed(basis: str, note: str) -> None:
    with pytest.raises(InputError, match="needs a sentence"):
        made(basis, note)
    assert made(basis, NOTE).note == NOTE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no consent record"),
        (b"[1]", "does not say that it is one"),
        (b'{"likeness_consent": 1, "pictures": "a"}', "no list of hashes"),
        (b'{"likeness_consent": 1, "pictures": [], "who": {}}', "not all of it is text"),
        (b'{"likeness_consent": 1, "pictures": ["a"], "who": "A", "basis": "OWN"}', "a date"),
        (consent_bytes(replace(made(), basis="")), "a basis"),
        (consent_bytes(replace(made(), who=" ")), "a name"),
        (consent_bytes(replace(made(), pictures=("..",))), "64 hexadecimal"),
        (consent_bytes(replace(made(), note="x" * 5000)), "5000 letters"),
    ],
)
def test_what_is_no_record_is_refused_in_a_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "consent.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_consent(path)
    assert str(path) in str(refused.value)


def test_a_record_for_another_picture_is_refused(tmp_path: Path) -> None:
    other = Consent("Ann", "OWN", "2026-11-28", ("ab" * 32,))
    with pytest.raises(InputError, match="is for other pictures, or the file has changed"):
        synthesize(replace(JOB, out=tmp_path / "out", consent=other))
    assert not (tmp_path / "out").exists()


def test_a_job_without_consent_is_a_preview() -> None:
    job = {"do": "synthesize", "portrait": ["a.png"], "track": "a.npz", "out": "b"}
    asked = parse_job(job)
    assert isinstance(asked, SynthesizeJob)
    assert asked.preview
    record = {"who": "A", "basis": "OWN", "date": "2026-11-28", "pictures": ["ab" * 32]}
    agreed = parse_job({**job, "consent": record})
    assert isinstance(agreed, SynthesizeJob)
    assert (agreed.preview, agreed.consent) == (
        False,
        Consent("A", "OWN", "2026-11-28", ("ab" * 32,)),
    )


def test_frames_without_consent_say_so_in_pixels_and_with_it_bring_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["synthesize", "--portrait", str(PORTRAIT), "--track", str(TRACK), "--out", str(out)]
    command += ["--neutral", "12", "--frames", "0-0", "--provider", "cpu"]
    assert main(command) == 0
    assert "these are previews" in capsys.readouterr().out
    frame = out / "head_000000.png"
    preview = read_picture(frame)
    facts = parse_packet(find_xmp(frame) or b"")
    assert (facts["Preview"], facts["Consent"]) == ("True", "none")
    assert not (out / "consent.json").exists()

    assert main([*command, "--consent", str(CONSENT)]) == 0
    assert "preview" not in capsys.readouterr().out
    final = read_picture(frame)
    facts = parse_packet(find_xmp(frame) or b"")
    assert (facts["Preview"], facts["Consent"]) == ("False", read_consent(CONSENT).id)
    assert b"Collins" not in frame.read_bytes()
    assert read_consent(out / "consent.json") == read_consent(CONSENT)

    assert preview.alpha is not None
    assert final.alpha is not None
    changed = (preview.rgb != final.rgb).any(axis=2) | (preview.alpha != final.alpha)
    rows, columns = np.nonzero(changed)
    side = changed.shape[0]
    assert 0.01 < changed.mean() < 0.06
    assert np.ptp(columns) > 0.2 * side
    assert rows.min() > 0.6 * side  # below the face


def test_a_stranger_s_record_in_the_folder_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    synthesize(replace(JOB, out=out))
    (out / "consent.json").write_text("mine")
    with pytest.raises(InputError, match="was not made by Likeness"):
        synthesize(replace(JOB, out=out, consent=read_consent(CONSENT)))
    assert (out / "consent.json").read_text() == "mine"
