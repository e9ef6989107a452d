# SPDX-License-Identifier: GPL-3.0-or-later
"""The 8-bit file of a generator: hardly another picture, faster, and taken where it should be."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.checkpoint import load_weights
from export.cli import main
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from export.quantize import quantize
from inference.errors import InputError, LikenessError
from inference.generator import contract
from inference.generator.identity import embedder_path
from inference.generator.model import Generator, load_generator
from inference.jobs import SynthesizeJob
from inference.render import StageClock, render_frame
from inference.scene import build_scene
from inference.sessions import MODELS
from inference.track import load_track

pytestmark = pytest.mark.footage

SHIPPED = MODELS / "warp-draft.onnx"


@pytest.fixture(scope="module")
def rounded(everybody: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "warp.int8.onnx"
    command = ["onnx", "--tier", "draft", "--weights", "int8", "--checkpoint", SHIPPED]
    assert main([*map(str, (*command, "--data", everybody, "--out", path))]) == 0
    return path


def words(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_convolutions_compute_in_integers_and_the_words_stay(rounded: Path) -> None:
    model = onnx.load(rounded)
    made_from = {node.output[0]: node for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    kinds = [made_from[node.input[0]].op_type for node in convolutions]
    assert kinds.count("DequantizeLinear") == len(convolutions) - 2, "all but the two heads"
    assert words(rounded) == words(SHIPPED)
    assert rounded.stat().st_size < SHIPPED.stat().st_size
    assert b".py" not in rounded.read_bytes()
    # The embedder is X's, not X.int8's, and lies there.
    assert embedder_path(rounded).name == "warp.embedder.onnx"
    assert embedder_path(rounded).read_bytes() == embedder_path(SHIPPED).read_bytes()


def test_frames_hardly_change(rounded: Path, samples: Path) -> None:
    track = load_track(samples / "weekly_address.track.npz")
    job = SynthesizeJob(
        (samples / "eileen_collins.png",),
        samples / "weekly_address.track.npz",
        rounded.parent,
        provider="cpu",
        model=SHIPPED,
    )
    scene, other = build_scene(job, track), load_generator(rounded, "cpu")
    for frame in (20, 60, 120):
        one, alpha = render_frame(scene, frame, StageClock())
        object.__setattr__(scene, "generator", other)
        two, _ = render_frame(scene, frame, StageClock())
        object.__setattr__(scene, "generator", load_generator(SHIPPED, "cpu"))
        assert alpha is not None
        gap = np.abs(one.astype(float) - two)[alpha > 0.5]
        assert 0 < gap.mean() < 0.5
        assert np.quantile(gap, 0.999) < 12


def test_it_is_faster(rounded: Path) -> None:
    picture = np.random.default_rng(0).random((11, 256, 256), np.float32)

    def cost(generator: Generator) -> float:
        start = time.thread_time()
        generator.run(picture)
        return time.thread_time() - start

    float_file, integers = load_generator(SHIPPED, "cpu"), load_generator(rounded, "cpu")
    cost(float_file), cost(integers)
    pairs = [(cost(float_file), cost(integers)) for _ in range(9)]
    assert np.median([a / b for a, b in pairs]) > 1.1


def test_a_tier_takes_its_8_bit_file_on_the_cpu(
    rounded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.generator.model.MODELS", tmp_path)
    shutil.copy(SHIPPED, tmp_path / "warp-draft.onnx")
    assert load_generator("draft", "cpu").path.name == "warp-draft.onnx"
    shutil.copy(rounded, tmp_path / "warp-draft.int8.onnx")
    assert load_generator("draft", "cpu").path.name == "warp-draft.int8.onnx"
    # Who names a file gets that file.
    assert load_generator(tmp_path / "warp-draft.onnx", "cpu").path.name == "warp-draft.onnx"


@pytest.mark.parametrize("tier", contract.TIERS)
def test_a_shipped_8_bit_file_is_of_the_shipped_weights(tier: str) -> None:
    plain = MODELS / f"warp-{tier}.onnx"
    beside = plain.with_name(plain.stem + contract.INT8_SUFFIX)
    if beside.is_file():
        assert words(beside) == words(plain)


def test_it_is_too_coarse_to_train_from(rounded: Path) -> None:
    with pytest.raises(InputError, match="int8"):
        load_weights(WarpGenerator(TIER_CONFIGS["draft"]), rounded, "warp draft")


def test_a_picture_that_differs_too_much_is_not_written(
    everybody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.quantize.TOLERANCE", 0.01)
    monkeypatch.setattr("export.quantize._CALIBRATED", 2)
    monkeypatch.setattr("export.quantize._CHECKED", 1)
    with pytest.raises(LikenessError, match="not written"):
        quantize(SHIPPED, everybody, tmp_path / "m.int8.onnx")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_one_clear_line_and_leaves_nothing(
    everybody: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.int8.onnx"
    base = ["onnx", "--tier", "draft", "--weights", "int8", "--out", str(out)]
    for more, said in (
        ([], "--checkpoint"),
        (["--checkpoint", SHIPPED], "--data"),
        (["--checkpoint", SHIPPED, "--data", tmp_path], str(tmp_path)),
        (["--checkpoint", tmp_path / "c.pt", "--data", everybody], "c.pt"),
    ):
        assert main([*base, *map(str, more)]) == 2
        error = capfd.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        assert said in error
    assert list(tmp_path.iterdir()) == []
