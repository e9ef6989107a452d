# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks in ONNX Runtime: open one, run it, and say on which provider it really runs."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.errors import InputError, LikenessError
from inference.inputs import read_bytes
from inference.jobs import PROVIDERS
from inference.remembered import remembered

MODELS = Path(__file__).parent / "models"
LARGEST = 1 << 30  # bytes of a model's file
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


def open_session(
    path: Path, provider: str, threads: int, data: bytes | None = None
) -> tuple[onnxruntime.InferenceSession, str]:
    """A session on the provider, and why it is that one. Raises InputError.

    data: the file's bytes, where they have been read already.
    """
    if data is None:
        data = read_bytes(path, "model", "install Likeness again", LARGEST)
    if provider not in PROVIDERS:
        raise InputError(f"there is no provider '{provider}'; choose one of {', '.join(PROVIDERS)}")
    if provider != "cpu":
        missing = why_no_cuda()
        if missing is None:
            session = session_on(path, [(CUDA, _cuda_options()), CPU], threads, data)
            # The list of available providers promises CUDA on every machine: only this tells.
            if session.get_providers()[0] == CUDA:
                return session, "a CUDA session was opened"
            missing = "its libraries could not be loaded, see the log"
        if provider == "cuda":
            raise InputError(f"CUDA cannot be used: {missing}; choose the provider cpu or auto")
        return session_on(path, [CPU], threads, data), f"CUDA cannot be used: {missing}"
    return session_on(path, [CPU], threads, data), "the CPU was asked for"


def run_session(
    session: onnxruntime.InferenceSession,
    path: Path,
    outputs: tuple[str, ...],
    feed: dict[str, NDArray[np.float32]],
    options: onnxruntime.RunOptions | None = None,
) -> list[NDArray[np.float32]]:
    """The network's answers. Raises LikenessError when it fails or they are no numbers."""
    try:
        answers = session.run(list(outputs), feed, options)
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        raise LikenessError(
            f"{path}: the network failed ({_first_line(error)}); choose another model, or the CPU"
        ) from None
    if not all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in answers):
        raise LikenessError(f"{path}: the network's answers are of another type; export it again")
    if not all(np.isfinite(answer).all() for answer in answers):
        raise LikenessError(
            f"{path}: the network answers with what are no numbers; choose "
            "another model, or the CPU"
        )
    return answers


def metadata(session: onnxruntime.InferenceSession, path: Path) -> dict[str, str]:
    """What the file says of itself. Raises InputError when it is no text."""
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except ValueError:
        raise InputError(
            f"{path}: what the model says of itself is no text; export it again"
        ) from None


@remembered(4, by=lambda path, providers, threads, data: (providers, threads, data))
def session_on(
    path: Path,
    providers: list[str | tuple[str, dict[str, str]]],
    threads: int,
    data: bytes,
) -> onnxruntime.InferenceSession:
    """A session on these providers, in their order. Raises InputError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Exceptions say what is wrong with a model. Why CUDA's libraries do not load, the log alone.
    alone = providers == [CPU]
    options.log_severity_level = 4 if alone else 3
    # Spinning threads would take the cores from warping and writing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Its bytes, not its name: so it cannot have further files read that lie elsewhere.
        # Falling back, from the CPU to the CPU, it prints what it does.
        return onnxruntime.InferenceSession(
            data, options, providers=providers, enable_fallback=not alone
        )
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        raise InputError(
            f"{path}: not an ONNX model, or a truncated one; copy it again ({_first_line(error)})"
        ) from None


def why_no_cuda() -> str | None:
    """What keeps CUDA from running here, as far as can be seen without trying."""
    if CUDA not in onnxruntime.get_available_providers():
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
    known = re.fullmatch("[0-9]{1,9}", limit) and int(limit)
    return {"gpu_mem_limit": str(int(limit) << 20)} if known else {}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
