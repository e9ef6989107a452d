# SPDX-License-Identifier: GPL-3.0-or-later
"""Live: a camera, a phone, a stream or a strip drives the portrait now, over the preview."""
