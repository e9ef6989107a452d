# SPDX-License-Identifier: GPL-3.0-or-later
"""From pixels to pixels: capture, tracks, retargeting, warping, generation, compositing, frames."""
