# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own files in a folder that a command writes to: they must be there afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Near to the names that commands write, but not of them.
NEAR_MISSES = (
    "checkpoint-0003000-good.pt", "checkpoint-300.pt", "xcheckpoint-0003000.pt",
    "shard-backup.bin", "shard-00000.bin.old", "index.jsonl~", "dataset.json.bak",
    "part-000.bin.gz", "result-00-copy.bin", "result.json.txt", "grid-best.png", "log.jsonl.1",
    "model-old.onnx", "model.onnx.part", "generator.onnx.0123456789ab.part.txt", "head.json",
    "my card.md", "person.json.bak", "identity-2.npy", "unfinished-thoughts.pt", ".likeness.json",
)  # fmt: skip


@dataclass(frozen=True)
class Strangers:
    """Files and what they held."""

    contents: dict[Path, bytes]

    def check(self) -> None:
        """Assert that all are there, to the byte."""
        for path, content in self.contents.items():
            assert path.read_bytes() == content, path


def plant(folder: Path, *names: str) -> Strangers:
    """Write files of these names, or of the near misses, into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {folder / name: f"mine: {name}".encode() for name in names or NEAR_MISSES}
    for path, content in contents.items():
        path.write_bytes(content)
    return Strangers(contents)
