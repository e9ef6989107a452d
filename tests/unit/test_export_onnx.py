# SPDX-License-Identifier: GPL-3.0-or-later
"""The exported files: that ONNX Runtime answers as torch does, what they say, and bad input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.checkpoint import state_hash
from export.cli import main
from export.export_onnx import export_onnx
from export.graphs import Port
from export.networks.paper import PaperGenerator
from export.networks.warp import TIER_CONFIGS, WarpGenerator
from inference.errors import InputError, LikenessError
from inference.generator import contract
from inference.generator.model import load_generator
from inference.landmarks import TOPOLOGY
from tests.strangers import plant

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "inference" / "models"
TRAINING = "a test's idea of training, 0 samples"


def trained(tier: str) -> WarpGenerator:
    """A generator with no zero layer left, so that every weight has a say in the answer."""
    torch.manual_seed(11)
    network = WarpGenerator(TIER_CONFIGS[tier]).eval()
    for head in (network.flow_head, network.picture_head):
        nn.init.normal_(head.conv.weight, std=0.02)
    for name, parameter in network.named_parameters():
        if name.endswith("conv.bias"):
            nn.init.normal_(parameter, std=0.1)
    return network


def save(network: nn.Module, path: Path, training: object = TRAINING) -> Path:
    torch.save({"generator": network.state_dict(), "training": training}, path)
    return path


def open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs(batch: int, size: int = 256) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(batch)
    return (
        torch.rand(batch, len(contract.CHANNELS), size, size, generator=random),
        torch.randn(batch, contract.IDENTITY_SIZE, generator=random),
    )


def run(session: onnxruntime.InferenceSession, picture: Tensor, identity: Tensor) -> list:
    feed = {"picture": picture.numpy(), "identity": identity.numpy()}
    return session.run(list(contract.OUTPUTS), feed)


def half_weights(network: WarpGenerator) -> WarpGenerator:
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(parameter.half().float())
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("größe und raum")
    strangers = plant(made)
    yield made
    strangers.check()


@pytest.fixture(scope="module")
def draft_files(folder: Path) -> dict[str, Path]:
    """One trained checkpoint, exported with both kinds of weights."""
    checkpoint = save(trained("draft"), folder / "draft.pt")
    files = {}
    for weights in ("fp16", "fp32"):
        files[weights] = folder / f"draft-{weights}.onnx"
        command = ["onnx", "--tier", "draft", "--checkpoint", str(checkpoint)]
        assert main([*command, "--weights", weights, "--out", str(files[weights])]) == 0
    return files


@pytest.mark.parametrize("weights", ["fp16", "fp32"])
def test_onnx_runtime_answers_as_torch_at_any_batch(
    draft_files: dict[str, Path], weights: str
) -> None:
    network = trained("draft")
    if weights == "fp16":
        network = half_weights(network)
    session = open_session(draft_files[weights])
    for batch in (1, 2, 5):
        picture, identity = inputs(batch)
        with torch.no_grad():
            wanted = network(picture, identity)
        for want, got in zip(wanted, run(session, picture, identity), strict=True):
            assert got.dtype == np.float32 and got.shape == tuple(want.shape)
            assert np.abs(got - want.numpy()).max() < 1e-3
            assert got.std() > 1e-4  # a constant would prove nothing


def test_half_weights_halve_the_file_and_hardly_move_the_answer(
    draft_files: dict[str, Path],
) -> None:
    half, full = draft_files["fp16"], draft_files["fp32"]
    assert half.stat().st_size < 0.55 * full.stat().st_size
    picture, identity = inputs(1)
    answers = [run(open_session(path), picture, identity) for path in (half, full)]
    for a, b in zip(*answers, strict=True):
        assert 0.0 < np.abs(a - b).max() < 0.02


def test_it_computes_in_half_and_hardly_differs(folder: Path, draft_files: dict[str, Path]) -> None:
    path = folder / "draft-half.onnx"
    command = ["onnx", "--tier", "draft", "--checkpoint", str(folder / "draft.pt")]
    assert main([*command, "--weights", "half", "--out", str(path)]) == 0
    graph = onnx.load(path).graph
    kinds = {value.name: value.data_type for value in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert {kinds[node.input[1]] for node in convolutions} == {onnx.TensorProto.FLOAT16}
    picture, identity = inputs(1)
    answers = [run(open_session(p), picture, identity) for p in (path, draft_files["fp32"])]
    for a, b in zip(*answers, strict=True):
        assert a.dtype == np.float32
        assert 0.0 < np.abs(a - b).max() < 0.02
    meta, wanted = (
        open_session(p).get_modelmeta().custom_metadata_map for p in (path, draft_files["fp32"])
    )
    assert meta == wanted


def test_untrained_it_changes_nothing_in_half_either(folder: Path) -> None:
    path = folder / "untrained-half.onnx"
    assert main(["onnx", "--tier", "draft", "--weights", "half", "--out", str(path)]) == 0
    picture, identity = inputs(1)
    flow, colour, alpha, _ = run(open_session(path), picture, identity)
    assert not flow.any()
    assert np.array_equal(colour, picture[:, :3].numpy())
    assert np.abs(alpha - contract.ALPHA_UNTRAINED).max() < 1e-3


def test_the_file_says_what_it_is(draft_files: dict[str, Path]) -> None:
    path = draft_files["fp16"]
    meta = open_session(path).get_modelmeta().custom_metadata_map
    assert set(meta) == set(contract.META_KEYS)
    assert meta[contract.META_KIND] == "warp"
    assert meta[contract.META_TIER] == "draft"
    assert meta[contract.META_SIZE] == "256"
    assert meta[contract.META_TOPOLOGY] == TOPOLOGY
    assert meta[contract.META_TRAINING] == TRAINING
    assert meta[contract.META_CHECKPOINT] == state_hash(trained("draft"))
    assert len(meta[contract.META_CHECKPOINT]) == 64


def test_the_hash_is_of_the_weights() -> None:
    network = trained("draft")
    before = state_hash(network)
    with torch.no_grad():
        network.stem.conv.weight[0, 0, 0, 0] += 1e-3
    assert state_hash(network) != before


@pytest.mark.parametrize("tier", contract.TIERS)
def test_shipped_files_keep_the_contract(tier: str) -> None:
    path = MODELS / f"warp-{tier}.onnx"
    model = onnx.load(path, load_external_data=False)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] in (18, 20)
    assert not any(initializer.external_data for initializer in model.graph.initializer)
    assert [value.name for value in model.graph.input] == ["picture", "identity"]
    assert [value.name for value in model.graph.output] == list(contract.OUTPUTS)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert b".py" not in path.read_bytes()  # no source lines of the machine that exported it
    meta = open_session(path).get_modelmeta().custom_metadata_map
    assert meta[contract.META_TIER] == tier
    assert len(meta[contract.META_CHECKPOINT]) == 64
    assert "\n" not in meta[contract.META_TRAINING]


@pytest.mark.parametrize("tier", contract.TIERS)
def test_a_shipped_tier_is_trained_and_has_its_embedder(tier: str) -> None:
    meta = open_session(MODELS / f"warp-{tier}.onnx").get_modelmeta().custom_metadata_map
    assert "steps" in meta[contract.META_TRAINING]
    beside = open_session(MODELS / f"warp-{tier}.embedder.onnx").get_modelmeta()
    assert beside.custom_metadata_map[contract.META_CHECKPOINT] == meta[contract.META_CHECKPOINT]


def test_an_untrained_final_of_512_pixels_is_seeded_and_changes_nothing(folder: Path) -> None:
    tier = "final"
    path = folder / "final-untrained.onnx"
    assert main(["onnx", "--tier", tier, "--size", "512", "--out", str(path)]) == 0
    model = onnx.load(path, load_external_data=False)
    session = open_session(path)
    meta = session.get_modelmeta().custom_metadata_map
    torch.manual_seed(0)
    network = WarpGenerator(TIER_CONFIGS[tier])
    assert meta[contract.META_TRAINING] == "untrained"
    assert meta[contract.META_SIZE] == "512"
    stored = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            np.testing.assert_array_equal(stored[name], parameter.detach().numpy())
            continue
        weight = stored[f"{name}.half"]
        assert weight.dtype == np.float16
        # Not to the last bit: processors draw normal numbers by slightly different sines.
        np.testing.assert_allclose(weight, parameter.detach().numpy(), rtol=2e-3, atol=1e-6)
    for batch in (1, 2):
        picture, identity = inputs(batch, 512)
        flow, colour, alpha, matte = run(session, picture, identity)
        assert flow.shape == (batch, 2, 128, 128) and not flow.any()
        assert np.array_equal(colour, picture[:, :3].numpy())
        assert np.abs(alpha - contract.ALPHA_UNTRAINED).max() < 1e-6
        assert matte.shape == (batch, 1, 512, 512) and matte.min() > 0.95
    generator = load_generator(path, "cpu")
    assert (generator.training, generator.tier) == ("untrained", tier)
    answer = generator.run(picture[0].numpy())
    assert not answer.flow.any()
    np.testing.assert_allclose(answer.colour, np.moveaxis(picture[0, :3].numpy(), 0, -1), atol=1e-6)


def test_the_same_weights_give_the_same_file(folder: Path, draft_files: dict[str, Path]) -> None:
    again = folder / "again.onnx"
    command = ["onnx", "--tier", "draft", "--checkpoint", str(folder / "draft.pt")]
    assert main([*command, "--out", str(again)]) == 0
    assert again.read_bytes() == draft_files["fp16"].read_bytes()


def test_paper_with_and_without_folding(folder: Path, narrow_paper: None) -> None:
    """Also that the two files agree on the person that was folded."""
    person = 10.0 * torch.randn(512, generator=torch.Generator().manual_seed(2))
    np.save(folder / "person.npy", person.numpy())
    whole, folded = folder / "paper.onnx", folder / "paper-folded.onnx"
    command = ["onnx", "--generator", "paper", "--weights", "fp32", "--out"]
    assert main([*command, str(whole)]) == 0
    assert main([*command, str(folded), "--fold", str(folder / "person.npy")]) == 0
    torch.manual_seed(0)
    network = PaperGenerator().eval()
    landmarks = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        wanted = network(landmarks, person[None]).numpy()
    feed = {"landmarks": landmarks.numpy()}
    one = open_session(whole)
    [got] = one.run(None, {**feed, "identity": person[None].numpy()})
    [got_folded] = open_session(folded).run(None, feed)
    assert got.shape == (1, 3, 256, 256) and got.std() > 0.01
    assert np.abs(got - wanted).max() < 5e-3  # instance norm over random weights amplifies
    assert np.abs(got_folded - wanted).max() < 5e-3
    meta = one.get_modelmeta().custom_metadata_map
    assert meta[contract.META_KIND] == "paper"
    assert meta[contract.META_CHECKPOINT] == state_hash(network)


def test_a_file_that_differs_from_torch_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    layer = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sigmoid())
    ports = [Port("picture", (3, 16, 16))]
    with pytest.raises(LikenessError, match="differs from torch"):
        export_onnx(layer, ports, ["out"], {}, path, tolerance=0.0)
    assert list(tmp_path.iterdir()) == []
    export_onnx(layer, ports, ["out"], {}, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_weight_beyond_half_is_refused_or_kept_whole(tmp_path: Path) -> None:
    layer = nn.Linear(4, 4)
    with torch.no_grad():
        layer.weight[0, 0] = 1e5
    ports, path = [Port("x", (4,))], tmp_path / "model.onnx"
    with pytest.raises(InputError, match="--weights fp32"):
        export_onnx(layer, ports, ["out"], {}, path, tolerance=1.0)
    assert not path.exists()
    export_onnx(layer, ports, ["out"], {}, path, weights="fp32", tolerance=1.0)
    assert path.exists()


def garbage(folder: Path) -> Path:
    path = folder / "garbage.pt"
    path.write_bytes(b"this is no checkpoint")
    return path


def truncated(folder: Path) -> Path:
    path = save(trained("draft"), folder / "truncated.pt")
    path.write_bytes(path.read_bytes()[:100_000])
    return path


def of_the_other_tier(folder: Path) -> Path:
    return save(trained("final"), folder / "final.pt")


def not_finite(folder: Path) -> Path:
    network = trained("draft")
    with torch.no_grad():
        network.stem.conv.weight[0] = float("nan")
    return save(network, folder / "nan.pt")


def without_words(folder: Path) -> Path:
    return save(trained("draft"), folder / "wordless.pt", training=None)


def of_something_else(folder: Path) -> Path:
    path = folder / "else.pt"
    torch.save([1, 2, 3], path)
    return path


def incomplete(folder: Path) -> Path:
    state = trained("draft").state_dict()
    del state["stem.conv.bias"]
    path = folder / "incomplete.pt"
    torch.save({"generator": state, "training": TRAINING}, path)
    return path


def missing(folder: Path) -> Path:
    return folder / "nowhere.pt"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "no such checkpoint"),
        (garbage, "is no checkpoint"),
        (truncated, "is no checkpoint"),
        (of_something_else, "no generator's checkpoint"),
        (of_the_other_tier, "does not fit the warp draft generator"),
        (incomplete, "has no 'stem.conv.bias'"),
        (not_finite, "not finite"),
        (without_words, "what it was trained on"),
    ],
)
def test_a_wrong_checkpoint_gives_one_clear_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: object, words: str
) -> None:
    assert callable(make)
    checkpoint, out = make(tmp_path), tmp_path / "out" / "model.onnx"
    out.parent.mkdir()
    code = main(["onnx", "--tier", "draft", "--checkpoint", str(checkpoint), "--out", str(out)])
    printed = capfd.readouterr()
    assert code == 2
    assert printed.out == "" and printed.err.count("\n") == 1
    assert words in printed.err and checkpoint.name in printed.err
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "model.onnx"], "needs --tier"),
        (["--tier", "draft", "--out", "model.txt"], "ends in .onnx"),
        (["--tier", "draft", "--out", "no/where/model.onnx"], "no such folder"),
        (["--tier", "draft", "--size", "512", "--out", "model.onnx"], "256 only"),
        (["--tier", "draft", "--fold", "--out", "model.onnx"], "--generator paper"),
        (["--generator", "paper", "--tier", "draft", "--out", "model.onnx"], "no tiers"),
        (["--generator", "paper", "--weights", "half", "--out", "m.onnx"], "use fp16"),
        (["--generator", "paper", "--fold", "e.npy", "--out", "model.onnx"], "e.npy"),
    ],
)
def test_wrong_options_give_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["onnx", *options]) == 2
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert words in printed.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_one_line_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "ein Modell – draft.onnx"
    done = subprocess.run(
        [sys.executable, "-m", "export", "onnx", "--tier", "draft", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1 and out.name in done.stdout
    assert 2.5e6 < out.stat().st_size < 3.2e6
