# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour match: head frames that agree with the portrait's own palette, or with a plate's grade."""
