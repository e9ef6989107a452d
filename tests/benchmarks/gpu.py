# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped generators cost on a GPU, where every node runs, and how far it is from the CPU.

    python -m tests.benchmarks.gpu --out DIR [--provider cuda|cpu] [--repeats N]

Writes gpu.json and prints tables: for each tier, size and precision the largest difference from
the CPU's float32, nodes by provider, ms a frame at batch 1 and frames a second at batch 16, as
called plainly, with inputs and outputs bound on the device, and replayed as a CUDA graph; the same
network in torch. With `--provider cpu` everything but the bound and replayed calls is rehearsed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from inference.generator.contract import CHANNELS, IDENTITY_SIZE, META_TIER, OUTPUTS
from inference.generator.model import model_path

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
CASES = (("draft", 256), ("final", 256), ("final", 512))
PRECISIONS = ("fp32", "fp16")
BATCHES = (1, 16)
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2}
ROOT = Path(__file__).resolve().parents[2]
Feed = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Row:
    """One timing. ms: of a call, median; frames: a second."""

    tier: str
    size: int
    precision: str
    batch: int
    how: str
    ms: float
    frames: float


@dataclass(frozen=True)
class Proof:
    """One model on the provider: where its nodes ran, and how far its outputs are from the CPU's.

    difference: by output, of colours and shares in [0, 1] and of flow in pixels.
    """

    tier: str
    size: int
    precision: str
    nodes: dict[str, dict[str, int]]
    difference: dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--torch", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = CUDA if options.provider == "cuda" else CPU
    if wanted == CUDA:
        onnxruntime.preload_dlls(directory="")
    batches = BATCHES if wanted == CUDA else BATCHES[:1]
    proofs, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for tier, size in CASES:
            for precision in PRECISIONS:
                path = prepare_model(tier, size, precision, Path(folder))
                plain = prepare_model(tier, size, "fp32", Path(folder))
                proofs.append(prove(path, plain, wanted, tier, size, precision))
                for batch in batches:
                    rows += time_model(path, wanted, tier, size, precision, batch, options.repeats)
            if options.torch:
                rows += time_torch(tier, size, options.provider, batches, options.repeats)
    _report(proofs, rows, wanted, options.out / "gpu.json")
    bad = [
        proof
        for proof in proofs
        if max(proof.difference.values()) >= TOLERANCE[proof.precision]
        or set(proof.nodes) - {wanted}
    ]
    for proof in bad:
        print(f"NOT PROVEN: {proof}", file=sys.stderr)
    return 1 if bad else 0


def prepare_model(tier: str, size: int, precision: str, folder: Path) -> Path:
    """The shipped model of a tier, computing at a size and precision, as a file in `folder`."""
    path = folder / f"{tier}-{size}-{precision}.onnx"
    if not path.is_file():
        # Another process: a loaded torch slows ONNX Runtime down.
        command = [
            sys.executable, "-m", "export", "onnx", "--tier", tier, "--size", str(size),
            "--checkpoint", str(model_path(tier)), "--out", str(path),
            "--weights", "half" if precision == "fp16" else "fp32",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return path


def prove(path: Path, plain: Path, provider: str, tier: str, size: int, precision: str) -> Proof:
    """Run a model on the provider and its float32 form on the CPU."""
    feed = random_feed(size, 2)
    expected = open_model(plain, CPU).run(list(OUTPUTS), feed)
    found, nodes = run_profiled(path, provider, feed)
    difference = {
        name: float(np.abs(a - b).max())
        for name, a, b in zip(OUTPUTS, expected, found, strict=True)
    }
    return Proof(tier, size, precision, nodes, difference)


def open_model(
    path: Path, provider: str, *, graph: bool = False, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session that runs on the provider alone; CUDA fails rather than fall back to the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    providers: list[Any] = [provider]
    if provider == CUDA:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        settings = {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0"}
        providers = [(CUDA, {**settings, "enable_cuda_graph": "1" if graph else "0"})]
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    assert session.get_providers()[0] == provider, f"{provider} is not to be had"
    return session


def run_profiled(
    path: Path, provider: str, feed: Feed
) -> tuple[list[NDArray[np.float32]], dict[str, dict[str, int]]]:
    """A model's outputs, and its nodes by provider and kind."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_model(path, provider, profile=Path(folder) / "run")
        outputs = session.run(list(OUTPUTS), feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes: dict[str, Counter[str]] = {}
    for event in events:
        arguments = event.get("args", {})
        if event.get("cat") == "Node" and arguments.get("provider"):
            nodes.setdefault(arguments["provider"], Counter())[arguments["op_name"]] += 1
    return outputs, {key: dict(value) for key, value in nodes.items()}


def random_feed(size: int, batch: int) -> Feed:
    """A picture that is smooth in its colours as pictures are, and a person's vector."""
    rng = np.random.default_rng(size + batch)
    coarse = rng.random((batch, len(CHANNELS), size // 16, size // 16), np.float32)
    picture = coarse.repeat(16, axis=2).repeat(16, axis=3)
    picture += rng.normal(0, 0.02, picture.shape).astype(np.float32)
    identity = rng.normal(0, 0.05, (batch, IDENTITY_SIZE)).astype(np.float32)
    return {"picture": picture.clip(0, 1), "identity": identity}


def time_model(
    path: Path, provider: str, tier: str, size: int, precision: str, batch: int, repeats: int
) -> list[Row]:
    """Timings of one model at one batch size, called in every way that the provider has."""
    feed = random_feed(size, batch)

    def row(how: str, call: Callable[[], object]) -> Row:
        seconds = _median(call, repeats)
        return Row(tier, size, precision, batch, how, seconds * 1000, batch / seconds)

    session = open_model(path, provider)
    rows = [row("plain", lambda: session.run(list(OUTPUTS), feed))]
    if provider != CUDA:
        return rows
    for how, graph in (("bound", False), ("graph", True)):
        try:
            bound = open_model(path, provider, graph=graph)
            binding = bound.io_binding()
            for name, value in feed.items():
                binding.bind_ortvalue_input(
                    name, onnxruntime.OrtValue.ortvalue_from_numpy(value, "cuda", 0)
                )
            shapes = [value.shape for value in session.run(list(OUTPUTS), feed)]
            for name, shape in zip(OUTPUTS, shapes, strict=True):
                binding.bind_ortvalue_output(
                    name,
                    onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, "cuda", 0),
                )

            def call(bound: Any = bound, binding: Any = binding) -> None:
                bound.run_with_iobinding(binding)
                binding.synchronize_outputs()

            rows.append(row(how, call))
        except Exception as error:  # a way that this model cannot be run is a finding, no end
            print(f"{tier} {size} {precision} batch {batch}, {how}: {str(error)[:200]}")
    return rows


def time_torch(
    tier: str, size: int, provider: str, batches: Sequence[int], repeats: int
) -> list[Row]:
    """The same network in torch: channels last, eager, and as a CUDA graph."""
    import torch

    from export.networks.warp import TIER_CONFIGS, WarpGenerator

    rows = []
    for precision in PRECISIONS if provider == "cuda" else ("fp32",):
        kind = torch.float16 if precision == "fp16" else torch.float32
        network = WarpGenerator(TIER_CONFIGS[tier]).eval().to(provider, kind)
        network = network.to(memory_format=torch.channels_last)
        for batch in batches:
            feed = random_feed(size, batch)
            picture = torch.from_numpy(feed["picture"]).to(provider, kind)
            picture = picture.contiguous(memory_format=torch.channels_last)
            identity = torch.from_numpy(feed["identity"]).to(provider, kind)
            wait = torch.cuda.synchronize if provider == "cuda" else lambda: None

            def eager(n: Any = network, p: Any = picture, e: Any = identity, w: Any = wait) -> None:
                with torch.inference_mode():
                    n(p, e)
                w()

            calls: list[tuple[str, Callable[[], None]]] = [("torch", eager)]
            if provider == "cuda":
                calls.append(("torch graph", _torch_graph(network, picture, identity)))
            for how, call in calls:
                seconds = _median(call, repeats)
                rows.append(Row(tier, size, precision, batch, how, seconds * 1000, batch / seconds))
    return rows


def _torch_graph(network: Any, picture: Any, identity: Any) -> Callable[[], None]:
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.no_grad(), torch.cuda.stream(side):
        for _ in range(3):
            network(picture, identity)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        network(picture, identity)

    def call() -> None:
        graph.replay()
        torch.cuda.synchronize()

    return call


def _median(call: Callable[[], object], repeats: int) -> float:
    for _ in range(min(10, repeats)):
        call()
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return float(np.median(samples))


def _report(proofs: Sequence[Proof], rows: Sequence[Row], provider: str, path: Path) -> None:
    for proof in proofs:
        where = "; ".join(f"{p}: {sum(n.values())} nodes" for p, n in proof.nodes.items())
        print(
            f"{proof.tier:6}{proof.size:4} {proof.precision}  {where}; from the CPU's "
            + ", ".join(f"{k} {v:.1e}" for k, v in proof.difference.items())
        )
    print(f"{'tier':6}{'size':>5} {'precision':10}{'batch':>6} {'how':12}{'ms':>9}{'frames/s':>10}")
    for row in rows:
        print(
            f"{row.tier:6}{row.size:5} {row.precision:10}{row.batch:6} {row.how:12}"
            f"{row.ms:9.3f}{row.frames:10.0f}"
        )
    content = {
        "provider": provider,
        "onnxruntime": onnxruntime.__version__,
        "machine": platform.machine(),
        "models": {tier: _trained(tier) for tier, _ in CASES},
        "proofs": [asdict(proof) for proof in proofs],
        "timings": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(path)


def _trained(tier: str) -> str:
    meta = {p.key: p.value for p in onnx.load(model_path(tier)).metadata_props}
    assert meta[META_TIER] == tier
    return meta["likeness.training"]


if __name__ == "__main__":
    sys.exit(main())
