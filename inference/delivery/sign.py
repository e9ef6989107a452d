# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign what is delivered: a movie, a picture, or a folder of frames.

A folder gets a contact sheet, `credentials.png`, whose signed manifest lists every file with its
hash: no signature fits into OpenEXR, and one a frame would be slow and say no more.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.delivery.c2pa_files import (
    TYPES,
    Ingredient,
    check_signable,
    read_signed,
    write_signed,
)
from inference.delivery.certificate import own_certificate
from inference.delivery.found import CREDENTIALS, MOVIES, open_target
from inference.delivery.look_metadata import read_all
from inference.errors import InputError
from inference.frames import encode_frame
from inference.inputs import opened
from inference.jobs import SignJob
from inference.outputs import check_replaceable, refuse_inputs
from inference.pictures import SUFFIXES, read_picture
from inference.provenance.facts import PROGRAM, SOURCE_TYPES, VERSION
from inference.provenance.xmp import LARGEST, as_box, find_xmp, into_png
from inference.sidecar import known_job, known_placement

FRAMES, MADE = "likeness.frames", "likeness.made"  # labels of our own assertions
_TILES, _SIDE = 6, 256
_SIGNED = ".signed"  # before a signed movie's ending


def sign(job: SignJob) -> Path:
    """Write the signed file; returns its path.

    Raises InputError for what does not say that it was made here, for a preview, and where
    something else lies at `out`; LikenessError where it cannot be signed.
    """
    target = open_target(job.path)
    is_folder = job.path.is_dir()
    if not is_folder:
        check_signable(job.path)
    facts = _facts(job)
    head = job.head or (job.path if is_folder else None)
    out = job.out or _beside(job.path, is_folder)
    ingredients = _ingredients(job, head, facts)
    refuse_inputs([out], [*target.files, *(one.path for one in ingredients)])
    check_replaceable(out, _is_signed_here, "a file that was signed here")
    if out.suffix.lower() != (".png" if is_folder else job.path.suffix.lower()):
        raise InputError(f"{out}: must end as what is signed does; choose another name")
    asked = known_job(head).get("job", {}) if head else {}
    made = _made(facts, asked if isinstance(asked, dict) else {})
    actions = _actions(ingredients, made)
    kind = facts["DigitalSourceType"].removeprefix(SOURCE_TYPES)
    certificate = own_certificate()
    with tempfile.TemporaryDirectory(prefix="likeness-") as kept:
        if is_folder:
            source = Path(kept) / "sheet.png"
            packet = find_xmp(target.files[0]) or b""
            source.write_bytes(into_png(_contact_sheet(target.files), packet))
            files = [[path.name, _hash(path)] for path in target.files]
            said: dict[str, Any] = {FRAMES: {"files": files}, MADE: made}
        else:
            source, said = _with_metadata(job.path, head, Path(kept)), {MADE: made}
        write_signed(source, out, certificate, kind, actions, said, ingredients)
    return out


def _with_metadata(movie: Path, head: Path | None, kept: Path) -> Path:
    """The movie, or a copy that says what it is where an encoder has thrown that away."""
    packet = str(known_placement(head).get("xmp", "")).encode() if head else b""
    if not packet or movie.suffix.lower() not in MOVIES or find_xmp(movie):
        return movie
    copy = kept / f"movie{movie.suffix}"
    shutil.copyfile(movie, copy)
    with copy.open("ab") as file:
        file.write(as_box(packet))
    return copy


def changed_files(folder: Path, listed: object) -> tuple[list[str], int]:
    """Names of files that are gone or others than the signed list says; and how many it names.

    A name that is more than a name is never opened. Raises ValueError where it is no list.
    """
    entries = listed.get("files") if isinstance(listed, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError("its list of files is none")
    changed = []
    for entry in entries:
        name, digest = entry if isinstance(entry, list) and len(entry) == 2 else ("", "")
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise ValueError("its list names what is no file of this folder")
        path = folder / name
        if path.is_symlink() or not path.is_file() or _hash(path) != digest:
            changed.append(name)
    return changed, len(entries)


def _facts(job: SignJob) -> dict[str, str]:
    """What the first marked file says of itself, of the head frames where a movie says nothing."""
    for path in filter(None, (job.path, job.head)):
        target = open_target(path)
        marked, broken = read_all(target)
        if marked or broken:
            break
    else:
        raise InputError(
            f"{job.path}: nothing in it says that it was made by {PROGRAM}; name the head "
            "frames that it was made of with --head"
        )
    if len(marked) < len(target.files):
        others = ", the first broken one is " + broken[0][0].name if broken else ""
        raise InputError(
            f"{path}: {len(target.files) - len(marked)} of {len(target.files)} files do not say "
            f"that {PROGRAM} made them{others}; move them elsewhere, they cannot be vouched for"
        )
    if any(facts.get("Preview") == "True" for facts in marked):
        raise InputError(
            f"{job.path}: these are previews, which are not signed; record consent and make "
            "the frames again"
        )
    return marked[0]


def _ingredients(job: SignJob, head: Path | None, facts: dict[str, str]) -> list[Ingredient]:
    """Portrait and driver, as far as they are there and can be one."""
    found = []
    named = known_placement(head).get("portrait") if head else None
    if head and isinstance(named, str):
        path = head / named
        # A folder from elsewhere names what it likes: only the very picture is taken.
        is_one = path.suffix.lower() in TYPES and path.is_file()
        if is_one and f"sha256:{_hash(path)}" == facts.get("Portrait"):
            found.append(Ingredient(path, "portrait"))
    if job.driver:
        check_signable(job.driver)
        if not job.driver.is_file():
            raise InputError(f"{job.driver}: there is no such footage; check its name")
        found.append(Ingredient(job.driver, "driver"))
    return found


def _made(facts: dict[str, str], asked: dict[str, Any]) -> dict[str, str]:
    """How it was made, by hashes: no names."""
    made = {key.lower(): facts[key] for key in ("Portrait", "Model", "Consent") if key in facts}
    made["program"] = facts.get("CreatorTool", PROGRAM)
    return made | ({"personalized": "yes"} if asked.get("person") else {})


def _actions(ingredients: list[Ingredient], made: dict[str, str]) -> list[dict[str, Any]]:
    agent = {"name": PROGRAM, "version": VERSION}
    roles = [one.role for one in ingredients]
    actions: list[dict[str, Any]] = []
    if "driver" in roles:
        actions.append({"action": "likeness.captured", "parameters": {"ingredientIds": ["driver"]}})
    if "personalized" in made:
        actions.append({"action": "likeness.personalized"})
    model = {"model": made.get("model", "")}
    actions.append({"action": "likeness.synthesized", "softwareAgent": agent, "parameters": model})
    if "portrait" in roles:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": ["portrait"]}})
    return [*actions, {"action": "likeness.composited", "softwareAgent": agent}]


def _beside(path: Path, is_folder: bool) -> Path:
    return path / CREDENTIALS if is_folder else path.with_name(path.stem + _SIGNED + path.suffix)


def _is_signed_here(path: Path) -> bool:
    signed = read_signed(path)
    return signed is not None and signed.here


def _hash(path: Path) -> str:
    with opened(path, "file", "check its name", LARGEST) as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _contact_sheet(files: tuple[Path, ...]) -> bytes:
    """Up to six of the pictures on grey, as a PNG."""
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    count = min(_TILES, len(pictures))
    tiles = [np.full((_SIDE, _SIDE, 3), 40, np.uint8)]
    for number in range(count):
        picture = read_picture(pictures[number * (len(pictures) - 1) // max(1, count - 1)])
        rgb = picture.rgb8()
        factor = _SIDE / max(rgb.shape[:2])
        size = [max(1, round(side * factor)) for side in (rgb.shape[1], rgb.shape[0])]
        tile = np.full((_SIDE, _SIDE, 3), 40, np.uint8)
        small = cv2.resize(rgb, (size[0], size[1]), interpolation=cv2.INTER_AREA)
        if picture.alpha is not None:
            top = np.iinfo(picture.alpha.dtype).max
            share = cv2.resize(picture.alpha.astype(np.float32) / top, (size[0], size[1]))
            small = (small * share[..., None] + 40 * (1 - share[..., None])).astype(np.uint8)
        tile[: size[1], : size[0]] = small
        tiles.append(tile)
    return encode_frame(np.hstack(tiles[1:] or tiles), None, "png")
