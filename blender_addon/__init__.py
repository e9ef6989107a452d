# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of Likeness that touches Blender: strips, render settings, composing a .blend.

Imports bpy, numpy and the standard library only. Blender and the worker meet in files:
`placement` reads what the worker wrote beside the head frames, `strips` puts it on the sequencer.
"""
