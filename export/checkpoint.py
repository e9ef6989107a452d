# SPDX-License-Identifier: GPL-3.0-or-later
"""A generator's weights on disk: a checkpoint, or an exported .onnx in its place.

A checkpoint is `{"generator": state dict, "training": words}`, by torch.save; its embedder, if
there is one, lies in it under "embedder". An exported file has the embedder beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from export.networks.embedder import WarpEmbedder
from export.onnx_weights import read_embedder_weights, read_generator_weights
from inference.errors import InputError

UNTRAINED = "untrained"
EXPORTED = ".onnx"


@dataclass(frozen=True)
class Origin:
    """Where weights come from. training: words on it, one line. sha256: hex, of the weights as
    they were trained; an exported file goes on naming those that it was rounded from.
    """

    training: str
    sha256: str


def load_weights(generator: nn.Module, path: Path, name: str) -> Origin:
    """Fill the generator from a checkpoint or an exported .onnx; returns what is known of it.

    `name` says which network is wanted, for the message. Raises InputError when the file is
    neither or belongs to another architecture.
    """
    wanted = generator.state_dict()
    sha256 = None
    state: Mapping[str, Tensor]
    if path.suffix == EXPORTED:
        state, training, sha256 = read_generator_weights(path, wanted)
    else:
        state, training = _read(path)
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
        raise InputError(
            f"{path}: does not fit the {name} generator: it {problem}; "
            "choose the generator and tier that it was trained as"
        )
    generator.load_state_dict(state)
    return Origin(training, sha256 or state_hash(generator))


def load_embedder(path: Path) -> WarpEmbedder | None:
    """The embedder that was trained beside a checkpoint's generator, or None.

    Raises InputError when it is of another architecture.
    """
    embedder = WarpEmbedder()
    state: Mapping[str, Tensor] | None
    if path.suffix == EXPORTED:
        state = read_embedder_weights(path, embedder.state_dict())
    else:
        state = torch.load(path, map_location="cpu", weights_only=True).get("embedder")
    if state is None:
        return None
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
        raise InputError(
            f"{path}: is no checkpoint, or a damaged one; give a file that training wrote"
        ) from error
    state = content.get("generator") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(
            f"{path}: is no generator's checkpoint (it has no weights under "
            "'generator'); give a file that training wrote"
        )
    training = content.get("training")
    if not isinstance(training, str) or not training or "\n" in training:
        raise InputError(
            f"{path}: does not say in one line what it was trained on ('training'); "
            "give a file that training wrote"
        )
    return state, training


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "()"
