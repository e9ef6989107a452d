# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an export may be written: never over what it reads, nor over another's file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import onnx

from inference.errors import InputError
from inference.generator import contract
from inference.generator.identity import embedder_path
from inference.outputs import check_replaceable, refuse_inputs

_GENERATORS = ("warp", "paper")
EMBEDDER_KIND = "warp-embedder"


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raises InputError when no exported generator may be written to `path`; inputs are read."""
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an exported model's name ends in .onnx")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder; make it first")
    refuse_inputs([path], inputs)
    check_replaceable(
        path,
        lambda file: words_of(file).get(contract.META_KIND) in _GENERATORS,
        "an exported generator of Likeness",
    )


def embedder_to_write(path: Path, checkpoint: Path | None) -> Path | None:
    """Where the embedder of a generator at `path` goes; None where the checkpoint's own lies.

    Raises InputError when something else lies there.
    """
    beside = embedder_path(path)
    if checkpoint is not None:
        if os.path.realpath(beside) == os.path.realpath(embedder_path(checkpoint)):
            return None
        refuse_inputs([beside], [checkpoint, embedder_path(checkpoint)])
    check_replaceable(
        beside,
        lambda file: words_of(file).get(contract.META_KIND) == EMBEDDER_KIND,
        "an embedder of Likeness",
    )
    return beside


def refuse_strange_embedder(beside: Path, sha256: str) -> None:
    """Before a generator that has no embedder is written: another's would be taken for its own.

    sha256: of the generator's weights. Raises InputError where one lies.
    """
    if beside.exists() and words_of(beside).get(contract.META_CHECKPOINT) != sha256:
        raise InputError(
            f"{beside}: is another generator's embedder, and this generator has none; "
            "remove it, or choose another name to write to"
        )


def words_of(path: Path) -> dict[str, str]:
    """The metadata in an ONNX file; empty when it is none."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf's own errors, by version
        return {}
    return {entry.key: entry.value for entry in model.metadata_props}
