# SPDX-License-Identifier: GPL-3.0-or-later
"""Strips that Likeness knows again: the portrait's, the head's, test frames, sound.

A strip carries a tag of its own, `strip["likeness"]`, so a new name, a move, undo or another file
name do not lose it. The head strip's content is the whole take, a picture a frame of the timeline,
whatever the two rates are; its handles choose the range. Frames that are not made yet are a
transparent picture, since Blender shows a missing file in magenta.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from .. import versions
from ..errors import InputError
from ..storage import folders, ownership
from ..storage.files import written_whole
from . import following, grade, strips
from .placement import Placement
from .timing import Timing

TAG = "likeness"
PENDING = "pending.png"
OURS = ("head:", "test:", "matte:", "view:", "compare:")  # how the tags of results begin
_MOST_BYTES = 1 << 29  # of such a picture's pixels
_PLACE = "likeness_place"  # content start, begin and end as they would be without the artist's hand
_BOX = "likeness_box"  # the crop that the transform was made for

# Of each strip that was laid, by its tag: its files' names, and when each was written (ns).
_read: dict[str, dict[str, int]] = {}


@dataclass(frozen=True)
class Laid:
    """A head strip, how many of its frames are there, and how many it shows."""

    strip: bpy.types.ImageStrip
    made: int
    shown: int


def find(scene: bpy.types.Scene, tag: str) -> Any:
    """The strip with this tag, or None. Of copies the first."""
    if scene.sequence_editor is None or not tag:
        return None
    for strip in versions.all_strips(scene.sequence_editor):
        if strip.get(TAG) == tag:
            return strip
    return None


def named(scene: bpy.types.Scene, name: str, kinds: Sequence[str], what: str) -> Any:
    """The strip of this name, or the active one for ""; InputError unless it is of `kinds`."""
    editor = scene.sequence_editor
    strip = None
    if editor is not None:
        strip = versions.all_strips(editor).get(name) if name else editor.active_strip
    if strip is None:
        wanted = f"there is no strip '{name}' in {scene.name}" if name else "no strip is active"
        raise InputError(f"{wanted}; select {what} in the sequencer")
    if strip.type not in kinds:
        raise InputError(f"the strip '{strip.name}' is no {what.partition(' ')[2]}; select one")
    return strip


def lay(
    scene: bpy.types.Scene,
    placement: Placement,
    timing: Timing,
    under: strips.PictureStrip,
    tag: str,
    name: str,
    span: tuple[int, int],
) -> Laid:
    """Put the frames that are there on the head strip; make it above `under` where it is new.

    span: frames [begin, end) of the timeline that are asked for. A strip that is there keeps
    channel, transform, modifiers, and the artist's own moves and trims.
    """
    begin, _ = timing.span()
    names, written = _names(placement, timing)
    made = sum(name != PENDING for name in names)
    if not made:
        raise InputError(f"{placement.folder}: no head frame is there; synthesize them again")
    if made < len(names):
        _write_pending(placement)
    strip = find(scene, tag)
    if strip is None:
        first = next(name for name in names if name != PENDING)
        strip = _new_strip(scene, placement, placement.folder / first, under, name, span)
        strip[TAG] = tag
        strip.directory = folders.stored(placement.folder)
        _set_content(strip, names, written, begin)
        versions.set_span(strip, *span)
    else:
        moved, span, shown = _kept_place(strip, span, timing.span())
        _set_folder(strip, placement.folder)
        _read_as(strip, placement)  # the frames may have another format than those before
        _set_content(strip, names, written, begin + moved)
        versions.set_span(strip, shown[0] + moved, shown[1] + moved)
    if list(strip.get(_BOX, ())) != list(placement.box):
        strips.follow_portrait(scene, placement, under, strip)
        strip[_BOX] = list(placement.box)
    grade.take_on(under, strip)
    strip[_PLACE] = [begin, *span]
    return Laid(strip, made, span[1] - span[0])


def lay_still(
    scene: bpy.types.Scene,
    placement: Placement,
    index: int,
    under: strips.PictureStrip,
    tag: str,
    frame: int,
) -> bpy.types.ImageStrip:
    """Show one head frame at one frame of the timeline, above everything that is there."""
    remove(scene, tag)
    path = placement.folder / (placement.pattern % index)
    strip = _new_strip(scene, placement, path, under, "Test frame", (frame, frame + 1))
    strip[TAG] = tag
    strips.follow_portrait(scene, placement, under, strip)
    grade.take_on(under, strip)
    _raise_to_top(scene, strip, (frame, frame + 1))
    return strip


def lay_over(
    scene: bpy.types.Scene, placement: Placement, path: Path, under: strips.PictureStrip, tag: str
) -> bpy.types.ImageStrip:
    """Show a picture over a strip for as long as that lasts, above everything that is there."""
    remove(scene, tag)
    span = versions.span(under)
    strip = _new_strip(scene, placement, path, under, path.stem, span)
    strip[TAG] = tag
    versions.set_span(strip, *span)
    strips.follow_portrait(scene, placement, under, strip)
    _raise_to_top(scene, strip, span)
    refresh(strip)  # a file of this name may have been shown before
    return strip


def lay_matte(
    scene: bpy.types.Scene,
    placement: Placement,
    timing: Timing,
    head: bpy.types.ImageStrip,
    tag: str,
) -> bpy.types.ImageStrip | None:
    """The frames' mattes on a muted strip above the head's, exactly as that lies; None: none there.

    A strip that is there keeps its channel, its name and whether it is muted.
    """
    if placement.matte is None:
        return None
    layered = placement.matte.endswith(".exr")
    alpha = "premultiplied" if layered else "straight"
    mattes = replace(placement, pattern=placement.matte, alpha=alpha)
    is_new = find(scene, tag) is None
    strip = lay_beside(scene, mattes, timing, head, tag, f"{head.name} matte")
    if strip is None:
        return None
    if is_new:
        strip.mute = True  # it is there as a mask, not to be seen
    if layered:
        _set(strip.colorspace_settings, "name", "Non-Color")
    return strip


def lay_beside(
    scene: bpy.types.Scene,
    placement: Placement,
    timing: Timing,
    head: bpy.types.ImageStrip,
    tag: str,
    name: str,
) -> bpy.types.ImageStrip | None:
    """Other pictures on a strip above the head's, exactly as that lies; None: none are there.

    A strip that is there keeps its channel, its name and whether it is muted.
    """
    names, written = _names(placement, timing)
    first = next((name for name in names if name != PENDING), None)
    if first is None:
        return None
    if PENDING in names:
        _write_pending(placement)
    strip, span = find(scene, tag), versions.span(head)
    if strip is None:
        strip = _new_strip(scene, placement, placement.folder / first, head, name, span)
        strip[TAG] = tag
        strip.directory = folders.stored(placement.folder)
    _read_as(strip, placement)
    _set_folder(strip, placement.folder)
    _set_content(strip, names, written, math.floor(versions.content_start(head) + 0.5))
    versions.set_span(strip, *span)
    place_like(scene, head, strip)
    return strip


def place_like(
    scene: bpy.types.Scene, head: bpy.types.ImageStrip, strip: bpy.types.ImageStrip
) -> None:
    """Give a strip the transform, crop and mirroring of the head's, animated as they are."""
    for name in ("offset_x", "offset_y", "scale_x", "scale_y", "rotation", "origin"):
        _set(strip.transform, name, getattr(head.transform, name))
    for name in ("min_x", "max_x", "min_y", "max_y"):
        _set(strip.crop, name, getattr(head.crop, name))
    for name in ("use_flip_x", "use_flip_y"):
        _set(strip, name, getattr(head, name))
    following.follow_like(scene, head, strip)


def step_back(*below: bpy.types.Strip | None) -> None:
    """Deselect strips, whose landmarks would be drawn over what has just been laid above them."""
    for strip in below:
        if strip is not None:
            strip.select = False


def remove(scene: bpy.types.Scene, tag: str) -> bool:
    """Take the strip with this tag away; was it there?"""
    strip = find(scene, tag)
    if strip is None:
        return False
    following.unlink(scene, strip)
    versions.siblings(scene.sequence_editor, strip).remove(strip)
    return True


def asked_span(strip: bpy.types.ImageStrip) -> tuple[int, int]:
    """Frames [begin, end) of the timeline that were asked for on a head strip so far."""
    _, begin, end = (int(value) for value in strip[_PLACE])
    return begin, end


def refresh(strip: bpy.types.ImageStrip) -> None:
    """Let Blender read the strip's files again."""
    strip.directory = strip.directory  # its update throws the cached pictures away


def _new_strip(
    scene: bpy.types.Scene,
    placement: Placement,
    path: Path,
    under: strips.PictureStrip,
    name: str,
    span: tuple[int, int],
) -> bpy.types.ImageStrip:
    among = versions.siblings(scene.sequence_editor, under)
    channel = strips.free_channel(scene, *span, under.channel, among)
    strip: bpy.types.ImageStrip = among.new_image(
        name=name, filepath=str(path), channel=channel, frame_start=span[0], fit_method="ORIGINAL"
    )
    size = strip.elements[0].orig_width, strip.elements[0].orig_height
    if size != placement.box[2:]:
        among.remove(strip)
        raise InputError(
            f"{path}: {size[0]} x {size[1]} pixels, but head.json says "
            f"{placement.box[2]} x {placement.box[3]}; synthesize again"
        )
    strip.blend_type = "ALPHA_OVER"
    _read_as(strip, placement)
    return strip


def _raise_to_top(
    scene: bpy.types.Scene, strip: bpy.types.ImageStrip, span: tuple[int, int]
) -> None:
    among = versions.siblings(scene.sequence_editor, strip)
    top = strips.top_channel(scene, *span, among)
    if strip.channel < top:
        strip.channel = strips.free_channel(scene, *span, top, among)


def _read_as(strip: bpy.types.ImageStrip, placement: Placement) -> None:
    """Colour space and alpha of the frames' files."""
    linear = placement.pattern.lower().endswith(".exr")
    space = "Linear Rec.709" if linear else strip.get(grade.SPACE, "sRGB")
    _set(strip.colorspace_settings, "name", space)
    _set(strip, "alpha_mode", "STRAIGHT" if placement.alpha == "straight" else "PREMUL")


def _set(owner: bpy.types.bpy_struct, name: str, value: Any) -> None:
    """Set what differs: Blender throws a strip's cached frames away also when nothing changes."""
    old = getattr(owner, name)
    same = tuple(old) == tuple(value) if name == "origin" else old == value
    if not same:
        setattr(owner, name, value)


def _names(placement: Placement, timing: Timing) -> tuple[list[str], dict[str, int]]:
    """A file for each frame of the timeline from the take's in to its out; when each was written.

    Only files that are there: the strip never learns of one before it has its whole content.
    """
    begin, end = timing.span()
    wanted = [placement.pattern % timing.index_at(frame) for frame in range(begin, end)]
    with os.scandir(placement.folder) as entries:
        present = {entry.name: entry for entry in entries}
    written = {name: present[name].stat().st_mtime_ns for name in wanted if name in present}
    return [name if name in written else PENDING for name in wanted], written


def _set_content(
    strip: bpy.types.ImageStrip, names: Sequence[str], written: Mapping[str, int], start: int
) -> None:
    """Give the strip its files; what Blender has read is thrown away only where it changed."""
    elements = strip.elements
    while len(elements) > len(names):
        elements.pop(index=len(elements) - 1)
    for k, name in enumerate(names):
        if k >= len(elements):
            elements.append(name)
        elif elements[k].filename != name:
            elements[k].filename = name
    versions.set_content_start(strip, start)
    tag = str(strip.get(TAG, ""))
    before = _read.get(tag)
    # A file of the same name that was made again: of that Blender cannot know.
    if before is None or any(before.get(name, when) != when for name, when in written.items()):
        refresh(strip)
    _read[tag] = dict(written)


def _set_folder(strip: bpy.types.ImageStrip, folder: Path) -> None:
    if folders.absolute(strip.directory) != folder:
        strip.directory = folders.stored(folder)


def _kept_place(
    strip: bpy.types.Strip, span: tuple[int, int], whole: tuple[int, int]
) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """By how much the artist moved the strip; all that was asked for so far, this time included;
    and the span to show: the same, but for a handle that the artist has moved."""
    start, begin, end = (int(value) for value in strip[_PLACE])
    moved = math.floor(versions.content_start(strip) + 0.5) - start
    now = tuple(value - moved for value in versions.span(strip))
    asked = max(whole[0], min(begin, span[0])), min(whole[1], max(end, span[1]))
    shown = asked[0] if now[0] == begin else now[0], asked[1] if now[1] == end else now[1]
    return moved, asked, shown


def _write_pending(placement: Placement) -> None:
    """A transparent picture of the head frames' size; InputError where another picture is there."""
    path, begin = placement.folder / PENDING, _png_begin(*placement.box[2:])
    if ownership.is_plain_file(path) and path.read_bytes()[: len(begin)] == begin:
        return
    ownership.check_replaceable(path, _is_pending, "the picture for frames that are not made yet")
    width, height = placement.box[2:]
    rows = zlib.compress(bytes((1 + 2 * width) * height), 9)  # no filter
    with written_whole(path) as part:
        part.write_bytes(begin + _chunk(b"IDAT", rows) + _chunk(b"IEND", b""))


def _is_pending(path: Path) -> bool:
    """Is it such a picture, of whatever size: grey with alpha, and nothing in it?"""
    data = path.read_bytes()
    begin = len(_png_begin(1, 1))
    if data[:begin] != _png_begin(*struct.unpack(">II", data[16:24].ljust(8, b"\0"))):
        return False
    length = struct.unpack(">I", data[begin : begin + 4].ljust(4, b"\0"))[0]
    try:
        rows = zlib.decompressobj().decompress(data[begin + 8 : begin + 8 + length], _MOST_BYTES)
    except zlib.error:
        return False
    return not any(rows)


def _png_begin(width: int, height: int) -> bytes:
    """Signature and header of a PNG of 8 bits, grey with alpha."""
    header = struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
