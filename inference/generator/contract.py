# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `warp` generator takes and gives: shared by the exporter and by the runtime.

The mesh warp itself stays outside the network (`inference.warp`): a remap of the full-resolution
portrait is exact at any size, while ONNX GridSample may silently run on the CPU under CUDA.
The network sees the warped portrait at `size` x `size` and says how to improve it.

Inputs (N is dynamic, S = size):
    picture   (N, 11, S, S) float32, the channels of `CHANNELS`
    identity  (N, 256) float32, the person's vector; zeros mean "no vector"
Outputs:
    flow      (N, 2, S/4, S/4) float32, x and y, added to the backward map, in pixels of S
    colour    (N, 3, S, S) float32, RGB, nominally [0, 1], not clipped
    alpha     (N, 1, S, S) float32 in [0, 1], the share of the warped portrait in the result
    matte     (N, 1, S, S) float32 in [0, 1], head against background

A trained generator comes with the embedder that it was trained beside, `X.embedder.onnx` beside
`X.onnx`: picture (N, 6, 128, 128), red, green, blue and the three line channels of a portrait's
crop, all in [0, 1] -> identity (N, 256).

`X.int8.onnx` beside `X.onnx` is the same generator with 8-bit convolutions, for CPUs; the two
share the embedder.
"""

from __future__ import annotations

CHANNELS = (
    "red",  # the warped portrait, [0, 1]
    "green",
    "blue",
    "stretch",  # log2 of (target area / source area) of the warp, clipped to [-1, 1]
    "valid",  # 1 where the warped pixel was seen in the portrait, 0 where it is made up
    "line_face",  # the target's landmarks as anti-aliased lines in [0, 1]: oval, nose, brows
    "line_eyes",  # lids and irises
    "line_mouth",  # outer and inner lips
    "mouth",  # 1 inside the target's inner lips
    "eyes",  # 1 between the target's lids
    "irises",  # 1 on the target's irises, as far as the lids let them be seen
)
IDENTITY_SIZE = 256
EMBEDDER_SIZE = 128
EMBEDDER_CHANNELS = 6
EMBEDDER_SUFFIX = ".embedder.onnx"
INT8_SUFFIX = ".int8.onnx"
FLOW_STRIDE = 4
SIZES = (256, 512)
TIERS = ("draft", "final")
OUTPUTS = ("flow", "colour", "alpha", "matte")

# Where alpha is this high, the portrait's own fine detail is kept whole (see inference.composite).
ALPHA_UNTRAINED = 0.9

# Keys of the ONNX file's metadata; every value is a string.
META_KIND = "likeness.kind"  # WARP, "warp-embedder" or PAPER
META_TIER = "likeness.tier"  # "draft" or "final"; the paper's have none
META_SIZE = "likeness.size"  # "256" or "512"
META_TOPOLOGY = "likeness.topology"  # inference.landmarks.TOPOLOGY
META_TRAINING = "likeness.training"  # "untrained", or what it was trained on and how long
META_CHECKPOINT = "likeness.checkpoint_sha256"  # of the weights that were exported
WARP, PAPER = "warp", "paper"
META_KEYS = (META_KIND, META_TIER, META_SIZE, META_TOPOLOGY, META_TRAINING, META_CHECKPOINT)
