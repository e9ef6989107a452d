# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run on another machine brings home, in files small enough to be copied.

`pack_results` puts the weights, the exported model, the figures and the last picture into one
archive, cut into pieces with a list of hashes; `read_results` checks and unpacks it. The
checkpoint inside is a slim one: weights and Adam's second moments at half precision, the moving
average once, Adam's first moments (which two or three steps bring back) not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from export.folders import writing
from export.training.folder import TRAINING
from inference.errors import InputError
from inference.files import write_whole
from inference.outputs import FolderKind, OwnedFolder

LIST = "result.json"
PIECE = 15_000_000  # bytes
TOTAL = 62_000_000
_FORMAT = 1
_FIRST, _SECOND = "exp_avg", "exp_avg_sq"
_AVERAGED = ("generator", "embedder")


def _has_list(folder: Path) -> bool:
    """Results had no record before, but a list of their pieces."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(listed, dict) and {"format", "files", "pieces"} <= listed.keys()


RESULTS = FolderKind(
    "results of a training run", (re.escape(LIST), r"result-\d{2,}\.bin"), _has_list
)


def slim(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of `export.training.saved` at less than a third of its size."""
    content = dict(checkpoint)
    resume = content.get("resume")
    if isinstance(resume, dict):
        content["resume"] = {k: v for k, v in resume.items() if k != "average"}
    return _each_dict(content, _thin)


def restored(content: dict[str, Any]) -> dict[str, Any]:
    """What a run can go on from: the slim checkpoint in float32, with all its parts."""
    whole = _each_dict(content, _fill)
    if isinstance(whole.get("resume"), dict):
        whole["resume"]["average"] = {
            f"{part}.{key}": value.clone()
            for part in _AVERAGED
            for key, value in whole[part].items()
        }
    return whole


def pack_results(files: dict[str, Path], out: Path) -> tuple[list[Path], list[str]]:
    """Write files, by the name they shall have, as pieces into `out`; the most important first.

    Returns the pieces, the list of hashes last, and the names of files for which there was no
    room. Raises InputError when `out` is not ours, LikenessError for a full disk.
    """
    chosen, left_out, length = [], [], 0
    for name, path in files.items():
        size = path.stat().st_size + 2048  # its header, and the padding of both
        if length + size > TOTAL - 20480:
            left_out.append(name)
        else:
            chosen.append((name, path))
            length += size
    with writing(out, RESULTS, files.values()) as folder:
        folder.file(LIST).unlink(missing_ok=True)
        for older in folder.files():
            older.unlink()
        pieces = _write_pieces(chosen, folder)
        listed = {
            "format": _FORMAT,
            "files": [name for name, _ in chosen],
            "pieces": [{"name": path.name, "sha256": digest} for path, digest in pieces],
        }
        write_whole(folder.file(LIST), (json.dumps(listed, indent=1) + "\n").encode())
    return [path for path, _ in pieces] + [out / LIST], left_out


def _write_pieces(chosen: list[tuple[str, Path]], folder: OwnedFolder) -> list[tuple[Path, str]]:
    """One archive of all files, in pieces: where each lies, and its sha256 in hexadecimal."""
    pieces: list[tuple[Path, str]] = []
    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w") as archive:
            for name, path in chosen:
                archive.add(path, name, recursive=False)
        whole.seek(0)
        while content := whole.read(PIECE):
            path = folder.file(f"result-{len(pieces):02d}.bin")
            write_whole(path, content)
            pieces.append((path, hashlib.sha256(content).hexdigest()))
    return pieces


def read_results(folder: Path) -> dict[str, bytes]:
    """The files in a folder of results, by their names, checked.

    Raises InputError that names a piece which is missing, damaged, or of another run.
    """
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        pieces = [(str(p["name"]), str(p["sha256"])) for p in listed["pieces"]]
        names = {str(name) for name in listed["files"]}
    except FileNotFoundError:
        raise InputError(f"{folder}: holds no {LIST}; copy it beside the pieces") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{folder / LIST}: is damaged; copy it again") from None
    whole = bytearray()
    for name, digest in pieces:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: this piece is missing; copy it beside the others")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"{path}: the piece is damaged or of another run; copy it again")
        whole += content
    made = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member) if member.name in names else None
                if file is None or not TRAINING.pattern.fullmatch(member.name):
                    raise InputError(f"{folder}: holds more than results; it is not from a run")
                made[member.name] = file.read()
    except (tarfile.TarError, KeyError) as error:
        raise InputError(
            f"{folder}: its pieces are no results of a run; copy them again"
        ) from error
    return made


def join_results(results: dict[str, bytes], folder: OwnedFolder) -> list[Path]:
    """Write the files of `read_results` into a training run's folder."""
    for name, content in results.items():
        write_whole(folder.file(name), content)
    return [folder.path / name for name in results]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU. Raises InputError when it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    return load_checkpoint(path, path)


def load_checkpoint(source: Path | BinaryIO, path: Path) -> dict[str, Any]:
    """As `read_checkpoint`, of what may not lie in a file; path: for the messages."""
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise InputError(f"{path}: is no checkpoint, or a damaged one; copy it again") from error
    if not isinstance(content, dict) or "generator" not in content:
        raise InputError(f"{path}: is no checkpoint of a training run")
    return content


def _each_dict(value: Any, change: Callable[[dict[Any, Any]], dict[Any, Any]]) -> Any:
    """The same nest of dictionaries and lists, every dictionary changed."""
    if isinstance(value, dict):
        return {k: _each_dict(v, change) for k, v in change(value).items()}
    if isinstance(value, list | tuple):
        return type(value)(_each_dict(v, change) for v in value)
    return value


def _thin(values: dict[Any, Any]) -> dict[Any, Any]:
    # Moments span more than float16's range; a weight beyond it would be a lost run's.
    return {
        k: _half(v, torch.bfloat16 if k == _SECOND else torch.float16)
        for k, v in values.items()
        if not (k == _FIRST and _SECOND in values)
    }


def _half(value: Any, kind: torch.dtype) -> Any:
    if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.ndim == 0:
        return value
    small = value.detach().cpu().to(kind)
    return small if bool(torch.isfinite(small).all()) else value.detach().to(torch.bfloat16)


def _fill(values: dict[Any, Any]) -> dict[Any, Any]:
    filled = {
        k: v.float() if isinstance(v, Tensor) and v.dtype in (torch.float16, torch.bfloat16) else v
        for k, v in values.items()
    }
    if _SECOND in filled and _FIRST not in filled:
        filled[_FIRST] = torch.zeros_like(filled[_SECOND])
    return filled
