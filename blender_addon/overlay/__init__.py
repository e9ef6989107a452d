# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks, mesh and crop, drawn over what is seen."""
