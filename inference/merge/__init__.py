# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one person: each pixel of the face from those that show it best."""
