# SPDX-License-Identifier: GPL-3.0-or-later
"""Personalization: what is held back stays unseen, worse is never kept, and a run can be broken."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.cli import main
from export.networks.embedder import WarpEmbedder
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.personalization import personalize as loop
from export.personalization.folder import write_person
from export.personalization.judge import Judge
from export.personalization.pairs import Pairs
from export.personalization.personalize import Personalized, embed, personalize
from export.personalization.pictures import lay_out, open_pictures
from export.personalization.progress import StepLine
from export.training.render import render, view_batch
from inference.composite import confine
from inference.errors import InputError
from inference.frames import encode_frame
from inference.generator.model import GeneratorOutput, load_generator
from inference.generator.person import GENERATOR, IDENTITY, PERSON, UNFINISHED, open_person
from inference.jobs import SynthesizeJob
from inference.outputs import RECORD
from inference.sessions import MODELS
from inference.synthesis import synthesize
from tests.person import PORTRAIT, TRACK, four_pictures, plan
from tests.strangers import NEAR_MISSES, plant


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somewhat trained, so to say: every layer has a say, yet the warp is hardly touched."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "c.pt", noise=0.002)


def write_checkpoint(path: Path, noise: float) -> Path:
    torch.manual_seed(4)
    generator, embedder = WarpGenerator(TIER_CONFIGS["draft"]), WarpEmbedder()
    nn.init.normal_(generator.flow_head.conv.weight, std=0.01)
    nn.init.normal_(generator.picture_head.conv.weight, std=noise)
    content = {
        "generator": generator.state_dict(),
        "embedder": embedder.state_dict(),
        "training": "a test's idea of training",
    }
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return four_pictures(tmp_path_factory.mktemp("pictures"))


def weights(made: Personalized) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in made.generator.parameters()])


def test_it_is_judged_by_what_is_kept_of_the_answer_at_inference(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path: Path
) -> None:
    """A generator that paints everything grey: beyond the face it changes nothing."""
    pairs = Pairs(
        lay_out(open_pictures(pictures, None, lambda done, total: None)),
        plan(pictures, tmp_path, checkpoint),
    )
    for batch in (*pairs.judging(), *pairs.driven(4)):
        view = view_batch(batch, torch.device("cpu"), None)
        count, size = len(view.target), view.target.shape[-1]
        grey = torch.full_like(view.target, 0.5)
        nothing = torch.zeros(count, 1, size, size)
        flow = torch.zeros(count, 2, size // 4, size // 4)
        made = render((flow, grey, nothing, nothing), view)
        for i in range(count):
            answer = GeneratorOutput(
                np.zeros((size // 4, size // 4, 2), np.float32),
                np.full((size, size, 3), 0.5, np.float32),
                np.zeros((size, size), np.float32),
                np.zeros((size, size), np.float32),
            )
            points = batch["points"][i, :, :2].numpy()
            alpha = confine(answer, points).alpha[None]
            wanted = alpha * view.picture[i, :3].numpy() + (1 - alpha) * 0.5
            assert alpha.min() < 0.01
            assert np.abs(made.result[i].numpy() - wanted).mean() * 255 < 0.1


def test_a_single_picture_is_folded_in_and_not_trained_on(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path: Path
) -> None:
    config = plan(pictures[:1], tmp_path, checkpoint)
    made = personalize(config)
    assert (made.better, made.steps, made.after) == (False, 0, made.before)
    for kept, begun in zip(
        made.generator.parameters(), made.feed_forward.parameters(), strict=True
    ):
        assert torch.equal(kept, begun)
    assert made.identity.any()
    write_person(made, config)
    assert "Nothing was trained" in (tmp_path / "card.md").read_text(encoding="utf-8")


def test_a_run_that_only_gets_worse_keeps_feed_forward_and_says_so(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path: Path
) -> None:
    config = replace(plan(pictures[:2], tmp_path, checkpoint), rate=0.3, pull=0.0)
    made = personalize(config)
    assert not made.better
    assert made.after == made.before
    write_person(made, config)
    said = json.loads((tmp_path / PERSON).read_text(encoding="utf-8"))
    assert said["personalized"] is False
    assert "feed-forward" in (tmp_path / "card.md").read_text(encoding="utf-8")

    generator = WarpGenerator(TIER_CONFIGS["draft"]).eval()
    generator.load_state_dict(torch.load(checkpoint, weights_only=True)["generator"])
    picture = np.random.default_rng(0).random((11, 256, 256), np.float32)
    with torch.inference_mode():
        wanted = generator(torch.from_numpy(picture)[None], made.identity[None])[1]
    answer = load_generator(tmp_path / GENERATOR, "cpu").run(picture)
    np.testing.assert_allclose(answer.colour, np.moveaxis(wanted[0].numpy(), 0, -1), atol=5e-3)


def test_what_is_kept_is_better_and_no_figure_is_worse(
    pictures: tuple[Path, ...], tmp_path: Path
) -> None:
    """From so much noise on its heads there is something to gain at once."""
    checkpoint = write_checkpoint(tmp_path / "c.pt", noise=0.01)
    made = personalize(replace(plan(pictures, tmp_path, checkpoint), steps=12, rate=1e-3))
    assert made.better
    assert made.after.error < made.before.error
    for name in ("face", "mouth", "eyes"):
        assert getattr(made.after, name) <= 1.01 * getattr(made.before, name), name
    # The figures are those of the generator that is returned.
    assert made.judge.look(made.generator).plain() == pytest.approx(made.after.plain(), rel=1e-4)


def test_only_a_share_of_the_change_is_kept(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "no_worse", lambda judge, figures: True)
    monkeypatch.setattr(Judge, "score", lambda judge, figures: float(figures is judge.before))
    once = replace(plan(pictures, tmp_path, checkpoint), steps=6, rate=4e-3, judge_every=6)
    whole = personalize(replace(once, out=tmp_path / "whole", keep=1.0))
    part = personalize(replace(once, out=tmp_path / "part", keep=0.25))
    assert whole.better and part.better
    start = torch.cat([p.detach().flatten() for p in whole.feed_forward.parameters()])
    assert (weights(whole) - start).abs().max() > 1e-4
    torch.testing.assert_close(
        weights(part) - start, 0.25 * (weights(whole) - start), rtol=1e-2, atol=1e-6
    )


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As long as the number of steps that were trained."""
    steps: list[int] = []
    loss = loop._loss

    def count(*arguments: Any) -> torch.Tensor:
        steps.append(1)
        return loss(*arguments)

    monkeypatch.setattr(loop, "_loss", count)
    return steps


def test_an_interrupted_run_goes_on_as_if_unbroken(
    pictures: tuple[Path, ...],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: list[int],
) -> None:
    whole = personalize(plan(pictures, tmp_path / "whole", checkpoint))
    config = plan(pictures, tmp_path / "broken", checkpoint)

    def interrupt(line: StepLine, done: int, gain: float | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StepLine, "show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            personalize(config)
    assert {path.name for path in config.out.iterdir()} == {RECORD, UNFINISHED}

    trained.clear()
    again = personalize(config)
    assert len(trained) == 2, "it goes on from the last judgement"
    assert torch.equal(weights(again), weights(whole))
    assert again.after == whole.after


def test_a_torn_or_foreign_rest_of_a_run_is_not_gone_on_with(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path: Path, trained: list[int]
) -> None:
    once = replace(plan(pictures[:2], tmp_path, checkpoint), steps=1, judge_every=1)
    personalize(once)
    rest = (tmp_path / UNFINISHED).read_bytes()
    personalize(once)
    assert len(trained) == 1, "its own rest is"
    personalize(replace(once, seed=1))
    assert len(trained) == 2
    (tmp_path / UNFINISHED).write_bytes(rest[: len(rest) // 2])
    personalize(once)
    assert len(trained) == 3


@pytest.fixture(scope="module")
def person(
    pictures: tuple[Path, ...], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A person's folder, by the command line."""
    out = tmp_path_factory.mktemp("person") / "it is her"
    strangers = plant(out)
    command = ["personalize", "--out", str(out), "--checkpoint", str(checkpoint), "--steps", "2"]
    assert main([*command, "--portrait", *map(str, pictures[:2])]) == 0
    strangers.check()
    return out


def test_without_a_checkpoint_it_begins_with_the_shipped_model(
    pictures: tuple[Path, ...], tmp_path: Path
) -> None:
    out = tmp_path / "her"
    assert (
        main(
            [
                "personalize",
                "--out",
                str(out),
                "--steps",
                "1",
                "--portrait",
                *map(str, pictures[:2]),
            ]
        )
        == 0
    )
    shipped = MODELS / "warp-draft.onnx"
    said = json.loads((out / PERSON).read_text(encoding="utf-8"))
    assert said["checkpoint_sha256"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
    made, begun = (load_generator(path, "cpu") for path in (out / GENERATOR, shipped))
    assert made.training.startswith(begun.training)
    # Its own vector folded into it, it answers as the shipped one does with that vector.
    picture = np.random.default_rng(0).random((11, 256, 256), np.float32)
    answers = made.run(picture), begun.run(picture, open_person(out).identity)
    assert np.abs(answers[0].colour - answers[1].colour).mean() < 0.01


def test_the_folder_holds_everything_and_nothing_unfinished(
    person: Path, pictures: tuple[Path, ...], checkpoint: Path
) -> None:
    assert {path.name for path in person.iterdir()} == {
        RECORD,
        GENERATOR,
        IDENTITY,
        PERSON,
        "card.md",
        "before_after.png",
        *NEAR_MISSES,
    }
    said = json.loads((person / PERSON).read_text(encoding="utf-8"))
    assert [entry["name"] for entry in said["pictures"]] == [p.name for p in pictures[:2]]
    opened = open_pictures(pictures[:2], None, lambda done, total: None)
    wanted = embed(checkpoint, opened).numpy()
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(open_person(person).identity, wanted, atol=1e-6)


def test_the_generator_keeps_the_contract_and_ignores_the_vector(person: Path) -> None:
    generator = load_generator(person / GENERATOR, "cpu")
    picture = np.random.default_rng(1).random((11, 256, 256), np.float32)
    nobody = generator.run(picture)
    somebody = generator.run(picture, np.ones(256, np.float32))
    np.testing.assert_array_equal(nobody.colour, somebody.colour)
    assert generator.training.startswith("a test's idea of training; ")
    assert "person" in generator.training
    assert generator.tier == "draft"


def test_synthesize_uses_the_person_and_makes_frames_again_for_another(
    person: Path, tmp_path: Path
) -> None:
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path, frames=(60, 60), provider="cpu")
    assert synthesize(job).made == 1
    plain = (tmp_path / "head_000060.png").read_bytes()
    assert synthesize(replace(job, person=person)).made == 1
    assert (tmp_path / "head_000060.png").read_bytes() != plain
    assert synthesize(replace(job, person=person)).kept == 1


def broken(person: Path, tmp_path: Path, name: str, data: bytes | None) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in person.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    if data is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", [GENERATOR, IDENTITY, PERSON])
@pytest.mark.parametrize("data", [None, b"", b"{}"])
def test_a_folder_that_is_not_whole_is_refused_in_one_line(
    person: Path, tmp_path: Path, name: str, data: bytes | None
) -> None:
    folder = broken(person, tmp_path, name, data)
    job = SynthesizeJob((PORTRAIT,), TRACK, tmp_path / "out", person=folder)
    with pytest.raises(InputError, match="person's folder") as caught:
        synthesize(job)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="choose one"):
        synthesize(replace(job, person=person, model=person / GENERATOR))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--portrait", PORTRAIT, "--checkpoint", "no.onnx"], "no.onnx: there is no such"),
        (["--portrait", PORTRAIT, TRACK, "--checkpoint", "C"], "picture 2 of 2"),
        (["--portrait", "nobody.png", "--checkpoint", "C"], "picture 1 of 1"),
        (["--portrait", PORTRAIT, PORTRAIT, "--checkpoint", "C"], "the same as picture 1"),
        (["--portrait", *[PORTRAIT] * 33, "--checkpoint", "C"], "33 pictures"),
        (["--portrait", PORTRAIT, "--checkpoint", "C", "--tier", "final"], "does not fit"),
        (["--portrait", PORTRAIT, "--checkpoint", PORTRAIT], "no checkpoint"),
        (["--portrait", PORTRAIT, "--checkpoint", "C", "--minutes", "0"], "--minutes"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[object],
    words: str,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(checkpoint if value == "C" else value) for value in arguments]
    assert main(["personalize", "--out", str(tmp_path / "out"), *given]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert words in said[0]
    assert not list(tmp_path.rglob("*.*"))


def test_a_picture_without_a_face_is_named(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "wall.png"
    empty.write_bytes(encode_frame(np.full((200, 200, 3), 90, np.uint8), None, "png"))
    given = ["--portrait", str(PORTRAIT), str(empty), "--checkpoint", str(checkpoint)]
    assert main(["personalize", "--out", str(tmp_path / "out"), *given]) == 2
    error = capsys.readouterr().err
    assert "picture 2 of 2" in error
    assert "no face" in error
