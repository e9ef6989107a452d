# SPDX-License-Identifier: GPL-3.0-or-later
"""The ONNX generator: what it takes and gives (`contract`), how it is loaded and run (`model`)."""
