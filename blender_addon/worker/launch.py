# SPDX-License-Identifier: GPL-3.0-or-later
"""How the worker is started: by the preferences, in the Python that they lead to."""

from __future__ import annotations

import os
import time

from ..choices import chosen
from ..errors import InputError
from ..storage.cache import cache_folder
from .client import Launch, python_environment
from .runtime import Runtime, find_runtime

# Torch is looked for at most this often while the panel is drawn.
_LOOK_SECONDS = 5.0
_looked_for_torch = {"at": -_LOOK_SECONDS, "found": 0.0}


def runtime() -> Runtime:
    """The Python that the preferences lead to. Raises InputError with one line."""
    choices = chosen()
    return find_runtime(choices.where, choices.python)


def launch(*arguments: str) -> Launch:
    """How to start that Python with these arguments. Raises InputError."""
    found, choices = runtime(), chosen()
    extra = {}
    if choices.device >= 0:
        extra["CUDA_VISIBLE_DEVICES"] = str(choices.device)
    if choices.memory_mb > 0:
        extra["LIKENESS_GPU_MEMORY_MB"] = str(choices.memory_mb)
    environment = python_environment(os.environ, found.paths, extra)
    return Launch((str(found.python), *arguments), environment, cache_folder())


def worker_launch() -> Launch:
    """How to start the worker. Raises InputError."""
    return launch("-m", "inference", "worker", "--end-with-input")


def has_torch() -> bool:
    """Can the environment personalize: does it hold torch? Asked at every redraw of the panel."""
    if time.monotonic() - _looked_for_torch["at"] > _LOOK_SECONDS:
        _looked_for_torch.update(at=time.monotonic(), found=float(_finds_torch()))
    return bool(_looked_for_torch["found"])


def _finds_torch() -> bool:
    """Looks into folders, starts nothing."""
    try:
        found = runtime()
    except InputError:
        return False
    if not any((path / "export").is_dir() for path in found.paths):
        return False
    home = found.python.parent.parent
    patterns = ("lib/python3.*/site-packages/torch", "Lib/site-packages/torch")
    return any(True for pattern in patterns for _ in home.glob(pattern))


def look_again() -> None:
    """Another Python may have been chosen: look for torch at the next question."""
    _looked_for_torch["at"] = -_LOOK_SECONDS
