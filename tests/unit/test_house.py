# SPDX-License-Identifier: GPL-3.0-or-later
"""The house's own rules: who may import whom, and that every file names its licence."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.architecture import GUIDE, reached, room_arrows, with_picture

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("blender_addon", "inference", "export", "tests")
# What each room may import besides the standard library and itself.
MAY = {
    "blender_addon": {"bpy", "numpy", "gpu", "blf"},  # the last two are Blender's own
    "inference": {
        "numpy",
        "cv2",
        "mediapipe",
        "onnxruntime",
        "av",
        "fpng",
        "isal",
        "pocketsphinx",
        "c2pa",
        "cryptography",
    },
    # MediaPipe's reader of its own models' format is what one of them is converted with.
    "export": {
        "numpy",
        "cv2",
        "torch",
        "onnx",
        "onnxscript",
        "onnxruntime",
        "mediapipe",
        "inference",
    },
}


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top packages that a file imports, anywhere in it; relative imports stay at home."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("room", MAY)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = MAY[room] | {room} | set(sys.stdlib_module_names)
    for path in sources(room):
        strangers = imported(path) - allowed
        assert not strangers, f"{path.relative_to(ROOT)} imports {', '.join(sorted(strangers))}"


def test_the_entry_needs_nothing_but_python() -> None:
    assert imported(ROOT / "build.py") <= set(sys.stdlib_module_names)


def test_every_source_names_its_licence() -> None:
    files = [ROOT / "build.py", *(path for room in ROOMS for path in sources(room))]
    for path in files:
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        assert any("SPDX-License-Identifier: GPL-3.0-or-later" in line for line in head), path


def test_no_source_has_outgrown_its_room() -> None:
    for path in (ROOT / "build.py", *(path for room in ROOMS for path in sources(room))):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path


def test_the_picture_of_the_house_is_as_the_code_stands() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert with_picture(text) == text, "draw it again: python -m tests.architecture"


@pytest.mark.parametrize("room", MAY)
def test_no_package_stands_on_one_that_stands_on_it(room: str) -> None:
    arrows = room_arrows(room)
    for box in arrows:
        around = {other for other in reached(box, arrows) if box in reached(other, arrows)}
        assert not around, f"{room}: a circle of {', '.join(sorted(around))}"


# What a native speaker stumbles over, and what is said instead.
INSTEAD = {
    r"anew": "again", r"mend(s|ed|ing)?": "fix", r"betters": "improves",
    r"no number": "not a number", r"put(s)? out": "render or write",
    r"the leave to": "permission to", r"he|his|him": "they",
}  # fmt: skip


@pytest.mark.parametrize("word", INSTEAD)
def test_words_are_plain_english(word: str) -> None:
    files = [path for room in MAY for path in sources(room)]
    files += [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]
    files += [path for room in ROOMS for path in (ROOT / room).rglob("*.md")]
    for path in files:
        text = path.read_text(encoding="utf-8")
        found = re.search(rf"\b({word})\b", text)
        line = text[: found.start()].count("\n") + 1 if found else 0
        assert not found, f"{path.relative_to(ROOT)}:{line}: say '{INSTEAD[word]}'"
