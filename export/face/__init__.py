# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical face, computed from many people's tracks: mean shape and basis of the controls."""
