# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing what is delivered, and telling which marks a file carries: there, not there, broken."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from inference.cli import main
from inference.consent import consent_bytes, make_consent, read_consent
from inference.delivery import look_signature
from inference.delivery.c2pa_files import read_signed
from inference.delivery.certificate import FOLDER_VARIABLE, KEY
from inference.delivery.found import open_target
from inference.delivery.sign import changed_files, sign
from inference.delivery.verify import ALL, NONE, SOME, WRONG, verify, worst
from inference.demo import CONSENT, PORTRAIT, TRACK
from inference.errors import InputError
from inference.frames import encode_frame
from inference.jobs import SignJob, SynthesizeJob
from inference.pictures import read_picture
from inference.provenance.facts import COMPOSITE, SOURCE_TYPES, Facts, packet, parse_packet
from inference.provenance.xmp import as_box, find_xmp
from inference.sidecar import known_placement
from inference.synthesis import synthesize
from tests.movies import write_movie

JOB = SynthesizeJob(
    (PORTRAIT,), TRACK, Path("out"), neutral=12, frames=(0, 1), provider="cpu",
    consent=read_consent(CONSENT),
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two head frames, made with consent."""
    out = tmp_path_factory.mktemp("made") / "head"
    synthesize(replace(JOB, out=out))
    return out


@pytest.fixture
def head(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "head"))


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "keys"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def movie(head: Path) -> Path:
    """A movie of them, as it is rendered."""
    frames = [np.full((64, 96, 3), value, np.uint8) for value in (10, 120, 240)]
    path = write_movie(head.parent / "a.mp4", frames)
    with path.open("ab") as file:
        file.write(as_box(str(known_placement(head)["xmp"]).encode()))
    return path


def states(path: Path) -> dict[str, str]:
    return {found.layer: found.state for found in verify(path).layers}


def unbroken(path: Path) -> list[str]:
    return [layer for layer, state in states(path).items() if state == "present"]


def words(path: Path, layer: str) -> str:
    return next(found.words for found in verify(path).layers if found.layer == layer)


def test_a_folder_is_told_with_its_signature_and_without(head: Path, keys: Path) -> None:
    found = {"metadata": "present", "consent": "present", "signature": "absent", "pixels": "absent"}
    assert states(head) == found  # in two frames no mark of the pixels can be read
    assert verify(head).code == SOME
    sheet = sign(SignJob(head))
    assert sheet == head / "credentials.png"
    assert states(head) == found | {"signature": "present"}
    assert words(head, "signature") == "made on this machine; 2 files are as they were"
    assert (keys / KEY).stat().st_mode & 0o777 == 0o600
    assert not list(head.glob("*.key"))
    assert b"Collins" not in sheet.read_bytes()

    signed = read_signed(sheet)
    assert signed is not None
    said = {action["action"] for action in signed.assertions["c2pa.actions.v2"]["actions"]}
    assert {"c2pa.created", "c2pa.placed", "likeness.synthesized"} <= said
    keys.rename(keys.with_name("elsewhere"))
    assert words(head, "signature").startswith("signed, signer unknown: ")
    assert states(head)["signature"] == "present"


def test_an_edited_frame_and_an_edited_record_are_broken(head: Path) -> None:
    sign(SignJob(head))
    frame = head / "head_000001.png"
    whole = frame.read_bytes()
    frame.write_bytes(whole[:-200] + bytes(8) + whole[-192:])
    assert states(head)["signature"] == "broken"
    assert "1 of 2 files were changed or are gone, such as head_000001.png" in words(
        head, "signature"
    )
    frame.write_bytes(whole)
    assert states(head)["signature"] == "present"
    record = head / "consent.json"
    record.write_bytes(consent_bytes(replace(read_consent(record), who="Somebody Else")))
    assert states(head)["consent"] == "broken"
    assert verify(head).code == WRONG


def test_a_signed_movie_is_told_and_one_changed_byte_too(movie: Path, head: Path) -> None:
    before = movie.read_bytes()
    signed = sign(SignJob(movie, head=head, driver=movie))
    assert (signed.name, movie.read_bytes()) == ("a.signed.mp4", before)
    assert unbroken(signed) == ["metadata", "consent", "signature"]
    data = bytearray(signed.read_bytes())
    data[data.index(b"mdat") + 40] ^= 1
    signed.write_bytes(data)
    assert states(signed)["signature"] == "broken"
    with pytest.raises(InputError, match="is not a file that was signed here"):
        sign(SignJob(movie))  # it is not what was signed: nobody knows what it is


def test_a_signature_of_before_becomes_the_parent(movie: Path) -> None:
    first = sign(SignJob(movie))
    second = sign(SignJob(first, out=movie.with_name("b.mp4")))
    read = read_signed(second)
    assert read is not None
    assert read.valid
    assert read.assertions["c2pa.actions.v2"]["actions"][0]["action"] == "c2pa.opened"


def test_what_an_encoder_threw_away_is_put_back_by_the_head_frames(movie: Path, head: Path) -> None:
    coded = movie.with_name("coded.mp4")
    with av.open(str(movie)) as source, av.open(str(coded), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for part in source.demux(video=0):
            if part.dts is not None:
                part.stream = stream
                out.mux(part)
    assert verify(coded).code == NONE
    assert verify(coded).lines()[0] == f"{coded}: no mark found"
    with pytest.raises(InputError, match="name the head frames"):
        sign(SignJob(coded))
    signed = sign(SignJob(coded, head=head))
    assert unbroken(signed) == ["metadata", "consent", "signature"]
    said = parse_packet(find_xmp(signed) or b"")
    assert said["DigitalSourceType"] == SOURCE_TYPES + COMPOSITE


def test_what_was_coded_again_is_told_by_its_pixels_alone(tmp_path: Path) -> None:
    """A second of a signed movie has all layers; coded again and half as large it keeps one."""
    portrait = tmp_path / "p.png"
    picture = cv2.imread(str(PORTRAIT))[:290, 80:370]
    assert cv2.imwrite(str(portrait), cv2.resize(picture, None, fx=2, fy=2))
    job = replace(
        JOB, portrait=(portrait,), out=tmp_path / "head", frames=(110, 134), layer="full", box=True,
        consent=make_consent([portrait], "Eileen Collins", "LICENSED"),
    )  # fmt: skip
    synthesize(job)
    frames = [read_picture(path).rgb8() for path in sorted(job.out.glob("full_*.png"))]
    signed = sign(SignJob(write_movie(tmp_path / "a.mp4", frames), head=job.out))
    assert verify(signed).code == ALL
    assert verify(sign(SignJob(job.out)).parent).code == ALL

    small = [cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for f in frames]
    again = write_movie(tmp_path / "small.mp4", small)
    assert unbroken(again) == ["pixels"]
    named = read_picture(portrait).sha256[:8]
    assert words(again, "pixels") == f"portrait {named}, in 1 of 1 seconds"
    with again.open("ab") as file:  # somebody says that it is another person's
        file.write(as_box(packet(Facts(COMPOSITE, "ab" * 32, "cd" * 32))))
    assert states(again)["pixels"] == "broken"


def test_a_preview_is_not_signed(tmp_path: Path) -> None:
    job = replace(JOB, out=tmp_path / "preview", consent=None, preview=True, frames=(0, 0))
    synthesize(job)
    with pytest.raises(InputError, match="previews, which are not signed"):
        sign(SignJob(job.out))
    assert "a preview" in words(job.out, "metadata")


def test_exit_codes_and_json(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain.png"
    plain.write_bytes(encode_frame(np.zeros((40, 40, 3), np.uint8), None, "png"))
    assert main(["verify", str(plain)]) == NONE
    assert "no mark found" in capsys.readouterr().out
    assert main(["verify", "--json", str(plain), str(head)]) == SOME
    found = json.loads(capsys.readouterr().out)
    assert [report["code"] for report in found] == [NONE, SOME]
    assert found[1]["layers"][0]["values"]["marked"] == 2
    assert main(["verify", str(tmp_path / "nothing.png")]) == 2
    assert worst([verify(plain), verify(plain)]) == NONE


@pytest.mark.parametrize(
    "listed",
    [None, {"files": []}, {"files": "a"}, {"files": [["../head.json", "0"]]}, {"files": [[1, 2]]},
     {"files": [["/etc/passwd", "0"]]}, {"files": [[".."]]}],
)  # fmt: skip
def test_a_list_that_leads_out_of_its_folder_is_refused(listed: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        changed_files(tmp_path, listed)


def test_what_does_not_say_that_it_was_made_here_is_not_signed(head: Path) -> None:
    (head / "elsewhere.png").write_bytes(encode_frame(np.zeros((4, 4, 3), np.uint8), None, "png"))
    with pytest.raises(InputError, match="1 of 3 files do not say"):
        sign(SignJob(head))


def test_another_key_s_signature_is_somebody_else_s(movie: Path, keys: Path) -> None:
    signed = sign(SignJob(movie))
    assert "made on this machine" in words(signed, "signature")
    shutil.move(keys, keys.with_name("others"))
    second = movie.with_name("b.mp4")
    shutil.copyfile(movie, second)
    sign(SignJob(second))
    assert "signer unknown" in words(signed, "signature")


def test_a_studio_s_certificate_without_its_key_is_kept(movie: Path, keys: Path) -> None:
    keys.mkdir()
    (keys / "signing.pem").write_bytes(b"a studio's chain")
    with pytest.raises(InputError, match="its key is missing"):
        sign(SignJob(movie))
    assert (keys / "signing.pem").read_bytes() == b"a studio's chain"


def test_a_key_that_others_can_read_is_not_used(movie: Path, keys: Path) -> None:
    sign(SignJob(movie))
    (keys / KEY).chmod(0o644)
    with pytest.raises(InputError, match="others can read this key"):
        sign(SignJob(movie))


def test_a_broken_signature_is_broken_and_nothing_worse(movie: Path) -> None:
    """Hostile input: a signed file cut, and with its manifest's bytes thrown about."""
    whole = sign(SignJob(movie)).read_bytes()
    at = whole.index(b"jumb")
    rng = np.random.default_rng(0)
    path = movie.with_name("hostile.mp4")
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(at - 40, at + 3000, 5):
            data[place] = rng.integers(256)
        path.write_bytes(data[: rng.integers(at, len(data))] if rng.random() < 0.3 else data)
        assert look_signature.look(open_target(path)).state in ("present", "absent", "broken")
