# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks on what is delivered: signing it, and telling which marks a file carries."""
