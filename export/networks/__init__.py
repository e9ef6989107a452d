# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, in torch: what is trained, and what an .onnx is made from."""
