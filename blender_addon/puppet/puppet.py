# SPDX-License-Identifier: GPL-3.0-or-later
"""The puppet: the canonical face as a mesh with a shape key for each control, on an Empty.

Its 478 vertices are the landmarks, in their order. It is animated like any object: shape keys make
the expression, the Empty turns the head; modifiers and a Surface Deform to a character may follow,
as long as the vertices stay the same.
"""

from __future__ import annotations

import math
from typing import Any, cast

import bpy
import numpy as np

from ..errors import InputError
from ..storage.canonical import Face, to_blender
from ..storage.recordings import POINT_COUNT, TOPOLOGY

MARK = "likeness_topology"  # on the mesh object
_SKIN = (0.80, 0.60, 0.50, 1.0)
_LIPS = (0.60, 0.26, 0.24, 1.0)
_IRIS = (0.30, 0.70, 0.95, 1.0)
_LENS, _DISTANCE = 85.0, 1.2  # millimetres and metres of the camera: a portrait's
_HEAD_SIZE = 0.16  # metres, of the Empty that is drawn around the head


def add_puppet(
    collection: bpy.types.Collection, face: Face, name: str = "Likeness puppet"
) -> bpy.types.Object:
    """Make the mesh and its Empty in `collection`, at the origin; returns the mesh object.

    The face looks along -y, as a front view shows it.
    """
    mesh = bpy.data.meshes.new(name)
    # Blender's front is counter-clockwise; the files are clockwise as seen on the screen.
    polygons = np.concatenate([face.triangles, face.iris_triangles])[:, ::-1]
    mesh.from_pydata(to_blender(face.mean).tolist(), [], polygons.tolist())
    _paint(mesh, face)
    puppet = bpy.data.objects.new(name, mesh)
    collection.objects.link(puppet)
    puppet[MARK] = TOPOLOGY

    puppet.shape_key_add(name="Neutral", from_mix=False)
    moves = to_blender(face.basis)
    rest = to_blender(face.mean)
    for index, control in enumerate(face.names):
        key = puppet.shape_key_add(name=control, from_mix=False)
        key.slider_min = float(face.low[index])
        key.slider_max = float(face.high[index])
        key.value = 0
        key.data.foreach_set("co", (rest + moves[index]).astype(np.float32).ravel())
    mesh.update()

    head = bpy.data.objects.new(f"{name} head", None)
    head.empty_display_type = "SPHERE"
    head.empty_display_size = _HEAD_SIZE
    collection.objects.link(head)
    puppet.parent = head
    return puppet


def add_camera(collection: bpy.types.Collection, puppet: bpy.types.Object) -> bpy.types.Object:
    """A camera straight before the face as it is now, at the height of its eyes; returns it."""
    data = bpy.data.cameras.new("Likeness camera")
    data.lens, data.clip_start = _LENS, 0.01
    camera = bpy.data.objects.new("Likeness camera", data)
    collection.objects.link(camera)
    place = (puppet.parent or puppet).matrix_world
    camera.location = place.translation - _DISTANCE * place.col[1].to_3d()
    camera.rotation_euler = (math.pi / 2, 0, 0)  # from looking down to looking along the face's y
    turn = place.to_3x3().normalized() @ camera.rotation_euler.to_matrix()
    camera.rotation_euler = turn.to_euler()
    return camera


def is_puppet(thing: bpy.types.Object | None) -> bool:
    """Whether an object's mesh has the landmarks as its vertices."""
    return thing is not None and thing.type == "MESH" and len(thing.data.vertices) == POINT_COUNT


def puppets(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The scene's puppets; those that Likeness made come first."""
    found = [thing for thing in scene.objects if is_puppet(thing)]
    return sorted(found, key=lambda thing: thing.get(MARK) is None)


def find_puppet(
    scene: bpy.types.Scene, name: str = "", active: bpy.types.Object | None = None
) -> bpy.types.Object:
    """The puppet of that name; without one the active object, else the scene's only one.

    Raises InputError when there is none, or when it is open which is meant.
    """
    if name:
        thing: bpy.types.Object | None = scene.objects.get(name)
        if thing is None:
            raise InputError(f"{name}: there is no such object in the scene; choose another")
        if not is_puppet(thing):
            raise InputError(
                f"{name}: not a face of {POINT_COUNT} vertices; add a puppet and bind it to "
                "the character with a Surface Deform modifier"
            )
        return thing
    if is_puppet(active):
        return active
    if active is not None and (below := [c for c in active.children if is_puppet(c)]):
        return below[0]
    found = puppets(scene)
    if not found:
        raise InputError("There is no puppet in the scene; add one first")
    own = [thing for thing in found if thing.get(MARK) is not None]
    if len(own or found) > 1:
        raise InputError("There are several puppets; select the one to use")
    return (own or found)[0]


def follow(puppet: bpy.types.Object, controls: bpy.types.Object) -> None:
    """Let a control Empty drive the puppet: its properties the shape keys, its pose the head's.

    `controls` has a custom property for each control (see `curves`). Drivers and a constraint do
    it, so the artist sees every edit at once; `release` takes them away.
    """
    release(puppet)
    keys = _keys(puppet)
    for key in keys:
        if controls.get(key.name) is None:
            continue
        driver = key.driver_add("value").driver
        driver.type = "SUM"  # no Python expression: runs where scripts are not trusted, and fast
        variable = driver.variables.new()
        variable.targets[0].id = controls
        variable.targets[0].data_path = f'["{key.name}"]'
    head = puppet.parent or puppet
    constraint: Any = head.constraints.new("COPY_TRANSFORMS")
    constraint.name = _FOLLOW
    constraint.target = controls


def followed(scene: bpy.types.Scene) -> set[bpy.types.Object]:
    """The control Empties that a puppet of the scene shows already."""
    heads = (thing.parent or thing for thing in puppets(scene))
    constraints: list[Any] = [c for head in heads for c in head.constraints if c.name == _FOLLOW]
    return {constraint.target for constraint in constraints if constraint.target is not None}


def release(puppet: bpy.types.Object) -> None:
    """Undo `follow`; the puppet keeps the expression and the pose that it has now."""
    head = puppet.parent or puppet
    for key in _keys(puppet):
        value = key.value
        if _driver_of(key) is not None:
            key.driver_remove("value")
            key.value = value
    for constraint in [c for c in head.constraints if c.name == _FOLLOW]:
        place = head.matrix_world.copy()
        head.constraints.remove(constraint)
        head.matrix_world = place


_FOLLOW = "Likeness follow"


def _keys(puppet: bpy.types.Object) -> list[bpy.types.ShapeKey]:
    shape_keys = puppet.data.shape_keys
    if shape_keys is None:
        raise InputError(f"{puppet.name}: this mesh has no shape keys; add a Likeness puppet")
    return list(shape_keys.key_blocks)[1:]


def _driver_of(key: bpy.types.ShapeKey) -> bpy.types.FCurve | None:
    path, animated = key.path_from_id("value"), cast(bpy.types.Key, key.id_data).animation_data
    drivers = animated.drivers if animated is not None else ()
    return next((driver for driver in drivers if driver.data_path == path), None)


def _paint(mesh: bpy.types.Mesh, face: Face) -> None:
    """Smooth skin, darker lips and irises: enough to read an expression in the viewport."""
    for name, colour in (("skin", _SKIN), ("lips", _LIPS), ("iris", _IRIS)):
        mesh.materials.append(_material(f"Likeness {name}", colour))
    lips = set(face.regions["contour_mouth_outer"].tolist())
    lips |= set(face.regions["contour_mouth_inner"].tolist())
    slots = np.zeros(len(mesh.polygons), np.int32)
    between = np.isin(face.triangles, sorted(_lip_points(face, lips))).all(axis=1)
    slots[: len(face.triangles)][between] = 1
    slots[len(face.triangles) :] = 2
    mesh.polygons.foreach_set("material_index", slots)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(slots), bool))
    mesh.update()


def _lip_points(face: Face, contours: set[int]) -> set[int]:
    """The points of both lip contours and those between them, as the face is seen from ahead."""
    outer = face.mean[face.regions["contour_mouth_outer"]][:, :2]
    return contours | {p for p in range(POINT_COUNT) if _inside(face.mean[p, :2], outer)}


def _inside(point: np.ndarray, outline: np.ndarray) -> bool:
    """Even-odd rule for one point and a closed outline, (N, 2)."""
    a, b = outline, np.roll(outline, -1, axis=0)
    crosses = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = a[:, 0] + (point[1] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return bool(np.count_nonzero(crosses & (point[0] < x)) % 2)


def _material(name: str, colour: tuple[float, float, float, float]) -> bpy.types.Material:
    found: bpy.types.Material | None = bpy.data.materials.get(name)
    if found is not None:
        return found
    material = bpy.data.materials.new(name)
    material.diffuse_color = colour
    material.roughness = 0.6
    material.use_nodes = True
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            inputs: Any = node.inputs
            inputs["Base Color"].default_value = colour
            inputs["Roughness"].default_value = 0.6
    return material
