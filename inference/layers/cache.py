# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that were made once, kept in a folder of the user's own.

Only what differs from the portrait is stored, so that what comes back equals it exactly elsewhere.
A damaged file, or a folder that cannot be written, costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.caches import cache_folder, claim_cache
from inference.errors import LikenessError
from inference.files import written_whole
from inference.outputs import FolderKind, OwnedFolder

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_BEYOND = ("beyond", "beyond_alpha")
KIND = FolderKind("layers of portraits", (r"[0-9a-f]{64}\.layers\.npz",))
LARGEST = 2 << 30  # bytes of all files together; those that were not used for longest go first
_ABANDONED = 3600  # seconds, after which a part that was never finished is nobody's


def key_of(*parts: NDArray | str | None) -> str:
    """The hash of everything that layers depend on, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(f"{part!r}\0".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Kept:
    """pictures: alpha (H, W), person and plate (H, W, 3), and beyond the picture "beyond" (K, 3)
    and "beyond_alpha" (K,); words: quality and fallback.
    """

    pictures: dict[str, Pixels]
    words: dict[str, str]


def load(key: str, rgb: Pixels) -> Kept | None:
    """The layers of the portrait `rgb` (H, W, 3); None where there are none."""
    try:
        path = cache_folder("layers") / f"{key}.layers.npz"
        if path.is_symlink() or not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as file:
            alpha = file["alpha"]
            if alpha.shape != rgb.shape[:2] or alpha.dtype != rgb.dtype:
                return None
            layers: dict[str, Pixels] = {"alpha": alpha}
            for name in ("person", "plate"):
                layer = rgb.copy()
                where = np.unpackbits(file[f"{name}_at"], count=alpha.size).astype(bool)
                layer.reshape(-1, 3)[where] = file[name]
                layers[name] = layer
            layers |= {name: file[name] for name in _BEYOND}
            if any(layers[name].dtype != rgb.dtype for name in _BEYOND):
                return None
            words = {name: str(file[name]) for name in ("quality", "fallback")}
        os.utime(path)
        return Kept(layers, words)
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return None


def keep(key: str, rgb: Pixels, layers: Mapping[str, Pixels], words: Mapping[str, str]) -> None:
    """Store alpha, person and plate of a portrait, where that is possible."""
    nothing = {"beyond": rgb[:0, 0], "beyond_alpha": rgb[:0, 0, 0]}
    stored: dict[str, NDArray] = {"alpha": layers["alpha"]}
    stored |= {name: layers.get(name, nothing[name]) for name in _BEYOND}
    for name in ("person", "plate"):
        where = (layers[name] != rgb).any(axis=2)
        stored[f"{name}_at"] = np.packbits(where)
        stored[name] = layers[name][where]
    # No cache is no reason to stop.
    with contextlib.suppress(LikenessError, OSError):
        owned = claim_cache("layers", KIND)
        with written_whole(owned.file(f"{key}.layers.npz")) as part, part.open("wb") as file:
            np.savez(file, **stored, **{name: np.array(word) for name, word in words.items()})
        _tidy(owned, f"{key}.layers.npz")


def _tidy(owned: OwnedFolder, newest: str) -> None:
    for path in owned.parts():
        if time.time() - path.stat().st_mtime > _ABANDONED:
            path.unlink(missing_ok=True)
    sizes = {path: path.stat() for path in owned.files() if path.name != newest}
    total = sum(stat.st_size for stat in sizes.values()) + owned.file(newest).stat().st_size
    for path in sorted(sizes, key=lambda path: sizes[path].st_mtime):
        if total <= LARGEST:
            break
        path.unlink(missing_ok=True)
        total -= sizes[path].st_size
