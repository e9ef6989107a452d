# SPDX-License-Identifier: GPL-3.0-or-later
"""Load a generator, check that it is one, run it, and say on which provider it really runs."""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.errors import InputError
from inference.generator import contract
from inference.landmarks import TOPOLOGY

MODELS = Path(__file__).parents[1] / "models"
PROVIDERS = ("auto", "cuda", "cpu")
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


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
        """One frame. picture: (11, S, S) float32; identity: (256,) or None. Thread-safe."""
        if identity is None:
            identity = np.zeros(contract.IDENTITY_SIZE, np.float32)
        feed = {"picture": picture[None], "identity": identity[None]}
        flow, colour, alpha, matte = self.session.run(list(contract.OUTPUTS), feed)
        return GeneratorOutput(
            np.moveaxis(flow[0], 0, -1), np.moveaxis(colour[0], 0, -1), alpha[0, 0], matte[0, 0]
        )


def load_generator(tier_or_file: str | Path, provider: str = "auto", threads: int = 1) -> Generator:
    """Load the shipped model of a tier, or any ONNX file that keeps the contract.

    Where a tier's frames are made on the CPU, its 8-bit file is taken, if there is one.
    provider: "auto" takes CUDA where a session really gets it, else the CPU; "cuda" insists.
    threads: CPU threads that one frame may use; frames are made in parallel.
    Raises InputError when the file is no such model or the provider cannot be had.
    """
    path = model_path(tier_or_file)
    if not path.is_file():
        raise InputError(f"{path}: there is no such model; the tiers are "
                         f"{' and '.join(contract.TIERS)}")  # fmt: skip
    data = path.read_bytes()
    session, reason = open_session(path, provider, threads, data)
    ran = "cuda" if session.get_providers()[0] == _CUDA else "cpu"
    faster = path.with_name(path.stem + contract.INT8_SUFFIX)
    if ran == "cpu" and tier_or_file in contract.TIERS and faster.is_file():
        path, data = faster, faster.read_bytes()
        session = _session(path, [_CPU], threads, data)
    meta = session.get_modelmeta().custom_metadata_map
    _check(session, meta, path)
    return Generator(
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


def model_path(tier_or_file: str | Path) -> Path:
    """The file of a shipped tier, or the file itself."""
    if tier_or_file in contract.TIERS:
        return MODELS / f"warp-{tier_or_file}.onnx"
    return Path(tier_or_file)


def open_session(
    path: Path, provider: str, threads: int, data: bytes | None = None
) -> tuple[onnxruntime.InferenceSession, str]:
    """A session on the provider, and why it is that one. Raises InputError.

    data: the file's bytes, where they have been read already.
    """
    if provider not in PROVIDERS:
        raise InputError(f"there is no provider '{provider}'; choose one of {', '.join(PROVIDERS)}")
    if provider != "cpu":
        missing = _why_no_cuda()
        if missing is None:
            session = _session(path, [(_CUDA, _cuda_options()), _CPU], threads, data)
            # The list of available providers promises CUDA on every machine: only this tells.
            if session.get_providers()[0] == _CUDA:
                return session, "a CUDA session was opened"
            missing = "its libraries could not be loaded, see the log"
        if provider == "cuda":
            raise InputError(f"CUDA cannot be used: {missing}; use --provider cpu or auto")
        return _session(path, [_CPU], threads, data), f"CUDA cannot be used: {missing}"
    return _session(path, [_CPU], threads, data), "the CPU was asked for"


def _why_no_cuda() -> str | None:
    """What keeps CUDA from running here, as far as can be told without trying."""
    if _CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime was built without it"
    try:
        ctypes.CDLL("nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver on this machine"
    onnxruntime.preload_dlls(directory="")
    return None


def _cuda_options() -> dict[str, str]:
    """LIKENESS_GPU_MEMORY_MB limits what the session's arena may take of the GPU, in MiB."""
    limit = os.environ.get("LIKENESS_GPU_MEMORY_MB", "")
    return {"gpu_mem_limit": str(int(limit) << 20)} if limit.isdigit() and int(limit) else {}


def _session(
    path: Path, providers: list[str | tuple[str, dict[str, str]]], threads: int,
    data: bytes | None,
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads would take the cores from warping and writing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data or str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        first = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not an ONNX model, or a truncated one; copy it again ({first[:120]})"
        ) from None


def _check(session: onnxruntime.InferenceSession, meta: dict[str, str], path: Path) -> None:
    missing = [key for key in contract.META_KEYS if key not in meta]
    if missing or meta[contract.META_KIND] != "warp":
        raise InputError(
            f"{path}: an ONNX model, but not a Likeness generator; "
            "make one with: python -m export onnx"
        )
    if meta[contract.META_TOPOLOGY] != TOPOLOGY:
        raise InputError(
            f"{path}: made for the topology '{meta[contract.META_TOPOLOGY]}', this version has "
            f"'{TOPOLOGY}'; export the model again"
        )
    if (
        not meta[contract.META_SIZE].isdigit()
        or int(meta[contract.META_SIZE]) not in contract.SIZES
    ):
        raise InputError(
            f"{path}: the model's size is '{meta[contract.META_SIZE]}', not one of "
            f"{', '.join(map(str, contract.SIZES))}; export it again"
        )
    if {value.name for value in session.get_inputs()} != {"picture", "identity"}:
        raise InputError(f"{path}: the model's inputs are of another version; export it again")
