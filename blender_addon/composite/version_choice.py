# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of a head strip: use one, compare two, remove what no .blend shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import bpy

from .. import versions
from ..animate import frames as animate
from ..errors import InputError
from ..performance import takes as performance
from ..portrait import portraits
from ..properties import LikenessPortrait, LikenessTake, active_portrait, active_take, settings
from ..sequencer import head_strip, strips
from ..sequencer.grade import copy_modifiers
from ..sequencer.placement import read_placement
from ..storage import folders, ownership, version_folders
from ..storage.version_folders import Version
from . import synthesis


def listed(scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake) -> list[Version]:
    """The versions of a portrait performing a take, the newest first."""
    return version_folders.listed(synthesis.homes(scene, portrait, take))


def shown(scene: bpy.types.Scene, tag: str) -> Path | None:
    """The folder of the frames that the strip with this tag shows; None without one."""
    strip = head_strip.find(scene, tag)
    return folders.absolute(strip.directory) if strip is not None else None


def use(scene: bpy.types.Scene, name: str) -> str:
    """Let the head strip show a version, at its place and with its grade."""
    portrait, take = active_portrait(scene), active_take(scene)
    version = _named(scene, portrait, take, name)
    if synthesis.running(portrait, take):
        raise InputError(f"'{portrait.name}' plays '{take.name}' is being made; cancel that first")
    synthesis.end_comparison(scene, portrait, take)
    strip = head_strip.find(scene, synthesis.head_tag(portrait, take))
    span = (
        head_strip.asked_span(strip)
        if strip is not None
        else animate.seen_span(scene, portrait, take)
    )
    notes = {
        "portrait": portrait.uid, "take": take.uid, "span": list(span),
        "strip": animate.has_strip(scene, portrait),
    }  # fmt: skip
    synthesis.show(notes, version.folder)
    return f"{version.name} is used" + (f": {version.note}" if version.note else "")


def compare(scene: bpy.types.Scene, name: str) -> str:
    """Show another version in place of the head strip's; pressed again, the head strip's again."""
    portrait, take = active_portrait(scene), active_take(scene)
    head = head_strip.find(scene, synthesis.head_tag(portrait, take))
    if head is None:
        raise InputError("there is no head strip to compare with; synthesize or use a version")
    version, tag = _named(scene, portrait, take, name), synthesis.compare_tag(portrait, take)
    if version.folder == shown(scene, synthesis.head_tag(portrait, take)):
        raise InputError(f"{version.name} is the one that is used; compare another with it")
    strip = head_strip.find(scene, tag)
    if strip is not None and folders.absolute(strip.directory) == version.folder:
        head.mute, strip.mute = not head.mute, head.mute
        return f"{version.name if head.mute else 'the version that is used'} is seen"
    synthesis.end_comparison(scene, portrait, take)
    strip = _lay(scene, portrait, take, head, version)
    strip.mute, head.mute = False, True
    return f"{version.name} is seen; press Compare again for the one that is used"


def removable(scene: bpy.types.Scene) -> list[tuple[Version, list[Path]]]:
    """The versions that no strip of this file shows, and the .blend files that show them."""
    portrait, take = active_portrait(scene), active_take(scene)
    here = set(_shown_here())
    beside = folders.project().parent if bpy.data.filepath else Path()
    return [
        (version, version_folders.users(version.folder, beside) if bpy.data.filepath else [])
        for version in listed(scene, portrait, take)
        if version.folder not in here
    ]


def clean(scene: bpy.types.Scene, names: Sequence[str] = ()) -> str:
    """Remove versions by name, or all that no .blend shows; what others show always stays."""
    portrait, take = active_portrait(scene), active_take(scene)
    if synthesis.running(portrait, take):
        raise InputError(f"'{portrait.name}' plays '{take.name}' is being made; cancel that first")
    found = {version.name: (version, users) for version, users in removable(scene)}
    for name in names:
        if name not in found:
            raise InputError(f"{name}: is no version, or is shown by a strip; choose another")
        if users := found[name][1]:
            raise InputError(f"{name}: may be shown by {users[0]}; open that, use another, save")
    chosen = [found[name][0] for name in names] or [v for v, users in found.values() if not users]
    if not chosen:
        raise InputError("there is no version that could be removed: all are shown by a file")
    freed = 0
    for version in chosen:
        freed += version_folders.freed_by_removing(version.folder)
        ownership.remove(version.folder, ownership.FRAMES)
    said = ", ".join(version.name for version in chosen)
    return f"{said} removed, {freed / 1e6:.1f} MB freed"


def note_uses(blend: Path) -> None:
    """Keep beside the versions which of them the file shows that was saved just now.

    One that cannot be written to is passed over: Clean Up looks into the files as well.
    """
    here = set(_shown_here())
    homes = {folder.parent for folder in here} | {
        synthesis.home(portrait, take)
        for scene in bpy.data.scenes
        for portrait in settings(scene).portraits
        for take in settings(scene).takes
    }
    for version in version_folders.listed(homes):
        try:
            version_folders.note_use(version.folder, blend, version.folder in here)
        except (OSError, InputError):
            continue


def _shown_here() -> Iterator[Path]:
    """The folder of every strip of results in the file, of those in meta strips too."""
    for scene in bpy.data.scenes:
        if scene.sequence_editor is not None:
            for strip in versions.all_strips(scene.sequence_editor):
                ours = str(strip.get(head_strip.TAG, "")).startswith(head_strip.OURS)
                if ours and strip.type == "IMAGE":
                    yield folders.absolute(strip.directory)


def _named(
    scene: bpy.types.Scene, portrait: LikenessPortrait, take: LikenessTake, name: str
) -> Version:
    found = listed(scene, portrait, take)
    for version in found:
        if version.name == name:
            return version
    known = ", ".join(version.name for version in found) or "none"
    raise InputError(f"there is no version '{name}'; there are: {known}")


def _lay(
    scene: bpy.types.Scene,
    portrait: LikenessPortrait,
    take: LikenessTake,
    head: bpy.types.ImageStrip,
    version: Version,
) -> bpy.types.ImageStrip:
    placement = read_placement(version.folder)
    timed = performance.timing_of(scene, take)
    tag = synthesis.compare_tag(portrait, take)
    strip = head_strip.lay_beside(scene, placement, timed, head, tag, f"{head.name} {version.name}")
    if strip is None:
        raise InputError(f"{version.folder}: no head frame is there; choose another version")
    under = portraits.strip_of(scene, portrait)
    if under is not None and placement.box != read_placement(folders.absolute(head.directory)).box:
        strips.follow_portrait(scene, placement, under, strip)
    strip.color_saturation, strip.color_multiply = head.color_saturation, head.color_multiply
    copy_modifiers(head, strip)
    return strip
