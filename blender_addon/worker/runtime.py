# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the inference runs: which Python, with which packages, on which code. No bpy here.

Three places can serve: a Python that the person named, the environment that build.py made, and
the packages that came with the extension, run by Blender's own Python in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import InputError

WHERE = ("AUTO", "BUNDLED", "ENVIRONMENT")
PYTHON_VARIABLE = "LIKENESS_PYTHON"
_NOTE = Path("likeness", "environment.json")
# What the worker cannot do without; the packages of an environment are looked for by these.
_PACKAGES = ("onnxruntime", "cv2", "mediapipe", "av")
_HELP = "open the add-on's preferences and choose where the inference runs"
_NAME_IT = "name its Python in the add-on's preferences"


@dataclass(frozen=True)
class Runtime:
    """A Python that can run the worker. paths: its PYTHONPATH; words: for people."""

    python: Path
    paths: tuple[Path, ...]
    kind: str
    words: str


def find_runtime(where: str = "AUTO", named: str = "") -> Runtime:
    """The Python to run the worker with.

    where: one of WHERE. named: a Python or an environment's folder that the person chose, or "".
    Raises InputError with one line when there is none.
    """
    code = code_folder()
    named = os.environ.get(PYTHON_VARIABLE, "") or named
    if where != "BUNDLED":
        if named:
            python = _python_of(Path(named).expanduser())
            return Runtime(python, (code,), "named", f"the Python that was chosen, {python}")
        if (made := _made_environment(code)) is not None:
            return Runtime(made, (code,), "environment", f"the environment {made.parent.parent}")
        if where == "ENVIRONMENT":
            raise InputError(
                "no environment of Likeness was found: make one with `python3.11 build.py demo`, "
                f"or {_NAME_IT}"
            )
    packages = bundled_packages()
    if packages is None:
        raise InputError(f"this Likeness came without packages to run on: {_HELP}")
    return Runtime(blender_python(), (code, packages), "bundled", "the extension's own packages")


def in_preferences(words: str) -> str:
    """A refusal as it is said in the preferences themselves, which are open there."""
    return words.replace(_HELP, "choose above where it runs").replace(_NAME_IT, "name it above")


def code_folder() -> Path:
    """The folder whose package `inference` the worker runs: inside the zip, or the source tree."""
    home = Path(__file__).parents[1]
    shipped = home / "shipped"
    return shipped if (shipped / "inference").is_dir() else home.parent


def bundled_packages() -> Path | None:
    """The folder into which Blender installed the extension's wheels; None where they are not."""
    folders = []
    for name in _PACKAGES:
        try:
            found = find_spec(name)  # looks for it, does not import it
        except (ImportError, ValueError):
            found = None
        if found is None or found.origin is None:
            return None
        folders.append(Path(found.origin).parent.parent)
    return folders[0] if len(set(folders)) == 1 else None


def blender_python() -> Path:
    """The Python that Blender itself runs on, as a program of its own.

    Raises InputError where Blender came without one.
    """
    # sys.executable may be Blender itself, which must not be started a second time.
    here = Path(sys.executable)
    if here.name.lower().startswith("python"):
        return here
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in (f"bin/{version}", "bin/python3", "bin/python.exe", "python.exe"):
        if (python := Path(sys.prefix) / name).is_file():
            return python
    raise InputError(f"this Blender has no Python program of its own in {sys.prefix}: {_HELP}")


def pointer() -> Path:
    """The file in which build.py notes the Python of the environment that it made last."""
    if sys.platform == "win32":
        settings = Path(os.environ.get("APPDATA", str(Path.home())))
    else:
        settings = Path(os.environ.get("XDG_CONFIG_HOME", "") or Path.home() / ".config")
    return settings / _NOTE


def _pointers() -> list[Path]:
    """Where the note may lie: Blender may have been started with another HOME than build.py."""
    found = [pointer(), Path.home() / ".config" / _NOTE]
    if sys.platform != "win32":
        found.append(_account_home() / ".config" / _NOTE)
    return list(dict.fromkeys(found))


def _account_home() -> Path:
    """The person's own folder as the system knows it, whatever HOME says."""
    import pwd  # not on Windows

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


def _made_environment(code: Path) -> Path | None:
    """The Python of the environment that build.py made: beside the code, or noted by it."""
    if (python := _in_environment(code / ".venv")) is not None:
        return python
    for note in _pointers():
        try:
            python = Path(str(json.loads(note.read_text(encoding="utf-8"))["python"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if python.is_file():
            return python
    return None


def _python_of(chosen: Path) -> Path:
    """The Python that a person meant: the program itself, or the folder of an environment."""
    if chosen.is_file():
        return chosen
    for folder in (chosen, chosen / ".venv"):
        if (python := _in_environment(folder)) is not None:
            return python
    raise InputError(f"{chosen}: neither a Python nor the folder of an environment; {_HELP}")


def _in_environment(folder: Path) -> Path | None:
    for name in ("bin/python", "Scripts/python.exe"):
        if (python := folder / name).is_file():
            return python
    return None
