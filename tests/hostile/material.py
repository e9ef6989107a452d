# SPDX-License-Identifier: GPL-3.0-or-later
"""Small whole files of every format that comes from outside, to be damaged."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.generator import contract
from inference.landmarks import TOPOLOGY
from inference.performance.face.decompose import decompose
from inference.performance.taking.livelink_map import COEFFICIENTS
from inference.performance.taking.performance import save_performance
from inference.performance.taking.table import save_table
from inference.track import LandmarkTrack, load_track, save_track

SAMPLES = Path(__file__).resolve().parents[2] / "inference" / "samples"
_FRAMES = 6
_CLIP_FRAMES = 5
_FACE = (slice(0, 256), slice(92, 348))  # rows and columns of the sample portrait


@dataclass(frozen=True)
class Material:
    """folder: where all lies. pictures, clips: by suffix. The rest under their names."""

    folder: Path
    pictures: dict[str, bytes]
    clips: dict[str, bytes]
    track: dict[str, np.ndarray]
    performance: dict[str, np.ndarray]
    face: dict[str, np.ndarray]
    table: str
    livelink: str
    model: bytes
    person: dict[str, Any]

    @property
    def portrait(self) -> Path:
        return self.folder / "portrait.png"

    @property
    def track_file(self) -> Path:
        return self.folder / "a.track.npz"


def make_material(folder: Path) -> Material:
    """Make all of it in an empty folder."""
    rgb = cv2.imread(str(SAMPLES / "eileen_collins.png"))[_FACE]
    small = cv2.resize(rgb, (128, 128), interpolation=cv2.INTER_AREA)
    (folder / "portrait.png").write_bytes(_encoded(".png", small))
    whole = load_track(SAMPLES / "weekly_address.track.npz")
    points, valid = whole.points[:_FRAMES].copy(), np.ones(_FRAMES, bool)
    points[2], valid[2] = np.nan, False
    track = LandmarkTrack(points, valid, whole.rate, whole.size, (4,), "a.mp4", "0" * 64)
    save_track(track, folder / "a.track.npz")
    performance = replace(decompose(track), rest=np.array([0.1, 0.0, 0.0, 50.0, 50.0, 0.0, 40.0]))
    save_performance(performance, folder / "a.performance.npz")
    save_table(performance, folder / "b.csv")
    model = generator()
    person = {
        "likeness_person": 1, "pictures": [{"name": "a.png", "sha256": "0" * 64}], "tier": "draft",
        "steps": 20, "generator_sha256": hashlib.sha256(model).hexdigest(),
    }  # fmt: skip
    return Material(
        folder,
        _pictures(small),
        _clips(folder, small),
        _arrays(folder / "a.track.npz"),
        _arrays(folder / "a.performance.npz"),
        _arrays(SAMPLES.parent / "performance" / "face" / "canonical_face.npz"),
        (folder / "b.csv").read_text(encoding="utf-8"),
        _livelink(),
        model,
        person,
    )


def generator(**changes: Any) -> bytes:
    """A network that keeps the contract and changes nothing, in a few hundred bytes.

    changes: outputs by name as arrays in place of what is right; `meta_...`: metadata.
    """
    size = 256
    right = {
        "flow": np.zeros((1, 2, 64, 64), np.float32),
        "colour": np.zeros((1, 3, size, size), np.float32),
        "alpha": np.full((1, 1, size, size), 0.9, np.float32),
        "matte": np.ones((1, 1, size, size), np.float32),
    }
    nodes, outputs = [], []
    for name, value in right.items():
        array = changes.get(name, value)
        shape = helper.make_node(
            "Constant",
            [],
            [f"{name}_shape"],
            value=numpy_helper.from_array(np.array(array.shape, np.int64)),
        )
        one = numpy_helper.from_array(array.reshape(-1)[:1])
        nodes += [shape, helper.make_node("ConstantOfShape", [f"{name}_shape"], [name], value=one)]
        outputs.append(helper.make_tensor_value_info(name, one.data_type, list(array.shape)))
    inputs = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 11, size, size]),
        helper.make_tensor_value_info("identity", TensorProto.FLOAT, ["N", 256]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    meta = {
        contract.META_KIND: "warp", contract.META_TIER: "draft", contract.META_SIZE: str(size),
        contract.META_TOPOLOGY: TOPOLOGY, contract.META_TRAINING: "untrained",
        contract.META_CHECKPOINT: "0" * 64,
    }  # fmt: skip
    for key, told in meta.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, changes.get(f"meta_{key.partition('.')[2]}", told)
    return bytes(model.SerializeToString())


def altered(model: bytes, change: Any) -> bytes:
    """The model with `change` made to it in place."""
    parsed = onnx.load_from_string(model)
    change(parsed)
    return bytes(parsed.SerializeToString())


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def _encoded(suffix: str, picture: np.ndarray, *options: int) -> bytes:
    good, data = cv2.imencode(suffix, picture, list(options))
    assert good
    return bytes(data)


def _pictures(small: np.ndarray) -> dict[str, bytes]:
    deep = small.astype(np.uint16) * 257
    clear = np.dstack([small, np.full(small.shape[:2], 200, np.uint8)])
    return {
        ".png": _encoded(".png", small),
        ".alpha.png": _encoded(".png", clear),
        ".deep.png": _encoded(".png", deep),
        ".jpg": _encoded(".jpg", small),
        ".grey.jpg": _encoded(".jpg", small[..., 1]),
        ".tiff": _encoded(".tiff", small),
        ".deep.tiff": _encoded(".tiff", deep, cv2.IMWRITE_TIFF_COMPRESSION, 8),
        ".float.tiff": _encoded(".tiff", small.astype(np.float32) / 255),
        ".lossless.webp": _encoded(".webp", small),
        ".bmp": _encoded(".bmp", small),
        ".webp": _encoded(".webp", small, cv2.IMWRITE_WEBP_QUALITY, 80),
        ".jp2": _encoded(".jp2", small),
        ".ppm": _encoded(".ppm", small),
        ".progressive.jpg": _encoded(".jpg", small, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    }


def _clips(folder: Path, small: np.ndarray) -> dict[str, bytes]:
    made = {}
    for suffix, form, codec in (
        (".mp4", "mp4", "libx264"),
        (".mov", "mov", "mpeg4"),
        (".mkv", "matroska", "libx264"),
        (".avi", "avi", "mjpeg"),
        (".ts", "mpegts", "mpeg2video"),
        (".webm", "webm", "libvpx"),
        (".m2v", "mpeg2video", "mpeg2video"),
        (".mpg", "mpeg", "mpeg1video"),
        (".flv", "flv", "flv1"),
        (".gif", "gif", "gif"),
        (".y4m", "yuv4mpegpipe", "rawvideo"),
    ):
        path = folder / f"clip{suffix}"
        with av.open(str(path), "w", format=form) as container:
            stream = container.add_stream(codec, rate=Fraction(25))
            stream.height, stream.width = small.shape[:2]
            stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            for i in range(_CLIP_FRAMES):
                shifted = np.ascontiguousarray(np.roll(small, i, axis=1)[..., ::-1])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
            container.mux(stream.encode())
        made[suffix] = path.read_bytes()
    return made


def _livelink() -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["Timecode", "BlendShapeCount", *COEFFICIENTS, "HeadYaw", "HeadPitch", "HeadRoll"]
    )
    for i in range(_FRAMES):
        values = [f"{0.1 * ((i + c) % 7):.4f}" for c in range(len(COEFFICIENTS) + 3)]
        writer.writerow([f"07:44:57:{2 + i:02d}.944", 61, *values])
    return text.getvalue()


def head_record(frames: int = 3) -> dict[str, Any]:
    """What lies beside head frames, as the add-on reads it."""
    return {
        "likeness": 1,
        "portrait": "/somewhere/p.png",
        "portrait_size": [128, 128],
        "box": [1, 2, 100, 100],
        "rate": [30000, 1001],
        "first": 0,
        "count": frames,
        "pattern": "head_%06d.png",
        "matte": None,
        "layer": "head",
        "alpha": "straight",
        "gaps": [1],
    }


def job_lines() -> list[dict[str, Any]]:
    """One job of every kind; none of their files is there."""
    return [
        {"id": "1", "do": "capture", "footage": "/none/a.mp4", "out": "/none/a.track.npz"},
        {
            "id": "2",
            "do": "performance",
            "track": "/none/a.track.npz",
            "fill": 4,
            "out": "/none/a.performance.npz",
            "smooth_pose": 0.5,
        },
        {
            "id": "3",
            "do": "synthesize",
            "portrait": ["/none/p.png"],
            "track": "/none/a.track.npz",
            "out": "/none/head",
            "frames": [0, 3],
            "gains": {"mouth": 1.5},
            "feather": 0.1,
        },
        {"id": "4", "do": "faces", "picture": "/none/p.png", "out": "/none/faces", "keep": True},
        {"id": "5", "do": "cancel", "job": "1"},
        {"id": "6", "do": "stop"},
    ]


def event_lines() -> list[dict[str, Any]]:
    """What a worker says to the add-on."""
    return json.loads("""[
        {"event": "ready", "version": 1, "pid": 5}, {"event": "queued", "id": "1"},
        {"event": "started", "id": "1"},
        {"event": "progress", "id": "1", "done": 1, "total": 6, "rate": 3.5, "left_s": 2.5},
        {"event": "done", "id": "1", "result": {"frames": 6, "gaps": 0}},
        {"event": "error", "id": "1", "kind": "input", "message": "a: is wrong"},
        {"event": "cancelled", "id": "1", "message": "a: cancelled"}]""")
