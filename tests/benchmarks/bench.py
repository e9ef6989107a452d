# SPDX-License-Identifier: GPL-3.0-or-later
"""What each stage costs on this machine: `build.py bench` prints a table and writes bench.json.

Everything is timed in one run, so that ratios hold on a noisy machine. The main job is timed end
to end, from a track to head frames on disk, for a crop of about 512 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from inference.capture.capture import capture_footage
from inference.demo import PORTRAIT, TRACK
from inference.frames import encode_frame
from inference.generator.contract import TIERS
from inference.generator.model import load_generator
from inference.jobs import SynthesizeJob
from inference.outputs import FolderKind, claim_folder, open_owned
from inference.performance.retargeting.gains import Gains
from inference.pictures import read_picture
from inference.portrait import open_portrait
from inference.render import STAGES, StageClock, render_frame
from inference.scene import build_scene
from inference.sidecar import FRAMES
from inference.synthesis import synthesize
from inference.track import load_track
from tests.benchmarks import peer

CROP = 512
COUNT = 150
CROPS = ((256, 48), (512, 48), (1024, 24), (2048, 12))  # pixels, and frames that are made
ROUNDS = 3
BENCH = FolderKind(
    "a benchmark",
    (
        r"((portrait|crop)\.png|performance\.mp4|paper\.onnx|bench\.json|live\.png|live\.track\.npz)",
    ),
)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Timing:
    """ms a frame, and frames a second: the median of `ROUNDS` rounds."""

    what: str
    ms: float
    fps: float
    note: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    claim_folder(out, BENCH)
    portrait = portrait_with_crop(out / "portrait.png")
    timings = [_time_capture(out / "performance.mp4")]
    for tier in TIERS:
        timings += _time_synthesis(tier, portrait, out / tier)
    timings += _time_crops(out)
    timings += [_time_first_frame(out), *_time_test_frame(portrait, out / "test"), _time_help()]
    timings += [*_time_networks(out), *_time_peer()]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _report(timings, memory, out / "bench.json")
    return 0


def portrait_with_crop(path: Path, crop: int = CROP) -> Path:
    """The sample portrait, enlarged until its crop is about so many pixels wide."""
    small = read_picture(PORTRAIT).rgb8()
    factor = crop / open_portrait(PORTRAIT).box.width
    large = cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    path.write_bytes(encode_frame(large, None, "png"))
    return path


def write_performance(movie: Path) -> None:
    """Footage of 1280 x 720: the sample portrait, performed by the sample track."""
    scene = build_scene(
        SynthesizeJob((PORTRAIT,), TRACK, movie.parent, layer="full"), load_track(TRACK)
    )
    writer = cv2.VideoWriter(str(movie), cv2.VideoWriter.fourcc(*"mp4v"), 25, (1280, 720))
    for frame in range(COUNT):
        whole, _ = render_frame(scene, frame, StageClock())
        wide = np.zeros((720, 1280, 3), np.uint8)
        wide[:, 280:1000] = cv2.resize(whole, (720, 720), interpolation=cv2.INTER_CUBIC)
        writer.write(cv2.cvtColor(wide, cv2.COLOR_RGB2BGR))
    writer.release()


def _time_capture(movie: Path) -> Timing:
    """Capture of 1280 x 720 footage."""
    write_performance(movie)
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = len(capture_footage(movie).track)
        rounds.append((time.perf_counter() - start) / count)
    return _timing("capture, 1280 x 720", rounds, "decode, detect and track, MediaPipe")


def _time_synthesis(tier: str, portrait: Path, out: Path) -> list[Timing]:
    """Stages in thread time, and the whole on the clock: stages of several frames overlap."""
    rounds = []
    stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
    provider = ""
    for _ in range(ROUNDS):
        if out.exists():
            open_owned(out, FRAMES).remove()
        job = SynthesizeJob((portrait,), TRACK, out, tier=tier, frames=(0, COUNT - 1))
        result = synthesize(job)
        rounds.append(result.wall / result.made)
        provider = result.provider
        for stage in STAGES:
            stages[stage].append(result.seconds[stage] / result.made)
    width = open_portrait(portrait).box.width
    rows = [_timing(f"{tier}: {stage}", stages[stage], "thread time") for stage in STAGES]
    note = f"track to {width}-pixel head frames on disk, {provider}"
    return [*rows, _timing(f"{tier}: end to end", rounds, note)]


def _time_crops(out: Path) -> list[Timing]:
    """The whole at `draft`, by the crop's size: what a pixel costs."""
    rows = []
    for crop, count in CROPS:
        portrait = portrait_with_crop(out / "crop.png", crop)
        frames = out / "crop"
        if frames.exists():
            open_owned(frames, FRAMES).remove()
        job = SynthesizeJob((portrait,), TRACK, frames, tier="draft", frames=(0, count - 1))
        result = synthesize(job)
        width = open_portrait(portrait).box.width
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        note = f"end to end, {count} frames; memory up to here {peak:.0f} MiB"
        rows.append(_timing(f"draft, crop of {width}", [result.wall / count], note))
    return rows


def _time_first_frame(out: Path) -> Timing:
    """From the command to its one frame, the portrait's layers being made already."""
    rounds = []
    for _ in range(ROUNDS):
        if (out / "first").exists():
            open_owned(out / "first", FRAMES).remove()
        command = ["synthesize", "--portrait", str(PORTRAIT), "--track", str(TRACK)]
        rounds.append(_time_command([*command, "--out", str(out / "first"), "--frames", "0-0"]))
    return _timing("command to first frame", rounds, "a process, portrait of 512 pixels")


def _time_test_frame(portrait: Path, out: Path) -> list[Timing]:
    """One frame after the other with other strengths in one process, as a worker makes them."""
    rounds = []
    for turn in range(ROUNDS + 1):
        job = SynthesizeJob((portrait,), TRACK, out, frames=(100, 100), layer="full")
        start = time.perf_counter()
        synthesize(replace(job, gains=Gains(mouth=1 + turn / 10)))
        rounds.append(time.perf_counter() - start)
    note = "another strength, the same process"
    return [_timing("test frame after the first", rounds[1:], note)]


def _time_help() -> Timing:
    rounds = [_time_command(["--help"]) for _ in range(ROUNDS)]
    return _timing("--help", rounds, "a process")


def _time_command(arguments: list[str]) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "inference", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return time.perf_counter() - start


def _time_peer() -> list[Timing]:
    """A network of today's size beside ours, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.peer"]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    taken = json.loads(done.stdout)
    base = taken.pop(peer.NAME)
    note = ", ".join(f"{base / own:.0f} x what {tier} takes" for tier, own in taken.items())
    return [_timing(peer.NAME, [base], note)]


def _time_networks(out: Path) -> list[Timing]:
    """The networks alone with all cores on one frame, the 2019 paper's generator among them."""
    paper = out / "paper.onnx"
    if not paper.is_file():
        # Another process: a loaded torch slows ONNX Runtime down.
        command = [sys.executable, "-m", "export", "onnx", "--generator", "paper"]
        command += ["--out", str(paper)]
        subprocess.run(
            command,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 2
    sessions = {
        f"network {tier}": load_generator(tier, "cpu", os.cpu_count() or 2).session
        for tier in TIERS
    }
    name = "network of the 2019 paper"
    sessions[name] = onnxruntime.InferenceSession(
        str(paper), options, providers=["CPUExecutionProvider"]
    )
    samples: dict[str, list[float]] = {key: [] for key in sessions}
    for turn in range(12):  # in turns, so that a slow moment hits all alike
        for key, session in sessions.items():
            feed = _random_feed(session)
            start = time.perf_counter()
            session.run(None, feed)
            if turn >= 2:
                samples[key].append(time.perf_counter() - start)
    base = float(np.median(samples[name]))
    return [
        _timing(key, times, f"{base / float(np.median(times)):.1f} x the paper's speed")
        for key, times in samples.items()
    ]


def _random_feed(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        value.name: rng.random(
            [size if isinstance(size, int) else 1 for size in value.shape], np.float32
        )
        for value in session.get_inputs()
    }


def _timing(what: str, seconds: list[float], note: str) -> Timing:
    middle = float(np.median(seconds))
    return Timing(what, middle * 1000, 1 / middle, note)


def _report(timings: list[Timing], memory: float, path: Path) -> None:
    print(f"{'stage':28} {'ms':>8} {'a second':>9}  note")
    for row in timings:
        print(f"{row.what:28} {row.ms:8.2f} {row.fps:9.1f}  {row.note}")
    print(f"peak memory {memory:.0f} MiB; {os.cpu_count()} cores, {platform.machine()}")
    content = {
        "timings": [asdict(row) for row in timings],
        "peak_memory_mib": round(memory),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    sys.exit(main())
