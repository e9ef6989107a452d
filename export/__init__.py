# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that ends in an .onnx: networks, training, personalization, evaluation, export."""
