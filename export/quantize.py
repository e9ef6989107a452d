# SPDX-License-Identifier: GPL-3.0-or-later
"""An exported `warp` generator once more, its convolutions in 8-bit integers, for CPUs.

Ranges of the features are those that real frames bring forth; weights are rounded channel by
channel, to 7 bits, since processors without VNNI add pairs of products in 16 bits. The heads stay
float: what they round would be seen as it is. Everything else is as in the file it is made from,
whose embedder serves this one too.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.data.augment import NONE
from export.data.episodes import Episodes
from export.data.samples import SampleOptions, make_sample
from export.data.shards import PreparedData
from export.export_onnx import store_as_half
from export.graphs import strip_traces
from inference.errors import InputError, LikenessError
from inference.files import written_whole
from inference.generator import contract
from inference.generator.identity import embedder_path
from inference.generator.model import load_generator
from inference.sessions import open_session

Feed = dict[str, NDArray[np.float32]]

_FLOAT = ("picture_head.", "flow_head.")  # parameters of the layers that stay float
_CALIBRATED, _CHECKED = 24, 12  # frames
_SEED = 7
# Mean difference of the composited colours, grey levels of 255, beyond which something is wrong.
TOLERANCE = 1.5


@dataclass(frozen=True)
class Quantized:
    """difference: of the composited picture from the float file's, mean over frames that the
    ranges were not taken from, in grey levels of 255.
    """

    path: Path
    size: int
    difference: float


def quantize(model: Path, data: Path, out: Path) -> Quantized:
    """Write `model`, an exported `warp` generator, to `out` with 8-bit convolutions.

    data: a folder that `prepare` wrote. Raises InputError when a file cannot be used,
    LikenessError when the answers differ by TOLERANCE or more; then nothing is left at `out`.
    """
    if out.suffix != ".onnx":
        raise InputError(f"{out}: an exported model's name ends in .onnx")
    size = load_generator(model, "cpu").size
    feeds = _real_frames(model, data, size, _CALIBRATED + _CHECKED)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, rounded = Path(folder, "plain.onnx"), Path(folder, "rounded.onnx")
        quant_pre_process(str(model), str(plain), skip_symbolic_shape=True)
        graph = onnx.load(plain).graph
        quantize_static(
            str(plain),
            str(rounded),
            _Frames(feeds[:_CALIBRATED]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=[
                node.name
                for node in graph.node
                if node.op_type == "Conv" and node.input[1].startswith(_FLOAT)
            ],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # The mean of the frames' ranges: the widest one would waste steps on rare peaks.
            extra_options={"CalibMovingAverage": True},
        )
        content = onnx.load(rounded)
    store_as_half(content.graph)
    strip_traces(content)
    words = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    onnx.helper.set_model_props(content, words)
    # The tool lists every domain that it knows of.
    used = {node.domain for node in content.graph.node}
    kept = [entry for entry in content.opset_import if entry.domain in used]
    del content.opset_import[:]
    content.opset_import.extend(kept)
    onnx.checker.check_model(content)
    with written_whole(out) as part:
        part.write_bytes(content.SerializeToString(deterministic=True))
        difference = _difference(model, part, feeds[_CALIBRATED:])
        if not difference < TOLERANCE:
            raise LikenessError(
                f"{out}: not written: rounded to 8 bits the picture differs by "
                f"{difference:.2g} grey levels; ship it as fp16"
            )
    return Quantized(out, out.stat().st_size, difference)


class _Frames(CalibrationDataReader):
    """Hands the frames out one by one."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def _real_frames(model: Path, data: Path, size: int, count: int) -> list[Feed]:
    """What the generator is given for frames of people in training, not augmented."""
    prepared = PreparedData(data, "train")
    episodes = Episodes(prepared, _SEED, (1, 1))
    options = SampleOptions(size=size, strength=NONE)
    beside = embedder_path(model)
    embedder = open_session(beside, "cpu", 1)[0] if beside.is_file() else None
    feeds = []
    for index in range(count):
        sample = make_sample(prepared, episodes.at(0, index), options)
        share = {
            name: sample[name].astype(np.float32) / 255
            for name in ("warped", "valid", "lines", "identity")
        }
        stretch = sample["stretch"][:1].astype(np.float32)
        picture = np.concatenate([share["warped"][0], stretch, share["valid"][:1], share["lines"]])
        person = np.zeros((1, contract.IDENTITY_SIZE), np.float32)
        if embedder is not None:
            (person,) = embedder.run(["identity"], {"picture": share["identity"][:1]})
        feeds.append({"picture": picture[None], "identity": person})
    return feeds


def _difference(before: Path, after: Path, feeds: Sequence[Feed]) -> float:
    sessions = [open_session(path, "cpu", 1)[0] for path in (before, after)]
    gaps = []
    for feed in feeds:
        one, other = (_composited(session, feed) for session in sessions)
        gaps.append(float(np.abs(one - other).mean()))
    return 255 * float(np.mean(gaps))


def _composited(session: onnxruntime.InferenceSession, feed: Feed) -> NDArray[np.float32]:
    colour, alpha = session.run(["colour", "alpha"], feed)
    return np.asarray(alpha * feed["picture"][:, :3] + (1 - alpha) * colour, np.float32)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The tool warns of what it is asked to do."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
