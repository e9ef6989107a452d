# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Likeness's Blender extension: zips that install in Blender 4.5 and later.

    python3.11 build.py extension                                  all zips, into out/extension
    python3.11 build.py extension --runtime none                   the small one: code and models
    python3.11 build.py extension --runtime cpu --platform linux   with the packages to run on

`none` is for those who have an environment of their own, and serves every platform. `cpu` carries
wheels that Blender's own Python runs in a process of its own, one zip for each platform. Every
zip is checked here: each package has a wheel for each Python that is promised (Blender passes
over a missing one silently), and Blender's own validator accepts it. Served as static files, the
folder is a repository that Blender installs and updates from.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDON = ROOT / "blender_addon"
MANIFEST = ADDON / "blender_manifest.toml"
WHEEL_REQUIREMENTS = ADDON / "requirements-wheels.txt"
CANONICAL = ROOT / "inference" / "performance" / "face" / "canonical_face.npz"
# What the check of the runtime looks at, the motion that personalizing takes, and the terms of the
# models that are not ours.
BESIDE = ("eileen_collins.png", "weekly_address.track.npz", "LICENSE-Apache-2.0.txt")
# The code that the worker runs, below `shipped/` in the zip: never imported by Blender.
CODE = ("inference", "export")
SHIPPED = "shipped"
DATA = (".py", ".onnx", ".csv", ".npz", ".json", ".md")
# Already packed: packing them again takes long and gains nothing.
PACKED = (".whl", ".onnx", ".task", ".png", ".npz")
RUNTIMES = ("none", "cpu")
INDEX = "index.json"


class ExtensionError(Exception):
    """One line for the person who builds."""


@dataclass(frozen=True)
class Platform:
    """blender: Blender's word for it. tags: pip's, the newest first. pythons: Blender's there."""

    blender: str
    tags: tuple[str, ...]
    pythons: tuple[str, ...]


# Blender 4.5 and 5.0 run Python 3.11, 5.1 and 5.2 run 3.13; Debian builds Blender with 3.14.
PLATFORMS = {
    "linux": Platform(
        "linux-x64",
        ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
         "manylinux2014_x86_64"),
        ("3.11", "3.13", "3.14"),
    ),
    "windows": Platform("windows-x64", ("win_amd64",), ("3.11", "3.13")),
    "macos": Platform(
        "macos-arm64",
        ("macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64",
         "macosx_10_13_universal2", "macosx_10_9_universal2"),
        ("3.11", "3.13"),
    ),
}  # fmt: skip

# Packages that some Python has no wheel of, where Likeness does without.
WITHOUT = {"pocketsphinx": ("3.14",)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what was asked for; returns the exit code, 1 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="build.py extension",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runtime", choices=RUNTIMES, action="append", help="default: both")
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "extension", metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        for path in build(options.runtime or RUNTIMES, options.platform or PLATFORMS, options.out):
            print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, accepted by Blender's validator")
    except ExtensionError as error:
        print(f"build.py extension: {error}", file=sys.stderr)
        return 1
    return 0


def build(runtimes: Iterable[str], platforms: Iterable[str], out: Path) -> list[Path]:
    """The zips, written into `out` once they passed every check; INDEX beside them lists what lies
    there. Raises ExtensionError.
    """
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as folder:
        task = Path(folder) / "face_landmarker.task"
        _run([sys.executable, "-m", "inference.capture.task_file", str(task)], "the face model")
        members = {**code_members(), f"{SHIPPED}/inference/capture/face_landmarker.task": task}
        for runtime in runtimes:
            if runtime == "none":
                made.append(_write(out, Path(folder), members, None, ()))
                continue
            for name in platforms:
                wheels = download_wheels(PLATFORMS[name], out / "wheels" / name)
                check_wheels(wheels, PLATFORMS[name])
                made.append(_write(out, Path(folder), members, PLATFORMS[name], wheels))
    _run(_blenders_own("server-generate", "--repo-dir", str(out)), INDEX)
    return made


def code_members() -> dict[str, Path]:
    """Everything of a zip but the manifest, the face model and the wheels: its name -> the file.

    Raises ExtensionError where a file that the add-on reads has not been made yet.
    """
    members = {
        path.relative_to(ADDON).as_posix(): path
        for path in sorted(ADDON.rglob("*.py"))
        if "packaging" not in path.parts
    }
    if not CANONICAL.is_file():
        raise ExtensionError(f"{CANONICAL} is missing: make it with `python -m export face`")
    members[f"storage/{CANONICAL.name}"] = CANONICAL
    members["LICENSE"] = ROOT / "LICENSE"
    for room in CODE:
        for path in sorted((ROOT / room).rglob("*")):
            inside = path.relative_to(ROOT)
            is_ours = path.suffix in DATA and "samples" not in inside.parts
            if path.is_file() and (is_ours or path.name in BESIDE):
                members[f"{SHIPPED}/{inside.as_posix()}"] = path
    return members


def manifest(platform: Platform | None, wheels: Sequence[str]) -> str:
    """The manifest of one zip; the source's own names no platform and no wheel."""
    text = MANIFEST.read_text(encoding="utf-8")
    source = tomllib.loads(text)
    assert not {"platforms", "wheels", "build"} & set(source), "those are written here"
    if platform is None:
        return text
    added = f'platforms = ["{platform.blender}"]\nwheels = [\n'
    added += "".join(f'    "./wheels/{name}",\n' for name in wheels) + "]\n"
    head, permissions, tail = text.partition("[permissions]")
    return f"{head}{added}\n{permissions}{tail}"


def download_wheels(platform: Platform, folder: Path) -> list[Path]:
    """The pinned packages' wheels for every Python of the platform, each file once.

    Raises ExtensionError where the index has none, or not the one that was pinned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for python in platform.pythons:
        command = [
            sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-input",
            "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--implementation", "cp", "--python-version", python,
            "--dest", str(folder), "-r", str(_requirements_for(python, folder)),
        ]  # fmt: skip
        for tag in platform.tags:
            command += ["--platform", tag]
        _run(command, f"the wheels for {platform.blender}, Python {python}")
    wanted = requirements()
    return [
        path
        for path in sorted(folder.glob("*.whl"))
        if wanted.get(_project(path.name)) == path.name.split("-")[1]
    ]


def _requirements_for(python: str, folder: Path) -> Path:
    """The pins that this Python has wheels of, as a file beside them."""
    pins = re.split(r"(?m)^(?=[a-z])", WHEEL_REQUIREMENTS.read_text(encoding="utf-8"))
    kept = [pin for pin in pins if python not in WITHOUT.get(pin.partition("==")[0], ())]
    path = folder / f"requirements-{python}.txt"
    path.write_text("".join(kept), encoding="utf-8")
    return path


def requirements() -> dict[str, str]:
    """Package -> version, as pinned; names as wheels spell them."""
    lines = WHEEL_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    pins = (line.split()[0].split("==") for line in lines if "==" in line and line[0] != "#")
    return {name.lower().replace("-", "_"): version for name, version in pins}


def check_wheels(wheels: Sequence[Path], platform: Platform) -> None:
    """Raises ExtensionError unless every package has a wheel for every Python of the platform."""
    missing = [
        f"{package} {version} for Python {python}"
        for package, version in requirements().items()
        for python in platform.pythons
        if python not in WITHOUT.get(package, ())
        and not any(_project(w.name) == package and fits(w.name, python, platform) for w in wheels)
    ]
    if missing:
        raise ExtensionError(f"{platform.blender}: there is no wheel of {', '.join(missing)}")


def fits(wheel: str, python: str, platform: Platform) -> bool:
    """Will Blender on this platform, with this Python, take the wheel of that file name?"""
    tag_python, tag_abi, tag_platform = wheel.removesuffix(".whl").split("-")[-3:]
    major, minor = python.split(".")
    right_platform = tag_platform == "any" or set(tag_platform.split(".")) & set(platform.tags)
    for tag in tag_python.split("."):
        if tag in (f"py{major}", f"cp{major}{minor}"):
            return bool(right_platform)
        oldest = tag.removeprefix(f"cp{major}")
        if tag_abi == "abi3" and oldest.isdigit() and int(oldest) <= int(minor):
            return bool(right_platform)
    return False


def validate(path: Path) -> None:
    """Raises ExtensionError unless Blender's own command accepts the zip."""
    _run(_blenders_own("validate", str(path)), path.name)


def _blenders_own(*arguments: str) -> list[str]:
    """Blender's command for extensions, which comes with bpy."""
    found = find_spec("bpy")
    home = Path(found.origin).parent if found is not None and found.origin else Path()
    scripts = next(home.glob("*/scripts/addons_core/bl_pkg/cli"), None)
    if scripts is None:
        raise ExtensionError("bpy is not installed here: run this through build.py extension")
    return [sys.executable, str(scripts / "blender_ext.py"), *arguments]


def _write(
    out: Path,
    folder: Path,
    members: dict[str, Path],
    platform: Platform | None,
    wheels: Sequence[Path],
) -> Path:
    """One zip, validated, under its final name; the same bytes for the same files."""
    version = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["version"]
    kind = f"cpu-{platform.blender}" if platform else "none"
    path = folder / f"likeness-{version}-{kind}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        text = manifest(platform, [wheel.name for wheel in wheels])
        archive.writestr(_entry(MANIFEST.name), text.encode("utf-8"))
        for name, file in {**members, **{f"wheels/{w.name}": w for w in wheels}}.items():
            archive.writestr(_entry(name), file.read_bytes())
    validate(path)
    return path.replace(out / path.name)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
    packed = name.endswith(PACKED)
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _project(wheel: str) -> str:
    return wheel.split("-")[0].lower()


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if "WARNING" not in line and line.strip()]
        raise ExtensionError(f"{what}: {said[-1].strip() if said else 'failed without a word'}")


if __name__ == "__main__":
    sys.exit(main())
