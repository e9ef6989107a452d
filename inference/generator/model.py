# SPDX-License-Identifier: GPL-3.0-or-later
"""Load a generator, check that it is one, and run it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.errors import InputError, LikenessError
from inference.generator import contract
from inference.inputs import read_bytes
from inference.landmarks import TOPOLOGY
from inference.sessions import (
    CPU,
    CUDA,
    LARGEST,
    MODELS,
    metadata,
    open_session,
    run_session,
    session_on,
    why_no_cuda,
)

_LONGEST_TRIAL = 15.0  # seconds; the shipped ones take a third of a second
_CHANNELS = {"flow": 2, "colour": 3, "alpha": 1, "matte": 1}


@dataclass(frozen=True)
class GeneratorOutput:
    """One frame's answer at the model's size S; see `contract` for the meaning.

    flow: (S/4, S/4, 2); colour: (S, S, 3); alpha, matte: (S, S). All float32.
    """

    flow: NDArray[np.float32]
    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]
    matte: NDArray[np.float32]


@dataclass(frozen=True)
class Generator:
    """A loaded model. provider: what really runs; reason: why that one, in words.

    sha256: of the file, as it was loaded, in hexadecimal.
    """

    session: onnxruntime.InferenceSession
    path: Path
    tier: str
    size: int
    training: str
    checkpoint: str
    provider: str
    reason: str
    sha256: str

    def run(
        self, picture: NDArray[np.float32], identity: NDArray[np.float32] | None = None
    ) -> GeneratorOutput:
        """One frame. picture: (11, S, S) float32; identity: (256,) or None. Thread-safe.

        Raises LikenessError when the network fails or answers with what are no numbers.
        """
        if identity is None:
            identity = np.zeros(contract.IDENTITY_SIZE, np.float32)
        feed = {"picture": picture[None], "identity": identity[None]}
        flow, colour, alpha, matte = run_session(self.session, self.path, contract.OUTPUTS, feed)
        return GeneratorOutput(
            np.moveaxis(flow[0], 0, -1), np.moveaxis(colour[0], 0, -1), alpha[0, 0], matte[0, 0]
        )


def load_generator(tier_or_file: str | Path, provider: str = "auto", threads: int = 1) -> Generator:
    """Load the shipped model of a tier, or any ONNX file that keeps the contract, or one person's
    generator of the 2019 paper.

    Where a tier's frames are made on the CPU, its 8-bit file is taken, if there is one.
    provider: "auto" takes CUDA where a session really gets it, else the CPU; "cuda" insists.
    threads: CPU threads that one frame may use; frames are made in parallel.
    Raises InputError when the file is no such model or the provider cannot be had. A file that
    somebody brought is run once, to see whether it answers as it must.
    """
    path = model_path(tier_or_file)
    faster = path.with_name(path.stem + contract.INT8_SUFFIX)
    has_faster = tier_or_file in contract.TIERS and faster.is_file()
    if has_faster and (provider == "cpu" or (provider == "auto" and why_no_cuda())):
        path = faster  # at once: to open the other first takes as long again
    data = _model_bytes(path)
    session, reason = open_session(path, provider, threads, data)
    ran = "cuda" if session.get_providers()[0] == CUDA else "cpu"
    if ran == "cpu" and has_faster and path != faster:
        path, data = faster, _model_bytes(faster)
        session = session_on(path, [CPU], threads, data)
    meta = metadata(session, path)
    is_paper = meta.get(contract.META_KIND) == contract.PAPER
    if is_paper:
        meta.setdefault(contract.META_TIER, contract.PAPER)
    _check_words(meta, path)
    generator = Generator(
        session,
        path,
        meta[contract.META_TIER],
        int(meta[contract.META_SIZE]),
        meta[contract.META_TRAINING],
        meta[contract.META_CHECKPOINT],
        ran,
        reason,
        hashlib.sha256(data).hexdigest(),
    )
    if is_paper:
        from inference.generator.paper import as_generator  # it stands on this file

        return as_generator(generator)
    _check_ports(session, path)
    if tier_or_file not in contract.TIERS:
        _try_out(generator)
    return generator


def model_path(tier_or_file: str | Path) -> Path:
    """The file of a shipped tier, or the file itself."""
    if tier_or_file in contract.TIERS:
        return MODELS / f"warp-{tier_or_file}.onnx"
    return Path(tier_or_file)


def _try_out(generator: Generator) -> None:
    """Run a model once. Raises InputError when its answers are not those of the contract."""
    size = generator.size
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # what it says is said by the exception, too
    timer = threading.Timer(_LONGEST_TRIAL, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    feed = {
        # As far as one picture can show: middling values on all channels.
        "picture": np.full((1, len(contract.CHANNELS), size, size), 0.5, np.float32),
        "identity": np.zeros((1, contract.IDENTITY_SIZE), np.float32),
    }
    try:
        answers = run_session(generator.session, generator.path, contract.OUTPUTS, feed, options)
    except LikenessError as error:
        raise InputError(str(error)) from None
    finally:
        timer.cancel()
    for name, answer in zip(contract.OUTPUTS, answers, strict=True):
        side = size // contract.FLOW_STRIDE if name == "flow" else size
        wanted = (1, _CHANNELS[name], side, side)
        if answer.shape != wanted:
            raise InputError(
                f"{generator.path}: the model's output '{name}' has the shape "
                f"{answer.shape}, not {wanted}; export it again"
            )


def _model_bytes(path: Path) -> bytes:
    return read_bytes(path, "model", f"the tiers are {' and '.join(contract.TIERS)}", LARGEST)


def _check_words(meta: dict[str, str], path: Path) -> None:
    missing = [key for key in contract.META_KEYS if key not in meta]
    if missing or meta[contract.META_KIND] not in (contract.WARP, contract.PAPER):
        raise InputError(
            f"{path}: an ONNX model, but not a Likeness generator; "
            "make one with: python -m export onnx"
        )
    if meta[contract.META_TOPOLOGY] != TOPOLOGY:
        raise InputError(
            f"{path}: made for the topology '{meta[contract.META_TOPOLOGY]}', this version has "
            f"'{TOPOLOGY}'; export the model again"
        )
    if meta[contract.META_SIZE] not in map(str, contract.SIZES):
        raise InputError(
            f"{path}: the model's size is '{meta[contract.META_SIZE][:20]}', not one of "
            f"{', '.join(map(str, contract.SIZES))}; export it again"
        )


def _check_ports(session: onnxruntime.InferenceSession, path: Path) -> None:
    if {value.name for value in session.get_inputs()} != {"picture", "identity"}:
        raise InputError(f"{path}: the model's inputs are of another version; export it again")
    if not {value.name for value in session.get_outputs()} >= set(contract.OUTPUTS):
        raise InputError(f"{path}: the model's outputs are of another version; export it again")
