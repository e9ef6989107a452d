# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances as animation: an Empty with a curve for every control, and the head's pose."""
