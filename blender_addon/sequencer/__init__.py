# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequencer: strips, where head frames lie on them, what is due at each frame."""
