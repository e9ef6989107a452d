# SPDX-License-Identifier: GPL-3.0-or-later
"""Personalization of the 2019 paper's generator, narrowed, on a real person."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.cli import main
from export.data.shards import PreparedData
from export.networks.paper import PaperGenerator
from export.paper import cli
from export.paper import person as loop
from export.paper.person import personalize_paper
from export.paper.person_config import PaperPersonConfig
from export.paper.person_kind import CHECKPOINT
from export.paper.person_pictures import halve_clip, person_of_clip, unseen_view
from export.paper.person_weights import MetaLearned, load_meta_learned
from export.paper.train import train_paper
from export.paper.train_config import PaperConfig
from export.personalization.progress import StepLine
from inference.errors import InputError
from inference.generator.model import load_generator
from inference.generator.person import GENERATOR, IDENTITY, PAPER_PERSON, UNFINISHED
from inference.jobs import SynthesizeJob
from inference.outputs import RECORD
from inference.synthesis import synthesize
from tests.person import PORTRAIT, TRACK
from tests.strangers import NEAR_MISSES, plant

CLIP = "s_obama_whitehouse_pd.mp4"
STEPS = 2

pytestmark = [pytest.mark.footage, pytest.mark.usefixtures("narrow_paper")]


@pytest.fixture(scope="module")
def checkpoint(narrow_paper: None, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Meta-learned, for one step on another person, and in the format that training writes."""
    out = tmp_path_factory.mktemp("run")
    strangers = plant(out)
    name = PreparedData(data, "train").records[0].name
    made = train_paper(PaperConfig(data, out, clip=name, steps=1, batch=1, shots=1, workers=0))
    strangers.check()
    return made


@pytest.fixture(scope="module")
def meta(checkpoint: Path) -> MetaLearned:
    return load_meta_learned(checkpoint)


@pytest.fixture(scope="module")
def person(data: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder, by the command line, judged on four frames of the clip's second half."""
    out = tmp_path_factory.mktemp("person") / "it is him"
    strangers = plant(out)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "FRAMES", 4)
        given = ["--data", data, "--clip", CLIP, "--checkpoint", checkpoint, "--out", out]
        command = ["personalize", "--generator", "paper", "--shots", "2", "--steps", STEPS, *given]
        before = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
        assert main(list(map(str, command))) == 0
        assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() == before
    strangers.check()
    return out


def test_unseen_frames_of_the_person_get_nearer(person: Path) -> None:
    said = json.loads((person / PAPER_PERSON).read_text(encoding="utf-8"))
    unseen = said["unseen"]
    assert (said["personalized"], unseen["frames"], unseen["split"]) == (True, 4, "val")
    assert unseen["after"]["ssim"] > unseen["before"]["ssim"] + 0.02
    assert said["held_back"]["after"]["ssim"] > said["held_back"]["before"]["ssim"]
    for figures in (unseen["before"], unseen["after"]):
        assert -1 <= figures["identity"] < unseen["real_identity"]
    card = (person / "card.md").read_text(encoding="utf-8")
    assert f"| SSIM | {unseen['before']['ssim']:.3f} | {unseen['after']['ssim']:.3f} |" in card


def test_psi_is_free_and_everything_is_trained(person: Path, meta: MetaLearned) -> None:
    state = torch.load(person / CHECKPOINT, weights_only=True)["generator"]
    assert not [name for name in state if "project" in name]
    assert meta.judge_steps == 2
    start = meta.generator.fold(torch.from_numpy(np.load(person / IDENTITY)))
    assert state["psi"].shape == (meta.generator.trunk.affine_count(),)
    assert (state["psi"] != start.psi).float().mean() > 0.9
    moved = [name for name, value in start.named_parameters() if (state[name] != value).any()]
    assert {name.split(".")[1] for name in moved if "." in name} == {
        "first",
        "down",
        "adaptive",
        "last",
    }


def test_the_exported_file_shows_what_was_judged(person: Path, data: Path) -> None:
    assert {path.name for path in person.iterdir()} == {
        RECORD,
        GENERATOR,
        CHECKPOINT,
        IDENTITY,
        PAPER_PERSON,
        "card.md",
        "before_after.png",
        *NEAR_MISSES,
    }
    session = onnxruntime.InferenceSession(person / GENERATOR, providers=["CPUExecutionProvider"])
    assert [port.name for port in session.get_inputs()] == ["landmarks"]
    view = unseen_view(halve_clip(data, CLIP, 2, 4))
    (frame,) = session.run(None, {"landmarks": view.lines[:1].numpy()})
    picture = cv2.imread(str(person / "before_after.png"))[:, :, ::-1]
    shown = picture[-4 * 256 : -3 * 256, -256:] / 127.5 - 1
    assert np.abs(shown - frame[0].transpose(1, 2, 0)).mean() < 0.01


def test_its_face_is_laid_into_the_portrait_and_nothing_else(
    person: Path, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = SynthesizeJob(
        (PORTRAIT,), TRACK, tmp_path / "paper", frames=(60, 60), provider="cpu", layer="full",
        match="off", person=person,
    )  # fmt: skip
    plain = replace(job, out=tmp_path / "warp", person=None, model=untrained, matte="face")
    made, warped = _made(job), _made(plain)
    face = cv2.imread(str(_only_frame(plain.out, "matte_")), cv2.IMREAD_GRAYSCALE)
    changed = np.abs(made - warped).max(axis=2)
    assert changed[face == 0].max() <= 1
    assert changed[face == 255].mean() > 10
    # However little was learnt, its skin comes nearer to the portrait's own colour.
    monkeypatch.setattr("inference.generator.paper._GAIN", (1, 1))
    as_it_is = _made(replace(job, out=tmp_path / "as it is"))
    tones = [picture[face == 255].mean(axis=0) for picture in (made, as_it_is, warped)]
    assert np.abs(tones[0] - tones[2]).mean() < 0.5 * np.abs(tones[1] - tones[2]).mean()


def _made(job: SynthesizeJob) -> np.ndarray:
    assert synthesize(job).made == 1
    return cv2.imread(str(_only_frame(job.out, "full_"))).astype(int)


def _only_frame(folder: Path, kind: str) -> Path:
    (path,) = folder.glob(f"{kind}*.png")
    return path


def test_one_that_is_nobody_s_is_refused(person: Path, tmp_path: Path) -> None:
    path = tmp_path / "nobody.onnx"
    model = onnx.load(person / GENERATOR)
    model.graph.input.append(onnx.helper.make_tensor_value_info("identity", 1, ["N", 512]))
    onnx.save(model, path)
    with pytest.raises(InputError, match="nobody's yet"):
        load_generator(path, "cpu")


def test_an_interrupted_run_goes_on_as_if_unbroken(
    person: Path, data: Path, meta: MetaLearned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PaperPersonConfig((), tmp_path, tmp_path / "checkpoint.pt", steps=STEPS)
    pictures = person_of_clip(halve_clip(data, CLIP, 2, 4))
    monkeypatch.setattr(loop, "_SAVE_EVERY", 0.0)

    def interrupt(line: StepLine, done: int, gain: float | None) -> None:
        if done == STEPS - 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StepLine, "show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            personalize_paper(config, meta, pictures)
    assert {path.name for path in tmp_path.iterdir()} == {RECORD, UNFINISHED}

    steps: list[int] = []
    whole_step = loop._Trial.step

    def counted(trial: loop._Trial, step: int) -> None:
        steps.append(step)
        whole_step(trial, step)

    monkeypatch.setattr(loop._Trial, "step", counted)
    again = personalize_paper(config, meta, pictures)
    assert steps == [STEPS - 1]
    unbroken = torch.load(person / CHECKPOINT, weights_only=True)["generator"]
    for name, value in again.generator.state_dict().items():
        assert torch.equal(value, unbroken[name]), name


def test_what_is_held_back_is_not_trained_on(data: Path) -> None:
    halves = halve_clip(data, CLIP, 8, 24)
    middle = PreparedData(data, "val").records[0].frames // 2
    assert max(halves.early) < middle <= min(halves.late)
    several = person_of_clip(halves)
    assert (len(several.learnt), len(several.held), len(several.frames)) == (6, 2, 8)
    for picture in several.held.target:
        assert (several.learnt.target - picture).abs().mean(dim=(1, 2, 3)).min() > 1e-3
    single = person_of_clip(halve_clip(data, CLIP, 1, 4))
    assert (len(single.learnt), len(single.held), len(single.frames)) == (1, 1, 1)
    mirrored = single.learnt.points[0, :, 0].mean() + single.held.points[0, :, 0].mean()
    assert mirrored == pytest.approx(256, abs=60)
    assert (single.held.target - single.learnt.target.flip(3)).abs().mean() < 0.2


def test_a_checkpoint_without_its_discriminator_is_refused(tmp_path: Path) -> None:
    alone = tmp_path / "alone.pt"
    torch.save({"generator": PaperGenerator().state_dict(), "training": "none"}, alone)
    with pytest.raises(InputError, match=r"alone\.pt: has no embedder and discriminator"):
        load_meta_learned(alone)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "needs --checkpoint"),
        (["--checkpoint", "m.onnx", "--clip", CLIP], "belong together"),
        (["--checkpoint", "m.onnx"], "give pictures"),
        (["--checkpoint", "m.onnx", "--portrait", "p.png"], "m.onnx: an exported generator"),
        (["--checkpoint", "no.pt", "--portrait", "p.png"], "no.pt: there is no such"),
        (["--checkpoint", "no.pt", "--portrait", "p.png", "--tier", "draft"], "no tiers"),
        (["--checkpoint", "no.pt", "--portrait", "p.png", "--shots", "33"], "--shots is 33"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["personalize", "--generator", "paper", "--out", str(tmp_path / "out"), *arguments]
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert not list(tmp_path.iterdir())


def test_the_warp_generator_wants_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["personalize", "--out", str(tmp_path / "out")]
    for more, words in (([], "--portrait"), (["--portrait", "p", "--clip", CLIP], "evaluate")):
        assert main([*command, *more]) == 2
        assert words in capsys.readouterr().err


def test_a_clip_that_is_not_there_is_named(data: Path) -> None:
    with pytest.raises(InputError, match=r"holds no clip 'nobody\.mp4'"):
        halve_clip(data, "nobody.mp4", 2, 4)
