# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender window with the extension installed from its zip; only where it is asked for.

`build.py test --window` runs these tests, `build.py test` does not: they need a script that opens
Blender on a virtual screen. LIKENESS_WINDOW_TOOL names it; LIKENESS_WINDOW_FOLDER is where it
keeps its Blender (default: out/window), whose settings are reset. Pictures: out/window_shots.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.window.window import FOLDER_VARIABLE, TOOL_VARIABLE, Tool, Window, open_window

HERE = Path(__file__).resolve().parent
MUCH_TOO_LONG = 3.0  # seconds from a click to what it shows


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """True, which leaves these tests out, unless the command line names them."""
    named = [Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args]
    asked = any(path.resolve().is_relative_to(HERE) for path in named)
    return None if asked else True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--syntheses", type=int, default=3, help="how many, one after the other")


@pytest.fixture(scope="session")
def tool(footage: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """The tool, with a Blender that is set up and in which the fresh zip is installed."""
    script = os.environ.get(TOOL_VARIABLE, "")
    assert script, f"{TOOL_VARIABLE} must name the script that opens a Blender window"
    work = tmp_path_factory.getbasetemp()
    folder = Path(os.environ.get(FOLDER_VARIABLE) or ROOT / "out" / "window")
    # The interpreter, its environment, the material, and where files are written.
    needed = (Path(sys.base_prefix), Path(sys.prefix), footage, samples, work)
    # A path that is a link would be a folder of its own there: what it leads to is bound as well.
    binds = {*needed, *(path.resolve() for path in needed)}
    made = Tool(Path(script), folder, tuple(sorted(binds)))
    made.call("setup", timeout=900)
    made.call("stop")
    made.fresh_home()
    out = work / "zip"
    subprocess.run(
        [
            sys.executable,
            ROOT / "blender_addon" / "packaging" / "extension.py",
            "--runtime",
            "none",
            "--out",
            out,
        ],
        check=True,
        timeout=300,
    )
    (zipped,) = out.glob("*.zip")
    said = made.call(
        "cli", "--command", "extension", "install-file", "-r", "user_default", "-e", zipped
    )
    assert "Installed" in said
    return made


@pytest.fixture
def window(tool: Tool, footage: Path, tmp_path: Path) -> Iterator[Window]:
    """Blender's window in the Video Editing workspace, with an actor and a portrait as strips."""
    yield from _opened(tool, footage, tmp_path)


@pytest.fixture
def template_window(tool: Tool, footage: Path, tmp_path: Path) -> Iterator[Window]:
    """The same in a file of Blender's own template Video Editing, with its settings."""
    yield from _opened(tool, footage, tmp_path, "Video_Editing")


def _opened(tool: Tool, footage: Path, folder: Path, template: str = "") -> Iterator[Window]:
    sample = footage / "sample"
    opened = open_window(
        tool,
        folder,
        sys.executable,
        movie=sample / "s_grid_female_ccby4.mp4",
        picture=sample / "s_mona_lisa_pd.jpg",
        template=template,
    )
    try:
        yield opened
    finally:
        tool.call("stop")
        shutil.copytree(opened.shots, ROOT / "out" / "window_shots", dirs_exist_ok=True)


@pytest.fixture
def reactions() -> Iterator[dict[str, float]]:
    """What was clicked, and the seconds until something was to be seen; printed at the end."""
    found: dict[str, float] = {}
    yield found
    for name, seconds in found.items():
        print(f"{name:32} {seconds:.3f} s")
        assert seconds < MUCH_TOO_LONG, f"{name}: {seconds:.1f} s"
