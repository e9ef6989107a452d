# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: the real footage, the project's own samples, and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOOTAGE_VARIABLE = "LIKENESS_FOOTAGE"
SHARED_VARIABLE = "LIKENESS_SHARED_BY_TESTS"  # names a folder of this run
INSIDE_VARIABLE = "LIKENESS_INSIDE_BLENDER"  # set in a Blender process: the version it must be
# What `python -m inference` sets for itself.
QUIET = {
    "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_LOG_LEVEL": "OFF", "GLOG_minloglevel": "3",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}  # fmt: skip
os.environ.update(QUIET)  # here, for libraries read it when they are imported
_RUN = pytest.StashKey[Path]()


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind: exit code and both streams."""

    code: int
    stdout: str
    stderr: str

    @property
    def error_lines(self) -> list[str]:
        """stderr without the lines that report progress (`capture: 20/100, ...`)."""
        lines = self.stderr.splitlines()
        progress = ("capture: ", "prepare: ", "synthesize: ")
        return [line for line in lines if not line.startswith(progress)]


RunCli = Callable[..., CommandResult]


# The unit tests that take seconds all together: for every save.
FAST = {
    "build", "canonical", "clips", "decompose", "edit", "gaps", "house", "landmarks", "livelink",
    "locks", "measures", "mirror", "outputs", "performance_file", "requirements", "runtime",
    "smooth", "table", "takes", "timing", "track", "warp",
}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Portraits' layers, and what `made_once` makes, are made once a run; no cache is touched."""
    # Commands write into pipes as on a person's machine, whatever this one's settings are.
    os.environ.pop("PYTHONUNBUFFERED", None)
    if not {"PYTEST_XDIST_WORKER", INSIDE_VARIABLE} & os.environ.keys():
        folder = config.stash[_RUN] = Path(tempfile.mkdtemp(prefix="likeness-tests-"))
        (folder / "cache").mkdir()
        os.environ["LIKENESS_CACHE"] = str(folder / "cache")
        os.environ["LIKENESS_SIGNING"] = str(folder / "signing")
        os.environ[SHARED_VARIABLE] = str(folder / "shared")


def pytest_unconfigure(config: pytest.Config) -> None:
    if (folder := config.stash.get(_RUN, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder for all processes of a run: the first that asks for it fills it, others wait.

    Nobody may change what is in it.
    """
    import fcntl  # not on Windows

    folder = Path(os.environ[SHARED_VARIABLE]) / name
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m fast` other files are not even imported: that takes longer than the fast tests."""
    is_test = collection_path.name.startswith("test_")
    if config.option.markexpr == "fast" and is_test and not _is_fast(collection_path):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`build.py test --fast` runs what is marked so."""
    for item in items:
        if _is_fast(item.path):
            item.add_marker("fast")


def _is_fast(path: Path) -> bool:
    return path.parent.name == "unit" and path.stem.removeprefix("test_") in FAST


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips and portraits: LIKENESS_FOOTAGE, or beside the checkout."""
    named = os.environ.get(FOOTAGE_VARIABLE)
    folder = Path(named) if named else ROOT.parent / "shared" / "footage"
    if not (folder / "clips").is_dir():
        pytest.skip(f"there is no real footage in {folder}; name its folder in {FOOTAGE_VARIABLE}")
    return folder.resolve()


@pytest.fixture(scope="session")
def samples() -> Path:
    """The project's own public-domain portrait and performance."""
    return ROOT / "inference" / "samples"


@pytest.fixture(scope="session")
def untrained() -> Path:
    """The draft generator before training: its frames are the warp's. Takes ten seconds to make."""

    def make(folder: Path) -> None:
        from export.generators import export_warp

        export_warp(folder / "untrained.onnx", "draft")

    return made_once("untrained", make) / "untrained.onnx"


@pytest.fixture(scope="module")
def narrow_paper() -> Iterator[None]:
    """The 2019 paper's networks with an eighth of their channels: a step in a second, not in ten.

    What they are at their published size is in tests/unit/test_networks.py and its neighbours.
    """
    from export.networks import paper
    from export.networks.discriminator import PaperDiscriminator
    from export.networks.embedder import PaperEmbedder

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(paper, "DOWN_WIDTHS", (8, 16, 32, 64))
        patched.setattr(paper, "UP_WIDTHS", (64, 32, 16, 8))
        for network in (PaperEmbedder, PaperDiscriminator):
            begin = network.__init__
            patched.setattr(begin, "__defaults__", ((8, 16, 32, 64, 64, paper.IDENTITY_SIZE),))
        yield


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that are the same in every run, and others for every test."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def run_cli(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> RunCli:
    """`run_cli("capture", path, "--out", out)`: the command line, here, in an empty folder."""
    from inference.cli import main

    def run(*arguments: object) -> CommandResult:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        capfd.readouterr()
        code = main([*map(str, arguments)])
        said = capfd.readouterr()
        return CommandResult(code, said.out, said.err)

    return run


@pytest.fixture
def run_process(tmp_path_factory: pytest.TempPathFactory) -> RunCli:
    """The same in a process of its own, as a person starts it: python -m inference."""

    def run(*arguments: object) -> CommandResult:
        environment = {name: os.environ[name] for name in os.environ.keys() - QUIET.keys()}
        done = subprocess.run(
            [sys.executable, "-m", "inference", *map(str, arguments)],
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    return run
