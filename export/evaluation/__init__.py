# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation: how near a generator comes to real footage, beside the warp and the still picture."""
