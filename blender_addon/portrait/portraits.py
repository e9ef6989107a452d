# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1, Portrait: whose face, on which pictures, which of the faces in them, on what ground."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError, JobError
from ..items import NEED_A_SENTENCE, NO_BASIS, SENTENCE
from ..overlay import layers as overlay
from ..properties import (
    MOST_PICTURES,
    LikenessPicture,
    LikenessPortrait,
    active_portrait,
    find_portrait,
    new_uid,
    scene_of,
    settings,
)
from ..sequencer import head_strip, plate, strips
from ..storage import folders
from ..storage.files import hash_of
from ..worker import jobs

PICTURES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr", ".tga", ".gif", ".avif",
)  # fmt: skip
KIND = "faces"


def tag(portrait: LikenessPortrait) -> str:
    """The tag of the strip that the portrait's head lies over."""
    return f"portrait:{portrait.uid}"


def strip_of(scene: bpy.types.Scene, portrait: LikenessPortrait) -> strips.PictureStrip | None:
    """The portrait's strip, or None where it has none or it was deleted."""
    return head_strip.find(scene, tag(portrait))


def add_from_strip(context: bpy.types.Context, name: str = "") -> str:
    """A new portrait from the active (or named) image or movie strip, at the current frame."""
    scene = versions.sequencer_scene(context)
    strip = head_strip.named(scene, name, ("IMAGE", "MOVIE"), "an image or movie strip")
    known = str(strip.get(head_strip.TAG, ""))
    if known.startswith(head_strip.OURS):
        raise InputError(
            f"the strip '{strip.name}' is a result of Likeness; select the portrait below it"
        )
    for index, portrait in enumerate(settings(scene).portraits):
        if tag(portrait) == known:
            settings(scene).portrait_index = index
            return f"'{portrait.name}' is the portrait of this strip already"
    frame = min(max(scene.frame_current, versions.span(strip)[0]), versions.span(strip)[1] - 1)
    if strip.type == "IMAGE":
        path, index = _picture_at(strip, frame), 0
    else:
        path = folders.existing(strip.filepath, f"file of the strip '{strip.name}'")
        index = max(0, round(frame - versions.content_start(strip)))
        index += int(getattr(strip, "animation_offset_start", 0))
    keep = strip.type == "MOVIE" or not plate.is_plain(path)
    if keep:
        shown = Path(bpy.app.tempdir) / f"{path.stem}.{index:06d}.png"
        strip[plate.BRIGHTNESS] = plate.write_picture(scene, strip, frame, shown)
        path = shown
    before = strip.get(head_strip.TAG)
    portrait = _new_portrait(scene, strip.name.rpartition(".")[0] or strip.name)
    strip[head_strip.TAG] = tag(portrait)
    try:
        return _add_pictures(context, portrait, [path], keep)
    except (InputError, JobError):
        _forget(scene, portrait.uid)
        _restore_tag(scene, strip.name, before)
        raise


def add_from_files(
    context: bpy.types.Context, paths: Sequence[Path], extend: bool = False, name: str = ""
) -> str:
    """A new portrait from 1 to 32 pictures of one person; extend: more for the active one.

    name: the new portrait's; empty: the first picture's.
    """
    scene = versions.sequencer_scene(context)
    if not paths:
        raise InputError("no picture was chosen; choose 1 to 32 pictures of one person")
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such picture")
        if path.suffix.lower() not in PICTURES:
            raise InputError(f"{path}: not a picture that can be used; give a PNG, JPEG or TIFF")
    if extend:
        portrait = active_portrait(scene)
        known = {folders.absolute(picture.path) for picture in portrait.pictures}
        paths = [path for path in paths if path.absolute() not in known]
        if len(portrait.pictures) + len(paths) > MOST_PICTURES:
            raise InputError(f"a portrait has at most {MOST_PICTURES} pictures; choose fewer")
        count = len(portrait.pictures)
        try:
            return _add_pictures(context, portrait, paths)
        except (InputError, JobError):
            while len(portrait.pictures) > count:
                portrait.pictures.remove(len(portrait.pictures) - 1)
            raise
    if len(paths) > MOST_PICTURES:
        raise InputError(f"a portrait has at most {MOST_PICTURES} pictures, not {len(paths)}")
    portrait = _new_portrait(scene, name or paths[0].stem)
    try:
        return _add_pictures(context, portrait, paths)
    except (InputError, JobError):
        _forget(scene, portrait.uid)
        raise


def remove_portrait(scene: bpy.types.Scene) -> str:
    """Forget the active portrait; its strips and files stay."""
    portrait = active_portrait(scene)
    name = portrait.name
    overlay.remove_layer(scene, tag(portrait))
    _forget(scene, portrait.uid)
    return f"'{name}' was removed; its strips stay"


def remove_picture(scene: bpy.types.Scene) -> str:
    """Forget the active picture of the active portrait."""
    portrait = active_portrait(scene)
    if len(portrait.pictures) < 2:
        raise InputError("a portrait needs at least one picture; remove the portrait instead")
    index = min(portrait.picture_index, len(portrait.pictures) - 1)
    if index == 0 and strip_of(scene, portrait) is not None:
        # The next one would lead then, over a strip that shows this one.
        raise InputError(
            "the first picture is the one that leads, and it lies on the sequencer; make a new "
            "portrait of the others instead"
        )
    portrait.pictures.remove(index)
    portrait.picture_index = max(0, index - 1)
    return ""


def choose_face(scene: bpy.types.Scene, number: int) -> str:
    """Say which face of the active picture is meant."""
    portrait = active_portrait(scene)
    picture = portrait.pictures[min(portrait.picture_index, len(portrait.pictures) - 1)]
    numbers = [face.number for face in picture.faces]
    if number not in numbers:
        known = ", ".join(map(str, numbers)) or "none"
        raise InputError(f"there is no face {number} in this picture; its faces are: {known}")
    picture.face = number
    _show_landmarks(scene, portrait, picture)
    return ""


def check_consent(portrait: LikenessPortrait, who: str, basis: str, note: str = "") -> list[str]:
    """The hashes of the portrait's pictures, where consent to them could be kept; else InputError.

    Nothing is written.
    """
    missing = {} if who.strip() else {"a name": "say whose face this is"}
    if basis == NO_BASIS:
        missing["a basis"] = "choose on what ground it may be animated"
    if basis in NEED_A_SENTENCE and len(note.split()) < SENTENCE:
        missing["a sentence"] = "say in the note who this is and why the picture may be used"
    if missing:
        raise InputError(
            f"the consent note needs {' and '.join(missing)}: {', and '.join(missing.values())}"
        )
    return [hash_of(folders.existing(each.path, "picture")) for each in portrait.pictures]


def record_consent(portrait: LikenessPortrait, who: str, basis: str, note: str = "") -> str:
    """Keep whose face a portrait shows and on what ground it may be animated."""
    hashes = check_consent(portrait, who, basis, note)
    for picture, sha256 in zip(portrait.pictures, hashes, strict=True):
        picture.sha256 = sha256
    portrait.consent_who, portrait.consent_basis = who.strip(), basis
    portrait.consent_note = note.strip()
    portrait.consent_sha256 = _hashes(portrait)
    portrait.consent_date = date.today().isoformat()
    return f"Consent kept: {portrait.consent_who}, {portrait.consent_date}"


def consent_missing(portrait: LikenessPortrait) -> str:
    """Why the portrait may not be rendered yet, in a few words; "" where it may."""
    if not portrait.consent_sha256:
        return "No consent note yet"
    if portrait.consent_sha256 != _hashes(portrait):
        return "The consent note is for other pictures"
    if portrait.consent_basis in NEED_A_SENTENCE and len(portrait.consent_note.split()) < SENTENCE:
        return "The consent note needs a sentence"
    return ""


def consent_of(portrait: LikenessPortrait) -> dict[str, Any] | None:
    """The record as a job brings it; None where it is missing."""
    if consent_missing(portrait):
        return None
    return {
        "who": portrait.consent_who, "basis": portrait.consent_basis,
        "date": portrait.consent_date, "pictures": portrait.consent_sha256.split(),
        "note": portrait.consent_note, "salt": portrait.uid,
    }  # fmt: skip


def checked_pictures(portrait: LikenessPortrait, final: bool) -> list[Path]:
    """The files of the portrait's pictures that are used, the one that leads first.

    final: only with consent to these files.

    InputError when a file is gone, was changed, shows several faces, or consent is missing.
    """
    paths = []
    used = [picture for index, picture in enumerate(portrait.pictures) if picture.use or not index]
    for number, picture in enumerate(used, 1):
        path = folders.existing(picture.path, f"picture {number} of '{portrait.name}'")
        if len(picture.faces) > 1 and not picture.face:
            raise InputError(
                f"{path.name} shows {len(picture.faces)} faces; choose one in the step Portrait"
            )
        if number > 1 and len(picture.faces) > 1:
            raise InputError(
                f"{path.name} shows {len(picture.faces)} faces; only the first picture may show "
                "more than one: crop it or remove it"
            )
        paths.append(path)
    if final:
        if missing := consent_missing(portrait):
            raise InputError(f"{missing}: record in Portrait whose face this is, then synthesize")
        changed = _changed(paths, used)
        if changed:
            raise InputError(
                f"{changed[0]}: the file has changed since consent was recorded; record it again"
            )
    return paths


def words_on(picture: LikenessPicture, leads: bool) -> str:
    """What the list of pictures says of one."""
    words = ["leads"] if leads else []
    if len(picture.faces) > 1:
        words.append(f"{len(picture.faces)} faces")
    words += [face.shows for face in picture.faces if face.shows and len(picture.faces) == 1]
    return ", ".join(words)


def unchanged(portrait: LikenessPortrait) -> bool:
    """Are the files that are used still those that consent was recorded for? It reads them."""
    used = [picture for index, picture in enumerate(portrait.pictures) if picture.use or not index]
    try:
        return not _changed([folders.absolute(picture.path) for picture in used], used)
    except InputError:
        return False


def _changed(paths: list[Path], used: list[LikenessPicture]) -> list[Path]:
    return [p for p, one in zip(paths, used, strict=True) if hash_of(p) != one.sha256]


def _hashes(portrait: LikenessPortrait) -> str:
    return " ".join(picture.sha256 for picture in portrait.pictures)


def _new_portrait(scene: bpy.types.Scene, name: str) -> LikenessPortrait:
    portrait = settings(scene).portraits.add()
    portrait.uid, portrait.name = new_uid(), name
    portrait.slug = f"{folders.safe_name(name)}-{portrait.uid}"
    settings(scene).portrait_index = len(settings(scene).portraits) - 1
    return portrait


def _forget(scene: bpy.types.Scene, uid: str) -> None:
    portraits = settings(scene).portraits
    for index, portrait in enumerate(portraits):
        if portrait.uid == uid:
            portraits.remove(index)
            break
    settings(scene).portrait_index = max(0, min(settings(scene).portrait_index, len(portraits) - 1))


def _restore_tag(scene: bpy.types.Scene, name: str, before: str | None) -> None:
    strip: bpy.types.Strip | None = versions.all_strips(scene.sequence_editor).get(name)
    if strip is None:
        return
    if before is None:
        del strip[head_strip.TAG]
    else:
        strip[head_strip.TAG] = before


def _picture_at(strip: bpy.types.ImageStrip, frame: int) -> Path:
    element = strip.strip_elem_from_frame(frame) or strip.elements[0]
    path = Path(bpy.path.abspath(strip.directory)) / element.filename
    return folders.existing(str(path), f"picture of the strip '{strip.name}'")


def _add_pictures(
    context: bpy.types.Context,
    portrait: LikenessPortrait,
    paths: Sequence[Path],
    keep: bool = False,
) -> str:
    uid = portrait.uid
    for path in paths:
        picture = portrait.pictures.add()
        picture.name, picture.path = path.name, folders.stored(path.absolute())
    portrait.picture_index = 0
    for path in paths:
        start_faces(context, uid, path.absolute(), keep)
        portrait = find_portrait(uid)  # an inline job may have moved it
    return "" if len(paths) == 1 else f"{len(paths)} pictures"


def start_faces(context: bpy.types.Context, uid: str, path: Path, keep: bool = False) -> None:
    """Let the worker look for the faces in a picture. keep: a copy beside the project's files."""
    request: dict[str, Any] = {"do": KIND, "picture": str(path)}
    if keep or not plate.is_plain(path):
        # The worker writes the picture as it is shown: that must outlive a cache.
        home = folders.project() / find_portrait(uid).slug
        request |= {"keep": keep, "out": str(folders.writable(home))}
    else:
        request["out"] = str(folders.cache("portraits", hash_of(path)[:16]))
    jobs.start(context, KIND, request, {"portrait": uid, "picture": folders.stored(path)})


def apply_faces(
    _context: bpy.types.Context,
    _scene: bpy.types.Scene,
    ticket: jobs.Ticket,
    result: dict[str, Any],
) -> str:
    """Keep what the worker found in a picture."""
    portrait = find_portrait(ticket.notes["portrait"])
    picture = next((p for p in portrait.pictures if p.path == ticket.notes["picture"]), None)
    if picture is None:
        raise InputError("the picture was removed meanwhile; nothing was changed")
    if not result["faces"]:
        raise InputError(
            f"{picture.name}: no face was found; use a picture in which it is seen larger and "
            "from the front"
        )
    if "picture" in result:
        picture.path = folders.stored(Path(result["picture"]))
        picture.name = Path(result["picture"]).name
    picture.sha256 = hash_of(folders.absolute(picture.path))
    picture.size = result["size"]
    picture.cut_out = bool(result.get("cut_out"))
    picture.faces.clear()
    for found in result["faces"]:
        face = picture.faces.add()
        face.number, face.box = found["number"], [round(value) for value in found["box"]]
        face.crop = found["crop"]
        face.thumbnail, face.points = found["thumbnail"], found["points"]
        face.shows = found["shows"].replace("-", " ")
    count = len(picture.faces)
    if picture.face > count:
        picture.face = 0
    if count == 1:
        picture.face = 1
    scene = scene_of(portrait)
    _check_strip(scene, portrait, picture)
    _show_landmarks(scene, portrait, picture)
    return f"{picture.name}: {count} face{'s' * (count != 1)}"


def _show_landmarks(
    scene: bpy.types.Scene, portrait: LikenessPortrait, picture: LikenessPicture
) -> None:
    """The chosen face's landmarks and crop, for the overlay on the portrait's strip."""
    strip = strip_of(scene, portrait)
    face = next((face for face in picture.faces if face.number == picture.face), None)
    if strip is not None and face is not None and picture.path == portrait.pictures[0].path:
        size = tuple(picture.size)
        own = tag(portrait)
        points = folders.absolute(face.points)
        overlay.set_layer(scene, own, points, own, size=size, crop=tuple(face.crop))


def _check_strip(
    scene: bpy.types.Scene, portrait: LikenessPortrait, picture: LikenessPicture
) -> None:
    """A strip shows the stored pixels; a photo that only its EXIF data turns would not fit."""
    strip = strip_of(scene, portrait)
    if strip is None or picture.path != portrait.pictures[0].path:
        return
    size = strip.elements[0].orig_width, strip.elements[0].orig_height
    if size != tuple(picture.size):
        raise InputError(
            f"{picture.name}: Blender shows {size[0]} x {size[1]} pixels, upright it has "
            f"{picture.size[0]} x {picture.size[1]}; give an upright copy without EXIF rotation"
        )
