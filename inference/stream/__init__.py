# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances as a stream: a face's state, its packets of a few dozen bytes, and their way."""
