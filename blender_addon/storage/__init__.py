# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of Likeness and whose they are: recordings, the canonical face, folders."""
