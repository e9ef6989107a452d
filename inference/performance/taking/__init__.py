# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances as files and takes: their formats, a phone's, and cutting, joining, retiming."""
