# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation on real clips: the report, what it says of known generators, and bad input."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.data.clips import ClipFile
from export.evaluation import people
from export.evaluation.cli import add_commands
from export.evaluation.clips import RUN, EvaluationClip, clips_to_evaluate, read_clip
from export.evaluation.evaluate import Evaluated
from export.evaluation.measures import find_regions, jitter
from export.evaluation.people import Personalizing, personalized_on
from export.evaluation.reenact import WarpOnly, crop_in_picture, reenact_self, warp_only
from export.evaluation.report import write_report
from export.evaluation.report_files import check_report
from export.evaluation.score import describe_real, measure_self
from export.evaluation.summary import MEASURES
from inference.capture.video import open_footage, read_frames
from inference.errors import InputError
from inference.generator.model import Generator, GeneratorOutput, load_generator, model_path
from inference.generator.person import open_person
from tests.movies import write_movie
from tests.strangers import NEAR_MISSES, plant

CLIPS = ("s_grid_female_ccby4.mp4", "s_grid_male_ccby4.mp4", "s_obama_whitehouse_pd.mp4")

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def folder(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, one of them not held back, and one file that is no video."""
    root = tmp_path_factory.mktemp("footage")
    (root / "clips").mkdir()
    lines = ["file,split,identity"]
    for name, split in zip(CLIPS, ("val", "val", "train"), strict=True):
        shutil.copy(footage / "sample" / name, root / "clips" / name)
        lines.append(f"clips/{name},{split},{name.split('_')[2]}")
    (root / "clips" / "broken.mp4").write_bytes(b"not a video")
    lines.append("clips/broken.mp4,val,nobody")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "clips"


@dataclass(frozen=True)
class Report:
    path: Path
    content: dict[str, Any]
    output: str
    progress: str


@pytest.fixture(scope="module")
def report(folder: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("report") / "report.json"
    strangers = plant(path.parent, *NEAR_MISSES, "report-16.png", "report.txt")
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        run(folder, path, "--shots", 2, 1, "--targets", 4, "--model", untrained, "--processes", 2)
    strangers.check()
    progress = "\n".join(line for line in said if line.startswith("evaluate: "))
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    return Report(path, content, "\n".join(said), progress)


@pytest.fixture(scope="module")
def clip(footage: Path) -> EvaluationClip:
    name = CLIPS[0]
    return read_clip(ClipFile(name, footage / "sample" / name, "her", "val", False), 3, 4)


def run(clips: Path, out: Path, *more: object) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    options = parser.parse_args(
        ["evaluate", "--clips", str(clips), "--out", str(out), *map(str, more)]
    )
    options.run(options)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_report_is_of_the_people_who_were_held_back(report: Report) -> None:
    content = report.content
    assert content["held_back_people_only"] is True
    assert content["clips"] == [f"clips/{name}" for name in CLIPS[:2]]
    assert set(content["self"]) == {"1", "2"}
    for summary in content["self"].values():
        assert set(summary["people"]) == {"female", "male"}
        assert summary["frames"] == 8
        for scores in (*summary["people"].values(), summary["mean"]):
            assert set(scores) == {"source", "warp", "generator"}
            for method in scores.values():
                assert set(method) == set(MEASURES)
    (left_out,) = content["left_out"]
    assert left_out["file"] == "clips/broken.mp4"
    assert "not a video" in left_out["reason"]
    assert content["model"]["training"] == "untrained"


def test_an_untrained_network_is_the_warp(report: Report) -> None:
    for summary in (*report.content["self"].values(), report.content["cross"]):
        for scores in summary["people"].values():
            # fp16 weights may round a pixel otherwise here and there.
            assert scores["generator"] == pytest.approx(scores["warp"], rel=5e-3, abs=5e-3)


def test_the_warp_beats_the_still_picture(report: Report) -> None:
    for summary in report.content["self"].values():
        source, warp = summary["mean"]["source"], summary["mean"]["warp"]
        for name in ("ssim_face", "ssim_lips", "ssim_eyes", "psnr_face"):
            assert warp[name] > source[name] + 0.03
        for name in ("landmarks", "landmarks_mouth", "landmarks_eyes", "gmsd"):
            assert warp[name] < source[name]
        assert 0.5 < warp["jitter"] < 2
        assert 0.4 < warp["sharpness"] < 1.5
    assert report.content["self"]["1"]["mean"]["source"]["jitter"] == 0


def test_more_sources_are_better(report: Report) -> None:
    one, two = (report.content["self"][shots]["mean"]["warp"] for shots in ("1", "2"))
    for name in ("ssim_face", "ssim_lips", "psnr_face"):
        assert two[name] > one[name]


def test_cross_reenactment_moves_another_person(report: Report) -> None:
    cross = report.content["cross"]
    assert set(cross["people"]) == {"female", "male"}
    source, warp = cross["mean"]["source"], cross["mean"]["warp"]
    assert "ssim" not in warp
    assert warp["landmarks"] < 0.5 * source["landmarks"]
    assert warp["landmarks"] < 6
    # She stays herself: as like her as her own frames, not as anybody's.
    scale = report.content["identity"]
    assert scale["right"] == 1
    assert scale["same"] > scale["other"] + 0.5
    for scores in cross["people"].values():
        assert scores["warp"]["identity"] > (scale["same"] + scale["other"]) / 2


def test_table_and_pictures_lie_beside(report: Report) -> None:
    folder = report.path.parent
    names = {path.name for path in folder.iterdir()}
    made = {"report.json", "report.md", "report.png", "report-2.png"}
    assert names == {*made, *NEAR_MISSES, "report-16.png", "report.txt"}
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text in report.output
    mean = report.content["self"]["1"]["mean"]["warp"]
    assert f"| warp | {mean['ssim']:.3f} | {mean['ssim_face']:.3f} |" in text
    assert "broken.mp4" in text
    assert str(folder) not in text
    sheet = cv2.imread(str(folder / "report.png"))
    assert sheet.shape == (2 * 2 * 276, 4 * 256, 3)
    # Warp and untrained generator, side by side, are the same picture.
    rows = slice(20, 276)
    warp, generator = sheet[rows, 512:768].astype(int), sheet[rows, 768:].astype(int)
    assert np.abs(warp - generator).mean() < 1
    assert np.abs(warp - sheet[rows, 256:512]).mean() > 1


def test_a_report_may_replace_itself_and_no_other_picture(report: Report) -> None:
    check_report(report.path, [1, 2], [])
    with pytest.raises(InputError, match=r"report-16\.png: is there already and is not a picture"):
        check_report(report.path, [1, 16], [])


def test_people_are_fine_tuned_on_and_measured_beside(
    folder: Path, clip: EvaluationClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for, out = tmp_path / "people", tmp_path / "report.json"
    more = ("--shots", 1, 2, "--targets", 4, "--processes", 1, "--personalize", made_for)
    run(folder, out, *more, "--minutes", 0.02)
    content = json.loads(out.read_text(encoding="utf-8"), parse_constant=_no_constant)
    for summary in (content["self"]["1"], content["self"]["2"], content["cross"]):
        assert set(summary["mean"]) == {"source", "warp", "generator", "personalized"}
        assert summary["personal_gain"].keys() == summary["mean"]["generator"].keys()
    text = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| personalized |" in text
    assert "Personalized against generator:" in text
    sheet = cv2.imread(str(out.with_suffix(".png")))
    assert sheet.shape == (2 * 2 * 276, 5 * 256, 3)

    # With one source it is the person of two who moves it.
    assert "Personalized on 2 pictures, the first of which is moved" in text
    for one in made_for.iterdir():
        open_person(one)

    # Folders of the same pictures and weights are used again, others are not.
    her = replace(clip, name=f"clips/{clip.name}")
    how = Personalizing(made_for, model_path("draft"), "draft", 0.02)
    made = made_for / "clips_s_grid_female_ccby4.mp4-2"
    card = made / "card.md"
    first = card.stat().st_mtime_ns
    assert (personalized_on(her, 2, how), card.stat().st_mtime_ns) == (made, first)
    (made / "person.json").unlink()
    again = RuntimeError("it is made again")
    monkeypatch.setattr(people, "fine_tune", Mock(side_effect=again))
    with pytest.raises(RuntimeError, match="made again"):
        personalized_on(her, 2, how)


def test_a_generator_of_the_person_alone_is_in_the_personalized_column(
    clip: EvaluationClip, untrained: Path
) -> None:
    result = measure_self(clip, 1, load_generator(untrained, "cpu"), other(Filled, untrained))
    own, alone = result.scores["personalized"], measure_self(clip, 1, other(Filled, untrained))
    assert own == pytest.approx(alone.scores["generator"], nan_ok=True)
    assert result.scores["generator"]["mouth_l1"] != pytest.approx(own["mouth_l1"], abs=3)


def test_progress_counts_up_and_says_what_is_left(report: Report) -> None:
    lines = report.progress.splitlines()
    assert "evaluate: 3/3 clips read, 0 s left" in lines
    assert lines[-1] == "evaluate: 24/24 frames measured, 0 s left"


def test_sources_come_before_targets(clip: EvaluationClip) -> None:
    middle = len(clip.track) // 2
    assert clip.sources[0] == 0
    assert max(clip.sources) < middle <= min(clip.targets)
    assert len(clip.sources) == 3
    assert len(clip.targets) == 4 == len(clip.found)
    assert set(clip.pictures) == {*clip.sources, *clip.targets}


def test_the_pictures_are_those_of_the_frames(clip: EvaluationClip, footage: Path) -> None:
    for frame in read_frames(open_footage(footage / "sample" / clip.name)):
        if frame.index in clip.pictures:
            assert np.array_equal(frame.picture, clip.pictures[frame.index])


class Grey(WarpOnly):
    """Knows nothing but grey."""

    def run(
        self, picture: NDArray[np.float32], identity: NDArray[np.float32] | None = None
    ) -> GeneratorOutput:
        answer = super().run(picture, identity)
        grey = np.full_like(answer.colour, 0.5)
        return GeneratorOutput(answer.flow, grey, np.zeros_like(answer.alpha), answer.matte)


class Filled(WarpOnly):
    """The warp, with a grey inside of the mouth."""

    def run(
        self, picture: NDArray[np.float32], identity: NDArray[np.float32] | None = None
    ) -> GeneratorOutput:
        answer = super().run(picture, identity)
        alpha = (picture[8] < 0.5).astype(np.float32)
        grey = np.full_like(answer.colour, 0.5)
        return GeneratorOutput(answer.flow, grey, alpha, answer.matte)


def other(kind: type[WarpOnly], path: Path) -> Generator:
    known = load_generator(path, "cpu")
    return kind(**{field.name: getattr(known, field.name) for field in fields(Generator)})


def test_a_generator_that_draws_nothing_scores_nothing(
    clip: EvaluationClip, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Over the whole crop: kept to the face, the warp around it would still show a head.
    monkeypatch.setattr("inference.render.confine", lambda answer, points: answer)
    result = measure_self(clip, 1, other(Grey, untrained))
    warp, grey = result.scores["warp"], result.scores["generator"]
    assert grey["sharpness"] < 0.05
    # Soft footage is kind to a blank: structure that is hardly there is hardly missed.
    assert grey["ssim_lips"] < warp["ssim_lips"] - 0.1
    assert grey["gmsd"] > warp["gmsd"]
    assert result.lost["generator"] == result.frames == 4
    assert np.isnan(grey["landmarks"])
    assert result.lost["warp"] == 0

    # What could not be measured is null in the report and a dash in its table.
    model = load_generator(untrained, "cpu")
    real = describe_real(clip)
    written = write_report(
        Evaluated(model, True, (1,), [result], [], [real], []), tmp_path / "r.json"
    )
    content = json.loads(written[0].read_text(encoding="utf-8"), parse_constant=_no_constant)
    assert content["self"]["1"]["mean"]["generator"]["landmarks"] is None
    assert content["self"]["1"]["lost"] == {"source": 0, "warp": 0, "generator": 4}
    assert content["cross"] is None
    text = written[1].read_text(encoding="utf-8")
    assert "| generator (4 lost) |" in text
    assert "| – |" in text


def test_the_inside_of_the_mouth_is_measured_by_itself(
    clip: EvaluationClip, untrained: Path
) -> None:
    result = measure_self(clip, 1, other(Filled, untrained))
    warp, filled = result.scores["warp"], result.scores["generator"]
    assert filled["mouth_l1"] != pytest.approx(warp["mouth_l1"], abs=3)
    assert filled["ssim_lips"] < warp["ssim_lips"] - 0.005
    assert filled["ssim_eyes"] == pytest.approx(warp["ssim_eyes"], abs=1e-4)
    # The grey itself, by hand, in the frame whose mouth is open widest.
    area = crop_in_picture(clip)
    expected = []
    for made in reenact_self(clip, 1, other(Filled, untrained)):
        mouth = find_regions(made.wanted, area, clip.track.size).mouth
        if mouth is not None:
            real = clip.pictures[made.frame][mouth].astype(float)
            expected.append(np.abs(made.pictures["generator"][mouth] - real).mean())
    assert expected
    assert filled["mouth_l1"] == pytest.approx(np.mean(expected))


def test_the_first_source_leads_and_more_of_them_make_the_picture_better(
    clip: EvaluationClip, untrained: Path
) -> None:
    model = warp_only(load_generator(untrained, "cpu"))
    one, three = (measure_self(clip, shots, model).scores["warp"] for shots in (1, 3))
    for measure in ("psnr_face", "ssim_face", "ssim_lips", "ssim_eyes"):
        assert three[measure] > one[measure], measure
    for made in reenact_self(clip, 3, model):
        assert np.array_equal(made.source, clip.track.points[clip.sources[0]])


def test_jitter_is_told_as_a_share_of_the_driver_s(clip: EvaluationClip, untrained: Path) -> None:
    model = warp_only(load_generator(untrained, "cpu"))
    shaken = [
        face if face is None or i % 2 else face + np.float32(2) for i, face in enumerate(clip.found)
    ]
    calm, rough = jitter(list(clip.found), RUN), jitter(shaken, RUN)
    assert rough > 2 * calm
    against_calm = measure_self(clip, 1, model).scores["warp"]["jitter"]
    against_rough = measure_self(replace(clip, found=tuple(shaken)), 1, model).scores["warp"]
    assert against_calm * calm == pytest.approx(against_rough["jitter"] * rough)


def test_a_source_that_is_the_target_comes_back_whole(
    clip: EvaluationClip, untrained: Path
) -> None:
    """Asked for the source's own frame, the warp answers with the source's own pixels."""
    frame = clip.sources[0]
    same = EvaluationClip(
        clip.name, clip.person, clip.track, (frame,), (frame,) * RUN, clip.pictures,
        (clip.track.points[frame],) * RUN,
    )  # fmt: skip
    scores = measure_self(same, 1, warp_only(load_generator(untrained, "cpu"))).scores
    assert scores["source"]["ssim"] == pytest.approx(1)
    assert scores["source"]["landmarks"] == 0
    assert scores["generator"]["ssim"] > 0.99
    assert scores["generator"]["sharpness"] == pytest.approx(1, abs=0.05)
    assert scores["generator"]["pose"] < 1


def test_a_folder_without_people_held_back_says_so(footage: Path, tmp_path: Path) -> None:
    clips, held_back = clips_to_evaluate(footage / "sample")
    assert {clip.path.name for clip in clips} == set(CLIPS)
    assert not held_back
    shutil.copy(footage / "sample" / CLIPS[0], tmp_path / "one.mp4")
    (only,), held_back = clips_to_evaluate(tmp_path)
    assert only.identity == "one"
    assert not held_back
    clips, held_back = clips_to_evaluate(footage / "clips")
    assert held_back
    assert len({clip.identity for clip in clips}) == 8


def test_bad_input_is_one_clear_line(tmp_path: Path, folder: Path, untrained: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    report, small = tmp_path / "out" / "report.json", ("--targets", 4, "--shots", 1)

    def line(clips: Path, out: Path = report, *more: object) -> str:
        with pytest.raises(InputError) as caught:
            run(clips, out, *more)
        text = str(caught.value)
        assert "\n" not in text
        return text

    assert "no such folder" in line(tmp_path / "nowhere")
    assert str(empty) in line(empty)
    assert "ends in .json" in line(folder, tmp_path / "report.txt")
    assert "no such model" in line(folder, report, "--model", tmp_path / "none.onnx")
    assert "0" in line(folder, report, "--shots", 0)
    assert "4 in a row" in line(folder, report, "--targets", 3)
    assert "--minutes" in line(folder, report, "--personalize", tmp_path, "--minutes", 0)
    noise = np.random.default_rng(0).integers(0, 255, (12, 96, 96, 3)).astype(np.uint8)
    write_movie(empty / "noise.mp4", list(noise))
    faceless = line(empty, report, "--model", untrained, *small)
    assert "noise.mp4" in faceless
    assert "face" in faceless
    assert not list((tmp_path / "out").iterdir())
