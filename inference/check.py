# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime in ten lines: what it is, what it really ran on, how fast, whether it is right."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from inference.errors import Cancelled, InputError, LikenessError
from inference.generator.contract import CHANNELS, TIERS
from inference.generator.model import Generator, load_generator
from inference.jobs import CheckJob

SAMPLE = Path(__file__).parent / "samples" / "eileen_collins.png"
_RUNS = 5
# The largest difference of colour, in [0, 1], between a GPU's answer and the CPU's.
_SAME = 2e-2
# A distribution's name -> what else may have brought the module.
_PACKAGES = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime", "onnxruntime-directml"),
    "opencv": ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
               "opencv-contrib-python-headless"),
    "mediapipe": ("mediapipe",),
    "av": ("av",),
    "fpng": ("fpng",),
    "isal": ("isal",),
    "numpy": ("numpy",),
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """lines: ten, for people. provider, reason: as really ran. ms: of the checked tier, a frame."""

    lines: tuple[str, ...]
    provider: str
    reason: str
    ms: float


def check_runtime(job: CheckJob, cancelled: Callable[[], bool] = lambda: False) -> Checked:
    """Load both tiers, run them, look for the sample's face. Raises InputError, Cancelled."""
    cores = os.cpu_count() or 1
    if job.tier not in TIERS:
        raise InputError(f"there is no tier '{job.tier}'; choose {' or '.join(TIERS)}")
    tiers: dict[str, tuple[Generator, float]] = {}
    for tier in TIERS:
        if cancelled():
            raise Cancelled("the check was cancelled")
        generator = load_generator(tier, job.provider, cores)
        tiers[tier] = generator, _milliseconds(generator)
    generator, ms = tiers[job.tier]
    lines = (
        f"Python: {platform.python_version()}, {sys.executable}",
        f"Packages: {', '.join(f'{name} {_version(names)}' for name, names in _PACKAGES.items())}",
        f"Machine: {platform.system()} {platform.machine()}, {cores} CPU threads",
        *(f"Model {tier}: {_model(made)}" for tier, (made, _) in tiers.items()),
        f"Ran on: {generator.provider.upper()} ({generator.reason})",
        "Network: " + ", ".join(f"{tier} {t:.1f} ms a frame" for tier, (_, t) in tiers.items()),
        f"Answer: {_answer(generator)}",
        f"Face detection: {_detection()}",
        f"GPU memory: {_gpu_memory()}",
    )
    return Checked(lines, generator.provider, generator.reason, round(ms, 2))


def _milliseconds(generator: Generator) -> float:
    """The quickest of a few frames, after one that does not count."""
    picture = _picture(generator.size)
    generator.run(picture)
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        generator.run(picture)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def _picture(size: int) -> np.ndarray:
    """The same input on every machine."""
    return np.random.default_rng(0).random((len(CHANNELS), size, size), np.float32)


def _model(generator: Generator) -> str:
    """As a user needs it; how long and on what it was trained is in the model's card."""
    trained = "untrained" if generator.training.startswith("untrained") else "trained"
    return f"{generator.path.name}, {generator.size} pixels, {trained}"


def _answer(generator: Generator) -> str:
    """Are the numbers right? A GPU is compared with the CPU."""
    picture = _picture(generator.size)
    out = generator.run(picture)
    if not all(np.isfinite(part).all() for part in (out.flow, out.colour, out.alpha, out.matte)):
        return "WRONG: the network answers with numbers that are none; choose the CPU"
    if generator.provider == "cpu":
        return "all numbers are finite"
    reference = load_generator(generator.path, "cpu").run(picture)
    away = float(np.abs(out.colour - reference.colour).max())
    if away > _SAME:
        return f"WRONG: {away:.3f} away from the CPU's; choose the CPU in the preferences"
    return f"the same as the CPU's to {away:.0e}"


def _detection() -> str:
    """Is the sample portrait's face found, and how long does it take?"""
    if not SAMPLE.is_file():
        return "the sample picture is missing; install Likeness again"
    try:
        from inference.capture.detector import find_faces
        from inference.pictures import read_picture

        picture = read_picture(SAMPLE).rgb8()
        start = time.perf_counter()
        faces = find_faces(picture)
    except (ImportError, OSError, LikenessError) as error:
        return f"cannot be used: {error}"
    took = 1000 * (time.perf_counter() - start)
    if len(faces) != 1:
        return f"WRONG: {len(faces)} faces found in a picture of one"
    return f"the sample's face was found, {took:.0f} ms with loading"


def _version(names: tuple[str, ...]) -> str:
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "missing"


def _gpu_memory() -> str:
    """Free and whole memory of the NVIDIA GPUs, by the driver's own tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "no NVIDIA GPU on this machine"
    query = [tool, "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "the NVIDIA driver does not answer"
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line]
    return "; ".join(f"{row[0]}: {row[1]} MiB free of {row[2]}" for row in rows if len(row) == 3)
