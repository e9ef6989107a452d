# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zips: what is in them, what they promise, and that a gap is noticed."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from blender_addon import MODULES
from blender_addon.packaging import extension
from export.personalization.pictures import PERFORMANCE
from tests.conftest import ROOT
from tests.unit.test_house import imported

LINUX, WINDOWS, MACOS = (extension.PLATFORMS[name] for name in ("linux", "windows", "macos"))
WHEELS = (
    "av-18.1.0-cp311-abi3-win_amd64.whl",
    "certifi-2026.10.18-py3-none-any.whl",
    "fpng-0.1.0-cp311-cp311-win_amd64.whl",
    "fpng-0.1.0-cp312-abi3-win_amd64.whl",
    "isal-1.9.1-cp311-cp311-win_amd64.whl",
    "isal-1.9.1-cp313-cp313-win_amd64.whl",
    "lazy_loader-0.6-py3-none-any.whl",
    "mediapipe-1.2.2-py3-none-win_amd64.whl",
    "onnxruntime-1.31.1-cp311-cp311-win_amd64.whl",
    "onnxruntime-1.31.1-cp313-cp313-win_amd64.whl",
    "opencv_python_headless-4.11.0.86-cp37-abi3-win_amd64.whl",
    "pocketsphinx-5.1.1-cp311-cp311-win_amd64.whl",
    "pocketsphinx-5.1.1-cp313-cp313-win_amd64.whl",
)


def test_every_package_needs_a_wheel_for_every_python() -> None:
    wheels = [Path(name) for name in WHEELS]
    extension.check_wheels(wheels, WINDOWS)
    for gone in range(len(WHEELS)):
        kept = wheels[:gone] + wheels[gone + 1 :]
        with pytest.raises(extension.ExtensionError, match="windows-x64: there is no wheel of"):
            extension.check_wheels(kept, WINDOWS)
    with pytest.raises(extension.ExtensionError, match=r"isal 1\.9\.1 for Python 3\.13, onnx"):
        extension.check_wheels([w for w in wheels if "cp313" not in w.name], WINDOWS)
    with pytest.raises(extension.ExtensionError, match="linux-x64: there is no wheel"):
        extension.check_wheels(wheels, LINUX)


def test_a_package_without_a_wheel_for_some_python_is_left_out_there(tmp_path: Path) -> None:
    asked = [
        extension._requirements_for(python, tmp_path).read_text(encoding="utf-8")
        for python in ("3.13", "3.14")
    ]
    assert ["pocketsphinx==" in text for text in asked] == [True, False]
    assert asked[0].count("==") == asked[1].count("==") + 1


@pytest.mark.parametrize(
    ("wheel", "python", "platform", "fits"),
    [
        ("a-1-py3-none-any.whl", "3.14", LINUX, True),
        ("a-1-cp37-abi3-macosx_13_0_arm64.whl", "3.11", MACOS, True),
        ("a-1-cp312-abi3-win_amd64.whl", "3.11", WINDOWS, False),
        ("a-1-cp311-cp311-win_amd64.whl", "3.13", WINDOWS, False),
        ("a-1-cp313-cp313t-win_amd64.whl", "3.11", WINDOWS, False),
        ("a-1-py3-none-win_amd64.whl", "3.11", LINUX, False),
        ("a-1-cp37-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "3.13", LINUX, True),
        ("a-1-cp311-cp311-manylinux_2_34_x86_64.whl", "3.11", LINUX, False),
        ("a-1-cp311-cp311-macosx_10_9_universal2.whl", "3.11", MACOS, True),
        ("a-1-cp311-cp311-macosx_14_0_x86_64.whl", "3.11", MACOS, False),
    ],
)
def test_which_blender_takes_which_wheel(
    wheel: str, python: str, platform: extension.Platform, fits: bool
) -> None:
    assert extension.fits(wheel, python, platform) is fits


def test_every_pinned_package_is_hashed() -> None:
    text = extension.WHEEL_REQUIREMENTS.read_text(encoding="utf-8")
    assert set(extension.requirements()) == {w.split("-")[0] for w in WHEELS}
    for block in text.split("\n\n")[-1].strip().split("==")[1:]:
        assert "--hash=sha256:" in block


def test_the_manifest_promises_one_platform_and_names_the_wheels() -> None:
    made = tomllib.loads(extension.manifest(LINUX, ["x-1-py3-none-any.whl"]))
    assert made["platforms"] == ["linux-x64"]
    assert made["wheels"] == ["./wheels/x-1-py3-none-any.whl"]
    assert set(made["permissions"]) == {"files", "network"}
    assert made["blender_version_min"] == "4.5.0"
    assert "blender_version_max" not in made
    small = tomllib.loads(extension.manifest(None, ()))
    assert not {"platforms", "wheels", "build"} & set(small)


def test_a_zip_holds_all_that_runs_and_nothing_else() -> None:
    members = extension.code_members()
    for name in MODULES:
        assert f"{name.replace('.', '/')}.py" in members
    for name in (
        "__init__.py",
        "storage/canonical_face.npz",
        "LICENSE",
        "shipped/inference/__main__.py",
        "shipped/inference/models/warp-draft.onnx",
        "shipped/inference/face_triangles.csv",
        "shipped/inference/samples/eileen_collins.png",
        f"shipped/{PERFORMANCE.relative_to(ROOT).as_posix()}",
        "shipped/export/personalize_cli.py",
    ):
        assert name in members, name
    for name in members:
        assert "__pycache__" not in name and "requirements" not in name, name
        assert not name.startswith(("/", "tests", "shipped/tests", "build"))


def test_the_small_zip_is_accepted_and_the_same_each_time(tmp_path: Path) -> None:
    (first,) = extension.build(["none"], [], tmp_path / "a")
    (second,) = extension.build(["none"], [], tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 30 * 2**20
    assert {path.name for path in (tmp_path / "a").iterdir()} == {first.name, extension.INDEX}
    (listed,) = json.loads((tmp_path / "a" / extension.INDEX).read_text(encoding="utf-8"))["data"]
    assert listed["id"] == "likeness" and listed["archive_url"] == f"./{first.name}"
    assert listed["archive_hash"] == f"sha256:{hashlib.sha256(first.read_bytes()).hexdigest()}"
    with zipfile.ZipFile(first) as archive:
        assert "shipped/inference/capture/face_landmarker.task" in archive.namelist()


def test_a_wrong_manifest_is_refused_by_blenders_validator(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        text = extension.MANIFEST.read_text(encoding="utf-8")
        archive.writestr("blender_manifest.toml", text.replace('"4.5.0"', '"4.5"'))
        archive.writestr("__init__.py", "")
    with pytest.raises(extension.ExtensionError, match=r"x\.zip: .*blender_version_min"):
        extension.validate(path)


def test_nothing_is_installed_or_fetched_inside_blender() -> None:
    forbidden = {"pip", "urllib", "requests", "http", "socket", "ensurepip", "ssl"}
    for path in (ROOT / "blender_addon").rglob("*.py"):
        assert not imported(path) & forbidden, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                where = f"{node.value.id}.{node.attr}"
                assert where not in ("sys.path", "sys.modules"), f"{path}: {where}"


def test_the_builder_needs_nothing_but_python() -> None:
    assert imported(Path(extension.__file__)) <= set(sys.stdlib_module_names)
