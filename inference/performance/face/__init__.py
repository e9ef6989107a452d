# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical face: its mean, its controls, and a track taken apart into pose and controls."""
