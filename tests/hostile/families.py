# SPDX-License-Identifier: GPL-3.0-or-later
"""What is damaged, and what is done with it: the same functions that the command line calls."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

from tests.hostile.material import Material, altered, event_lines, generator, head_record, job_lines
from tests.hostile.mutations import (
    NASTY_NUMBERS,
    NASTY_TEXTS,
    Rng,
    damage,
    damaged_csv,
    damaged_json,
    damaged_npz,
    nasty_value,
    npy,
    pick,
    spoiled,
)
from tests.hostile.picture_fields import damaged_picture

SPOKEN = Path(__file__).parents[1] / "spoken.flac"


@dataclass(frozen=True)
class Act:
    """command: arguments of `python -m inference`; or call: a function that may raise InputError.

    out: a folder in which nothing may lie after a refusal.
    """

    command: tuple[str, ...] = ()
    call: Callable[[], object] | None = None
    out: Path | None = None


def picture(rng: Rng, m: Material, folder: Path) -> Act:
    from inference.face_list import list_faces
    from inference.jobs import FacesJob
    from inference.pictures import read_picture

    suffix, data = pick(rng, list(m.pictures.items()))
    path = folder / f"p{suffix}"
    if rng.random() < 0.4:
        path.write_bytes(damaged_picture(rng, data))
    else:
        path.write_bytes(damage(rng, data, pick(rng, list(m.pictures.values()))))
    if rng.random() < 0.03:
        return Act(call=lambda: list_faces(FacesJob(path, folder / "out")))
    return Act(call=lambda: read_picture(path).rgb8())


def clip(rng: Rng, m: Material, folder: Path) -> Act:
    suffix, data = pick(rng, list(m.clips.items()))
    path = folder / f"c{suffix}"
    path.write_bytes(damage(rng, data, pick(rng, list(m.clips.values()))))
    if rng.random() < 0.03:
        out = folder / "out"
        return Act(("capture", str(path), "--out", str(out / "a.track.npz")), out=out)
    return Act(call=lambda: _watch(path))


def _watch(path: Path) -> None:
    from inference.capture.video import open_footage, read_frames

    for _ in read_frames(open_footage(path)):
        pass


def track(rng: Rng, m: Material, folder: Path) -> Act:
    path, out = folder / "t.track.npz", folder / "out"
    path.write_bytes(damaged_npz(rng, m.track))
    if rng.random() < 0.15:
        return _synthesis(m, out, "--track", path)
    options = pick(
        rng, ((), ("--smooth-pose", "0.5"), ("--fill", "3"), ("--lens", "50"), ("--neutral", "0"))
    )
    return Act(
        ("performance", str(path), "--out", str(out / "a.performance.npz"), *options), out=out
    )


def performance(rng: Rng, m: Material, folder: Path) -> Act:
    path = folder / "f.performance.npz"
    path.write_bytes(damaged_npz(rng, m.performance))
    return _take(rng, m, folder, path)


def table(rng: Rng, m: Material, folder: Path) -> Act:
    path = folder / "f.csv"
    path.write_bytes(damaged_csv(rng, m.table))
    if rng.random() < 0.2:  # read with its face
        (folder / "f.performance.npz").write_bytes((m.folder / "a.performance.npz").read_bytes())
    return _take(rng, m, folder, path)


def livelink(rng: Rng, m: Material, folder: Path) -> Act:
    path = folder / "f.csv"
    path.write_bytes(damaged_csv(rng, m.livelink))
    return _take(rng, m, folder, path)


def _take(rng: Rng, m: Material, folder: Path, path: Path) -> Act:
    out = folder / "out"
    if rng.random() < 0.15:
        return _synthesis(m, out, "--performance", path)
    name = pick(rng, ("o.performance.npz", "o.csv"))
    options = pick(
        rng, ((), ("--mirror",), ("--rate", "50"), ("--speed", "1/3"), ("--frames", "0-2"))
    )
    more = (str(m.folder / "a.performance.npz"),) if rng.random() < 0.2 else ()
    return Act(("take", str(path), *more, "--out", str(out / name), *options), out=out)


def _synthesis(m: Material, out: Path, *more: object) -> Act:
    motion = () if {"--track", "--performance"} & set(more) else ("--track", str(m.track_file))
    return Act(
        (
            "synthesize",
            "--portrait",
            str(m.portrait),
            *motion,
            "--out",
            str(out),
            "--frames",
            "0-0",
            "--provider",
            "cpu",
            *map(str, more),
        ),
        out=out,
    )


def model(rng: Rng, m: Material, folder: Path) -> Act:
    path = folder / "m.onnx"
    path.write_bytes(_damaged_model(rng, m))
    return _synthesis(m, folder / "out", "--model", path)


def _damaged_model(rng: Rng, m: Material) -> bytes:
    kind = int(rng.integers(7))
    if kind <= 1:
        return damage(rng, m.model)
    name = pick(rng, ("flow", "colour", "alpha", "matte"))
    if kind == 2:
        keys = ("kind", "tier", "size", "topology", "training", "checkpoint_sha256")
        value = pick(rng, NASTY_TEXTS).encode("utf-8", "replace").decode()
        return generator(**{f"meta_{pick(rng, keys)}": value})
    if kind == 3:
        value = pick(rng, (np.nan, np.inf, -np.inf, 1e30, -1e30, 1e9))
        return generator(**{name: np.full((1, 1, 256, 256), value, np.float32)})
    if kind == 4:
        shape = pick(
            rng,
            (
                (1, 2, 1, 1),
                (1, 3, 256, 255),
                (0, 2, 64, 64),
                (256,),
                (),
                (2, 3),
                (1, 1, 256, 256),
                (1, 3, 256, 256),
                (1, 1, 1, 256),
            ),
        )
        return generator(**{name: np.zeros(shape, pick(rng, (np.float32, np.float64, np.int64)))})
    return altered(m.model, lambda parsed: _alter(rng, parsed))


def _alter(rng: Rng, parsed: Any) -> None:
    graph = parsed.graph
    kind = int(rng.integers(7))
    if kind == 0:
        del graph.output[int(rng.integers(len(graph.output)))]
    elif kind == 1:
        graph.output[int(rng.integers(len(graph.output)))].name = "other"
    elif kind == 2:
        graph.node[int(rng.integers(len(graph.node)))].op_type = pick(
            rng, ("Nothing", "Loop", "Relu", "Shape", "Identity", "NonZero")
        )
    elif kind == 3:
        graph.input[int(rng.integers(2))].name = "image"
    elif kind == 4:
        elements = graph.input[0].type.tensor_type
        elements.elem_type = int(rng.integers(1, 17))
        elements.shape.dim[int(rng.integers(4))].dim_value = pick(rng, (0, 1, 3, 512, 2**40))
    elif kind == 5:  # weights that lie in another file
        weights = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
        for key, value in (("location", "/etc/passwd"), ("offset", "0"), ("length", "16")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value
        graph.initializer.append(weights)
        graph.node.append(onnx.helper.make_node("Identity", ["w"], ["used"]))
        graph.output.append(onnx.helper.make_tensor_value_info("used", 1, [4]))
    else:
        del parsed.metadata_props[int(rng.integers(len(parsed.metadata_props)))]


def person(rng: Rng, m: Material, folder: Path) -> Act:
    home = folder / "person"
    home.mkdir()
    files = {
        "person.json": json.dumps(m.person).encode(),
        "generator.onnx": m.model,
        "identity.npy": npy(np.zeros(256, np.float32)),
    }
    kind = int(rng.integers(6))
    if kind <= 2:
        files["person.json"] = damaged_json(rng, m.person)
    elif kind == 3:
        files["identity.npy"] = npy(spoiled(rng, np.ones(256, np.float32)))
    elif kind == 4:
        name = pick(rng, list(files))
        files[name] = damage(rng, files[name])
    else:
        del files[pick(rng, list(files))]
    for name, data in files.items():
        (home / name).write_bytes(data)
    return _synthesis(m, folder / "out", "--person", home)


def jobs(rng: Rng, m: Material, folder: Path) -> Act:
    lines = []
    for _ in range(int(rng.integers(1, 6))):
        job = pick(rng, job_lines())
        other = json.dumps(nasty_value(rng)).encode()
        text = damaged_json(rng, job) if rng.random() < 0.8 else other
        text = damage(rng, text) if rng.random() < 0.2 else text
        # Nothing of this may be written anywhere: all folders are ones that cannot be made.
        lines.append(text.replace(b"/none/", b"/dev/null/"))
    return Act(call=lambda: _worked(b"\n".join(lines)))


def _worked(data: bytes) -> None:
    from inference.worker import run_worker

    events = io.StringIO()
    assert run_worker(io.BytesIO(data), events) == 0
    said = [json.loads(line) for line in events.getvalue().splitlines()]
    assert said[0]["event"] == "ready" and said[-1]["event"] == "stopped", said
    for event in said:
        assert event.get("message", "x").isprintable(), event
        assert event.get("kind") != "failure", event


def options(rng: Rng, m: Material, folder: Path) -> Act:
    out = folder / "out"
    value = str(pick(rng, (*NASTY_TEXTS, *NASTY_NUMBERS, "0-1", "5-2", f"0-{10**30}", "-", "²-³")))
    value = value.replace("\0", "")  # no program can be given one
    command: tuple[str, ...]
    kind = int(rng.integers(4))
    if kind == 0:
        name = pick(rng, ("--frames", "--mix", "--rate", "--speed"))
        command = ("take", str(m.folder / "a.performance.npz"), "--out", str(out / "o.csv"))
    elif kind == 1:
        name = pick(rng, ("--neutral", "--fill", "--lens", "--smooth-pose", "--smooth-expression"))
        command = ("performance", str(m.track_file), "--out", str(out / "o.performance.npz"))
    elif kind == 2:
        name = pick(rng, ("--face", "--frames"))
        command = ("capture", str(m.folder / "a.csv"), "--out", str(out / "o.track.npz"))
    else:
        name = pick(rng, (
            "--frames", "--portrait-face", "--neutral", "--gain-mouth", "--gain-pose", "--tier",
            "--match", "--match-strength", "--smooth-pose", "--transfer", "--layer", "--format",
            "--provider", "--model", "--person", "--track",
        ))  # fmt: skip
        command = _synthesis(m, out).command
    return Act((*command, f"{name}={value}"), out=out)


def recording(rng: Rng, m: Material, folder: Path) -> Act:
    from blender_addon.storage import canonical, recordings

    read, arrays = pick(rng, (
        (recordings.load_track, m.track), (recordings.load_performance, m.performance),
        (canonical.read_face, m.face),
    ))  # fmt: skip
    path = folder / "r.npz"
    path.write_bytes(damaged_npz(rng, arrays))
    return Act(call=lambda: read(path))


def events(rng: Rng, m: Material, folder: Path) -> Act:
    from blender_addon.worker.client import Client, Launch

    lines = []
    for _ in range(5):
        text = damaged_json(rng, pick(rng, event_lines()))
        lines.append(text.decode("utf-8", "replace"))

    def listen() -> None:
        client = Client(lambda: Launch((), {}))  # it is never started
        process: Any = SimpleNamespace(heard=False)
        for line in lines:
            job: Any = SimpleNamespace(process=process, is_command=False, heard=False, begun=False)
            client._running = {"1": job}
            for event in client._event(process, line):
                _use(event)

    return Act(call=listen)


def _use(event: dict[str, Any]) -> None:
    """As the panel does."""
    assert isinstance(event["id"], str)
    if event["event"] == "progress":
        assert f"{event['done'] / max(1, event['total']):.1f} {event['left_s']:.0f}"
    elif event["event"] == "done":
        assert event["result"].keys() is not None
    elif event["event"] in ("error", "cancelled"):
        assert event["message"].strip is not None


def placement(rng: Rng, m: Material, folder: Path) -> Act:
    from blender_addon.sequencer.placement import centre_offset, frame_files, read_placement

    (folder / "head.json").write_bytes(damaged_json(rng, head_record()))
    for i in range(3):
        (folder / f"head_{i:06d}.png").touch()

    def place() -> None:
        found = read_placement(folder)
        centre_offset(found)
        frame_files(found)

    return Act(call=place)


def kinds(rng: Rng, m: Material, folder: Path) -> Act:
    """A pipe, a device, a folder, an odd name: where a file is wanted."""
    name = pick(rng, (
        "a.csv", "a.npz", "a.track.npz", "a.performance.npz", "a.png", "a.mp4", "12:30.mp4",
        "M\udcfcller.png", "a\x1b[31m\n.csv", "a" * 250, "%d.png",
    ))  # fmt: skip
    path = folder / name
    kind = int(rng.integers(8))
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        with socket.socket(socket.AF_UNIX) as opened:
            here = os.open(folder, os.O_RDONLY)  # a socket's name may only be short
            opened.bind(f"/proc/self/fd/{here}/{name[:20]}")
            os.close(here)
            path = folder / name[:20]
    elif kind == 2:
        path = Path(pick(rng, ("/dev/zero", "/dev/null", "/dev/stdin", "/dev/random")))
    elif kind == 3:
        path.mkdir()
    elif kind == 4:
        path.symlink_to(path)
    elif kind == 5:
        path = Path("/" + "long/" * 1500 + name) if rng.random() < 0.5 else path / "x" / name
    elif kind == 6:
        path.write_bytes(pick(rng, (*m.pictures.values(), *m.clips.values())))
    out = folder / "out"
    return pick(
        rng,
        (
            Act(("capture", str(path), "--out", str(out / "a.track.npz")), out=out),
            Act(("performance", str(path), "--out", str(out / "a.performance.npz")), out=out),
            Act(("take", str(path), "--out", str(out / "a.csv")), out=out),
            _synthesis(m, out, "--track", path),
            _synthesis(m, out, "--performance", path),
            _synthesis(m, out, "--model", path),
            _synthesis(m, out, "--person", path),
            _synthesis(m, out, "--match", path),
            replace(
                _synthesis(m, out),
                command=(
                    "synthesize",
                    "--portrait",
                    str(path),
                    "--track",
                    str(m.track_file),
                    "--out",
                    str(out),
                ),
            ),
        ),
    )


_TIMED = (
    "0.0 0.2 M\n0.2 0.6 AE1\n0.6 1.0 P\n", "0.00\tA\n0.20\tD\n1.00\tX\n",
    '{"mouthCues": [{"start": 0.0, "end": 0.2, "value": "A"}]}', "MohoSwitch1\n1 MBP\n7 AI\n",
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n'
    '"IntervalTier"\n"phones"\n0\n1\n2\n0\n0.2\n"M"\n0.2\n1\n"AE"\n',
)  # fmt: skip


def speech(rng: Rng, m: Material, folder: Path) -> Act:
    """A voice recording, or the timed text of one."""
    from inference.jobs import SpeechJob
    from inference.speech.speech import run_speech

    out, sound, timed = folder / "out", folder / "v.flac", folder / "t.txt"
    whole = SPOKEN.read_bytes()
    damages_sound = rng.random() < 0.5
    sound.write_bytes(damage(rng, whole, b"RIFF") if damages_sound else whole)
    text = pick(rng, _TIMED).encode()
    timed.write_bytes(text if damages_sound else damage(rng, text, text))
    job = SpeechJob(sound, out / "a.performance.npz", timed=timed)
    return Act(call=lambda: run_speech(job), out=out)


FAMILIES: dict[str, tuple[float, Callable[[Rng, Material, Path], Act]]] = {
    "picture": (8, picture), "clip": (8, clip), "track": (6, track),
    "performance": (6, performance), "table": (6, table), "livelink": (6, livelink),
    "model": (5, model), "person": (4, person), "jobs": (6, jobs), "options": (5, options),
    "recording": (6, recording), "events": (4, events), "placement": (3, placement),
    "kinds": (3, kinds), "speech": (4, speech),
}  # fmt: skip


def choose(rng: Rng, only: str | None = None) -> str:
    """A family by its weight."""
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][0] for name in names])
    chosen = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return only or chosen
