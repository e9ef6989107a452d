# SPDX-License-Identifier: GPL-3.0-or-later
"""The process in which cases run, one after the other; it is replaced when one of them kills it.

    python -m tests.hostile.child FOLDER
In: "SEED NUMBER [FAMILY]" a line. Out: one JSON object a line, {"family", "finding" or null}.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from blender_addon.errors import InputError as AddOnError
from inference import portrait
from inference.capture.detector import find_faces
from inference.cli import main
from inference.errors import InputError
from tests.hostile.families import FAMILIES, Act, choose
from tests.hostile.material import Material, make_material

MOST_MEMORY = 2 << 30  # bytes that a case may take
_ROOM = 6 << 30  # bytes of address space beyond what libraries have taken: the machine must live
_TELLS_AFTER = 15.0  # seconds until the log gets where a case that hangs is
_PROGRESS = ("capture: ", "prepare: ", "synthesize: ")


def serve(folder: Path) -> None:
    """Run the cases that come on stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    log, stacks = (folder / "log").open("w+b"), (folder / "stacks").open("wb")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    warnings.simplefilter("always")
    cv2.setNumThreads(1)
    material = make_material(folder)
    _remember_faces()
    main(
        [
            "synthesize",
            "--portrait",
            str(material.portrait),
            "--track",
            str(material.track_file),
            "--out",
            str(folder / "warm"),
            "--frames",
            "0-0",
            "--provider",
            "cpu",
        ]
    )
    limit = _memory("VmSize") + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        seed, number, *only = line.split()
        rng = np.random.default_rng([int(seed), int(number)])
        family = choose(rng, only[0] if only else None)
        home = Path(tempfile.mkdtemp(prefix="case-", dir=folder))
        faulthandler.dump_traceback_later(_TELLS_AFTER, file=stacks)
        finding = _verdict(rng, material, family, home, log)
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(home, ignore_errors=True)
        print(json.dumps({"family": family, "finding": finding}), file=answers, flush=True)


def _verdict(rng: Any, material: Material, family: str, home: Path, log: Any) -> str | None:
    """What is wrong with how a case ended, in words, or None."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of memory, again
    before = _memory("VmRSS")
    act = FAMILIES[family][1](rng, material, home)
    sys.stdout.flush()
    log.seek(0)
    log.truncate()
    refused = False
    code = 0
    try:
        if act.call is not None:
            act.call()
        else:
            code = main(list(act.command))
    except (InputError, AddOnError):
        refused = True
    except BaseException:
        return f"{_told(act)}\n{traceback.format_exc()}"
    sys.stdout.flush()
    sys.stderr.flush()
    log.seek(0)
    said = log.read().decode("utf-8", "replace")
    grown = _memory("VmHWM") - before
    if grown > MOST_MEMORY:
        return f"{_told(act)}\ntook {grown / 1e9:.1f} GB"
    if act.call is None:
        refused = code == 2
        wrong = _wrong_lines(said, code)
        if wrong:
            return f"{_told(act)}\nexit code {code}: {wrong}\n{said[-3000:]}"
    if refused and act.out and act.out.exists() and any(act.out.iterdir()):
        return f"{_told(act)}\nleft behind: {sorted(p.name for p in act.out.iterdir())}"
    return None


def _wrong_lines(said: str, code: int) -> str | None:
    if code not in (0, 2):
        return "neither success nor a refusal"
    # Progress renews its line with a carriage return on a terminal alone.
    lines = [line for line in said.splitlines() if not line.startswith(_PROGRESS)]
    if not all(line.isprintable() for line in lines):
        return "control characters"
    if len(lines) != 1:
        return f"{len(lines)} lines"
    if code == 2 and not lines[0].startswith("likeness: "):
        return "not a line of ours"
    return None


def _told(act: Act) -> str:
    return " ".join(map(ascii, act.command)) or "call"


def _memory(field: str) -> int:
    """Of this process, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


def _remember_faces() -> None:
    """Look for the faces of the same picture once: that costs more than all else together."""

    @cache
    def look(data: bytes, shape: tuple[int, ...]) -> Any:
        return find_faces(np.frombuffer(data, np.uint8).reshape(shape))

    def find(picture: Any) -> Any:
        return look(picture.tobytes(), picture.shape)

    setattr(portrait, "find_faces", find)  # noqa: B010 - it is no name of that module's own


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
