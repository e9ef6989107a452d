# SPDX-License-Identifier: GPL-3.0-or-later
"""The one entry to Likeness: make the environment, run the demo, the tests, the benchmarks.

    python3.11 build.py demo                                    the main job on the default input
    python3.11 build.py demo --portrait P [P ...] --footage F   the same on your own files
    python3.11 build.py test [pytest's arguments]               ruff, mypy and all tests
    python3.11 build.py test --fast                             what takes seconds, for every save
    python3.11 build.py test --window                           the artist's walk in a window
    python3.11 build.py extension                               zips to install in Blender
    python3.11 build.py bench [--live]                          speed and memory, stage by stage
    python3.11 build.py shell                                   how to enter the environment

Needs Python 3.11 and its standard library, nothing else. Every requirement file is installed once
and stamped with its hash; a second call starts at once, an interrupted one goes on where it was.
"""

# This file is read by whatever Python a person has, to tell which one is needed: no syntax here
# that is newer than Python 3.7.
from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its folder and its requirement files, relative to the project."""

    folder: str
    requirements: tuple[str, ...]


# The only file that is installed without hashes, and with dependencies; it says why.
TORCH = "export/requirements-torch.txt"
DEMO = Environment(".venv", ("inference/requirements.txt", "blender_addon/requirements.txt"))
TEST = Environment(
    ".venv", (*DEMO.requirements, "export/requirements.txt", TORCH, "tests/requirements.txt")
)
BLENDER_45 = Environment(
    ".venv-blender-4.5", ("blender_addon/requirements-4.5.txt", "tests/requirements-blender.txt")
)

WINDOW_TOOL = "LIKENESS_WINDOW_TOOL"  # names a script; see tests/window

# Tests run in a process for each core. Threads beyond that, torch's above all, would wait for each
# other in loops that take the time from those that work.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "OPENCV_FOR_THREADS_NUM": "1"}

# The modules whose shared libraries must be on the system (ONNX Runtime's CUDA providers are left
# out on purpose: without CUDA it runs on the CPU), relative to an environment's site-packages.
NATIVE_MODULES = (
    "av/_core*.so",
    "bpy/__init__*.so",
    "cv2/cv2*.so",
    "mediapipe/python/_framework_bindings*.so",
    "onnxruntime/capi/onnxruntime_pybind11_state*.so",
)

# Shared library -> the Debian or Ubuntu package that holds it: all that these modules load.
DEBIAN_PACKAGE = {
    "libGL.so.1": "libgl1", "libICE.so.6": "libice6", "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6", "libXext.so.6": "libxext6", "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6", "libXrender.so.1": "libxrender1", "libgcc_s.so.1": "libgcc-s1",
    "libglib-2.0.so.0": "libglib2.0-0", "libgthread-2.0.so.0": "libglib2.0-0",
    "libstdc++.so.6": "libstdc++6", "libxkbcommon.so.0": "libxkbcommon0", "libz.so.1": "zlib1g",
}  # fmt: skip

# What pip writes when it fails -> what a person can do. The first that matches is told.
PIP_FAILURES = (
    (r"No space left on device", "the disk is full: free some space and run this again"),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES",
        "a package is not the one that was pinned: "
        "try again without a proxy or a mirror, and do not use what it sent",
    ),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Connection (?:refused|"
        r"reset|broken)|Max retries exceeded|ProxyError|Temporary failure in name resolution",
        "no connection to the package index: check the network or pip's proxy, and run this again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the package index's certificate was not accepted: "
        "check pip's `cert` option and the system's clock",
    ),
    (
        r"No matching distribution found|is not a supported wheel",
        "a pinned package was not "
        "found: the package index cannot be reached, or this is no 64-bit Linux with glibc 2.28",
    ),
    (r"Permission denied", "the project's folder cannot be written: check who owns it"),
)


class BuildError(Exception):
    """One line for the person, and the exit code: 1, or 2 where the command line was wrong."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    try:
        check_python(sys.version_info[:3])
        options = parse(sys.argv[1:] if arguments is None else arguments)
        return int(options.run(options))
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("build.py: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def check_python(version: tuple[int, ...]) -> None:
    """Raises BuildError unless `version` is a Python 3.11."""
    if tuple(version[:2]) != (3, 11):
        raise BuildError(
            "Likeness needs Python 3.11 (Blender 4.5 and 5.0 are built for it); this is Python "
            f"{'.'.join(map(str, version))}. Run: python3.11 build.py ..."
        )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; `run` is the command's function."""
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    demo = command("demo", run_demo, "footage in, a rendered movie of the portrait out")
    demo.add_argument("--portrait", nargs="+", metavar="P", help="1 to 32 pictures of one person")
    demo.add_argument("--footage", metavar="F", help="a movie of a face that performs")
    demo.add_argument("--consent", metavar="FILE", help="its consent record; without: a preview")
    demo.add_argument("--out", metavar="DIR", help="where the results go (default: out/demo)")
    test = command("test", run_test, "ruff, mypy and all tests; other arguments go to pytest")
    for option, text in (
        ("--fast", "linters and the tests of seconds: no Blender, no MediaPipe, no training"),
        ("--window", f"only the tests in a Blender window; needs {WINDOW_TOOL}"),
    ):
        test.add_argument(option, action="store_true", help=text)
    zips = "zips for Blender; more: --runtime none|cpu, --platform linux|windows|macos, --out DIR"
    command("extension", run_extension, zips)
    bench = command("bench", run_bench, "speed and memory of every stage, into out/bench")
    bench.add_argument("--live", dest="which", action="store_const", const="live", default="bench")
    command("shell", run_shell, "prints the lines that enter the environment")

    options, rest = parser.parse_known_args(arguments)
    if rest and options.run not in (run_test, run_extension):
        parser.error(f"unknown arguments: {shlex.join(rest)}")
    options.rest = rest
    return options


def run_demo(options: argparse.Namespace) -> int:
    """The main job from end to end, run in the person's folder, so that relative paths hold."""
    # Said before minutes of installing, not after.
    for name in (*(options.portrait or ()), *filter(None, [options.footage])):
        if not Path(name).exists():
            raise BuildError(f"no such file: {name} -- check the path", exit_code=2)
    python = prepare(DEMO)
    note_environment(python)
    return run([python, "-m", "inference", *demo_arguments(options)])


def demo_arguments(options: argparse.Namespace) -> list[str]:
    """The arguments of `python -m inference`: every path as it was given."""
    passed = ["demo", "--out", options.out or str(ROOT / "out" / "demo")]
    if options.portrait:
        passed += ["--portrait", *options.portrait]
    for name in ("consent", "footage"):
        passed += [f"--{name}", getattr(options, name)] if getattr(options, name) else []
    return passed


def run_test(options: argparse.Namespace) -> int:
    """Runs ruff, mypy and pytest, all of them; the first exit code that is not zero."""
    if options.window:
        return run_window_test(options)
    python = prepare(TEST)
    # Tests of one file share what is costly to make: they stay together on one core.
    tests = ["-n", str(os.cpu_count() or 1), "--dist", "loadfile", "--no-loadscope-reorder"]
    variables = dict(ONE_THREAD)
    if options.fast:
        tests += ["-m", "fast"]
    else:
        variables["LIKENESS_BLENDER_45"] = prepare(BLENDER_45)
    codes = [
        run([python, "-m", "ruff", "check", "."], folder=ROOT),
        run([python, "-m", "ruff", "format", "--check", "--quiet", "."], folder=ROOT),
        run([python, "-m", "mypy"], folder=ROOT),
        run([python, "-m", "pytest", *tests, *options.rest], folder=ROOT, variables=variables),
    ]
    return next((code for code in codes if code), 0)


def run_window_test(options: argparse.Namespace) -> int:
    """Runs the tests in a Blender window; the tool that opens one is no part of the project."""
    tool = os.environ.get(WINDOW_TOOL, "")
    if not Path(tool).is_file():
        said = f"{WINDOW_TOOL} must name the script that opens Blender on a virtual screen"
        raise BuildError(said + (f"; there is no file {tool}" if tool else ""), exit_code=2)
    return run([prepare(TEST), "-m", "pytest", "-s", "tests/window", *options.rest], folder=ROOT)


def run_extension(options: argparse.Namespace) -> int:
    """Builds and checks the zips that Blender installs."""
    python = prepare(DEMO)
    note_environment(python)
    return run([python, str(ROOT / "blender_addon" / "packaging" / "extension.py"), *options.rest])


def run_bench(options: argparse.Namespace) -> int:
    """Measures every stage; writes a table and JSON."""
    command = [prepare(TEST), "-m", f"tests.benchmarks.{options.which}", "--out", "out/bench"]
    return run(command, folder=ROOT)


def run_shell(options: argparse.Namespace) -> int:
    """Prints what a POSIX shell runs to enter the environment; `eval` takes it too."""
    activate = ROOT / DEMO.folder / "bin" / "activate"
    if not activate.exists():
        raise BuildError(
            "there is no environment yet: run `build.py demo` (to use Likeness) "
            "or `build.py test` (to work on it) first"
        )
    print(f". {shlex.quote(str(activate))}")
    print(f"export PYTHONPATH={shlex.quote(str(ROOT))}")
    return 0


def run(
    command: Sequence[str], folder: Path | None = None, variables: dict[str, str] | None = None
) -> int:
    """Runs `command` with the project on its path; its exit code, 128 + n after signal n."""
    # A PYTHONPATH of the person's own (ROS, a studio's pipeline) would put other packages first.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    environment.pop("PYTHONHOME", None)
    sys.stdout.flush()
    code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    return code if code >= 0 else 128 - code


def heard(command: Sequence[str]) -> tuple[int, str]:
    """Runs `command` and keeps what it says; its exit code and both of its streams."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        errors="replace", check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


# Environments


def prepare(environment: Environment, root: Path = ROOT) -> str:
    """Makes or updates `environment` below `root`; returns its Python.

    What was installed is written to `stamps.json` in the environment, after each requirement file.
    Raises BuildError where a step fails or a system library is missing.
    """
    folder = root / environment.folder
    python = folder / "bin" / "python"
    with locked(root / f"{environment.folder}.lock"):
        stamps = read_stamps(folder)
        if stamps is None:
            if folder.is_symlink():  # making it again would empty what somebody else works with
                raise BuildError(f"{folder} is a link to another folder's environment: remove it")
            make_venv(folder)
            stamps = {"folder": str(folder), "installed": {}}
            write_stamps(folder, stamps)
        for name in outdated(environment, root, stamps):
            stamps["installed"].pop(name, None)
            write_stamps(folder, stamps)
            install(python, root, name, folder / "log")
            stamps["installed"][name] = digest(root / name)
            write_stamps(folder, stamps)
        check_libraries(folder)  # each time: it takes 30 ms, and a system changes
    return str(python)


def note_environment(python: str) -> None:
    """Notes where the environment is, for the add-on that is installed somewhere else in Blender.

    `blender_addon/worker/runtime.py` reads it. A home that cannot be written is passed over.
    """
    settings = Path(os.environ.get("XDG_CONFIG_HOME", "") or Path.home() / ".config")
    note = settings / "likeness" / "environment.json"
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(note.name + ".part")
        part.write_text(json.dumps({"python": python}), encoding="utf-8")
        part.replace(note)


def outdated(environment: Environment, root: Path, stamps: dict[str, Any]) -> list[str]:
    """The requirement files that are not installed as they now stand, in their order."""
    installed = stamps["installed"]
    return [n for n in environment.requirements if installed.get(n) != digest(root / n)]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_stamps(folder: Path) -> dict[str, Any] | None:
    """What is installed in `folder`; None where an environment must be made there again."""
    try:
        stamps = json.loads((folder / "stamps.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # An environment holds absolute paths: one that was moved or copied, or whose Python was
    # removed from the system, is made again.
    if stamps.get("folder") != str(folder) or not (folder / "bin" / "python").exists():
        return None
    return dict(stamps)


def write_stamps(folder: Path, stamps: dict[str, Any]) -> None:
    """Writes the stamps whole or not at all."""
    part = folder / "stamps.json.part"
    part.write_text(json.dumps(stamps, indent=1), encoding="utf-8")
    part.replace(folder / "stamps.json")


def make_venv(folder: Path) -> None:
    """An empty environment with pip; what lay in `folder` is removed."""
    for module in ("venv", "ensurepip"):
        if find_spec(module) is None:
            raise BuildError(
                f"this Python has no `{module}` module -- "
                "install it with: sudo apt-get install python3.11-venv"
            )
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(folder)]
    with step(f"{folder.name} made"):
        code, said = heard(command)
        if code:
            print(said.strip(), file=sys.stderr)
            raise BuildError(f"could not make the environment {folder}: {explain(said)}")


def install(python: Path, root: Path, name: str, logs: Path) -> None:
    """Installs the requirement file `name`; pip's output goes to a log below `logs`."""
    log = logs / f"{name.replace('/', '-')}.log"
    log.parent.mkdir(exist_ok=True)
    command = [str(python), "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    if name != TORCH:
        command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    with step(f"{name} installed"):
        with log.open("w", encoding="utf-8") as stream:
            command += ["-r", str(root / name)]
            code = subprocess.run(command, stdout=stream, stderr=stream, check=False).returncode
        if code:
            text = log.read_text(encoding="utf-8", errors="replace")
            print("\n".join(text.strip().splitlines()[-8:]), file=sys.stderr)
            raise BuildError(f"could not install {name}: {explain(text)} (whole log: {log})")


def explain(log: str) -> str:
    """The likeliest cause of a failed step, and what to do, from its output."""
    causes = (cause for pattern, cause in PIP_FAILURES if re.search(pattern, log))
    return next(causes, "the lines above say why")


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Prints `text` and how long the block took, once it went well."""
    start = time.monotonic()
    yield
    print(f"build.py: {text:45} {time.monotonic() - start:6.1f} s", flush=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds `path` as a lock, so that two commands do not install into one environment."""
    import fcntl  # not on Windows, where at least --help should work

    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("build.py: waiting for another build.py in this folder", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


# System libraries


def check_libraries(folder: Path) -> None:
    """Raises BuildError, with the packages to install, where a system library is missing."""
    ldd = shutil.which("ldd")
    if ldd is None:  # no glibc system: nothing can be said beforehand
        return
    missing: set[str] = set()
    for packages in folder.glob("lib/python3.*/site-packages"):
        for pattern in NATIVE_MODULES:
            for module in packages.glob(pattern):
                missing |= missing_libraries(heard([ldd, str(module)])[1])
    if missing:
        raise BuildError(advice(missing))


def missing_libraries(ldd_text: str) -> set[str]:
    """The sonames (or GLIBC-like versions) that ldd's output names as not found."""
    libraries = re.findall(r"^\s*(\S+) => not found", ldd_text, re.MULTILINE)
    versions = re.findall(r"version `(\S+)' not found", ldd_text)
    return {*libraries, *versions}


def advice(missing: set[str]) -> str:
    """One line: which libraries are missing and how to get them; unknown ones by their name."""
    line = "missing system libraries: " + ", ".join(sorted(missing))
    packages = sorted({DEBIAN_PACKAGE[name] for name in missing if name in DEBIAN_PACKAGE})
    unknown = sorted(name for name in missing if name not in DEBIAN_PACKAGE)
    if packages:
        line += " -- install them with: sudo apt-get install " + " ".join(packages)
    if unknown:
        line += f" -- look for the package that holds {', '.join(unknown)} in your system"
    return line


if __name__ == "__main__":
    sys.exit(main())
