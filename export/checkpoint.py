# SPDX-License-Identifier: GPL-3.0-or-later
"""A generator's weights on disk: `{"generator": state dict, "training": words}`, by torch.save."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from export.networks.embedder import WarpEmbedder
from inference.errors import InputError

UNTRAINED = "untrained"


def load_weights(generator: nn.Module, path: Path, name: str) -> str:
    """Fill the generator from a checkpoint; returns its words on training.

    `name` says which network is wanted, for the message. Raises InputError when the file is no
    checkpoint or belongs to another architecture.
    """
    state, training = _read(path)
    wanted = generator.state_dict()
    for key in sorted(wanted.keys() | state.keys()):
        if key not in state:
            problem = f"has no '{key}'"
        elif key not in wanted:
            problem = f"has an unknown '{key}'"
        elif state[key].shape != wanted[key].shape:
            problem = f"has '{key}' of shape {_shape(state[key])}, not {_shape(wanted[key])}"
        elif not torch.isfinite(state[key]).all():
            problem = f"has values in '{key}' that are not finite"
        else:
            continue
        raise InputError(f"{path}: does not fit the {name} generator: it {problem}; "
                         "choose the generator and tier that it was trained as")  # fmt: skip
    generator.load_state_dict(state)
    return training


def load_embedder(path: Path) -> WarpEmbedder | None:
    """The embedder that was trained beside a checkpoint's generator, or None.

    Raises InputError when it is of another architecture.
    """
    state = torch.load(path, map_location="cpu", weights_only=True).get("embedder")
    if state is None:
        return None
    embedder = WarpEmbedder()
    try:
        embedder.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"{path}: its embedder is of another architecture; train again with this version"
        ) from error
    return embedder.eval()


def state_hash(generator: nn.Module) -> str:
    """sha256 (hex) over the bytes of the state dict's tensors, in the order of their names."""
    digest = hashlib.sha256()
    state = generator.state_dict()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], str]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise InputError(f"{path}: is no checkpoint, or a damaged one; "
                         "give a file that training wrote")  from error  # fmt: skip
    state = content.get("generator") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path}: is no generator's checkpoint (it has no weights under "
                         "'generator'); give a file that training wrote")  # fmt: skip
    training = content.get("training")
    if not isinstance(training, str) or not training or "\n" in training:
        raise InputError(f"{path}: does not say in one line what it was trained on ('training'); "
                         "give a file that training wrote")  # fmt: skip
    return state, training


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "()"
