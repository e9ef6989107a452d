# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh warp: the portrait's own pixels, moved by its landmarks; no network, no training."""
