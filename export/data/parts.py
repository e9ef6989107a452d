# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared footage in parts that are small enough to be copied one by one to another machine.

A folder of parts holds `parts.json` (the settings, the clips and each part's hash) and
`part-000.bin`, `part-001.bin`, ...; every clip lies in one part. Clips are copied byte for byte,
or, when asked for, made smaller: shrunk, every n-th frame only. Landmarks stay 16-bit fractions of
the crop's side, at most 0.012 pixels off in a crop of 512. `unpack` checks every byte and makes a
folder that `export.data.shards.PreparedData` reads.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data.layout import INDEX, PREPARED, SETTINGS, ClipRecord, shard_name
from export.data.packing import PackedClip, pack_clip
from export.data.shards import PreparedData, StoredClip
from export.folders import check_folder, writing
from inference.errors import InputError, LikenessError
from inference.files import write_whole, written_whole
from inference.outputs import FolderKind, OwnedFolder
from inference.progress import Progress

MANIFEST = "parts.json"
FORMAT = 1
LARGEST = 45  # megabytes (10^6 bytes) of a part
SPLITS = ("train", "val")
_BLOCK = 1 << 20
_PARTS = FolderKind("prepared footage in parts", (re.escape(MANIFEST), r"part-\d{3,}\.bin"))


@dataclass(frozen=True)
class Smaller:
    """What is given up for size. side: larger pictures are shrunk to it, 0 keeps them.

    every: one frame in so many is kept. quality: of JPEGs that are written again.
    """

    side: int = 0
    every: int = 1
    quality: int = 92


@dataclass(frozen=True)
class Part:
    """One file: its name, its length in bytes and its sha256 in hexadecimal."""

    name: str
    length: int
    sha256: str


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote. parts: the paths; clips, frames: how many."""

    parts: list[Path]
    clips: int
    frames: int


def pack(
    data: Path,
    out: Path,
    megabytes: float = LARGEST,
    smaller: Smaller | None = None,
    splits: Iterable[str] = SPLITS,
    progress: Progress | None = None,
) -> Packed:
    """Write the clips of some splits as parts of at most so many megabytes.

    The manifest comes last: without it a folder of parts is none. Raises InputError for a folder
    that is no prepared data, a clip that fits in no part or an `out` that is not ours or holds
    all parts of a packing, LikenessError for a full disk.
    """
    if is_parts(out):
        raise InputError(f"{out}: holds packed data already; name a new folder for the parts")
    check_folder(out, _PARTS, [data])
    smaller = smaller or Smaller()
    if smaller.every < 1 or smaller.side < 0 or not 1 <= smaller.quality <= 100:
        raise InputError("every must be 1 or more, a side 0 or more, a quality 1 to 100")
    clips = PreparedData(data)
    chosen = [i for i, record in enumerate(clips.records) if record.split in set(splits)]
    if not chosen:
        raise InputError(f"{data}: there is no clip of the splits {', '.join(splits)}")
    with writing(out, _PARTS, [data]) as folder:
        return _write_parts(clips, chosen, folder, int(megabytes * 1e6), smaller, progress)


def _write_parts(
    clips: PreparedData,
    chosen: list[int],
    folder: OwnedFolder,
    limit: int,
    smaller: Smaller,
    progress: Progress | None,
) -> Packed:
    """limit: bytes of a part, at most."""
    records: list[ClipRecord] = []
    parts: list[Part] = []
    waiting: list[bytes] = []

    def close() -> None:
        content = b"".join(waiting)
        waiting.clear()
        name = f"part-{len(parts):03d}.bin"
        write_whole(folder.file(name), content)
        parts.append(Part(name, len(content), hashlib.sha256(content).hexdigest()))

    filled = 0
    for done, index in enumerate(chosen, start=1):
        clip = _smaller(clips.clip(index), smaller)
        length = len(clip.data)
        if length > limit:
            raise InputError(
                f"{clips.folder}: the clip '{clip.name}' takes {length / 1e6:.1f} MB; allow larger "
                "parts, or make it smaller with --side or --every"
            )
        if waiting and filled + length > limit:
            close()
            filled = 0
        fields = {key: value for key, value in vars(clip).items() if key != "data"}
        records.append(
            ClipRecord(**fields, shard=shard_name(len(parts)), offset=filled, length=length)
        )
        waiting.append(clip.data)
        filled += length
        if progress:
            progress(done, len(chosen))
    close()
    manifest = {
        "format": FORMAT,
        "settings": json.loads((clips.folder / SETTINGS).read_text(encoding="utf-8")),
        "parts": [asdict(part) for part in parts],
        "clips": [asdict(record) for record in records],
    }
    write_whole(folder.file(MANIFEST), json.dumps(manifest).encode())
    made = [folder.path / part.name for part in parts]
    return Packed(made, len(records), sum(record.frames for record in records))


def unpack(parts: Path, out: Path) -> PreparedData:
    """Check all parts against the manifest and make a prepared folder of them.

    A part that stands in `out` already and is right is not copied again. Raises InputError that
    names what is missing, damaged or of another packing, LikenessError for a full disk.
    """
    check_folder(out, PREPARED, [parts])
    manifest = _read_manifest(parts / MANIFEST)
    wanted: list[Part] = manifest["parts"]
    missing = [part.name for part in wanted if not (parts / part.name).is_file()]
    if missing:
        raise InputError(
            f"{parts}: {len(missing)} of {len(wanted)} parts are missing "
            f"({', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}); copy "
            "them here and run the same command again"
        )
    index = "".join(json.dumps(fields) + "\n" for fields in manifest["clips"]).encode()
    with writing(out, PREPARED, [parts]) as folder:
        there = folder.file(INDEX)
        if there.is_file() and there.read_bytes() != index:
            raise InputError(f"{out}: holds other prepared data; name another folder")
        for number, part in enumerate(wanted):
            _copy(parts / part.name, part, folder.file(shard_name(number)), there.is_file())
        settings = json.dumps(manifest["settings"], indent=1) + "\n"
        write_whole(folder.file(SETTINGS), settings.encode())
        write_whole(there, index)
    return PreparedData(out)


def _copy(source: Path, part: Part, shard: Path, indexed: bool) -> None:
    """indexed: the shard is known to be of the same data, so that a damaged one is replaced."""
    if _matches(shard, part):
        return
    if not _matches(source, part):
        raise InputError(f"{source}: the part is damaged or of another packing; copy it again")
    if shard.exists() and not indexed:
        raise InputError(f"{shard}: is of other prepared data; name another folder")
    with written_whole(shard) as path:
        shutil.copyfile(source, path)


def is_parts(folder: Path) -> bool:
    """Whether a folder holds parts, rather than prepared data."""
    return (folder / MANIFEST).is_file()


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _matches(path: Path, part: Part) -> bool:
    return path.is_file() and path.stat().st_size == part.length and sha256(path) == part.sha256


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path.parent}: holds no {MANIFEST}; copy it beside the parts")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise InputError(f"{path}: was packed by another version; pack the data again")
        manifest["parts"] = [Part(**fields) for fields in manifest["parts"]]
        if not all(Path(part.name).name == part.name for part in manifest["parts"]):
            raise ValueError
        manifest["settings"], manifest["clips"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: is damaged; copy it again") from None
    return manifest


def _smaller(clip: StoredClip, how: Smaller) -> PackedClip:
    """The clip as it is, or shrunk and thinned."""
    record = clip.record
    share = min(1.0, how.side / max(record.size)) if how.side else 1.0
    if share == 1.0 and (how.every == 1 or record.still):
        return PackedClip(
            record.name,
            record.identity,
            record.split,
            record.still,
            record.rate,
            record.size,
            record.side,
            record.frames,
            record.table_crc,
            clip.whole(),
            record.mattes,
        )
    kept = range(0, record.frames, how.every)
    if not record.still and len(kept) < 2:
        kept = range(record.frames)  # a clip needs two frames
    width, height = record.size
    size = (max(1, round(width * share)), max(1, round(height * share)))
    # Each axis by its own factor: the sides are rounded to whole pixels.
    zoom = np.array([size[0] / width, size[1] / height, share], np.float32)
    jpegs = [
        bytes(clip.jpeg(i)) if share == 1.0 else _shrunk(clip.picture(i), size, how.quality)
        for i in kept
    ]
    mattes = [bytes(png) for i in kept if (png := clip.matte_png(i)) is not None]
    return pack_clip(
        record.name,
        record.identity,
        record.split,
        record.still,
        record.rate,
        size,
        record.side * share,
        clip.numbers[list(kept)],
        np.stack([clip.points(i) * zoom for i in kept]),
        clip.measures[list(kept)],
        jpegs,
        mattes,
    )


def _shrunk(picture: NDArray[np.uint8], size: tuple[int, int], quality: int) -> bytes:
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not ok:
        raise LikenessError(f"a picture of {size[0]} x {size[1]} could not be written as JPEG")
    return bytes(data)
